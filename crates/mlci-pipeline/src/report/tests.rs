//! Tests of both formats on reports that are empty, refused, hostile or huge.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mlci_core::{Digest, Verdict};
use mlci_model::Profile;
use mlci_train::{
    Candidate, ColumnReport, DataReport, Distinct, GateCheck, GateReport, GroupReport, HyperParameters, Interval,
    LevelCount, Metric, Role, RowUnit, SliceReport, Spread,
};

use super::*;
use crate::event::{EnvironmentStatus, StageStatus};

pub(super) fn empty() -> Report {
    Report {
        project: "wine".into(),
        outcome: Outcome::Fail,
        headline: "Nothing was done.".into(),
        error: None,
        run: None,
        started: Timestamp::UNIX_EPOCH,
        seconds: 0.0,
        model: None,
        champion: None,
        metrics: Vec::new(),
        gate: None,
        scatter: None,
        reported: BTreeMap::new(),
        cross_validation: None,
        classes: None,
        choice: None,
        coefficients: Vec::new(),
        least_squares: None,
        history: Vec::new(),
        data: None,
        lineage: Vec::new(),
        stages: Vec::new(),
        environments: Vec::new(),
        generator: "mlci 0.1.0".into(),
    }
}

/// A report with every part, each name being `name`, each value `value`, each list `length` long.
fn full(name: &str, value: f64, length: usize) -> Report {
    let text = || name.to_owned();
    let digest = Digest::of(b"x");
    let metric = MetricRow {
        name: text(),
        unit: Some(text()),
        value,
        interval: Some((value, value)),
        champion: Some((value, Some((value, value)))),
        lower_is_better: true,
        limit: Some(text()),
    };
    let interval = Some(Interval { low: value, high: value });
    let check = GateCheck {
        name: text(),
        verdict: Some(Verdict::Fail),
        explanation: text(),
        value: Some(value),
        bound: Some(value),
        interval,
    };
    let profile = Profile {
        count: 1,
        mean: value,
        standard_deviation: value,
        min: value,
        max: value,
        edges: vec![],
        counts: vec![1],
    };
    let column = ColumnReport {
        name: text(),
        role: Role::Feature,
        kind: None,
        unit: Some(text()),
        missing: 1,
        filled: 1,
        unseen: 1,
        levels: vec![LevelCount { level: text(), count: 1 }; length.min(9)],
        checks: vec![text()],
        distinct: Distinct::MoreThan(1000),
        profile: Some(profile),
    };
    let run = HistoryPoint {
        run: text(),
        started: Timestamp::UNIX_EPOCH,
        status: text(),
        version: None,
        metrics: (0..length.min(30)).map(|index| (format!("{name}{index}"), value)).chain([(text(), value)]).collect(),
    };
    let environment = EnvironmentEnd {
        name: text(),
        status: EnvironmentStatus::Failed,
        address: Some(text()),
        model_digest: Some(digest),
        model_version: Some(1),
        image_digest: Some(digest),
        pid: None,
        note: text(),
    };
    let parameters = HyperParameters { penalty: Some(value), l1_share: Some(value), power: None };
    let score = Some(Spread { mean: value, standard_deviation: value });
    let candidate = Candidate { parameters, score, skipped: vec![text()] };
    let unscored = Candidate { score: None, ..candidate.clone() };
    let group = GroupReport {
        name: text(),
        rows: 1,
        value: Some(value),
        interval,
        champion: Some(value),
        worse_by: interval.map(|interval| (value, interval)),
        fails: Some(true),
        why: None,
    };
    let left = GroupReport { worse_by: None, fails: None, why: Some(text()), ..group.clone() };
    let groups = [vec![group; length], vec![left; length]].concat();
    let slices = vec![SliceReport { column: text(), metric: Metric::LogLoss, groups }];
    let bin = CalibrationBin { from: value, rows: 1, predicted: value, observed: value };
    Report {
        project: text(),
        outcome: Outcome::Refused,
        headline: text(),
        error: Some(ErrorEnd { message: text(), causes: vec![text(); length], help: Some(text()) }),
        run: Some(text()),
        seconds: value,
        champion: Some(Champion { version: 1, digest }),
        metrics: vec![metric; length],
        reported: (0..length).map(|index| (format!("{name}{index}"), value)).chain([(text(), value)]).collect(),
        gate: Some(GateReport { verdict: Verdict::Fail, checks: vec![check; length], comparison: None, slices }),
        choice: Some(Choice {
            chosen: parameters,
            metric: Metric::LogLoss,
            candidates: [vec![candidate; length], vec![unscored; length]].concat(),
            at_edge: true,
        }),
        classes: (length < 10).then(|| Classes {
            names: [text(), text()],
            threshold: value,
            confusion: Confusion::default(),
            calibration: vec![bin; length],
        }),
        scatter: Some(Scatter {
            truth: vec![value; length],
            prediction: (0..length).map(|index| index as f64).collect(),
            lines: (1..=length as u64).collect(),
            counted: RowUnit::Row,
            target: text(),
            unit: Some(text()),
        }),
        coefficients: vec![Coefficient { name: text(), value, unit: Some(text()) }; length],
        history: vec![run; length.min(1_000)],
        data: Some(DataReport {
            unit: RowUnit::Line,
            rows_read: 2,
            rows_kept: 1,
            dropped: BTreeMap::new(),
            columns: vec![column; length],
        }),
        lineage: vec![Link { kind: text(), value: text(), note: text() }; length],
        stages: vec![StageEnd { name: text(), status: StageStatus::Failed, seconds: value, note: text() }; length],
        environments: vec![environment; length],
        generator: text(),
        ..empty()
    }
}

