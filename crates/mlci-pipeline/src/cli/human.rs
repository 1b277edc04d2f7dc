//! What a person sees: spinners on a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use crate::{
    error::Outcome,
    event::{EnvironmentEnd, EnvironmentStatus, Event, Finished, Observer, StageStatus},
};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WAIT: Style = AnsiColor::Yellow.on_default().bold();
const FAINT: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// Progress goes to standard error, what was asked for to standard output.
pub(super) struct Human {
    terminal: bool,
    bar: Mutex<Option<ProgressBar>>,
}

impl Human {
    pub(super) fn new() -> Self {
        Self { terminal: stderr().is_terminal(), bar: Mutex::new(None) }
    }

    fn with_bar(&self, change: impl FnOnce(&mut Option<ProgressBar>)) {
        change(&mut self.bar.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn start(&self, name: &str) {
        if !self.terminal {
            return;
        }
        self.with_bar(|bar| {
            let new = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:<9} {wide_msg} {elapsed}") {
                new.set_style(style);
            }
            new.set_prefix(name.to_owned());
            new.enable_steady_tick(Duration::from_millis(100));
            if let Some(old) = bar.replace(new) {
                old.finish_and_clear();
            }
        });
    }

    fn clear(&self) {
        self.with_bar(|bar| {
            if let Some(bar) = bar.take() {
                bar.finish_and_clear();
            }
        });
    }

    fn message(&self, name: &str, text: &str) {
        if self.terminal {
            self.with_bar(|bar| {
                if let Some(bar) = bar {
                    bar.set_message(text.to_owned());
                }
            });
        } else {
            tell(&format!("  {FAINT}..{FAINT:#} {name:<9} {text}"));
        }
    }
}

/// One line to standard error; colours are left out where they are not wanted.
fn tell(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

fn print(line: &str) {
    output::line(&mut anstream::stdout().lock(), line.as_bytes());
}

impl Observer for Human {
    fn event(&self, event: &Event) {
        match event {
            Event::StageStarted { name } => self.start(name),
            Event::Progress { name, message } if name == "serve" => tell(&format!("serving {message}")),
            Event::Progress { name, message } => self.message(name, message),
            Event::Output { name, line } if self.terminal => self.message(name, line),
            Event::Output { line, .. } if line.trim().is_empty() => {}
            Event::Output { line, .. } => tell(&format!("     {FAINT}|{FAINT:#} {line}")),
            Event::Warning { message } => {
                self.clear();
                tell(&format!("{WAIT}warning{WAIT:#}: {message}"));
            }
            Event::StageFinished { name, status, seconds, note } => {
                self.clear();
                let (style, mark) = match status {
                    StageStatus::Done => (GOOD, "done"),
                    StageStatus::Cached => (FAINT, "cached"),
                    StageStatus::Skipped => (FAINT, "-"),
                    StageStatus::Failed => (BAD, "FAILED"),
                    StageStatus::Planned => (WAIT, "run"),
                };
                let note = first_line(note);
                tell(&format!("  {style}{mark:<6}{style:#} {name:<8} {:>8}  {note}", time(*seconds)));
            }
            Event::Finished(finished) => {
                self.clear();
                finish(finished);
            }
            _ => {}
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

fn finish(finished: &Finished) {
    if let Some(text) = &finished.text {
        print(text.trim_end());
    }
    let shows_environments =
        matches!(finished.command.as_str(), "ci" | "deploy" | "rollback" | "status" | "restart" | "plan");
    if shows_environments && !finished.environments.is_empty() {
        print("");
        for end in &finished.environments {
            environment(end);
        }
    }
    if finished.command == "ci" {
        places(finished);
    }
    if let Some(error) = &finished.error {
        let (style, word) = match finished.verdict {
            Outcome::Waiting => (WAIT, "waiting"),
            Outcome::Refused => (BAD, "refused"),
            Outcome::RolledBack => (BAD, "rolled back"),
            _ => (BAD, "error"),
        };
        tell(&format!("\n{style}{word}{style:#}: {}", error.message));
        for cause in &error.causes {
            for (index, line) in cause.lines().enumerate() {
                let mark = if index == 0 { "because" } else { "" };
                tell(&format!("  {FAINT}{mark:<7}{FAINT:#} {line}"));
            }
        }
        if let Some(help) = &error.help {
            tell(&format!("  {STRONG}help{STRONG:#}    {help}"));
        }
    } else if matches!(finished.command.as_str(), "ci" | "deploy" | "rollback" | "restart") {
        print(&format!("\n{GOOD}pass{GOOD:#} in {}", time(finished.seconds)));
    }
}

fn environment(end: &EnvironmentEnd) {
    let style = match end.status {
        EnvironmentStatus::Verified => GOOD,
        EnvironmentStatus::Failed
        | EnvironmentStatus::Rejected
        | EnvironmentStatus::Refused
        | EnvironmentStatus::Drifted => BAD,
        EnvironmentStatus::Waiting | EnvironmentStatus::Down => WAIT,
        _ => FAINT,
    };
    let pid = end.pid.map(|pid| format!("  process {pid}")).unwrap_or_default();
    let model = match (end.model_version, &end.model_digest) {
        (Some(version), Some(digest)) => format!("version {version} ({})", digest.short()),
        _ => String::new(),
    };
    let address = end.address.as_deref().unwrap_or_default();
    let rest = format!(" {address:<24} {model}{pid}");
    print(&format!(
        "  {STRONG}{:<12}{STRONG:#} {style}{}{style:#}{}",
        end.name,
        end.status.as_str(),
        // Padded outside of the colour, so that a line does not end in blanks.
        format!("{:width$}{rest}", "", width = 9_usize.saturating_sub(end.status.as_str().len())).trim_end()
    ));
    if !end.note.is_empty() {
        print(&format!("  {:<12} {FAINT}{}{FAINT:#}", "", end.note));
    }
}

/// Where everything is.
fn places(finished: &Finished) {
    let mut rows = Vec::new();
    if let Some(run) = &finished.run {
        let page = run.page.as_deref().map(|page| format!("  {page}")).unwrap_or_default();
        rows.push(("run", format!("{}{page}", run.id)));
    }
    if let Some(model) = &finished.model {
        let version = model.version.map(|version| format!("{}@{version}  ", model.name)).unwrap_or_default();
        rows.push(("model", format!("{version}{}", model.digest)));
    }
    if let Some(image) = &finished.image {
        rows.push(("image", format!("{}  {:.1} MB  {}", image.reference, image.bytes as f64 / 1e6, image.digest)));
        rows.extend(image.pushed.iter().map(|pushed| ("pushed", pushed.clone())));
    }
    if let Some(report) = &finished.report {
        rows.push(("report", report.clone()));
    }
    if !rows.is_empty() {
        print("");
    }
    for (name, value) in rows {
        print(&format!("  {STRONG}{name:<12}{STRONG:#} {value}"));
    }
}
