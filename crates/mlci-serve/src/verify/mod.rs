//! Whether a server that runs is the one that was meant: asks it for the model's golden predictions.
//!
//! The same comparison stands behind `mlci-serve --verify` and behind every deployment of the pipeline.
//!
//! ```
//! use std::time::Duration;
//!
//! use mlci_core::Digest;
//! use mlci_model::{Column, Estimator, Golden, Kind, Linear, Model, Parts, Profile, Schema};
//! use mlci_serve::{ServedModel, Server, ServerOptions, verify};
//!
//! // y = 3·x + 1, and one prediction that was kept when it was made.
//! let (x, y) = ([0.0, 1.0], [1.0, 4.0]);
//! let column = |name: &str, values: &[f64]| Column::observed(name, Kind::Float, None, values).unwrap();
//! let model = Model::new(Parts {
//!     name: "line".parse()?,
//!     schema: Schema { features: vec![column("x", &x)], target: column("y", &y) },
//!     estimator: Estimator::Linear(Linear { coefficients: vec![3.0], intercept: 1.0 }),
//!     profiles: vec![Profile::of(&x).unwrap()],
//!     prediction_profile: Profile::of(&y).unwrap(),
//!     data: Digest::of(b"data"),
//!     config: Digest::of(b"config"),
//!     golden: vec![Golden { row: vec![2.0], prediction: 7.0 }],
//! })?;
//! let served = ServedModel::from_bytes(&model.encode()?, Some("7".to_owned()))?;
//! let expected = verify::Expected::new(&model, served.digest());
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let options = ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() };
//! let server = Server::bind(served, options).await?;
//! let address = format!("http://{}", server.address());
//! tokio::spawn(server.run(std::future::pending::<()>()));
//!
//! let verified = verify::verify(&address, &expected, Duration::from_secs(10)).await?;
//! assert_eq!((verified.predictions, verified.version.as_str()), (1, "7"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod error;
mod http;

use std::time::{Duration, Instant};

use mlci_core::Digest;
use mlci_model::{Model, Value};
use serde::Deserialize;
use serde_json::json;

use self::{
    address::Address,
    http::{Reply, get, post},
};

pub use self::error::VerifyError;
use crate::routes::datatype;

/// What a server has to be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Expected<'a> {
    /// The model that it has to serve.
    pub model: &'a Model,
    /// The digest of that model's file.
    pub digest: Digest,
    /// The version that it has to serve it under. None: whichever.
    pub version: Option<String>,
    /// The process that has to answer. None: whichever.
    pub pid: Option<u32>,
}

impl<'a> Expected<'a> {
    /// A server of this model file, whatever its version and process.
    #[must_use]
    pub fn new(model: &'a Model, digest: Digest) -> Self {
        Self { model, digest, version: None, pid: None }
    }

    /// Who answers stands in the headers of every reply.
    fn compare(&self, address: &Address, reply: &Reply) -> Result<(), VerifyError> {
        let pid = self.pid.map(|pid| pid.to_string());
        for (header, wanted) in [
            ("mlci-model-digest", Some(self.digest.to_string())),
            ("mlci-version", self.version.clone()),
            ("mlci-instance", pid),
        ] {
            let got = reply.header(header);
            if let Some(wanted) = wanted.filter(|wanted| got != *wanted) {
                let (address, got) = (address.to_string(), got.chars().take(http::SHOWN).collect());
                return Err(VerifyError::Other { address, header, got, wanted });
            }
        }
        Ok(())
    }
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many golden predictions agreed: all that the model has.
    pub predictions: usize,
    /// The version that the server states.
    pub version: String,
    /// How long the request for the predictions took.
    pub elapsed: Duration,
}

#[derive(Deserialize)]
struct Infer {
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    data: Vec<f64>,
}

/// Asks the server at `address`, `http://HOST[:PORT][/PREFIX]`: it has to be ready, to state the digest, version and
/// process that are expected in the headers of its replies, and to predict the golden rows as the model did when it was
/// made ([`Model::check_golden`]). Each of the two requests has its own connection and may take `limit`.
///
/// An IPv6 address may stand without its brackets where a port follows, since that is how Kubernetes' variables
/// (`NAME_SERVICE_HOST`, `NAME_SERVICE_PORT`) put together are written.
///
/// # Errors
/// [`VerifyError`] for the first thing that is not as it should be.
pub async fn verify(address: &str, expected: &Expected<'_>, limit: Duration) -> Result<Verified, VerifyError> {
    let address: Address = address.parse()?;
    let ready = get(&address, "/readyz", limit).await?.success()?;
    expected.compare(&address, &ready)?;
    let version = ready.header("mlci-version").to_owned();
    let golden = &expected.model.parts().golden;
    if golden.is_empty() {
        return Ok(Verified { predictions: 0, version, elapsed: Duration::ZERO });
    }
    let features = &expected.model.schema().features;
    let inputs = features.iter().enumerate().map(|(position, column)| {
        let values = golden.iter().filter_map(|golden| golden.row.get(position));
        let data: Vec<Value> = values.map(|value| column.shown(*value)).collect();
        json!({"name": column.name, "shape": [data.len()], "datatype": datatype(column), "data": data})
    });
    let inputs: Vec<_> = inputs.collect();
    let path = format!("/v2/models/{}/infer", expected.model.name());
    let started = Instant::now();
    let reply = post(&address, &path, json!({"inputs": inputs}).to_string(), limit).await?.success()?;
    let elapsed = started.elapsed();
    // Behind a Service another server may have answered than the one that was ready.
    expected.compare(&address, &reply)?;
    let infer: Infer = serde_json::from_slice(&reply.body).map_err(|source| VerifyError::Unreadable {
        request: reply.request.clone(),
        place: (source.line(), source.column()),
    })?;
    let data = infer.outputs.into_iter().next().map(|output| output.data).unwrap_or_default();
    if data.len() != golden.len() {
        return Err(VerifyError::Count { request: reply.request, predictions: data.len(), rows: golden.len() });
    }
    let mut predictions = data.iter();
    expected
        .model
        .check_golden(|_| predictions.next().copied().unwrap_or(f64::NAN))
        .map_err(|source| VerifyError::Golden { address: address.to_string(), source })?;
    Ok(Verified { predictions: golden.len(), version, elapsed })
}

#[cfg(test)]
mod tests;
