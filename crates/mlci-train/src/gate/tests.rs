use std::collections::BTreeMap;

use Verdict::{Fail, NoData, Pass};

use super::*;

/// An evaluation of 100 rows whose truth is 0 to 99 in steps of 1 and whose errors are `error(row)`.
fn evaluation(error: impl Fn(usize) -> f64) -> Evaluation {
    of((0..100).map(|row| row as f64).collect(), error)
}

fn of(truth: Vec<f64>, error: impl Fn(usize) -> f64) -> Evaluation {
    let prediction: Vec<f64> = truth.iter().enumerate().map(|(row, truth)| truth + error(row)).collect();
    let metrics = Metrics::of(Scored { truth: &truth, prediction: &prediction }).unwrap();
    let baseline = truth.iter().sum::<f64>() / truth.len() as f64;
    let lines = (2..).take(truth.len()).collect();
    Evaluation { metrics, intervals: BTreeMap::new(), baseline, truth, prediction, lines, half_width: None }
}

/// Errors of ±1, so that RMSE, MAE and the median are 1.
pub(super) fn good() -> Evaluation {
    evaluation(|row| if row % 2 == 0 { 1.0 } else { -1.0 })
}

#[track_caller]
fn check(
    options: &GateOptions,
    challenger: &Evaluation,
    champion: Option<&Evaluation>,
    expected: &[(&str, Option<Verdict>)],
) {
    let report = gate(options, challenger, champion);
    let found: Vec<(&str, Option<Verdict>)> =
        report.checks.iter().map(|check| (check.name.as_str(), check.verdict)).collect();
    assert_eq!(found, expected, "{report:#?}");
    assert_eq!(report.verdict, Verdict::all(found.into_iter().filter_map(|(_, verdict)| verdict)));
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<GateReport>(&json).unwrap(), report);
}

fn limited(metric: Metric, min: Option<f64>, max: Option<f64>) -> GateOptions {
    GateOptions { limits: vec![Limit { metric, min, max }], ..GateOptions::default() }
}

const NO_CHAMPION: (&str, Option<Verdict>) = ("champion", None);
const BEATS_MEAN: (&str, Option<Verdict>) = ("beats_mean", Some(Pass));

#[test]
fn a_first_model_passes_by_beating_the_mean() {
    let options = GateOptions::default();
    check(&options, &good(), None, &[BEATS_MEAN, NO_CHAMPION]);
    assert_eq!(gate(&options, &good(), None).verdict, Pass);
    // Always the mean: equally good is not better.
    let mean = evaluation(|row| 49.5 - row as f64);
    check(&options, &mean, None, &[("beats_mean", Some(Fail)), NO_CHAMPION]);
    let explanation = &gate(&options, &mean, None).checks[0].explanation;
    // The population standard deviation of 0 to 99 is √((100² - 1)/12) = 28.87.
    assert!(explanation.contains("rmse is 28.87, has to be below 28.87"), "{explanation}");
}

#[test]
fn limits_always_apply() {
    let good = good();
    for (max, verdict) in [(1.5, Pass), (1.0, Pass), (0.5, Fail), (f64::NAN, NoData)] {
        let name = ("rmse_max", Some(verdict));
        check(&limited(Metric::Rmse, None, Some(max)), &good, None, &[name, BEATS_MEAN, NO_CHAMPION]);
        check(
            &limited(Metric::Rmse, None, Some(max)),
            &good,
            Some(&good),
            &[name, BEATS_MEAN, ("champion", Some(Pass))],
        );
    }
    let both = limited(Metric::R2, Some(0.5), Some(0.9));
    check(&both, &good, None, &[("r2_min", Some(Pass)), ("r2_max", Some(Fail)), BEATS_MEAN, NO_CHAMPION]);
    check(&limited(Metric::Mae, None, None), &good, None, &[("mae", Some(NoData)), BEATS_MEAN, NO_CHAMPION]);
}

#[test]
fn an_undefined_metric_is_no_data() {
    let constant = of(vec![5.0; 100], |_| 0.5);
    let expected = [("r2_min", Some(NoData)), ("beats_mean", Some(Fail)), NO_CHAMPION];
    check(&limited(Metric::R2, Some(-9.0), None), &constant, None, &expected);
    let by_r2 = GateOptions { compare: Some(Metric::R2), ..GateOptions::default() };
    check(&by_r2, &constant, Some(&constant), &[("beats_mean", Some(Fail)), ("champion", Some(NoData))]);
}

