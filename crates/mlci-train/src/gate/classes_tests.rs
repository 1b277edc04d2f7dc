//! Classifiers, groups of rows and leakage.

use std::collections::BTreeMap;

use Verdict::{Fail, NoData, Pass};

use super::{tests::good, *};
use crate::{Group, Suspicion};

/// 400 rows, every other of class 1, whose probability of the right class is `right(row)`.
fn classes(right: impl Fn(usize) -> f64) -> Evaluation {
    let truth: Vec<f64> = (0..400).map(|row| f64::from(u8::from(row % 2 == 1))).collect();
    let of = |(row, truth): (usize, &f64)| if *truth == 1.0 { right(row) } else { 1.0 - right(row) };
    let prediction: Vec<f64> = truth.iter().enumerate().map(of).collect();
    let metrics = Metrics::of_classes(Scored { truth: &truth, prediction: &prediction }, 0.5).unwrap();
    let lines = (2..402).collect();
    Evaluation { metrics, intervals: BTreeMap::new(), baseline: 0.5, truth, prediction, lines, half_width: None }
}

fn verdicts(report: &GateReport) -> Vec<(&str, Option<Verdict>)> {
    report.checks.iter().map(|check| (check.name.as_str(), check.verdict)).collect()
}

#[test]
fn classes_are_compared_by_log_loss() {
    let options = GateOptions::default();
    let champion = classes(|row| if row % 3 == 0 { 0.4 } else { 0.8 });
    let report = gate(&options, &champion, None);
    assert_eq!(verdicts(&report), [("beats_mean", Some(Pass)), ("champion", None)], "{report:#?}");
    // ln 2 is what always saying a half costs.
    assert!(
        report.checks[0].explanation.contains("has to be below 0.6931, that of always saying the training share 0.5")
    );
    for (right, verdict) in [(0.8, Pass), (0.79, Pass), (0.55, Fail)] {
        let challenger = classes(|row| if row % 3 == 0 { 0.4 } else { right });
        let report = gate(&options, &challenger, Some(&champion));
        let comparison = report.comparison.unwrap();
        assert_eq!((comparison.metric, report.checks[1].verdict), (Metric::LogLoss, Some(verdict)), "{report:#?}");
    }
    // By every other metric a model is not worse than itself, but for one that has no better and worse.
    for metric in Metric::CLASSIFICATION {
        let by = GateOptions { compare: Some(metric), ..options.clone() };
        assert_eq!(gate(&by, &champion, Some(&champion)).checks[1].verdict, Some(Pass), "{metric}");
    }
    let always = classes(|_| 0.5);
    assert_eq!(gate(&options, &always, None).checks[0].verdict, Some(Fail));
}

#[test]
fn limits_on_classes() {
    let limit = |metric, min, max| GateOptions { limits: vec![Limit { metric, min, max }], ..GateOptions::default() };
    let champion = classes(|row| if row % 4 == 0 { 0.4 } else { 0.8 });
    let check = |options: &GateOptions| gate(options, &champion, None).checks[0].verdict;
    assert_eq!(check(&limit(Metric::Accuracy, Some(0.75), None)), Some(Pass));
    assert_eq!(check(&limit(Metric::Accuracy, Some(0.76), None)), Some(Fail));
    assert_eq!(check(&limit(Metric::Rmse, None, Some(9.0))), Some(NoData));
    assert_eq!(check(&limit(Metric::Coverage, Some(0.1), None)), Some(NoData));
}

#[test]
fn a_number_and_a_class_are_not_compared() {
    let (number, class) = (good(), classes(|_| 0.8));
    for (challenger, champion) in [(&number, &class), (&class, &number)] {
        let report = gate(&GateOptions::default(), challenger, Some(champion));
        assert_eq!((report.verdict, report.comparison), (NoData, None));
        assert!(report.checks[1].explanation.contains("cannot be compared"), "{report:#?}");
    }
    for (evaluation, metric) in [(&number, Metric::RocAuc), (&class, Metric::Rmse), (&number, Metric::Coverage)] {
        let by = GateOptions { compare: Some(metric), ..GateOptions::default() };
        let report = gate(&by, evaluation, Some(evaluation));
        assert_eq!(report.checks[1].verdict, Some(NoData), "{metric}");
        assert!(report.checks[1].explanation.contains("choose another `[gate] compare`"), "{report:#?}");
    }
}

