//! Prints the CI definition of a small project: `cargo run -p mlci-workflows --example workflow -- gitlab`.

use std::{env, error::Error};

use mlci_workflows::{Cache, Pipeline, Settings, System, Variable, VariableValue};

#[expect(clippy::print_stdout, reason = "an example talks to its terminal")]
fn main() -> Result<(), Box<dyn Error>> {
    let system: System = env::args().nth(1).as_deref().unwrap_or("github").parse()?;

    let mut settings = Settings::new("wine-quality".parse()?, ["cargo", "xtask"]);
    settings.build_secrets = vec!["MLFLOW_TRACKING_PASSWORD".to_owned()];
    // Cargo's downloads go where every system can cache them and git ignores them.
    settings.variables = vec![
        Variable { name: "CARGO_HOME".to_owned(), value: VariableValue::InCheckout("target/cargo-home".to_owned()) },
        Variable { name: "CARGO_INCREMENTAL".to_owned(), value: VariableValue::Text("0".to_owned()) },
    ];
    settings.caches = vec![Cache {
        name: "cargo".parse()?,
        key_files: vec!["Cargo.lock".to_owned()],
        folders: vec!["target".to_owned()],
    }];
    settings.environment("staging".parse()?);
    let production = settings.environment("production".parse()?);
    production.approval = true;
    production.secrets = vec!["KUBE_TOKEN".to_owned()];

    for file in Pipeline::standard(&settings).render(system)? {
        println!("{}", file.text);
    }
    Ok(())
}
