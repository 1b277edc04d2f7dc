//! `generate`, and what the jobs that it writes call.

use crate::project::Project;

const FILES: [(&str, &str); 4] = [
    ("github", ".github/workflows/mlci.yml"),
    ("gitlab", ".gitlab-ci.yml"),
    ("jenkins", "Jenkinsfile"),
    ("circleci", ".circleci/config.yml"),
];

#[test]
fn written_compared_and_never_over_a_strangers_file() {
    let project = Project::new();
    for (system, path) in FILES {
        let missing = project.run(&["generate", system, "--check"]);
        assert_eq!((missing.code, project.path(path).exists()), (1, false), "{system}");
        project.pass(&["generate", system]);
        let text = project.read(path);
        for call in ["--stage ..gate --without-store", "--stage gate..image", "--until staging", "deploy production"] {
            let words: Vec<&str> = call.split(' ').collect();
            assert!(words.iter().all(|word| text.contains(word)), "{system} does not call {call}:\n{text}");
        }
        project.pass(&["generate", system, "--check"]);

        // A change of the pipeline shows.
        project.write("mlci.toml", &(project.read("mlci.toml") + "\n[environment.canary]\n"));
        let old = project.run(&["generate", system, "--check"]);
        assert_eq!(old.code, 1, "{system}");
        assert!(old.error().contains(&format!("generate {system}")), "{}", old.error());
        let shown = project.output(&["generate", system, "--check"]);
        assert!(String::from_utf8_lossy(&shown.stdout).contains("canary"), "the difference is shown");
        project.configure("\n[environment.canary]\n", "");

        project.write(path, "mine: true\n");
        let refused = project.run(&["generate", system]);
        assert_eq!((refused.code, project.read(path).as_str()), (2, "mine: true\n"), "{system}");
        assert!(refused.error().contains("was not made by mlci"), "{}", refused.error());
    }
}

/// Said before a program with what charts need is built.
#[test]
fn a_chart_needs_a_repository() {
    let refused = Project::new().run(&["generate", "helm"]);
    assert!(refused.code == 2 && refused.error().contains("[image] repository"), "{}", refused.error());
}

/// What may have come with a checkout: a link, which is not followed, and a pipe, which is not waited for.
#[test]
fn what_is_no_file_is_refused() {
    let project = Project::new();
    let path = project.path("monitoring/prometheus/rules.yml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    for kind in ["link", "pipe", "folder"] {
        match kind {
            "link" => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            "pipe" => assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success()),
            _ => std::fs::create_dir(&path).unwrap(),
        }
        for arguments in [&["generate", "rules"][..], &["generate", "rules", "--check"]] {
            let refused = project.run(arguments);
            assert!(refused.code == 2 && refused.error().contains("no regular file"), "{kind}: {}", refused.error());
        }
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
    }
    project.pass(&["generate", "rules"]);
}

