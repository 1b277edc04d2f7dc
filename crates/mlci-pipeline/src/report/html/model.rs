//! What the model is worth: metrics, gate, fit and coefficients.

use maud::{Markup, html};
use mlci_train::GateReport;

use super::{
    super::{
        Classes, MetricRow, Report,
        chart::{Fit, Span, spans},
        coefficients,
        text::{NAME, clip, count, counted, interval, number, signed},
        view,
    },
    parts::{Section, icon, mark, name, prose, table, table_of},
};

/// For lists that are short unless something is odd.
const FEW_BYTES: usize = 8_000;

pub(super) fn sections(report: &Report) -> [Option<Section>; 3] {
    [metrics(report), gate(report), fit(report)]
}

/// What speaks against the model, with the numbers, below the verdict.
pub(super) fn reasons(report: &Report) -> Markup {
    let reasons = view::reasons(report);
    html! {
        @if !reasons.is_empty() {
            ul.reasons { @for (tone, reason) in &reasons { li { (icon(*tone)) span { (prose(reason)) } } } }
        }
    }
}

fn metrics(report: &Report) -> Option<Section> {
    if report.metrics.is_empty() {
        return None;
    }
    let compared = report.metrics.iter().any(|metric| metric.champion.is_some());
    let limited = report.metrics.iter().any(|metric| metric.limit.is_some());
    let mut head = vec![("", "Metric"), ("num", "This model")];
    if compared {
        head.extend([("num", "Champion"), ("num", "Difference")]);
    }
    head.push(("", if compared { "This model ● and champion ○" } else { "Interval" }));
    if limited {
        head.push(("", "Limit"));
    }
    let rows = report.metrics.iter().map(|metric| row(metric, &view::bounds(report, &metric.name), compared, limited));
    let rows_held_out = report.scatter.as_ref().map(|scatter| counted(scatter.truth.len() as u64, "held-out row"));
    Some(Section::new(
        "metrics",
        "Metrics",
        html! {
            p.lead {
                "Measured on " (rows_held_out.unwrap_or_else(|| "held-out rows".into())) ". Ranges are 95 % bootstrap intervals."
                @if compared { " The champion was measured on the same rows." }
                @if limited { " A dashed mark is a limit." }
            }
            (table("Metrics", &head, rows))
            (folds(report))
            (choice(report))
            (reported(report))
        },
    ))
}

fn reported(report: &Report) -> Markup {
    let rows = report.reported.iter().map(|(metric, value)| {
        html! { tr { th scope="row" { (name(metric)) } td.num { (number(*value)) } } }
    });
    html! {
        @if !report.reported.is_empty() {
            h3 { "Measured by the training command" }
            p.lead { (view::REPORTED) }
            (table_of(FEW_BYTES, "Measured by the training command", &[("", "Metric"), ("num", "Value")], rows))
        }
    }
}

fn row(metric: &MetricRow, bounds: &[f64], compared: bool, limited: bool) -> Markup {
    let value = |value: f64, range: Option<(f64, f64)>| {
        html! { (number(value)) @if let Some(range) = range { small { (interval(range)) } } }
    };
    let ours = Span { class: "ours", value: metric.value, interval: metric.interval };
    let theirs = metric.champion.map(|(value, interval)| Span { class: "theirs", value, interval });
    let direction = if metric.lower_is_better { "lower is better" } else { "higher is better" };
    html! {
        tr {
            th scope="row" {
                (name(&metric.name))
                @if let Some(unit) = &metric.unit { span.unit { " (" (clip(unit, 40)) ")" } }
                small { @if let Some(meaning) = view::meaning(&metric.name) { (meaning) ", " } (direction) }
            }
            td.num { (value(metric.value, metric.interval)) }
            @if compared {
                td.num { @if let Some((champion, range)) = metric.champion { (value(champion, range)) } @else { "none" } }
                td.num { @if let Some((difference, word)) = view::change(metric) { (difference) small { (word) } } }
            }
            td.picture { (spans(&[Some(ours), theirs].into_iter().flatten().collect::<Vec<_>>(), bounds)) }
            @if limited { td.now { (metric.limit.as_deref().map_or_else(|| "none".into(), |limit| clip(limit, NAME))) } }
        }
    }
}

fn folds(report: &Report) -> Markup {
    let Some(validation) = &report.cross_validation else { return html! {} };
    let rows = validation.spread.iter().map(|(metric, spread)| {
        html! {
            tr {
                th scope="row" { (metric.as_str()) }
                td.num { (number(spread.mean)) }
                td.num { (number(spread.standard_deviation)) }
                td.wide { (view::fold_values(validation, *metric)) }
            }
        }
    });
    html! {
        h3 { "Cross-validation" }
        p.lead { (view::folds(validation)) }
        @if !validation.spread.is_empty() {
            (table("Cross-validation", &[("", "Metric"), ("num", "Mean"), ("num", "Std. deviation"), ("", "Folds")], rows))
        }
        @for reason in validation.skipped.iter().take(10) { p.lead { (prose(reason)) } }
    }
}

fn choice(report: &Report) -> Markup {
    let Some(choice) = &report.choice else { return html! {} };
    let rows = view::candidates(choice).into_iter().map(|[candidate, mean, deviation, note]| {
        html! {
            tr { th scope="row" { (candidate) } td.num { (mean) } td.num { (deviation) } td.wide { @if !note.is_empty() { (prose(&note)) } } }
        }
    });
    html! {
        h3 { "Hyper-parameters" }
        p.lead { (view::choice(choice)) }
        (table_of(FEW_BYTES, "Hyper-parameters", &[("", "Candidate"), ("num", "Mean"), ("num", "Std. deviation"), ("", "")], rows))
    }
}

