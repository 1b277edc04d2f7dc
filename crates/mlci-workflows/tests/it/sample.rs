use mlci_workflows::{Cache, Pipeline, Settings, System, Variable, VariableValue};

/// The pipeline of the golden files: everything that a description can hold, once.
pub(crate) fn full() -> Pipeline {
    let mut settings = Settings::new("wine-quality".parse().unwrap(), ["cargo", "xtask"]);
    settings.build_secrets = vec!["STORE_KEY".to_owned(), "REGISTRY_TOKEN".to_owned()];
    settings.variables = vec![
        Variable { name: "CARGO_HOME".to_owned(), value: VariableValue::InCheckout("target/cargo-home".to_owned()) },
        Variable { name: "CARGO_INCREMENTAL".to_owned(), value: VariableValue::Text("0".to_owned()) },
    ];
    settings.caches = vec![Cache {
        name: "cargo".parse().unwrap(),
        key_files: vec!["Cargo.lock".to_owned()],
        folders: vec!["target".to_owned()],
    }];
    settings.environment("staging".parse().unwrap()).url = Some("https://staging.example/wine".to_owned());
    let production = settings.environment("production".parse().unwrap());
    production.approval = true;
    production.secrets = vec!["KUBE_TOKEN".to_owned()];
    Pipeline::standard(&settings)
}

/// The least: a Python project without environments, secrets, caches and report, with words that need care.
pub(crate) fn least() -> Pipeline {
    let mut settings = Settings::new("churn".parse().unwrap(), ["mlci", "--config", "it's/mlci ${{ x }} Größe.toml"]);
    settings.folder = "models/churn/.mlci".to_owned();
    settings.setup = vec![["pip", "install", "-r", "requirements.txt"].map(str::to_owned).into()];
    let note = "a 'quote', a \"quote\", $HOME, ${{ secrets.X }}, $[[ x ]], << x >>, \\n,\nGröße".to_owned();
    settings.variables = vec![Variable { name: "NOTE".to_owned(), value: VariableValue::Text(note) }];
    let mut pipeline = Pipeline::standard(&settings);
    pipeline.default_branch = "release/2.x".to_owned();
    pipeline.machine.jenkins_label = Some("linux".to_owned());
    pipeline.report = None;
    pipeline.jobs.iter_mut().for_each(|job| job.hands_over.truncate(1));
    pipeline
}

pub(crate) fn text(pipeline: &Pipeline, system: System) -> String {
    pipeline.render(system).unwrap().remove(0).text
}