/// What was made for a setting that is gone is told of, and left to a person; what others made is nobody's business.
#[test]
fn files_that_are_not_made_any_more() {
    let project = Project::new();
    project.pass(&["generate", "rules"]);
    project.write("monitoring/prometheus/notes.md", "mine\n");
    project.write("monitoring/prometheus/old/rules-of-before.yml", "# Made by mlci; edits are lost.\n");
    let old = "monitoring/prometheus/old/rules-of-before.yml was made by mlci and is not any more: remove it";
    let checked = project.output(&["generate", "rules", "--check"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.code() == Some(1) && said.contains(old) && !said.contains("notes.md"), "{said}");
    let said = String::from_utf8(project.output(&["generate", "rules"]).stdout).unwrap();
    assert!(said.contains(old) && project.path("monitoring/prometheus/old/rules-of-before.yml").exists(), "{said}");
    std::fs::remove_dir_all(project.path("monitoring/prometheus/old")).unwrap();
    project.pass(&["generate", "rules", "--check"]);
}

#[test]
fn what_is_configured_is_in_the_file() {
    let project = Project::new();
    let table = "\n[ci]\nbranch = \"trunk\"\nsecrets = [\"STORE_KEY\"]\nvariables = { MLFLOW_TRACKING_URI = \"http://mlflow\" }\n\
                 environments = { production = [\"CLUSTER_TOKEN\"] }\n";
    project.write("mlci.toml", &(project.read("mlci.toml") + table));
    project.pass(&["generate", "gitlab"]);
    let text = project.read(".gitlab-ci.yml");
    for part in ["trunk", "MLFLOW_TRACKING_URI=http://mlflow", ".mlci/store", ".mlci/runs"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    project.configure("{ production =", "{ prodction =");
    let refused = project.run(&["generate", "gitlab"]);
    assert_eq!(refused.code, 2);
    assert!(refused.error().contains("`ci.environments.prodction` is no environment"), "{}", refused.error());
    assert_eq!(project.run(&["generate", "bamboo"]).code, 2);
}

#[test]
fn what_watches_the_model() {
    let project = Project::new();
    project.configure("[environment.staging]", "[environment.staging]\nport = 8099");
    project.write("mlci.toml", &(project.read("mlci.toml") + "\n[monitor]\nfolder = \"watch\"\ndrift_psi = 0.3\n"));
    for (subject, path, part) in [
        ("rules", "watch/prometheus/rules.yml", "{project=\"wine\"} > 0.3"),
        ("rules", "watch/prometheus/rules_test.yml", "MlciDrift fires"),
        ("rules", "watch/prometheus/scrape.yml", "127.0.0.1:8099"),
        ("rules", "watch/prometheus/scrape.yml", "# `production` has no fixed address"),
        ("dashboards", "watch/grafana/service.json", "\"title\": \"wine: service\""),
        ("dashboards", "watch/grafana/model.json", "mlci_drift_psi"),
    ] {
        project.pass(&["generate", subject]);
        let text = project.read(path);
        assert!(text.contains(part), "{part} is not in {path}:\n{text}");
        project.pass(&["generate", subject, "--check"]);
        project.write(path, &text.replace(part, "edited"));
        assert_eq!(project.run(&["generate", subject, "--check"]).code, 1, "{path}");
        project.write(path, "mine");
        assert_eq!((project.run(&["generate", subject]).code, project.read(path).as_str()), (2, "mine"));
        std::fs::remove_file(project.path(path)).unwrap();
    }
}

/// The jobs of a definition, one after the other: the second decides about the champion that the first could not ask for.
#[test]
fn the_jobs_one_after_the_other() {
    let project = Project::new();
    let verify = ["ci", "--stage", "..gate", "--without-store"];
    let build = ["ci", "--stage", "gate..image"];
    let staging = ["ci", "--stage", "deploy", "--until", "staging"];
    let first = project.pass(&verify);
    assert!(!project.path(".mlci/store/models").exists(), "the store is left alone");
    assert_eq!(first.stage("gate"), "done");
    project.pass(&build);
    assert_eq!(project.pass(&staging).environment("staging")["status"], "verified");
    assert_eq!(project.run(&["deploy", "production"]).code, 5);
    project.pass(&["approve", "production"]);
    project.pass(&["deploy", "production"]);

    // A worse model passes where nobody knows the champion, and is refused where he is known.
    project.configure("rmse = { max = 0.70 }", "rmse = { max = 0.9 }");
    project.configure("target = \"quality\"", "target = \"quality\"\nfeatures = [\"pH\"]");
    assert_eq!(project.pass(&verify).stage("gate"), "done");
    let refused = project.run(&build);
    assert_eq!((refused.code, refused.stage("gate")), (3, "failed"), "{:#}", refused.value);
    assert!(refused.error().contains("champion"), "{}", refused.error());

    assert_eq!(project.run(&["ci", "--without-store"]).code, 2);
    assert_eq!(project.run(&["ci", "--until", "nowhere"]).code, 2);
}

/// What was approved for production is not deployed by the job of staging.
#[test]
fn until_goes_no_further() {
    let project = Project::new();
    project.pass(&["ci"]);
    project.pass(&["approve", "production"]);
    let staging = project.pass(&["ci", "--until", "staging"]);
    assert_eq!(staging.environment("production")["status"], "empty", "{:#}", staging.value);
    assert_eq!(project.pass(&["ci"]).environment("production")["status"], "verified");
}

/// What one job hands over comes to the next with folders in place of links.
#[test]
fn links_that_came_as_folders() {
    let project = Project::new();
    project.pass(&["ci", "--stage", "..gate"]);
    let report = project.path(".mlci/report");
    for name in ["latest", ".latest.tmp"] {
        let _ = std::fs::remove_file(report.join(name));
        std::fs::create_dir(report.join(name)).unwrap();
        std::fs::write(report.join(name).join("index.html"), "old").unwrap();
    }
    let next = project.pass(&["ci", "--stage", "gate..publish"]);
    assert!(next.lines.iter().all(|line| line["event"] != "warning"), "{:#?}", next.lines);
    assert!(report.join("latest").is_symlink());
}