/// Better for 350 rows, worse for the last 50.
#[test]
fn a_model_that_is_worse_for_one_group_is_seen() {
    let champion = classes(|row| if row % 3 == 0 { 0.4 } else { 0.8 });
    let challenger = classes(|row| match (row % 3 == 0, row >= 350) {
        (true, _) => 0.4,
        (false, true) => 0.6,
        (false, false) => 0.9,
    });
    let group = |name: &str, rows: std::ops::Range<usize>| Group { name: name.to_owned(), rows: rows.collect() };
    let groups = vec![group("many", 0..340), group("few", 340..350), group("worse", 350..400)];
    let slices = [SliceColumn { column: "colour".to_owned(), groups }];
    let options = GateOptions::default();
    let evidence = Evidence { challenger: &challenger, champion: Some(&champion), slices: &slices, leaks: &[] };
    let report = gate_with(&options, &evidence);
    let expected = [("beats_mean", Some(Pass)), ("champion", Some(Pass)), ("slice", Some(Fail))];
    assert_eq!((verdicts(&report).as_slice(), report.verdict), (expected.as_slice(), Fail), "{report:#?}");
    let explanation = &report.checks[2].explanation;
    assert!(explanation.contains("in 1 of 2 groups: `colour` worse: log_loss is"), "{explanation}");
    assert!(explanation.contains("1 not judged"), "{explanation}");
    let [many, few, worse] = report.slices[0].groups.as_slice() else { panic!("{report:#?}") };
    assert_eq!((many.rows, many.fails, worse.fails, few.fails), (340, Some(false), Some(true), None));
    assert!(few.why.as_ref().unwrap().contains("10 rows are too few to judge (at least 30)"));
    assert!(few.interval.is_some() && few.champion.is_some());
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<GateReport>(&json).unwrap(), report);

    // The same model everywhere, and no champion.
    let same = gate_with(&options, &Evidence { champion: Some(&challenger), ..evidence });
    assert_eq!(same.checks[2].verdict, Some(Pass), "{same:#?}");
    let first = gate_with(&options, &Evidence { champion: None, ..evidence });
    assert_eq!((first.checks[2].verdict, first.verdict), (None, Pass), "{first:#?}");
    assert!(first.slices[0].groups[2].value > first.slices[0].groups[0].value);
}

/// Without a word of the reason nobody would look there.
#[test]
fn a_champion_of_the_other_class_is_named() {
    let challenger = classes(|row| if row % 3 == 0 { 0.4 } else { 0.8 });
    let turned = |values: &[f64]| values.iter().map(|value| 1.0 - value).collect();
    let champion = Evaluation {
        truth: turned(&challenger.truth),
        prediction: turned(&challenger.prediction),
        ..challenger.clone()
    };
    let groups = vec![Group { name: "all".to_owned(), rows: (0..400).collect() }];
    let slices = [SliceColumn { column: "colour".to_owned(), groups }];
    let evidence = Evidence { challenger: &challenger, champion: Some(&champion), slices: &slices, leaks: &[] };
    let report = gate_with(&GateOptions::default(), &evidence);
    let expected = [("beats_mean", Some(Pass)), ("champion", Some(NoData)), ("slice", None)];
    assert_eq!(verdicts(&report), expected, "{report:#?}");
    for check in &report.checks[1..] {
        assert!(check.explanation.contains("the probability of the other class"), "{check:?}");
    }
    // Other rows are other rows.
    let champion = Evaluation { lines: (3..403).collect(), ..champion };
    let report = gate(&GateOptions::default(), &challenger, Some(&champion));
    assert!(report.checks[1].explanation.contains("not evaluated on the same rows"), "{report:#?}");
}

