use std::fmt;

use mlci_core::Verdict;
use serde::Serialize;

use super::Sample;

/// What a canary was judged by, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Judgement {
    /// Of all checks: [`Verdict::all`].
    pub verdict: Verdict,
    /// Each of them.
    pub checks: Vec<Judged>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Judged {
    /// Its name.
    pub check: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// What was found, or why there is no data.
    pub said: String,
    /// What it may be.
    pub limit: String,
    /// How many requests it is about, as far as that is known.
    pub sample: String,
    /// What was asked, and what came.
    pub asked: Vec<Asked>,
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Asked {
    /// The PromQL expression.
    pub query: String,
    /// The values with their labels, or why there are none.
    pub answer: String,
}

impl Asked {
    pub(super) fn of(query: &str, answer: Option<&Result<Vec<Sample>, String>>) -> Self {
        /// More than this is not read.
        const SHOWN: usize = 32;
        let sample = |sample: &Sample| {
            let labels: Vec<_> = sample.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let labels = if labels.is_empty() { String::new() } else { format!(" ({})", labels.join(", ")) };
            format!("{}{labels}", sample.value)
        };
        let answer = match answer {
            None => "not asked".to_owned(),
            Some(Err(why)) => why.clone(),
            Some(Ok(samples)) if samples.is_empty() => "nothing".to_owned(),
            Some(Ok(samples)) => {
                let mut shown: Vec<_> = samples.iter().take(SHOWN).map(sample).collect();
                if samples.len() > SHOWN {
                    shown.push(format!("and {} more", samples.len() - SHOWN));
                }
                shown.join(", ")
            }
        };
        // Labels are others' text.
        Self { query: query.to_owned(), answer: answer.chars().filter(|char| !char.is_control()).collect() }
    }
}

impl fmt::Display for Judged {
    /// One line: name, verdict, what was found, limit and sample.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, {} (limit: {}", self.check, self.verdict, self.said, self.limit)?;
        if self.sample.is_empty() { f.write_str(")") } else { write!(f, "; sample: {})", self.sample) }
    }
}

impl fmt::Display for Judgement {
    /// A line for each check, and below it one for each question.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, judged) in self.checks.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(f, "{line}{judged}")?;
            for Asked { query, answer } in &judged.asked {
                write!(f, "\n  {query} -> {answer}")?;
            }
        }
        Ok(())
    }
}
