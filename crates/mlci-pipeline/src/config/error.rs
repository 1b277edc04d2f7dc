use std::{fmt, ops::Range, path::PathBuf};

/// What is wrong in a configuration file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as it was named.
    pub path: PathBuf,
    /// Line and column, both from 1, columns in characters.
    pub place: Option<(usize, usize)>,
    /// The line at fault.
    pub line: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A fault at a span of the text, before the file's name and lines are known.
pub(super) struct Fault {
    pub(super) span: Option<Range<usize>>,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// Whether the line at fault is not to be shown, since a secret may stand in it.
    pub(super) secret: bool,
}

impl Fault {
    pub(super) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span: Some(span), message: message.into(), help: None, secret: false }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn secret(mut self, secret: bool) -> Self {
        self.secret = secret;
        self
    }

    pub(super) fn of_toml(error: &toml::de::Error) -> Self {
        Self { span: error.span(), message: error.message().replace('\n', ", "), help: None, secret: false }
    }

    pub(super) fn in_text(self, path: PathBuf, text: &str) -> ConfigError {
        let place = self.span.map(|span| {
            let before = text.get(..span.start).unwrap_or(text);
            let start = before.rfind('\n').map_or(0, |index| index + 1);
            let column = before.get(start..).unwrap_or_default().chars().count() + 1;
            (before.matches('\n').count() + 1, column)
        });
        let place_to_show = place.filter(|_| !self.secret);
        let line = place_to_show.and_then(|(line, _)| text.lines().nth(line - 1)).map(str::to_owned);
        ConfigError { path, place, line, message: self.message, help: self.help }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        if let (Some(text), Some((number, column))) = (&self.line, self.place) {
            let margin = number.to_string();
            let indent = " ".repeat(margin.len());
            let shown = text.replace('\t', " ");
            write!(f, "\n{indent} |\n{margin} | {shown}\n{indent} | {}^", " ".repeat(column.saturating_sub(1)))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
