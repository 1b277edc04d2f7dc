//! Whether what is rolled out serves the release, asked through its Service.

use std::{net::SocketAddr, time::Duration};

use mlci_core::Digest;
use mlci_k8s::{Cluster, Forward};
use mlci_model::Model;
use mlci_serve::verify::{Expected, verify};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{Kubernetes, other};
use crate::{deploy::target::DeployError, error::Error, records::Release};

const ANSWER: Duration = Duration::from_secs(10);
/// The first answer also pays for the way there.
const TRIES: u32 = 3;
const METRICS_BYTES: u64 = 4 << 20;

/// What is to answer.
#[derive(Clone, Copy)]
pub(in crate::deploy) struct Wanted<'a> {
    pub(in crate::deploy) release: &'a Release,
    pub(in crate::deploy) model: &'a Model,
}

impl Kubernetes {
    /// The golden predictions, through the Service, in time, and the metrics of the very model. Only what it answers is
    /// the release's doing.
    pub(super) async fn ask(
        &self,
        cluster: &Cluster,
        Wanted { release, model }: Wanted<'_>,
    ) -> Result<(), DeployError> {
        let forward = cluster.forward(&self.namespace, &self.name).await.map_err(other)?;
        self.ask_through(&forward, Wanted { release, model }).await
    }

    /// The same, of whatever a forward leads to.
    pub(super) async fn ask_through(
        &self,
        forward: &Forward,
        Wanted { release, model }: Wanted<'_>,
    ) -> Result<(), DeployError> {
        let fault = |error: Error| match forward.last_error() {
            Some(why) => DeployError::Other(Error::fail(error.message).because(why)),
            None => DeployError::Release(error),
        };
        let mut expected = Expected::new(model, release.model);
        expected.version = Some(release.version.to_string());
        let address = format!("http://{}", forward.address());
        let mut fastest = Duration::MAX;
        for _ in 0..TRIES {
            let verified = verify(&address, &expected, ANSWER).await.map_err(|error| fault(error.into()))?;
            fastest = fastest.min(verified.elapsed);
            if self.latency.is_none_or(|limit| fastest <= limit) {
                break;
            }
        }
        if let Some(limit) = self.latency.filter(|limit| fastest > *limit) {
            return Err(DeployError::Release(Error::fail(format!(
                "its golden predictions took {fastest:.0?} at best, and may take {limit:.0?} (`latency_ms`)"
            ))));
        }
        let metrics = timeout(ANSWER, metrics(forward.address())).await;
        let text = match metrics {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => return Err(fault(Error::fail("its metrics cannot be read").because(error))),
            Err(_) => return Err(fault(Error::fail(format!("its metrics did not come within {ANSWER:?}")))),
        };
        stated(&text, &release.model).map_err(fault)
    }
}

/// The whole answer to `GET /metrics`, head and body.
async fn metrics(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut answer = Vec::new();
    stream.take(METRICS_BYTES).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether the metrics are those of this model, so that what is watched is what serves.
fn stated(answer: &str, model: &Digest) -> Result<(), Error> {
    let first = answer.lines().next().unwrap_or_default();
    if first.split(' ').nth(1) != Some("200") {
        return Err(Error::fail(format!("`/metrics` answers `{first}`, and no metrics")));
    }
    let of_model = format!("digest=\"{model}\"");
    let mut lines = answer.lines().filter(|line| line.starts_with("mlci_model_info{"));
    if lines.any(|line| line.contains(&of_model)) {
        return Ok(());
    }
    Err(Error::fail(format!("its metrics state another model than {model}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_to_state_the_model() {
        let (model, other) = (Digest::of(b"model"), Digest::of(b"other"));
        let answer = format!(
            "HTTP/1.1 200 OK\r\n\r\n# HELP mlci_model_info x\nmlci_model_info{{name=\"a\",digest=\"{model}\"}} 1\n"
        );
        assert!(stated(&answer, &model).is_ok());
        assert!(stated(&answer, &other).unwrap_err().message.contains("another model"));
        assert!(stated("HTTP/1.1 404 Not Found\r\n\r\n", &model).unwrap_err().message.contains("404"));
        assert!(stated("", &model).is_err());
    }
}
