//! What Prometheus is asked.

use std::time::Duration;

use super::{Analysis, Check, OwnCheck, Pods};
use crate::prometheus::PREDICTS;

/// What is judged by the answers to one or two expressions.
pub(super) enum Question<'a> {
    /// The requests of the canary and of the stable pods, by status: the size of the sample. Always asked.
    Requests(String, String),
    /// The stable pods' 99th percentile, and how many of the canary's requests took how long.
    Latency(String, String),
    /// The index, and the rows that it is about.
    Drift(String, String),
    Own(&'a OwnCheck, String),
    /// There are no such pods.
    Nobody(&'static str),
}

impl<'a> Question<'a> {
    /// The first is [`Self::Requests`], or the only one [`Self::Nobody`]: an empty matcher would be one of everything
    /// that has no pod.
    pub(super) fn all(analysis: &'a Analysis, pods: &Pods, window: Duration) -> Vec<Self> {
        let matcher = |names: &[String]| matcher(&analysis.pod_label, names);
        let (canary, stable) = match (matcher(&pods.canary), matcher(&pods.stable)) {
            (Some(canary), Some(stable)) => (canary, stable),
            (None, _) => return vec![Question::Nobody("the canary has no pods")],
            (_, None) => return vec![Question::Nobody("there are no pods to compare the canary with")],
        };
        let seconds = window.as_secs().max(1);
        let counted = |metric: &str, pods: &str, by: &str| {
            format!("sum by ({by}) ({})", grown(&format!("{metric}{{{PREDICTS},{pods}}}"), seconds))
        };
        let requests = |pods: &str| counted("mlci_http_requests_total", pods, "status");
        let buckets = |pods: &str| counted("mlci_http_request_duration_seconds_bucket", pods, "le");
        let mut all = vec![Question::Requests(requests(&canary), requests(&stable))];
        if analysis.checks.contains(&Check::Latency) {
            let percentile = format!("histogram_quantile(0.99, {})", buckets(&stable));
            all.push(Question::Latency(percentile, buckets(&canary)));
        }
        if analysis.checks.contains(&Check::Drift) {
            let (index, rows) = ("mlci_prediction_drift_psi", "mlci_drift_rows");
            all.push(Question::Drift(format!("max({index}{{{canary}}})"), format!("min({rows}{{{canary}}})")));
        }
        let filled = |query: &str| {
            let query = query.replace("$canary", &canary).replace("$stable", &stable);
            query.replace("$window", &format!("{seconds}s"))
        };
        all.extend(analysis.own.iter().map(|own| Question::Own(own, filled(&own.query))));
        all
    }

    pub(super) fn expressions(&self) -> impl Iterator<Item = &str> {
        let (one, two) = match self {
            Self::Requests(one, two) | Self::Latency(one, two) | Self::Drift(one, two) => (Some(one), Some(two)),
            Self::Own(_, one) => (Some(one), None),
            Self::Nobody(_) => (None, None),
        };
        [one, two].into_iter().flatten().map(String::as_str)
    }
}

/// How much a counter has grown. `increase` would not count what a series began with, and a canary's begin with its
/// first requests; and it extrapolates, where whole requests are to be compared. A counter that was reset counts nothing
/// rather than something negative.
fn grown(series: &str, seconds: u64) -> String {
    format!("clamp_min({series} - ({series} offset {seconds}s or 0 * {series}), 0)")
}

/// The names are pods', of which only the dot means something else in an expression. A name that can be no pod's is left
/// out.
fn matcher(label: &str, names: &[String]) -> Option<String> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let names = names.iter().filter(|name| !name.is_empty() && name.bytes().all(legal));
    let escaped: Vec<String> = names.map(|name| name.replace('.', "\\\\.")).collect();
    (!escaped.is_empty()).then(|| format!("{label}=~\"{}\"", escaped.join("|")))
}
