//! Beside scikit-learn and statsmodels, on files that `tests/reference/make.py` has written.

use mlci_model::Estimator;
use mlci_train::{
    Algorithm, HyperParameters, Metric, Metrics, Scored,
    ndarray::{Array1, Array2},
};
use serde_json::Value;

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

struct Fits {
    x: Array2<f64>,
    file: Value,
}

impl Fits {
    fn read() -> Self {
        let file: Value = serde_json::from_str(include_str!("../reference/fits.json")).unwrap();
        let rows: Vec<Vec<f64>> = file["x"].as_array().unwrap().iter().map(numbers).collect();
        let x = Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap();
        Self { x, file }
    }

    fn target(&self, name: &str) -> Array1<f64> {
        Array1::from(numbers(&self.file["targets"][name]))
    }

    fn weights(&self, case: &Value) -> Vec<f64> {
        let algorithm: Algorithm = serde_json::from_value(case["algorithm"].clone()).unwrap();
        let chosen: HyperParameters = serde_json::from_value(case["chosen"].clone()).unwrap();
        let y = self.target(case["target"].as_str().unwrap());
        let estimator = algorithm.fitter(&chosen).fit(self.x.view(), y.view(), &["a", "b", "c", "d"]).unwrap();
        assert_eq!(matches!(estimator, Estimator::Linear(_)), case["target"] == "linear", "{case}");
        let linear = estimator.linear().unwrap();
        linear.coefficients.iter().chain([&linear.intercept]).copied().collect()
    }
}

/// Nine digits: the tolerance that the peers' own solvers can be brought to.
#[test]
fn coefficients_are_those_of_scikit_learn_and_statsmodels() {
    let fits = Fits::read();
    let mut seen = Vec::new();
    for case in fits.file["cases"].as_array().unwrap() {
        let (found, expected) = (fits.weights(case), numbers(&case["expected"]));
        assert_eq!(found.len(), expected.len(), "{case}");
        // A weight that is small beside the others is as exact as the largest, in units of its own column.
        let spread: Vec<f64> = fits.x.columns().into_iter().map(|column| column.std(0.0)).chain([1.0]).collect();
        let size = expected.iter().zip(&spread).map(|(weight, spread)| (weight * spread).abs()).fold(0.0, f64::max);
        for ((found, expected), spread) in found.iter().zip(&expected).zip(&spread) {
            let off = (found - expected).abs() * spread;
            assert!(off <= 1e-9 * size, "{found}, expected {expected}: off by {}; {case}", off / size);
            // What a lasso leaves out is left out wholly.
            assert!(*expected != 0.0 || *found == 0.0, "{found}: {case}");
        }
        seen.push(case["algorithm"].as_str().unwrap());
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, ["elastic_net", "gamma", "lasso", "logistic", "poisson", "ridge", "tweedie"]);
}

/// Other units of a column change its coefficient and nothing else: the penalty is on standardised columns.
#[test]
fn units_of_columns_do_not_matter() {
    let fits = Fits::read();
    let mut other = Fits::read();
    other.x.column_mut(1).mapv_inplace(|value| value * 1e6 - 3e5);
    for case in fits.file["cases"].as_array().unwrap() {
        let (weights, others) = (fits.weights(case), other.weights(case));
        for (column, by) in [(0, 1.0), (1, 1e6), (2, 1.0), (3, 1.0)] {
            let off = (weights[column] - others[column] * by).abs();
            assert!(off <= 1e-7 * weights[column].abs().max(1e-6), "{weights:?} {others:?}: {case}");
        }
    }
}

/// Twelve digits.
#[test]
fn metrics_are_those_of_scikit_learn() {
    let file: Value = serde_json::from_str(include_str!("../reference/metrics.json")).unwrap();
    let mut count = 0;
    for kind in ["regression", "classification"] {
        for case in file[kind].as_array().unwrap() {
            let (truth, prediction) = (numbers(&case["truth"]), numbers(&case["prediction"]));
            let scored = Scored { truth: &truth, prediction: &prediction };
            let metrics = match case["threshold"].as_f64() {
                Some(threshold) => Metrics::of_classes(scored, threshold).unwrap(),
                None => Metrics::of(scored).unwrap(),
            };
            for (name, expected) in case["expected"].as_object().unwrap() {
                let metric: Metric = serde_json::from_value(Value::from(name.as_str())).unwrap();
                let (found, expected) = (metrics.get(metric).unwrap(), expected.as_f64().unwrap());
                assert!(
                    (found - expected).abs() <= 1e-12 * expected.abs().max(1e-3),
                    "{name}: {found} {expected}, {case}"
                );
                count += 1;
            }
        }
    }
    assert_eq!(count, 5 + 7 * 8);
}