fn groups(gate: &GateReport) -> Markup {
    let Some(lead) = view::grouped(gate) else { return html! {} };
    let rows = view::groups(gate).into_iter().map(|(group, state, [rows, value, champion, worse, why])| {
        html! {
            tr {
                th scope="row" { (name(&group)) }
                td { (mark(state)) }
                td.num { (rows) }
                td.num { (value) }
                td.num { (champion) }
                td.wide { (worse) @if !why.is_empty() { (prose(&why)) } }
            }
        }
    });
    let head =
        [("", "Group"), ("", "Verdict"), ("num", "Rows"), ("num", "This model"), ("num", "Champion"), ("", "Worse by")];
    html! {
        h3 { "Groups of rows" }
        p.lead { (lead) }
        (table_of(FEW_BYTES, "Groups of rows", &head, rows))
    }
}

fn classes(classes: &Classes) -> Section {
    let [zero, one] = &classes.names;
    let said = |class: &str| format!("Said to be {}", clip(class, 40));
    let (zero, one) = (said(zero), said(one));
    let confusion = view::confusion(classes).map(|[class, zeros, ones]| {
        html! { tr { th scope="row" { (name(&class)) } td.num { (zeros) } td.num { (ones) } } }
    });
    let bins = view::calibration(classes).into_iter().map(|[from, rows, predicted, observed]| {
        html! { tr { th scope="row" { (from) } td.num { (rows) } td.num { (predicted) } td.num { (observed) } } }
    });
    let head = [("", "Probability from"), ("num", "Rows"), ("num", "Mean probability"), ("num", "Share positive")];
    Section::new(
        "classes",
        "Classes and probabilities",
        html! {
            p.lead {
                "A held-out row is said to be of the positive class, " (name(&classes.names[1]))
                ", from a probability of " (number(classes.threshold)) " on."
            }
            (table_of(FEW_BYTES, "Confusion", &[("", "True class"), ("num", zero.as_str()), ("num", one.as_str())], confusion.into_iter()))
            h3 { "Calibration" }
            p.lead { "Of rows with similar probabilities, the mean probability and the share that is of the positive class: of a calibrated model they agree." }
            (table_of(FEW_BYTES, "Calibration", &head, bins))
        },
    )
}

fn gate(report: &Report) -> Option<Section> {
    let checks = view::checks(report.gate.as_ref()?);
    let rows = checks.iter().map(|check| {
        html! {
            tr {
                th scope="row" { (name(check.name)) }
                td { (mark(check.mark)) }
                td.num { (check.value) }
                td.now { (check.bound) }
                td.num { (check.interval) }
                td.wide { (prose(check.note)) }
            }
        }
    });
    let head =
        [("", "Check"), ("", "Verdict"), ("num", "Value"), ("", "Bound"), ("num", "Interval"), ("", "What it says")];
    Some(Section::new(
        "gate",
        "Gate",
        html! {
            p.lead { "A model is published only when every check that applies passes. \"No data\" is not a pass." }
            (table("Checks of the gate", &head, rows))
            @if let Some(gate) = &report.gate { (groups(gate)) }
        },
    ))
}

fn fit(report: &Report) -> Option<Section> {
    if let Some(found) = &report.classes {
        return Some(classes(found));
    }
    let fit = Fit::of(report.scatter.as_ref()?);
    let omissions = fit.omissions();
    Some(Section::new(
        "fit",
        "Predictions and residuals",
        html! {
            p.lead { "A residual is the actual value minus the predicted one, for each held-out row." }
            div.charts { (fit.against_actual()) (fit.residuals()) (fit.histogram()) }
            @if !omissions.is_empty() { p.lead { (omissions) } }
        },
    ))
}

pub(super) fn coefficients(report: &Report) -> Option<Section> {
    if report.coefficients.is_empty() {
        return None;
    }
    let effects = coefficients::effects(report);
    let largest = effects.iter().flatten().map(|effect| effect.abs()).fold(0.0, f64::max);
    let known = effects.iter().any(Option::is_some);
    let certainty = coefficients::certainty(report);
    let certain = |place: usize| certainty.as_ref().and_then(|all| all.get(place)).into_iter().flatten();
    let rows = report.coefficients.iter().zip(&effects).enumerate().map(|(place, (coefficient, effect))| {
        html! {
            tr {
                th scope="row" { (name(&coefficient.name)) }
                td.num { (signed(coefficient.value)) }
                @for value in certain(place) { td.num { (value) } }
                td { (coefficient.unit.as_deref().map_or_else(String::new, |unit| clip(unit, NAME))) }
                @if known {
                    td.num { @if let Some(effect) = effect { (signed(*effect)) } }
                    td.picture { @if let Some(effect) = effect { (super::super::chart::diverging(*effect, largest)) } }
                }
            }
        }
    });
    let mut head = vec![("", "Feature"), ("num", "Coefficient")];
    if certainty.is_some() {
        head.extend(coefficients::CERTAINTY.map(|name| ("num", name)));
    }
    head.push(("", "Unit"));
    if known {
        head.extend([("num", "Effect of one std. deviation"), ("", "")]);
    }
    Some(Section::new(
        "coefficients",
        "Coefficients",
        html! {
            p.lead {
                (count(report.coefficients.len() as u64)) " coefficients. "
                @if known { "Coefficients of different units cannot be compared; the change of the prediction for one standard deviation of the feature can." }
            }
            @if let Some(lead) = coefficients::least_squares(report) { p.lead { (prose(&lead)) } }
            (table("Coefficients", &head, rows))
        },
    ))
}
