//! Models that scikit-learn, LightGBM and XGBoost have fitted and `tests/onnx/make.py` has exported, beside what ONNX
//! Runtime predicts with them.
#![cfg(feature = "onnx")]
#![allow(clippy::unwrap_used, reason = "what a test is made of is there, or it fails")]

use std::{fs, path::Path};

use mlci_core::Digest;
use mlci_model::{
    Column, Estimator, Golden, InvalidModel, Kind, Model, Onnx, OnnxError, Parts, Profile, Range, Schema, Unseen,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    operators: Vec<String>,
    features: Vec<Feature>,
    #[serde(default)]
    classes: Vec<String>,
    /// A missing value is null.
    rows: Vec<Vec<Option<f64>>>,
    predictions: Vec<f64>,
}

#[derive(Deserialize)]
struct Feature {
    name: String,
    levels: Vec<String>,
    integer: bool,
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/onnx"))
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&fs::read(folder().join("cases.json")).unwrap()).unwrap()
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(folder().join(format!("{name}.onnx"))).unwrap()
}

impl Case {
    fn schema(&self) -> Schema {
        let range = Range { min: -10.0, max: 10.0 };
        let feature = |feature: &Feature| match (feature.levels.is_empty(), feature.integer) {
            (false, _) => Column::category(&feature.name, feature.levels.clone(), Unseen::Refuse),
            (true, true) => Column::new(&feature.name, Kind::Integer, None, range),
            (true, false) => Column::new(&feature.name, Kind::Float, None, range),
        };
        let target = if self.classes.is_empty() {
            Column::new("y", Kind::Float, None, range)
        } else {
            Column::category("y", self.classes.clone(), Unseen::Refuse)
        };
        Schema { features: self.features.iter().map(feature).collect(), target }
    }

    fn onnx(&self) -> Result<Onnx, OnnxError> {
        let schema = self.schema();
        Onnx::new(bytes(&self.name), &schema.features, &schema.target)
    }

    fn model(&self) -> Result<Model, InvalidModel> {
        let schema = self.schema();
        let profile = Profile::of(&[0.0, 1.0]).unwrap();
        Model::new(Parts {
            name: "demo".parse().unwrap(),
            profiles: vec![profile.clone(); schema.features.len()],
            estimator: Estimator::Onnx(self.onnx()?),
            prediction_profile: profile,
            data: Digest::of(b"data"),
            config: Digest::of(b"config"),
            golden: vec![Golden {
                row: self.values()[..schema.features.len()].to_vec(),
                prediction: self.predictions[0],
            }],
            schema,
        })
    }

    fn values(&self) -> Vec<f64> {
        self.rows.iter().flatten().map(|value| value.unwrap_or(f64::NAN)).collect()
    }
}

#[track_caller]
fn close(name: &str, ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    for (row, (our, their)) in ours.iter().zip(theirs).enumerate() {
        let off = (our - their).abs() / their.abs().max(1.0);
        assert!(off < 2e-6, "{name}, row {row}: {our} here, {their} by ONNX Runtime");
    }
}

/// What is exported by operators that are not known here, and what is said then.
const REFUSED: [(&str, &str); 2] = [
    ("knn", "1 operator is not supported: Scan (`Sc_Scan`) with a graph of its own"),
    ("svc", "1 operator is not supported: SVMClassifier (`SVMc`)"),
];

#[test]
fn predictions_are_those_of_onnx_runtime() {
    let mut compared = 0;
    let mut wrong = Vec::new();
    for case in cases() {
        if REFUSED.iter().any(|(name, _)| *name == case.name) {
            continue;
        }
        let model = match case.model() {
            Ok(model) => model,
            Err(error) => {
                wrong.push(format!("{} ({}): {error}", case.name, case.operators.join(" ")));
                continue;
            }
        };
        let values = case.values();
        close(&case.name, &model.predict(&values).unwrap(), &case.predictions);
        let width = case.features.len();
        let singly: Vec<f64> = values.chunks(width).map(|row| model.predict_row(row).unwrap()).collect();
        close(&case.name, &singly, &case.predictions);
        compared += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The table in the docs names them all.
    assert_eq!(compared, cases().len() - REFUSED.len());
}

/// The table in the docs is made of the cases.
#[test]
fn the_docs_say_what_works() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/onnx.md");
    let text = fs::read_to_string(&path).unwrap();
    let mut table = String::from("\n| file | rows | operators | |\n|---|---|---|---|\n");
    for case in cases() {
        let refused = REFUSED.iter().find(|(name, _)| *name == case.name);
        let (name, rows) = (&case.name, case.rows.len());
        let note =
            refused.map_or_else(|| "works".to_owned(), |(_, says)| format!("refused: {}", says.replace('`', "")));
        table.push_str(&format!("| `{name}` | {rows} | {} | {note} |\n", case.operators.join(", ")));
    }
    let (before, rest) = text.split_once("<!-- models -->").unwrap();
    let (_, after) = rest.split_once("<!-- /models -->").unwrap();
    let wanted = format!("{before}<!-- models -->\n{table}\n<!-- /models -->{after}");
    if std::env::var_os("MLCI_WRITE_ONNX").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == wanted, "docs/src/onnx.md is old: MLCI_WRITE_ONNX=1 cargo test");
}

