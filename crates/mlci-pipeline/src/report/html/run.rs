//! What the run saw, did and left: history, data, lineage, stages and environments.

use maud::{Markup, html};
use mlci_train::ColumnReport;

use super::{
    super::{
        Report,
        chart::{bar, density, history as chart},
        text::{NAME, clip, count, counted, number, seconds, time, with_unit},
        view::{self, Tone},
    },
    model,
    parts::{BYTES, Section, identity, listed, mark, name, prose, table, table_of},
};
use crate::event::StageStatus;

pub(super) fn sections(report: &Report) -> [Option<Section>; 6] {
    [history(report), data(report), model::coefficients(report), lineage(report), stages(report), environments(report)]
}

/// As many metrics as the table of the history has columns for.
const METRICS: usize = 8;
/// As many bytes as the columns of the data may take, about 1,000 each.
const COLUMNS: usize = 120_000;
/// As many runs as the table of the history lists.
const RUNS: usize = 30;

fn history(report: &Report) -> Option<Section> {
    let runs = &report.history;
    if runs.is_empty() {
        return None;
    }
    let names = view::history_metrics(report);
    let shown = names.get(..names.len().min(METRICS)).unwrap_or_default();
    let all = names.iter().map(|(name, unit, note)| chart(name, &with_unit(name, *unit, 26), note, runs));
    let (charts, cut) = listed(all, BYTES);
    let mut head = vec![("", "Run"), ("", "Started"), ("", "Status"), ("num", "Version")];
    let titles: Vec<String> = shown.iter().map(|(name, _, _)| clip(name, 40)).collect();
    head.extend(titles.iter().map(|title| ("num", title.as_str())));
    let rows = runs.iter().rev().take(RUNS).map(|run| {
        html! {
            tr {
                th scope="row" { code { (clip(&run.run, NAME)) } }
                td.now { time datetime=(run.started) { (time(run.started)) } }
                td { (clip(&run.status, NAME)) }
                td.num { @if let Some(version) = run.version { (version) } @else { "none" } }
                @for (name, _, _) in shown { td.num { @if let Some(value) = run.metrics.get(*name) { (number(*value)) } } }
            }
        }
    });
    Some(Section::new(
        "history",
        "Metric history",
        html! {
            p.lead {
                (counted(runs.len() as u64, "run")) ", the newest last and larger. Filled: the run published a version; hollow: it did not."
            }
            div.charts.dense { (charts) }
            (cut)
            details {
                summary {
                    "As a table"
                    @if runs.len() > RUNS { ", the newest " (RUNS) " runs" }
                    @if names.len() > METRICS { ", the first " (METRICS) " metrics" }
                }
                (table("Runs", &head, rows))
            }
        },
    ))
}

fn data(report: &Report) -> Option<Section> {
    let data = report.data.as_ref()?;
    let rows = data.columns.iter().map(column);
    let head = [
        ("", "Column"),
        ("", "Role"),
        ("", "Distribution"),
        ("num", "Mean"),
        ("num", "Std. deviation"),
        ("num", "Least"),
        ("num", "Greatest"),
        ("num", "Missing"),
        ("num", "Distinct"),
    ];
    Some(Section::new(
        "data",
        "Data",
        html! {
            p.lead {
                (view::rows(data)) ". Distributions are drawn from deciles."
            }
            (table_of(COLUMNS, "Columns of the data", &head, rows))
        },
    ))
}

fn column(column: &ColumnReport) -> Markup {
    let measured = view::measured(column);
    let range = view::range(column);
    html! {
        tr {
            th scope="row" {
                (name(&column.name))
                small {
                    @if let Some(kind) = column.kind { (kind) } @else { "text" }
                    @if let Some(unit) = &column.unit { ", " (clip(unit, 40)) }
                }
                @for finding in view::findings(column) { small { (finding) } }
            }
            td { (column.role) }
            td.picture {
                @if let Some(profile) = &column.profile { @let (edges, counts) = view::bins(profile); (density(&edges, counts)) }
            }
            @for value in [measured.map(|profile| profile.mean), measured.map(|profile| profile.standard_deviation)] {
                td.num { @if let Some(value) = value { (number(value)) } @else { "–" } }
            }
            @for value in [range.as_ref().map(|range| &range.0), range.as_ref().map(|range| &range.1)] {
                td.num { @if let Some(value) = value { (value) } @else { "–" } }
            }
            td.num { (count(column.missing)) }
            td.num { (column.distinct) }
        }
    }
}

fn lineage(report: &Report) -> Option<Section> {
    if report.lineage.is_empty() {
        return None;
    }
    let links = report.lineage.iter().map(|link| {
        html! {
            li {
                span.kind { (name(&link.kind)) }
                div.value { (identity(&link.value)) }
                @if !link.note.is_empty() { span.note { (prose(&link.note)) } }
            }
        }
    });
    let (links, cut) = listed(links, BYTES);
    Some(Section::new(
        "lineage",
        "Lineage",
        html! {
            p.lead { "What this run came from and led to, first to last. " code { "trace" } " follows any of these both ways." }
            ol.chain { (links) }
            (cut)
        },
    ))
}

fn stages(report: &Report) -> Option<Section> {
    if report.stages.is_empty() {
        return None;
    }
    let times = view::timeline(report);
    let rows = report.stages.iter().zip(times).map(|(stage, (start, end))| {
        let state = view::stage(stage.status);
        html! {
            tr {
                th scope="row" { (name(&stage.name)) }
                td { (mark(state)) }
                td.num { (seconds(stage.seconds)) }
                td.picture {
                    @if stage.status != StageStatus::Skipped { (bar(if state.0 == Tone::Bad { "fill bad" } else { "fill" }, start, end)) }
                }
                td.wide { @if !stage.note.is_empty() { (prose(&stage.note)) } }
            }
        }
    });
    let head = [("", "Stage"), ("", "Status"), ("num", "Time"), ("", "Time line"), ("", "Note")];
    Some(Section::new(
        "stages",
        "Stages",
        html! {
            p.lead { (seconds(report.seconds)) " in all. A cached stage was not run again, since nothing that it reads has changed." }
            (table("Stages", &head, rows))
        },
    ))
}

fn environments(report: &Report) -> Option<Section> {
    if report.environments.is_empty() {
        return None;
    }
    let rows = report.environments.iter().map(|environment| {
        html! {
            tr {
                th scope="row" { (name(&environment.name)) }
                td { (mark(view::environment(environment.status))) }
                td { @if let Some(address) = &environment.address { (self::address(address)) } @else { "none" } }
                td.ident {
                    @if let Some(version) = environment.model_version { "version " (version) " " }
                    @if let Some(digest) = &environment.model_digest { code.full { (digest) } }
                    @if environment.model_version.is_none() && environment.model_digest.is_none() { "none" }
                }
                td.ident {
                    @if let Some(digest) = &environment.image_digest { code { (digest.short()) } code.full { (digest) } } @else { "none" }
                }
                td.wide { @if !environment.note.is_empty() { (prose(&environment.note)) } }
            }
        }
    });
    let head = [("", "Environment"), ("", "Status"), ("", "Address"), ("", "Model"), ("", "Image"), ("", "Note")];
    Some(Section::new(
        "environments",
        "Environments",
        html! {
            (table("Environments", &head, rows))
        },
    ))
}

/// An address as a link, if it is one that a browser opens.
pub(super) fn address(address: &str) -> Markup {
    let text = clip(address, NAME);
    let link = (address.starts_with("http://") || address.starts_with("https://")) && text == address;
    html! { @if link { a.now href=(address) rel="noreferrer noopener" { (text) } } @else { (text) } }
}
