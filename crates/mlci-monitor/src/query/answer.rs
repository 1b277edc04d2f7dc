use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Error, Sample};
use crate::http::words;

/// As the API has it (Prometheus documentation, "HTTP API", instant queries).
#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

/// What an answer says.
pub(super) fn read(url: String, status: u16, body: &[u8]) -> Result<Vec<Sample>, Error> {
    let answer: Result<Answer, _> = serde_json::from_slice(body);
    if !(200..300).contains(&status) {
        // The API's own refusal says more than the page of a proxy.
        let said = match &answer {
            Ok(answer) if answer.status == "error" => words(answer.error.as_bytes()),
            _ => words(body),
        };
        let advice = match status {
            300..=399 => "the address has moved; write the one that it redirects to",
            400 | 422 => "see what it says of the query",
            401 | 403 => {
                "set MLCI_PROMETHEUS_USERNAME and MLCI_PROMETHEUS_PASSWORD, or MLCI_PROMETHEUS_TOKEN, to what it lets in"
            }
            404 | 405 => "check the address: it is that of Prometheus, without /api/v1",
            _ => "see the server's own log",
        };
        return Err(Error::Refused { url, status, said, advice });
    }
    let wrong = |said: String| Err(Error::Answer { url: url.clone(), said });
    let Ok(answer) = answer else { return wrong(words(body)) };
    // A part of the data is not the data.
    if let Some(warning) = answer.warnings.first() {
        return wrong(format!("it warns {}", words(warning.as_bytes())));
    }
    let Some(Data { kind, result }) = answer.data.filter(|_| answer.status == "success") else {
        return wrong(words(body));
    };
    let samples = match kind.as_str() {
        "vector" => serde_json::from_value::<Vec<Series>>(result).ok().and_then(|all| {
            let sample = |series: Series| Some(Sample { labels: series.metric, value: number(&series.value.1)? });
            all.into_iter().map(sample).collect::<Option<Vec<_>>>()
        }),
        "scalar" => serde_json::from_value::<(f64, String)>(result)
            .ok()
            .and_then(|(_, text)| Some(vec![Sample::new(&[], number(&text)?)])),
        other => return wrong(format!("its kind is `{}`, and has to be `vector` or `scalar`", other.escape_debug())),
    };
    samples.map_or_else(|| wrong(words(body)), Ok)
}

/// Prometheus writes `+Inf`, `-Inf` and `NaN`, which Rust reads too.
fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}