#[test]
fn what_is_not_supported_is_named() {
    let cases = cases();
    for (name, says) in REFUSED {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        assert_eq!(case.onnx().unwrap_err().to_string(), says);
    }
}

/// Compares a file beside the cases with what is made now, or writes it where `MLCI_WRITE_ONNX` is set.
#[track_caller]
fn is_file(name: &str, made: &[u8]) {
    let path = folder().join(name);
    if std::env::var_os("MLCI_WRITE_ONNX").is_some() {
        fs::write(&path, made).unwrap();
    }
    assert!(fs::read(&path).unwrap() == made, "{name} has changed; if it should: MLCI_WRITE_ONNX=1 cargo test");
}

/// A model file is the same each time it is made, and comes back. Builds without ONNX, and servers, have them to read.
#[test]
fn a_model_file_holds_the_onnx_file() {
    for name in ["columns_ridge", "gradient_boosting"] {
        let case = cases().into_iter().find(|case| case.name == name).unwrap();
        let model = case.model().unwrap();
        let encoded = model.encode().unwrap();
        is_file(&format!("{name}.mlci"), &encoded);
        let decoded = Model::decode(&encoded).unwrap();
        assert_eq!(decoded, model);
        assert_eq!(decoded.predict(&case.values()).unwrap(), model.predict(&case.values()).unwrap());
        assert_eq!(decoded.to_onnx().unwrap(), bytes(name));
    }
}

#[test]
fn a_golden_prediction_that_has_changed_is_seen() {
    let case = cases().into_iter().find(|case| case.name == "random_forest").unwrap();
    let mut parts = case.model().unwrap().parts().clone();
    parts.golden[0].prediction += 1e-3;
    assert!(matches!(Model::new(parts.clone()), Err(InvalidModel::Golden { .. })));
    parts.golden[0].row[0] = f64::INFINITY;
    let error = Model::new(parts).unwrap_err();
    assert!(matches!(error, InvalidModel::Unpredictable { index: 0, .. }), "{error}");
}

/// A rare class: its probability is known no better than that of the other.
#[test]
fn golden_probabilities_may_differ_by_the_steps_of_floats_below_1() {
    let case = cases().into_iter().find(|case| case.name == "decision_tree_classifier").unwrap();
    let mut parts = case.model().unwrap().parts().clone();
    let row = case.predictions.iter().position(|prediction| *prediction == 0.0).unwrap();
    let width = case.features.len();
    let row = case.values()[row * width..(row + 1) * width].to_vec();
    (parts.golden, parts.prediction_profile) =
        (vec![Golden { row, prediction: 0.0 }], Profile::of(&[0.0, 1e-6]).unwrap());
    let model = Model::new(parts).unwrap();
    let is_close = |apart: f64| model.check_golden(|_| apart).is_ok();
    assert!(is_close(4e-7) && is_close(-4e-7) && !is_close(5e-7));
}

#[test]
fn classes_are_found_by_name() {
    let case = cases().into_iter().find(|case| case.name == "logistic_text").unwrap();
    let Schema { features, .. } = case.schema();
    let target = |levels: [&str; 2]| Column::category("y", levels.map(str::to_owned).to_vec(), Unseen::Refuse);
    let column = |levels| Onnx::new(bytes("logistic_text"), &features, &target(levels)).unwrap().output().column;
    assert_eq!(column(["no", "yes"]), 1);
    assert_eq!(column(["yes", "no"]), 0);
    let error = Onnx::new(bytes("logistic_text"), &features, &target(["good", "bad"])).unwrap_err().to_string();
    assert_eq!(error, "the model tells no, yes apart, and the levels of `y` are good, bad");
}

mod export {
    use mlci_model::{Generalized, Linear, Link};

    use super::*;

    fn model(estimator: Estimator, features: Vec<Column>, target: Column) -> Model {
        let profile = Profile::of(&[0.0, 1.0]).unwrap();
        Model::new(Parts {
            name: "demo".parse().unwrap(),
            profiles: vec![profile.clone(); features.len()],
            schema: Schema { features, target },
            estimator,
            prediction_profile: profile,
            data: Digest::of(b"data"),
            config: Digest::of(b"config"),
            golden: vec![],
        })
        .unwrap()
    }

