//! The report as a summary for a CI job.

mod escape;
mod sections;

use self::{
    escape::{code, prose},
    sections::tables,
};
use super::{
    Report,
    text::{NAME, clip, seconds, sentence, time},
    view,
};

/// The bytes that the part above the tables may take.
const HEAD: usize = 9_000;
/// The bytes that each table may take. There are fifteen, so that all of it stays below 65,536 characters.
const TABLE: usize = 3_700;

/// The report as GitHub-flavoured Markdown, at most 65,535 bytes whatever its input.
///
/// Texts from outside are escaped; there is no HTML beyond character references. Tables that would be too long are
/// cut, and say by how many rows.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let (tone, word) = view::outcome(report);
    let mut text = format!("# {} {word}: {}\n\n", tone.sign(), code(&report.project));
    text += &head(report);
    for table in tables(report) {
        text += &table.render(TABLE);
    }
    text += &format!("\nWritten by {}.\n", prose(&clip(&report.generator, NAME)));
    text
}

/// The headline, the reasons, the error and the facts: as many lines as fit, the first always.
fn head(report: &Report) -> String {
    let mut lines = vec![format!("{}\n", prose(&sentence(&report.headline)))];
    for (tone, reason) in view::reasons(report) {
        lines.push(format!("- {} {}", tone.sign(), prose(&reason)));
    }
    if let Some(error) = &report.error {
        // Most often the headline is the error's message.
        if error.message != report.headline {
            lines.push(format!("\n**{}**\n", prose(&error.message)));
        }
        lines.extend(error.causes.iter().take(10).map(|cause| format!("- {}", prose(cause))));
        lines.extend(error.help.iter().map(|help| format!("\n**What to do:** {}", prose(help))));
    }
    let mut facts = Vec::new();
    if let Some(model) = &report.model {
        let version = model.version.map(|version| format!(" version {version}")).unwrap_or_default();
        facts.push(format!("model {}{version}, digest {}", code(model.name.as_str()), code(&model.digest.short())));
    }
    if let Some(champion) = &report.champion {
        facts.push(format!("champion version {}, digest {}", champion.version, code(&champion.digest.short())));
    }
    facts.extend(report.run.iter().map(|run| format!("run {}", code(run))));
    facts.push(format!("started {}, took {}", time(report.started), seconds(report.seconds)));
    lines.push(format!("\n{}.", facts.join("; ")));

    let mut text = String::new();
    let mut left_out = 0;
    for (index, line) in lines.iter().enumerate() {
        if index > 0 && text.len() + line.len() > HEAD {
            left_out += 1;
        } else {
            text += line;
            text.push('\n');
        }
    }
    if left_out > 0 {
        text += &format!("\n{left_out} lines were left out here; the HTML report has them.\n");
    }
    text
}
