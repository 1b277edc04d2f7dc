use super::*;
use crate::{Linear, Unseen};

/// y = 2·a - b + 1 with one golden row.
pub(crate) fn parts() -> Parts {
    let column = |name: &str| Column::observed(name, Kind::Float, Some("g".to_owned()), &[0.0, 2.0]).unwrap();
    let profile = Profile::of(&[0.0, 1.0, 2.0]).unwrap();
    Parts {
        name: "demo".parse().unwrap(),
        schema: Schema { features: vec![column("a"), column("b")], target: column("y") },
        estimator: Estimator::Linear(Linear { coefficients: vec![2.0, -1.0], intercept: 1.0 }),
        profiles: vec![profile.clone(), profile.clone()],
        prediction_profile: profile,
        data: Digest::of(b"data"),
        config: Digest::of(b"config"),
        golden: vec![Golden { row: vec![1.0, 3.0], prediction: 0.0 }],
    }
}

fn linear(parts: &mut Parts) -> &mut Vec<f64> {
    let Estimator::Linear(linear) = &mut parts.estimator else { unreachable!() };
    &mut linear.coefficients
}

#[track_caller]
fn refused(spoil: impl FnOnce(&mut Parts), says: &str) {
    let mut parts = parts();
    spoil(&mut parts);
    let error = Model::new(parts).unwrap_err().to_string();
    assert!(error.contains(says), "{error:?} does not say {says:?}");
}

#[test]
fn parts_that_contradict_each_other_are_refused() {
    refused(|p| p.schema.features.clear(), "no features");
    refused(|p| drop(p.profiles.pop()), "the schema has 2 features, but the list of profiles has 1");
    refused(|p| drop(p.schema.features.pop()), "the schema has 1 features, but the list of profiles has 2");
    refused(|p| linear(p).push(1.0), "the features make 2 columns, but the estimator has 3 coefficients");
    refused(|p| p.schema.features[0].levels.push("x".into()), "`a` are not those of a column of its type");
    refused(|p| p.schema.target.kind = Kind::Category, "a category has no levels");
    refused(|p| p.schema.features[0].fill = Some(f64::NAN), "a missing value is not finite");
    let classes =
        |count: u8| Column::category("y", (0..count).map(|class| class.to_string()).collect(), Unseen::Refuse);
    refused(|p| p.schema.target = classes(3), "`y` has 3 classes");
    refused(|p| p.schema.target.name = "a".into(), "`a` twice");
    refused(|p| p.schema.target.range.max = f64::INFINITY, "range is not finite");
    refused(|p| p.profiles[1].counts[0] += 1, "profile of `b`");
    refused(|p| p.prediction_profile.edges.clear(), "profile of `y`");
    refused(|p| p.golden[0].prediction = 0.1, "golden prediction 0: expected 0.1, got 0");
    refused(|p| p.golden[0].prediction = f64::NAN, "golden prediction 0");
    refused(|p| p.golden[0].row.truncate(1), "a golden row has 1");
    let weights = |weight| Estimator::Linear(Linear { coefficients: vec![weight, 1.0], intercept: 0.0 });
    refused(|p| p.estimator = weights(f64::NAN), "coefficient is not finite");
}

/// What is close follows from the unit of the target.
#[test]
fn golden_predictions_of_small_numbers_are_checked() {
    const UNIT: f64 = 1e-9;
    let mut small = parts();
    let values = [0.0, UNIT, 2.0 * UNIT];
    (small.schema.target, small.prediction_profile) =
        (Column::observed("y", Kind::Float, None, &values).unwrap(), Profile::of(&values).unwrap());
    small.estimator = Estimator::Linear(Linear { coefficients: vec![2.0 * UNIT, -UNIT], intercept: UNIT });
    small.golden =
        vec![Golden { row: vec![1.0, 3.0], prediction: 0.0 }, Golden { row: vec![1.0, 1.0], prediction: 2.0 * UNIT }];
    let model = Model::new(small).unwrap();
    // The golden rows are told apart by `b`.
    let off = |apart: f64| {
        let predict = |row: &[f64]| model.predict_row(row).unwrap() + if row[1] == 3.0 { apart } else { 0.0 };
        model.check_golden(predict)
    };
    assert_eq!(off(UNIT * 0.9e-9), Ok(()));
    let error = off(UNIT * 1.1e-9).unwrap_err();
    assert!(matches!(error, InvalidModel::Golden { index: 0, .. }), "{error:?}");
    assert!(model.check_golden(|_| 0.0).is_err());
}

#[test]
fn one_row_and_many() {
    let model = Model::new(parts()).unwrap();
    assert_eq!(model.predict_row(&[1.0, 1.0]), Ok(2.0));
    assert_eq!(model.predict(&[1.0, 1.0, 0.0, 1.0, 5.0, 0.0]), Ok(vec![2.0, 0.0, 11.0]));
    assert_eq!(model.predict(&[]), Ok(vec![]));
}

#[track_caller]
fn unpredictable(rows: &[f64], says: &str) {
    let error = Model::new(parts()).unwrap().predict(rows).unwrap_err().to_string();
    assert_eq!(error, says);
}

#[test]
fn rows_that_cannot_be_predicted() {
    unpredictable(&[1.0, 2.0, 3.0], "3 values are not a whole number of rows of 2 features");
    unpredictable(&[1.0, 2.0, 3.0, f64::NAN], "row 1, feature `b`: NaN is not a finite number");
    unpredictable(&[f64::INFINITY, 2.0], "row 0, feature `a`: inf is not a finite number");
    unpredictable(&[f64::MAX, 0.0], "row 0: the prediction overflows");
    let mut error = Model::new(parts()).unwrap().predict(&[1.0, 2.0, 3.0, f64::NAN]).unwrap_err();
    assert_eq!(error.row_mut(), Some(&mut 1));
    let room = Model::new(parts()).unwrap().predict_into(&[1.0, 2.0], &mut []);
    assert_eq!(room, Err(PredictError::Room { rows: 1, room: 0 }));
}