    fn number(name: &str, kind: Kind) -> Column {
        Column::new(name, kind, None, Range { min: 0.0, max: 1.0 })
    }

    fn category(name: &str, levels: &[&str], unseen: Unseen) -> Column {
        Column::category(name, levels.iter().map(ToString::to_string).collect(), unseen)
    }

    /// Each kind of model that there is, and rows for it.
    fn models() -> Vec<(&'static str, Model, Vec<f64>)> {
        let linear = Linear { coefficients: vec![2.0, -1.0 / 3.0], intercept: 0.1 };
        let wide = Linear { coefficients: vec![2.0, 10.0, -20.0, 1e-3, 0.7], intercept: -1.0 };
        let plain = || vec![number("a", Kind::Float), number("b", Kind::Float)];
        let mixed = || {
            let colour = category("colour", &["blue", "green", "red"], Unseen::Refuse);
            let shape = category("shape", &["round", "flat"], Unseen::Base);
            vec![number("mlci_a", Kind::Float), colour, number("day", Kind::Date), shape]
        };
        let y = || number("y", Kind::Float);
        let plain_rows = vec![1.0, 2.0, -0.5, 1e6, 1e-12, 0.0, std::f64::consts::PI, -7.25];
        let mixed_rows = [[1.5, 0.0, 20_000.0, 0.0], [-2.0, 1.0, 19_000.5, 1.0], [0.1, 2.0, 0.0, 1.0]].concat();
        let generalized = |link, linear| Estimator::Generalized(Generalized { link, linear });
        let yes = category("y", &["yes", "no"], Unseen::Refuse);
        vec![
            ("linear", model(Estimator::Linear(linear.clone()), plain(), y()), plain_rows.clone()),
            ("columns", model(Estimator::Linear(wide.clone()), mixed(), y()), mixed_rows.clone()),
            ("logit", model(generalized(Link::Logit, linear.clone()), plain(), yes.clone()), plain_rows.clone()),
            ("logit_columns", model(generalized(Link::Logit, wide), mixed(), yes), mixed_rows),
            ("log", model(generalized(Link::Log, linear), plain(), y()), vec![1.0, 2.0, -0.5, 9.0]),
        ]
    }

    /// `make.py` runs the same files by ONNX Runtime, with the predictions that are written here.
    #[test]
    fn an_exported_model_predicts_the_same() {
        let mut written = Vec::new();
        for (name, model, rows) in models() {
            let exported = model.to_onnx().unwrap();
            is_file(&format!("exported_{name}.onnx"), &exported);
            let Schema { features, target } = model.schema();
            let onnx = Onnx::new(exported, features, target).unwrap();
            let mut parts = model.parts().clone();
            parts.estimator = Estimator::Onnx(onnx);
            let back = Model::new(parts).unwrap();
            let (ours, theirs) = (model.predict(&rows).unwrap(), back.predict(&rows).unwrap());
            for (our, their) in ours.iter().zip(&theirs) {
                assert!((our - their).abs() <= 1e-12 * our.abs().max(1.0), "{name}: {our}, exported {their}");
            }
            let levels: Vec<&[String]> = features.iter().map(|feature| feature.levels.as_slice()).collect();
            let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
            written.push(serde_json::json!({
                "name": name, "features": names, "levels": levels, "classes": target.levels, "rows": rows,
                "predictions": ours,
            }));
        }
        is_file("exported.json", (serde_json::to_string_pretty(&written).unwrap() + "\n").as_bytes());
    }

    #[test]
    fn a_level_that_is_not_known_is_as_its_column_says() {
        let (_, model, _) = models().into_iter().find(|(name, ..)| *name == "columns").unwrap();
        let mut features = model.schema().features.clone();
        let mut predict = |place: usize| {
            features[place].levels.push("other".to_owned());
            let onnx = Onnx::new(model.to_onnx().unwrap(), &features, &model.schema().target).unwrap();
            let mut parts = model.parts().clone();
            parts.schema.features.clone_from(&features);
            parts.estimator = Estimator::Onnx(onnx);
            let model = Model::new(parts).unwrap();
            let mut row = [0.0; 4];
            row[place] = (features[place].levels.len() - 1) as f64;
            features[place].levels.pop();
            model.predict_row(&row)
        };
        assert_eq!(predict(3).unwrap(), model.predict_row(&[0.0; 4]).unwrap(), "the base level");
        assert!(predict(1).is_err(), "NaN");
    }
}
