//! A worse model is refused, and the report says why with numbers.

use std::fs;

use crate::project::Project;

/// The pipeline up to the gate's end, without images: what these tests do not need.
const PUBLISH: [&str; 3] = ["ci", "--stage", "..publish"];

#[test]
fn a_limit_refuses_a_worse_model() {
    let project = Project::new();
    project.configure("target = \"quality\"", "target = \"quality\"\nfeatures = [\"pH\", \"density\"]");
    let refused = project.run(&PUBLISH);
    assert_eq!((refused.code, refused.value["verdict"].as_str()), (3, Some("refused")));
    assert_eq!((refused.stage("gate"), refused.stage("publish")), ("failed", "skipped"));
    let report = project.read(".mlci/report/report.md");
    assert!(report.contains("0.7") && report.to_lowercase().contains("rmse"), "{report}");
    assert!(fs::metadata(project.path(".mlci/report/index.html")).unwrap().len() > 1000);
    // The run is logged with what it came to.
    let run = &project.pass(&["runs"]).value["result"][0];
    assert_eq!((run["tags"]["verdict"].as_str(), run["status"].as_str()), (Some("refused"), Some("finished")));
    assert!(run["metrics"]["test.rmse"]["value"].as_f64().is_some_and(|rmse| rmse > 0.7));
    assert!(project.pass(&["models"]).value["result"].as_array().unwrap().is_empty());
}

/// No limit stands in the way here: what refuses is the comparison with the champion on the same rows.
#[test]
fn the_champion_refuses_a_worse_model() {
    let project = Project::new();
    project.configure("rmse = { max = 0.70 }", "r2 = { min = 0.0 }");
    let first = project.pass(&PUBLISH);
    project.pass(&["promote", "wine@1", "--to", "production"]);
    project.configure("target = \"quality\"", "target = \"quality\"\nfeatures = [\"pH\", \"density\"]");
    let refused = project.run(&PUBLISH);
    assert_eq!(refused.code, 3, "{:#}", refused.value);
    assert!(refused.error().contains("champion"), "{}", refused.error());
    let report = project.read(".mlci/report/report.md");
    assert!(report.contains("champion") && report.contains(&first.text("/model/digest")[7..19]), "{report}");
}

/// Interval and margin leave it open: no data is never a pass.
#[test]
fn too_few_rows_are_no_pass() {
    let project = Project::new();
    project.configure("[gate.limits]", "[gate]\nmin_rows = 100000\n\n[gate.limits]");
    let refused = project.run(&PUBLISH);
    assert_eq!(refused.code, 3);
    assert!(refused.error().contains("too little data"), "{}", refused.error());
}

#[test]
fn a_better_model_takes_the_place_of_the_champion() {
    let project = Project::new();
    project.configure("rmse = { max = 0.70 }", "rmse = { max = 1.0 }");
    project.configure("target = \"quality\"", "target = \"quality\"\nfeatures = [\"pH\", \"density\"]");
    project.pass(&PUBLISH);
    project.pass(&["promote", "wine@1", "--to", "production"]);
    project.configure("\nfeatures = [\"pH\", \"density\"]", "");
    let better = project.pass(&PUBLISH);
    assert_eq!(better.version(), 2);
    let note = better.value["stages"][5]["note"].as_str().unwrap();
    assert!(note.contains("champion: version 1"), "{note}");
}

/// Which column is missing, and what can be done; more rows would not help.
#[test]
fn a_champion_that_lacks_its_columns_is_explained() {
    let project = Project::new();
    project.configure("[gate.limits]", "[gate]\nslices = [\"pH\"]\n\n[gate.limits]");
    project.pass(&PUBLISH);
    project.pass(&["promote", "wine@1", "--to", "production"]);
    let csv = project.read("wine.csv");
    let without = csv.lines().fold(String::new(), |csv, row| csv + row.split_once([',', ';']).unwrap().1 + "\n");
    project.write("wine.csv", &without);
    let refused = project.run(&PUBLISH);
    assert_eq!(refused.code, 3, "{:#}", refused.value);
    let error = refused.value["error"].to_string();
    for says in [
        "the gate cannot decide whether to let the model pass",
        "it has no column `fixed acidity`",
        "keep its columns in the data, or name another",
        "more held-out rows alone need not decide",
    ] {
        assert!(error.contains(says), "{error} does not say {says}");
    }
    let report = project.read(".mlci/report/report.md");
    assert!(report.contains("not applicable: the champion cannot be evaluated on this data"), "{report}");
    assert!(!report.contains("no champion yet"), "{report}");
}

/// Which of two classes is predicted is no reason to refuse a model.
#[test]
fn a_champion_of_the_other_class_is_compared() {
    let project = Project::new();
    let csv = project.read("wine.csv");
    let classes = csv.lines().enumerate().fold(String::new(), |csv, (line, row)| {
        let (features, quality) = row.rsplit_once([',', ';']).unwrap();
        let class = match quality {
            "6" | "7" | "8" => "good",
            _ if line == 0 => "\"quality\"",
            _ => "poor",
        };
        let delimiter = &row[features.len()..=features.len()];
        csv + features + delimiter + class + "\n"
    });
    project.write("wine.csv", &classes);
    project.configure("rmse = { max = 0.70 }", "log_loss = { max = 0.69 }");
    project
        .configure("[train]\n", "[data.columns.quality]\nkind = \"category\"\n\n[train]\nalgorithm = \"logistic\"\n");
    project.pass(&PUBLISH);
    project.pass(&["promote", "wine@1", "--to", "production"]);
    project.configure("[train]\n", "[train]\npositive = \"good\"\n");
    let turned = project.pass(&PUBLISH);
    let note = turned.value["stages"][5]["note"].as_str().unwrap();
    assert!(note.contains("3 checks pass, champion: version 1"), "{note}");
}