/// The larger the number of groups, the surer each has to be: what is just certain alone is not among forty.
#[test]
fn many_groups_raise_no_false_alarm() {
    // Absolute errors a little larger on average in the first 50 rows.
    let numbers = |error: &dyn Fn(usize) -> f64| {
        let truth: Vec<f64> = (0..2000).map(|row| row as f64).collect();
        let prediction: Vec<f64> = truth.iter().enumerate().map(|(row, truth)| truth + error(row)).collect();
        let metrics = Metrics::of(Scored { truth: &truth, prediction: &prediction }).unwrap();
        let (intervals, lines) = (BTreeMap::new(), (2..2002).collect());
        Evaluation { metrics, intervals, baseline: 1000.0, truth, prediction, lines, half_width: None }
    };
    let champion = numbers(&|_| 1.0);
    let challenger = numbers(&|row| {
        if row >= 50 {
            1.0
        } else if row % 2 == 0 {
            1.9
        } else {
            0.55
        }
    });
    let groups = |count: usize| {
        let of = |group: usize| Group { name: group.to_string(), rows: (group * 50..(group + 1) * 50).collect() };
        [SliceColumn { column: "g".to_owned(), groups: (0..count).map(of).collect() }]
    };
    let options = GateOptions { compare: Some(Metric::Mae), ..GateOptions::default() };
    let fails = |count: usize| {
        let slices = groups(count);
        let evidence = Evidence { challenger: &challenger, champion: Some(&champion), slices: &slices, leaks: &[] };
        gate_with(&options, &evidence).slices[0].groups[0].fails
    };
    assert_eq!((fails(1), fails(40)), (Some(true), Some(false)));
}

/// What would take more time or memory than there is is no data, and not tried.
#[test]
fn too_many_resamples_are_not_taken() {
    let (challenger, groups) = (classes(|_| 0.8), vec![Group { name: "all".to_owned(), rows: (0..400).collect() }]);
    let slices = [SliceColumn { column: "colour".to_owned(), groups }];
    let evidence = Evidence { challenger: &challenger, champion: Some(&challenger), slices: &slices, leaks: &[] };
    let sure = |confidence| GateOptions { confidence, ..GateOptions::default() };
    let report = gate_with(&sure(1.0 - 1e-12), &evidence);
    let expected = [("beats_mean", Some(Pass)), ("champion", Some(NoData)), ("slice", Some(NoData))];
    assert_eq!(verdicts(&report), expected, "{report:#?}");
    let (check, group) = (&report.checks[2], &report.slices[0].groups[0]);
    assert!(check.explanation.contains("more than 100000 are not taken: group the rows by fewer columns"), "{check:?}");
    assert_eq!((group.fails, group.why.as_ref()), (None, Some(&check.explanation)));
    for confidence in [1.0, 2.0, 0.0, -1.0, f64::NAN, f64::INFINITY] {
        let report = gate_with(&sure(confidence), &evidence);
        assert_eq!((report.checks[1].verdict, report.slices[0].groups[0].fails), (Some(NoData), None), "{confidence}");
    }
    let options = GateOptions { resamples: usize::MAX, ..GateOptions::default() };
    let report = gate_with(&options, &evidence);
    assert_eq!(report.verdict, NoData);
    assert!(report.checks[1].explanation.contains("more than the 100000 that are taken at most"), "{report:#?}");
}

#[test]
fn leakage_is_said_or_refused() {
    let leak = Leak { column: "id".to_owned(), suspicion: Suspicion::Monotone, value: 0.9999, rows: 100 };
    let check = |leakage_fails, leaks: &[Leak]| {
        let options = GateOptions { leakage_fails, ..GateOptions::default() };
        let challenger = good();
        let report = gate_with(&options, &Evidence { challenger: &challenger, champion: None, slices: &[], leaks });
        let last = report.checks.last().unwrap().clone();
        (report.verdict, last.name, last.verdict, last.explanation)
    };
    assert_eq!(check(false, &[]).1, "champion");
    let (all, name, verdict, explanation) = check(false, std::slice::from_ref(&leak));
    assert_eq!((all, name.as_str(), verdict), (Pass, "leakage", None));
    assert!(explanation.contains("`id` alone nearly everywhere"), "{explanation}");
    assert_eq!(check(true, &[leak]).0, Fail);
    assert_eq!(check(true, &[]).2, Some(Pass));
}
