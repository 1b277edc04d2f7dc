//! Groovy text: strings that Groovy reads as exactly what was given, and indentation.

use std::fmt::Write;

/// A string in single quotes, in which Groovy expands nothing (Groovy documentation, "Single-quoted string").
pub(crate) fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        push(&mut quoted, character, true);
    }
    quoted.push('\'');
    quoted
}

/// A string over several lines in triple quotes.
pub(crate) fn block(text: &str) -> String {
    let mut quoted = String::from("'''");
    for character in text.chars() {
        push(&mut quoted, character, false);
    }
    quoted.push_str("'''");
    quoted
}

fn push(quoted: &mut String, character: char, one_line: bool) {
    match character {
        '\\' => quoted.push_str("\\\\"),
        '\'' => quoted.push_str("\\'"),
        '\n' if one_line => quoted.push_str("\\n"),
        // Groovy reads `\r\n` and `\r` in a source as `\n`.
        '\r' => quoted.push_str("\\r"),
        other => quoted.push(other),
    }
}

/// Lines of Groovy, indented by blocks.
#[derive(Default)]
pub(crate) struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    pub(crate) fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{:1$}{line}", "", self.depth * 4);
    }

    /// `head { … }`.
    pub(crate) fn block(&mut self, head: &str, body: impl FnOnce(&mut Self)) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line("}");
    }

    /// The step `sh` with these commands, each at the block's depth unless one of them has a line end inside its quotes:
    /// it would be indented too.
    pub(crate) fn shell(&mut self, commands: &[String]) {
        let flat = commands.iter().all(|command| !command.contains('\n'));
        let (open, close) = if flat { ((self.depth + 1) * 4, self.depth * 4) } else { (0, 0) };
        let mut script = String::from("\n");
        for command in commands {
            let _ = writeln!(script, "{:open$}{command}", "");
        }
        let _ = write!(script, "{:close$}", "");
        self.line(&format!("sh {}", block(&script)));
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}