const VOID: [&str; 2] = ["meta", "link"];

/// Whether every tag that opens is closed in order, no attribute holds a number that is none, and nothing is fetched.
#[track_caller]
fn check_html(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>").unwrap();
    let (before, rest) = body.split_once("<style>").unwrap();
    let (style, after) = rest.split_once("</style>").unwrap();
    assert!(!style.contains("url(") && !style.contains("@import") && !style.contains('<'));

    let mut open = Vec::new();
    let markup = format!("{before}{after}");
    for piece in markup.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("a `<` that is no tag: {piece:.80}"));
        assert!(!text.contains('>'), "a `>` in text: {text:.80}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed by </{name}>");
        } else {
            let name = tag.split(' ').next().unwrap();
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            if !VOID.contains(&name) {
                open.push(name);
            }
            for (attribute, value) in tag.split("\" ").filter_map(|part| part.split_once("=\"")) {
                let attribute = attribute.rsplit(' ').next().unwrap();
                let drawn =
                    ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "d", "points", "width", "height", "viewBox"];
                let odd = drawn.contains(&attribute) && (value.contains("NaN") || value.contains("inf"));
                assert!(!odd, "{tag}");
                assert!(attribute != "src" && attribute != "style" && !attribute.starts_with("on"), "{tag}");
            }
            assert!(name != "script" && name != "img" && name != "iframe", "{tag}");
            assert!(!tag.contains("href=\"") || name == "a" || tag.contains("href=\"data:,\""), "{tag}");
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[track_caller]
fn check(report: &Report) -> (String, String) {
    let (page, summary) = (html(report), markdown(report));
    check_html(&page);
    assert!(page.len() < 1_000_000, "{} bytes of HTML", page.len());
    assert!(summary.len() < 65_536, "{} bytes of Markdown", summary.len());
    // A table's rows have as many cells as its head, whatever is in them.
    let mut columns = 0;
    for line in summary.lines() {
        let cells = if line.starts_with('|') { line.matches('|').count() } else { 0 };
        assert!(columns == 0 || cells == 0 || cells == columns, "{line}");
        columns = cells;
    }
    assert!(!summary.contains('<'), "HTML in Markdown");
    (page, summary)
}

#[test]
fn an_empty_report_has_its_verdict_only() {
    let (page, summary) = check(&empty());
    assert!(page.contains("Nothing was done.") && !page.contains("<section"), "{page}");
    assert!(summary.contains("Nothing was done.") && !summary.contains("## "), "{summary}");
}

#[test]
fn a_refusal_says_the_numbers_first() {
    let explanation = "rmse is 0.8329 (95 % between 0.7622 and 0.9038), has to be at most 0.7";
    let mut report = empty();
    report.outcome = Outcome::Refused;
    let check_of = |name: &str, verdict| GateCheck {
        name: name.into(),
        verdict,
        explanation: if name == "rmse_max" { explanation.into() } else { "no champion yet".into() },
        value: verdict.map(|_| 0.8329),
        bound: verdict.map(|_| 0.7),
        interval: verdict.map(|_| Interval { low: 0.7622, high: 0.9038 }),
    };
    let checks = vec![check_of("rmse_max", Some(Verdict::Fail)), check_of("champion", None)];
    report.gate = Some(GateReport { verdict: Verdict::Fail, checks, comparison: None, slices: Vec::new() });
    let (page, summary) = check(&report);
    for (text, table) in [(&page, "<section"), (&summary, "## Gate")] {
        let (verdict, rest) = text.split_once(table).unwrap();
        assert!(verdict.contains("Refused by the gate") && verdict.contains(explanation), "{verdict}");
        for part in ["fail", "0.8329", "at most 0.7", "0.7622 to 0.9038", "not applicable"] {
            assert!(rest.contains(part), "no {part} in {rest}");
        }
    }
}

/// What an environment refuses is none of the gate's doing.
#[test]
fn a_refusal_after_the_gate_is_not_the_gates() {
    let mut report = empty();
    report.outcome = Outcome::Refused;
    report.gate = Some(GateReport { verdict: Verdict::Pass, checks: vec![], comparison: None, slices: vec![] });
    let (page, summary) = check(&report);
    for text in [page, summary] {
        assert!(text.contains("Refused") && !text.contains("Refused by the gate"), "{text}");
    }
}

#[test]
fn hostile_texts_stay_text() {
    let names = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "a|b\\|c\\",
        "a\r\n## b\n| c |",
        "`a` ``b` |`",
        "javascript:alert(1)",
        "</style></title><!--",
        "\u{0}\u{202e}\u{2028}",
        "",
    ];
    for name in names {
        let (page, summary) = check(&full(name, 1.0, 3));
        assert!(!page.contains("href=\"javascript"), "{name}");
        assert!(!summary.contains("\n## b") && !summary.contains('\u{0}') && !page.contains('\u{202e}'), "{name}");
    }
}

