//! Judges new pods beside those that serve, by what Prometheus has counted of both.
//!
//! ```
//! use std::time::Duration;
//!
//! use mlci_monitor::{
//!     Verdict,
//!     canary::{Analysis, Look, Pods, Sample},
//! };
//!
//! let analysis = Analysis::default();
//! let pods = Pods { canary: vec!["wine-canary-5b9f-x".to_owned()], stable: vec!["wine-7cd4-y".to_owned()] };
//! // A Prometheus that knows of none of them: there is no data, and so nothing to go on with.
//! let judgement = analysis.judge(&pods, Duration::from_secs(600), Look::Last, |_| Ok::<Vec<Sample>, String>(vec![]));
//! assert_eq!(judgement.verdict, Verdict::NoData);
//! println!("{judgement}");
//! ```
//!
//! # How it is decided
//!
//! Each check has three verdicts, and all have to pass. Shares are compared by their 95 % score intervals: a check fails
//! when all of the interval is beyond the limit, passes when all of it is within, and has no data in between, so that one
//! error among twenty requests is neither. It is decided once, at the end ([`Look::Last`]). A look before that
//! ([`Look::Early`]) only fails, and only where so many bad requests, five or more, would be less likely than 0.0005 at the
//! limit, by the binomial distribution: the rule of Haybittle and Peto for looking at data more than once (Haybittle,
//! *Br. J. Radiol.* 44, 1971, p. 793; Peto et al., *Br. J. Cancer* 34, 1976, p. 585). With [`LOOKS`] looks, that adds at
//! most 1 % to the chance of a false alarm, for a canary that is exactly at the limit; one that is as good as the others is
//! far within it.

mod judge;
mod judgement;
mod proportion;
mod questions;
mod sample;

use std::{collections::BTreeMap, fmt, time::Duration};

use self::questions::Question;
pub use self::{
    judgement::{Asked, Judged, Judgement},
    sample::Sample,
};
#[cfg(feature = "query")]
use crate::query::{self, Prometheus};
use crate::{Error, Result};

/// How often a canary should be looked at while it is watched: more looks are more chances for a false alarm.
pub const LOOKS: u32 = 20;

/// What a canary is judged by.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Analysis {
    /// The checks that are made. All.
    pub checks: Vec<Check>,
    /// The requests for predictions that the canary and the stable pods each have to have answered: below, there is no
    /// data. 300: of fewer, nothing can be said of a 99th percentile, see [`Check::Latency`].
    pub min_requests: u32,
    /// How much more of its requests the canary may fail (5xx) than the stable pods, as a difference of shares above 0
    /// and below 1. 0.02.
    pub error_ratio: f64,
    /// How many times the stable pods' 99th percentile the canary's may be: above 1, at most 1000. 1.5.
    pub latency_ratio: f64,
    /// The population stability index of the canary's predictions against training: 0.01 to 4. 0.25.
    pub drift_psi: f64,
    /// Further checks.
    pub own: Vec<OwnCheck>,
    /// The label of the series that holds the pod's name. `pod`, as the Prometheus Operator and the generated scrape
    /// configuration have it.
    pub pod_label: String,
}

/// A check that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Check {
    /// The share of requests that the server fails, beside that of the stable pods: the interval of the difference.
    Errors,
    /// The share of the canary's requests that take longer than the stable pods' 99th percentile times
    /// [`Analysis::latency_ratio`] (rounded up to a bound of the histogram), which may be 1 %. From 268 requests on none
    /// of which is slow, such a share can be shown to be smaller.
    Latency,
    /// How far the canary's predictions are spread otherwise than those of training. The server has no index below 200
    /// rows, here or in training.
    Drift,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Errors, Self::Latency, Self::Drift];

    const fn name(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::Drift => "drift",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A check by a PromQL expression of the user's own, whose answer has to be one number. `$canary` and `$stable` in it
/// stand for a matcher of the pods' label, as in `rate(x_total{$canary}[$window])`; `$window` for the time that the canary
/// has been watched for, as in `90s`. It is made at the end only.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OwnCheck {
    /// Its name.
    pub name: String,
    /// The expression.
    pub query: String,
    /// The least that it may be. None: anything.
    pub min: Option<f64>,
    /// The most that it may be. None: anything.
    pub max: Option<f64>,
}

impl OwnCheck {
    /// A check without limits; it needs one.
    #[must_use]
    pub fn new(name: impl Into<String>, query: impl Into<String>) -> Self {
        Self { name: name.into(), query: query.into(), min: None, max: None }
    }
}

