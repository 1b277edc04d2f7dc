//! Asks a running server for the model's golden predictions, and whether it is the one that was meant.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use mlci_core::Digest;
use mlci_model::Model;
use serde::Deserialize;
use serde_json::json;

use crate::{
    error::{Context as _, Error, Result},
    http,
};

/// What a server has to be.
#[derive(Debug, Clone)]
pub(crate) struct Expected<'a> {
    pub(crate) model: &'a Model,
    pub(crate) digest: Digest,
    pub(crate) version: u64,
    /// The process that has to answer, where it is known.
    pub(crate) pid: Option<u32>,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verified {
    /// How many golden predictions agreed.
    pub(crate) predictions: usize,
    /// How long the request for all of them took.
    pub(crate) elapsed: Duration,
}

#[derive(Deserialize)]
struct Infer {
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    data: Vec<f64>,
}

/// Checks the server at `address` (`http://HOST:PORT`): ready, the right process, model and version in its reply's
/// headers, and the golden predictions in its reply.
pub(crate) async fn verify(address: &str, expected: &Expected<'_>, limit: Duration) -> Result<Verified> {
    let ready = http::send(Method::GET, &format!("{address}/readyz"), None, limit).await?;
    if ready.status != StatusCode::OK {
        return Err(Error::fail(format!("{address} is not ready: {}", ready.status)));
    }
    let parts = expected.model.parts();
    let inputs: Vec<_> = expected
        .model
        .schema()
        .names()
        .enumerate()
        .map(|(column, name)| {
            let data: Vec<f64> = parts.golden.iter().filter_map(|golden| golden.row.get(column).copied()).collect();
            json!({"name": name, "shape": [data.len()], "datatype": "FP64", "data": data})
        })
        .collect();
    let url = format!("{address}/v2/models/{}/infer", expected.model.name());
    let started = Instant::now();
    let body = json!({"inputs": inputs}).to_string().into_bytes();
    // The server is not to take these rows for traffic.
    let headers = [(mlci_serve::VERIFICATION_HEADER, "golden")];
    let reply = http::send_with(Method::POST, &url, &headers, Some(body), limit).await?;
    let elapsed = started.elapsed();
    if reply.status != StatusCode::OK {
        let body = String::from_utf8_lossy(&reply.body).chars().take(500).collect::<String>();
        return Err(Error::fail(format!("{url} answered {}", reply.status)).because(body));
    }
    for (header, wanted) in [
        ("mlci-model-digest", expected.digest.to_string()),
        ("mlci-version", expected.version.to_string()),
        ("mlci-instance", expected.pid.map(|pid| pid.to_string()).unwrap_or_default()),
    ] {
        let got = reply.header(header);
        if !wanted.is_empty() && got != wanted {
            return Err(Error::fail(format!(
                "{address} is not what was deployed: its {header} is `{got}`, not `{wanted}`"
            )));
        }
    }
    let infer: Infer = serde_json::from_slice(&reply.body).context(|| format!("the answer of {url} cannot be read"))?;
    let data = infer.outputs.into_iter().next().map(|output| output.data).unwrap_or_default();
    if data.len() != parts.golden.len() {
        return Err(Error::fail(format!("{url} gave {} predictions for {} rows", data.len(), parts.golden.len())));
    }
    let mut predictions = data.iter();
    expected
        .model
        .check_golden(|_| predictions.next().copied().unwrap_or(f64::NAN))
        .context(|| format!("{address} does not predict what the model did when it was made"))?;
    Ok(Verified { predictions: parts.golden.len(), elapsed })
}