#[test]
fn only_web_addresses_are_links() {
    let (page, _) = check(&full("http://127.0.0.1:8080", 1.0, 1));
    assert!(page.contains("<a class=\"now\" href=\"http://127.0.0.1:8080\""), "{page}");
    let (page, _) = check(&full("file:///etc/passwd", 1.0, 1));
    assert!(!page.contains("href=\"file"), "{page}");
}

#[test]
fn odd_numbers_are_drawn_or_left_out() {
    for value in [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324]
    {
        for length in [0, 1, 2, 50] {
            check(&full("x", value, length));
        }
    }
}

/// 2,000 of everything, with long names: both stay within their limits, and say what they leave out.
#[test]
fn a_huge_report_is_cut_and_says_so() {
    for name in ["x".repeat(3_000), "|".repeat(3_000), "\"&🦀".repeat(1_000)] {
        let (page, summary) = check(&full(&name, 1.5, 2_000));
        assert!(page.contains(" of 2,000 are listed."), "{page:.300}");
        assert!(page.contains("draw 1,200 of 2,000 rows"));
        assert!(summary.contains("left out here"), "{summary}");
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let report = full("x", 1.5, 40);
    assert_eq!((html(&report), markdown(&report)), (html(&report), markdown(&report)));
}

/// What a classifier says, group by group, and how its penalty was chosen.
#[test]
fn classes_groups_and_candidates_are_shown() {
    let mut report = empty();
    report.classes = Some(Classes {
        names: ["no".into(), "yes".into()],
        threshold: 0.4,
        confusion: Confusion { true_positives: 31, false_positives: 12, false_negatives: 23, true_negatives: 54 },
        calibration: vec![CalibrationBin { from: 0.3, rows: 77, predicted: 0.3456, observed: 0.4321 }],
    });
    let of = |penalty: f64| HyperParameters { penalty: Some(penalty), ..HyperParameters::default() };
    let scored = |parameters, mean| Candidate {
        parameters,
        score: Some(Spread { mean, standard_deviation: 0.0123 }),
        skipped: Vec::new(),
    };
    report.choice = Some(Choice {
        chosen: of(0.25),
        metric: Metric::LogLoss,
        candidates: vec![scored(of(0.5), 0.678), scored(of(0.25), 0.567)],
        at_edge: false,
    });
    let group = GroupReport {
        name: "red".into(),
        rows: 88,
        value: Some(0.789),
        interval: None,
        champion: Some(0.456),
        worse_by: Some((0.333, Interval { low: 0.111, high: 0.555 })),
        fails: Some(true),
        why: None,
    };
    let slices = vec![SliceReport { column: "colour".into(), metric: Metric::LogLoss, groups: vec![group] }];
    report.gate = Some(GateReport { verdict: Verdict::Fail, checks: Vec::new(), comparison: None, slices });
    report.metrics = vec![MetricRow {
        name: "roc_auc".into(),
        unit: None,
        value: 0.8765,
        interval: None,
        champion: None,
        lower_is_better: false,
        limit: None,
    }];
    let (page, summary) = check(&report);
    for text in [&page, &summary] {
        for part in [
            "31",
            "12",
            "23",
            "54",
            "0.3456",
            "0.4321",
            "penalty 0.25",
            "0.5670",
            "chosen",
            "colour: red",
            "worse",
            "0.3330 (0.1110 to 0.5550)",
            "0.7890",
            "0.8765",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }
}

/// A category has levels in place of a mean, a date its text; both pages say what was filled in and checked.
#[test]
fn columns_of_texts() {
    let column = |kind, values: &[f64]| ColumnReport {
        name: "x".to_owned(),
        role: Role::Feature,
        kind: Some(kind),
        unit: None,
        missing: 2,
        filled: 2,
        unseen: 0,
        levels: Vec::new(),
        checks: vec!["unique".to_owned()],
        distinct: Distinct::Exactly(2),
        profile: Profile::of(values),
    };
    let level = |level: &str, count| LevelCount { level: level.to_owned(), count };
    let category = ColumnReport {
        levels: vec![level("red", 3), level("blue", 1)],
        ..column(mlci_model::Kind::Category, &[0.0, 0.0, 0.0, 1.0])
    };
    let date = column(mlci_model::Kind::Date, &[0.0, 19_782.0]);
    let data = DataReport {
        unit: RowUnit::Line,
        rows_read: 4,
        rows_kept: 4,
        dropped: BTreeMap::new(),
        columns: vec![category, date],
    };
    let report = Report { data: Some(data), ..empty() };
    for page in [html(&report), markdown(&report)] {
        for says in ["red 3, blue 1", "2 filled in", "checked: unique", "1970-01-01", "2024-02-29"] {
            assert!(page.contains(says), "{says}\n{page}");
        }
        assert!(!page.contains("0.25"), "a category has no mean\n{page}");
    }
}