/// The pods by name: those of the canary, and those that serve beside it. All that were there since it is watched, since
/// what has gone has counted too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pods {
    /// The canary's.
    pub canary: Vec<String>,
    /// The others.
    pub stable: Vec<String>,
}

/// When a canary is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Before the end: it fails, or nothing is decided ([`Verdict::NoData`](crate::Verdict::NoData)).
    Early,
    /// At the end.
    Last,
}

impl Default for Analysis {
    fn default() -> Self {
        Self {
            checks: Check::ALL.to_vec(),
            min_requests: 300,
            error_ratio: 0.02,
            latency_ratio: 1.5,
            drift_psi: 0.25,
            own: Vec::new(),
            pod_label: "pod".to_owned(),
        }
    }
}

impl Analysis {
    /// Checks that each setting is one that can be judged by.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first that is not.
    pub fn check(&self) -> Result<()> {
        let label = self.pod_label.as_bytes();
        let is_label = label.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        for (setting, value, holds, rule) in [
            (
                "checks",
                "empty".to_owned(),
                !(self.checks.is_empty() && self.own.is_empty()),
                "name one, or a query of your own: what is not judged does not pass",
            ),
            ("min_requests", self.min_requests.to_string(), self.min_requests > 0, "write 1 or more"),
            (
                "error_ratio",
                self.error_ratio.to_string(),
                self.error_ratio > 0.0 && self.error_ratio < 1.0,
                "write a share above 0 and below 1, such as 0.02",
            ),
            (
                "latency_ratio",
                self.latency_ratio.to_string(),
                self.latency_ratio > 1.0 && self.latency_ratio <= 1000.0,
                "write a number above 1 and at most 1000, such as 1.5",
            ),
            (
                "drift_psi",
                self.drift_psi.to_string(),
                (0.01..=4.0).contains(&self.drift_psi),
                "write an index from 0.01 to 4",
            ),
            ("pod_label", self.pod_label.clone(), is_label, "write the name of a label, such as pod"),
        ] {
            if !holds {
                return Err(Error::Setting { setting, value, rule });
            }
        }
        for (index, own) in self.own.iter().enumerate() {
            let limits = [own.min, own.max];
            let rule = if own.name.trim().is_empty() || own.query.trim().is_empty() {
                "give it a name and an expression"
            } else if self.own.iter().take(index).any(|other| other.name == own.name) {
                "another has this name: give each its own"
            } else if limits == [None, None] || limits.iter().flatten().any(|limit| !limit.is_finite()) {
                "give it a limit: min or max"
            } else if matches!(limits, [Some(min), Some(max)] if min > max) {
                "min is above max"
            } else {
                continue;
            };
            return Err(Error::Setting { setting: "query", value: format!("`{}`", own.name), rule });
        }
        Ok(())
    }

    /// Judges by the answers that `ask` gets for each PromQL expression. Nothing is asked where there are no pods. After a
    /// failure to ask, the rest is asked all the same.
    pub fn judge<E: fmt::Display>(
        &self,
        pods: &Pods,
        window: Duration,
        look: Look,
        mut ask: impl FnMut(&str) -> Result<Vec<Sample>, E>,
    ) -> Judgement {
        let questions = Question::all(self, pods, window);
        let mut answers = Answers::new();
        for expression in questions.iter().flat_map(Question::expressions) {
            if !answers.contains_key(expression) {
                answers.insert(expression.to_owned(), ask(expression).map_err(|error| error.to_string()));
            }
        }
        judge::all(self, &questions, &answers, look)
    }

    /// Asks a Prometheus and judges (feature `query`). Never fails: what cannot be asked has no data, and says why. Once it does not answer at
    /// all, no more is asked. To drop the future gives it up.
    #[cfg(feature = "query")]
    pub async fn look(&self, prometheus: &Prometheus, pods: &Pods, window: Duration, look: Look) -> Judgement {
        let questions = Question::all(self, pods, window);
        let (mut answers, mut away) = (Answers::new(), None);
        for expression in questions.iter().flat_map(Question::expressions) {
            if answers.contains_key(expression) {
                continue;
            }
            let answer = match &away {
                Some(why) => Err(String::clone(why)),
                None => prometheus.query(expression).await.map_err(|error| {
                    let told = told(&error);
                    if matches!(error, query::Error::Unreachable { .. }) {
                        away = Some(told.clone());
                    }
                    told
                }),
            };
            answers.insert(expression.to_owned(), answer);
        }
        judge::all(self, &questions, &answers, look)
    }
}

/// What each expression was answered with, or why it was not.
type Answers = BTreeMap<String, Result<Vec<Sample>, String>>;

/// An error with its causes.
#[cfg(feature = "query")]
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    causes.collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
