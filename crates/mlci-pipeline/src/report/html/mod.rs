//! The report as one HTML file: style and pictures inside, no script, nothing fetched.

mod model;
mod parts;
mod run;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::parts::{Section, icon, name, prose};
use super::{
    Report,
    text::{NAME, clip, count, seconds, sentence, time},
    view,
};

/// The report as one self-contained HTML page, UTF-8, below 1 MB whatever its input.
///
/// It needs no script and makes no request, which its content security policy also states. Charts draw at most 1,200
/// rows and tables list about a hundred; where that cuts, the page says so.
#[must_use]
pub fn html(report: &Report) -> String {
    let (tone, word) = view::outcome(report);
    let project = clip(&report.project, NAME);
    let sections: Vec<Section> = model::sections(report).into_iter().chain(run::sections(report)).flatten().collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (project) ": " (word) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(clip(&report.generator, NAME));
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                // Without it a browser asks the server for /favicon.ico.
                link rel="icon" href="data:,";
                style { (PreEscaped(include_str!("../style.css"))) }
            }
            body {
                a.skip href="#verdict" { "Skip to the verdict" }
                div.wrap {
                    header.masthead {
                        span.project { (project) }
                        span.when {
                            time datetime=(report.started) { (time(report.started)) }
                            @if let Some(run) = &report.run { " · run " code { (clip(run, NAME)) } }
                        }
                    }
                    main {
                        div.verdict.(tone.class()) id="verdict" {
                            h1 { (icon(tone)) (word) }
                            p.headline { (prose(&sentence(&report.headline))) }
                            (model::reasons(report))
                            (error(report))
                            (facts(report))
                        }
                        @if sections.len() > 1 {
                            nav aria-label="Sections" {
                                ul { @for section in &sections { li { a href=(format!("#{}", section.id)) { (section.title) } } } }
                            }
                        }
                        @for section in &sections {
                            section id=(section.id) aria-labelledby=(format!("{}-title", section.id)) {
                                h2 id=(format!("{}-title", section.id)) { (section.title) }
                                (section.body)
                            }
                        }
                    }
                    footer { "Written by " (clip(&report.generator, NAME)) ". This page needs no network." }
                }
            }
        }
    };
    page.into_string()
}

fn error(report: &Report) -> Markup {
    let Some(error) = &report.error else { return html! {} };
    html! {
        div.error {
            // Most often the headline is the error's message.
            @if error.message != report.headline { p.message { (prose(&error.message)) } }
            @if !error.causes.is_empty() {
                ul.causes { @for cause in error.causes.iter().take(10) { li { (prose(cause)) } } }
            }
            @if let Some(help) = &error.help { p.help { b { "What to do: " } (prose(help)) } }
        }
    }
}

fn facts(report: &Report) -> Markup {
    let held_out = report.scatter.as_ref().map(|scatter| scatter.truth.len() as u64);
    html! {
        dl.facts {
            @if let Some(model) = &report.model {
                div {
                    dt { "Model" }
                    dd {
                        (name(model.name.as_str())) @if let Some(version) = model.version { " version " (version) }
                        small { code { (model.digest.short()) } }
                    }
                }
            }
            @if let Some(champion) = &report.champion {
                div { dt { "Champion" } dd { "version " (champion.version) small { code { (champion.digest.short()) } } } }
            }
            @if let Some(data) = &report.data {
                div {
                    dt { "Data" }
                    dd {
                        (count(data.rows_kept)) " rows"
                        @if let Some(rows) = held_out { small { (count(rows)) " held out" } }
                    }
                }
            }
            @if let Some(commit) = report.lineage.iter().find(|link| link.kind == "commit") {
                div { dt { "Commit" } dd { code { (short_commit(&commit.value)) } } }
            }
            div { dt { "Took" } dd { (seconds(report.seconds)) } }
            @for environment in report.environments.iter().take(3) {
                @if let Some(address) = &environment.address {
                    div {
                        dt { (name(&environment.name)) }
                        dd.plain { (run::address(address)) small { (environment.status.as_str()) } }
                    }
                }
            }
        }
    }
}

/// The beginning of a commit's id, and whether anything stands on top of it.
fn short_commit(commit: &str) -> String {
    match commit.split_once('+') {
        Some((commit, _)) => format!("{} + changes", clip(commit, 12).trim_end_matches('…')),
        None => clip(commit, 12).trim_end_matches('…').to_owned(),
    }
}
