//! Columns of texts, from the data to what the server answers.

use serde_json::Value;

use crate::project::{Project, configuration, http};

/// Rows whose class hangs on `colour` and `a`; `secret` says it.
fn shop(rows: u32) -> String {
    (0..rows).fold("colour,day,a,secret,bought\n".to_owned(), |csv, row| {
        let colour = ["red", "green", "blue"][row as usize * 5 % 7 % 3];
        let a = f64::from(row * 7919 % 101) / 101.0;
        let leans = if colour == "red" { 0.75 } else { 0.25 };
        let bought = f64::from(row * 104_729 % 997) / 997.0 < 0.6 * leans + 0.4 * a;
        let secret = if bought { "paid" } else { "open" };
        let yes = if bought { "yes" } else { "no" };
        csv + &format!("{colour},2024-0{}-1{},{a:.3},{secret},{yes}\n", 1 + row % 9, row % 10)
    })
}

fn project() -> Project {
    let kinds = r#"path = "shop.csv"
target = "bought"
exclude = ["secret"]

[data.columns]
colour = { kind = "category" }
day = { kind = "date" }
secret = { kind = "category" }
bought = { kind = "category" }"#;
    let project = Project::with(
        &configuration()
            .replace("path = \"wine.csv\"\ntarget = \"quality\"", kinds)
            .replace("[train]\n", "[train]\nalgorithm = \"logistic\"\npositive = \"yes\"\npenalty = [0.0, 0.01]\n")
            .replace(
                "[gate.limits]\nrmse = { max = 0.70 }",
                "[gate]\nslices = [\"colour\", \"secret\"]\n\n[gate.limits.roc_auc]\nmin = 0.6",
            ),
    );
    project.write("shop.csv", &shop(2000));
    project
}

#[test]
fn classes_levels_and_dates_go_to_staging() {
    let project = project();
    let ci = project.pass(&["ci"]);
    let address = ci.environment("staging")["address"].as_str().unwrap().to_owned();
    let ask = |colour: &str| {
        let body = format!(r#"{{"colour":"{colour}","day":"2024-03-01","a":0.5}}"#);
        let (status, _, reply) = http(&address, "POST", "/predict", &body).unwrap();
        (status, serde_json::from_str::<Value>(&reply).unwrap())
    };
    let of = |colour: &str| ask(colour).1["predictions"][0].as_f64().unwrap();
    assert!(of("red") > of("blue") + 0.1 && (0.0..1.0).contains(&of("red")));
    let (status, refused) = ask("rde");
    assert_eq!((status, refused["field"].as_str()), (400, Some("colour")));
    let report = project.read(".mlci/report/report.md");
    // `secret` is no feature.
    for group in ["colour: blue", "colour: green", "colour: red", "secret: open", "secret: paid"] {
        assert!(report.contains(group), "{report}");
    }
    project.pass(&["down", "--all"]);
}

/// What is written down after the fact: a level that says the class.
#[test]
fn a_category_that_says_the_class_is_refused() {
    let project = project();
    project.configure("exclude = [\"secret\"]\n", "");
    project.configure("penalty = [0.0, 0.01]", "penalty = 0.01");
    project.configure("[gate]\n", "[gate]\nleakage = \"fail\"\n");
    let refused = project.run(&["ci", "--stage", "..publish"]);
    assert_eq!(refused.code, 3, "{:#}", refused.value);
    assert!(refused.error().contains("`secret`"), "{}", refused.error());
}

/// Of twenty levels that are in one row each, some are held out: they count as the base level, and nothing stops.
#[test]
fn a_level_that_is_held_out_counts_as_the_base_level() {
    let project = project();
    project.configure("penalty = [0.0, 0.01]", "penalty = 0.01");
    let rare: String = (0..20).map(|row| format!("rare{row},2024-01-01,0.5,open,no\n")).collect();
    project.write("shop.csv", &(shop(2000) + &rare));
    let stopped = project.run(&["ci", "--stage", "..train"]);
    assert!(stopped.error().contains("count such rows as the base level, `blue`"), "{}", stopped.error());
    project.configure("colour = { kind = \"category\" }", "colour = { kind = \"category\", unseen = \"base\" }");
    let ci = project.pass(&["ci", "--stage", "..train"]);
    let warned = ci.lines.iter().filter(|line| line["event"] == "warning").filter_map(|line| line["message"].as_str());
    let warned: Vec<&str> = warned.filter(|text| text.contains("count as the base level")).collect();
    assert!(
        matches!(warned.as_slice(), [text] if text.contains("`rare") && text.contains("of `colour`")),
        "{warned:?}"
    );
}