#[test]
fn too_few_rows_decide_nothing() {
    let few = of((0..29).map(f64::from).collect(), |_| 0.1);
    let options = limited(Metric::Rmse, None, Some(0.01));
    let no_data = Some(NoData);
    check(&options, &few, None, &[("rmse_max", no_data), ("beats_mean", no_data), NO_CHAMPION]);
    check(&options, &few, Some(&few), &[("rmse_max", no_data), ("beats_mean", no_data), ("champion", no_data)]);
    let explanation = &gate(&options, &few, None).checks[0].explanation;
    assert!(explanation.contains("29 held-out rows are too few to decide (at least 30)"), "{explanation}");
}

#[track_caller]
fn compared(options: &GateOptions, challenger: &Evaluation, champion: &Evaluation, expected: Verdict) {
    check(options, challenger, Some(champion), &[BEATS_MEAN, ("champion", Some(expected))]);
}

#[test]
fn challenger_against_champion() {
    let options = GateOptions::default();
    let champion = good();
    let scaled = |by: f64| evaluation(move |row| if row % 2 == 0 { by } else { -by });
    compared(&options, &champion, &champion, Pass);
    // All errors are equal, so every resample has the same difference: 1 %, 3 % and -50 % of the champion's 1.
    compared(&options, &scaled(1.01), &champion, Pass);
    compared(&options, &scaled(1.03), &champion, Fail);
    compared(&options, &scaled(0.5), &champion, Pass);
    // Half the rows much better and half much worse by the same: the difference is about 0, its interval wide.
    let mixed = evaluation(|row| if row < 50 { 0.1 } else { 2.0_f64.sqrt() });
    compared(&options, &mixed, &champion, NoData);
    // A margin of the whole width lets it pass.
    compared(&GateOptions { margin: 0.5, ..options.clone() }, &mixed, &champion, Pass);
    // The perfect champion allows nothing, and its equal is not worse.
    let perfect = evaluation(|_| 0.0);
    compared(&options, &perfect, &perfect, Pass);
    compared(&options, &champion, &perfect, Fail);
}

/// R² of errors of ±e over 0 to 99: 1 - 100·e²/83,325. Higher is better, so the sign turns.
#[test]
fn comparison_by_r2() {
    let options = GateOptions { compare: Some(Metric::R2), ..GateOptions::default() };
    let worse = evaluation(|row| if row % 2 == 0 { 10.0 } else { -10.0 });
    compared(&options, &worse, &good(), Fail);
    compared(&options, &good(), &worse, Pass);
    let comparison = gate(&options, &worse, Some(&good())).comparison.unwrap();
    assert!((comparison.difference - 99.0 * 100.0 / 83_325.0).abs() < 1e-12, "{comparison:?}");
    assert!((comparison.margin - 0.02 * (1.0 - 100.0 / 83_325.0)).abs() < 1e-12, "{comparison:?}");
}

#[test]
fn nothing_to_compare_is_no_data() {
    let (options, good) = (GateOptions::default(), good());
    let mut other = good.clone();
    other.lines[7] = 1000;
    compared(&options, &good, &other, NoData);
    other = good.clone();
    other.truth[7] += 1.0;
    compared(&options, &good, &other, NoData);
    other = good.clone();
    other.prediction[7] = f64::NAN;
    compared(&options, &good, &other, NoData);
    compared(&options, &other, &good, NoData);
    other.prediction.truncate(3);
    compared(&options, &good, &other, NoData);
    for options in [
        GateOptions { resamples: 0, ..options.clone() },
        GateOptions { resamples: 10, ..options.clone() },
        GateOptions { confidence: 1.0, ..options.clone() },
        GateOptions { confidence: f64::NAN, ..options.clone() },
        GateOptions { margin: f64::NAN, ..options.clone() },
        GateOptions { margin: -0.1, ..options.clone() },
    ] {
        compared(&options, &good, &good, NoData);
        assert_eq!(gate(&options, &good, Some(&good)).comparison, None);
    }
}

#[test]
fn a_metric_that_is_not_finite_never_passes() {
    let mut challenger = good();
    challenger.metrics.rmse = f64::NAN;
    let options = limited(Metric::Rmse, Some(0.0), None);
    let expected = [("rmse_min", Some(NoData)), ("beats_mean", Some(NoData)), NO_CHAMPION];
    check(&options, &challenger, None, &expected);
    challenger.metrics.rmse = f64::NEG_INFINITY;
    check(&options, &challenger, None, &expected);
}

#[test]
fn limits_are_read_from_configuration() {
    let limit: Limit = serde_json::from_str(r#"{"metric":"median_ae","max":0.7}"#).unwrap();
    assert_eq!(limit, Limit { metric: Metric::MedianAe, min: None, max: Some(0.7) });
    assert!(serde_json::from_str::<Limit>(r#"{"metric":"rmse","maximum":1}"#).is_err());
}
