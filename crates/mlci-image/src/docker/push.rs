use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE};
use bollard::auth::DockerCredentials;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use mlci_core::Digest;
use secrecy::{ExposeSecret as _, zeroize::Zeroizing};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    Credential, Credentials, Reference,
    credentials::address,
    docker::{Engine, EngineError, Host, Result, advice, one_line},
};

/// Between two messages: the engine reports progress all the time.
const SILENCE: Duration = Duration::from_secs(300);
const LINE_LIMIT: usize = 1024 * 1024;

impl Engine {
    /// Lets the engine push an image that it has, under its tag. Gives the image's reference by the digest that the
    /// engine reports and that the registry, asked through the engine, has under the tag.
    ///
    /// # Errors
    /// [`EngineError::NoTag`]; [`EngineError::Credentials`]; [`EngineError::Failed`] with the engine's text if the
    /// registry refused; [`EngineError::CutShort`] if the engine's report has no digest;
    /// [`EngineError::Unconfirmed`] if the registry has another one; [`EngineError::Request`].
    pub async fn push(&self, reference: &Reference, credentials: &Credentials) -> Result<Reference> {
        let Some(tag) = reference.tag() else {
            return Err(EngineError::NoTag { reference: Box::new(reference.clone()) });
        };
        let action = format!("push `{}:{tag}`", reference.name());
        let credential = credentials.find(reference.registry()).await?;
        let login = credential.as_ref().map(|credential| engines(credential, reference.registry()));

        let mut report = Report::default();
        self.report(&action, reference, tag, login.as_ref(), &mut report).await?;
        let host = self.host.to_string();
        let Some(digest) = report.digest else {
            return Err(EngineError::CutShort { host, action, missing: "a digest", last: report.last });
        };
        let name = format!("{}:{tag}", reference.name());
        let seen =
            self.api.inspect_registry_image(&name, login).await.map_err(self.failed(&format!("confirm `{name}`")))?;
        let found = seen.descriptor.digest.unwrap_or_default();
        if found.parse() == Ok(digest) {
            return Ok(reference.with_digest(digest));
        }
        let found = if found.is_empty() { "nothing".to_owned() } else { one_line(&found) };
        Err(EngineError::Unconfirmed { reference: Box::new(reference.clone()), expected: digest, found })
    }

    /// Not bollard's `push_image`: of the report it keeps neither the digest (`aux`) nor an `error` that stands alone, so
    /// that a push that failed looks like one that worked.
    async fn report(
        &self,
        action: &str,
        reference: &Reference,
        tag: &str,
        login: Option<&DockerCredentials>,
        report: &mut Report,
    ) -> Result<()> {
        let broken = |source: Box<dyn std::error::Error + Send + Sync>| EngineError::Request {
            host: self.host.to_string(),
            action: action.to_owned(),
            hint: ": the connection to it broke off",
            source,
        };
        let json = Zeroizing::new(
            serde_json::to_string(&login.cloned().unwrap_or_default()).map_err(|error| broken(error.into()))?,
        );
        // The grammar of references leaves nothing to escape.
        let request = Request::post(format!("/images/{}/push?tag={tag}", reference.name()))
            .header("host", "docker")
            .header("x-registry-auth", BASE64_URL_SAFE.encode(json.as_bytes()))
            .body(Empty::new())
            .map_err(|error| broken(error.into()))?;
        let response = match &self.host {
            Host::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| broken(error.into()))?;
                send(stream, request).await
            }
            Host::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(|error| broken(error.into()))?;
                send(stream, request).await
            }
        };
        let response = response.map_err(|error| broken(error.into()))?;
        let status = response.status();
        let mut body = response.into_body();
        let mut pending = Vec::new();
        loop {
            let frame = timeout(SILENCE, body.frame()).await.map_err(|late| broken(late.into()))?;
            let Some(frame) = frame else { break };
            pending.extend_from_slice(frame.map_err(|error| broken(error.into()))?.data_ref().unwrap_or(&Bytes::new()));
            while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                report.read(&line);
            }
            if pending.len() > LINE_LIMIT {
                break;
            }
        }
        report.read(&pending);
        match report.error.take() {
            Some(message) => Err(EngineError::Failed {
                host: self.host.to_string(),
                action: action.to_owned(),
                hint: advice(&message),
                message,
            }),
            None if !status.is_success() => Err(EngineError::Failed {
                host: self.host.to_string(),
                action: action.to_owned(),
                message: format!("it answered {}", status.as_u16()),
                hint: "",
            }),
            None => Ok(()),
        }
    }
}

async fn send<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Empty<Bytes>>,
) -> hyper::Result<Response<Incoming>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the response, whose body reports what goes wrong.
    tokio::spawn(connection);
    sender.send_request(request).await
}

/// What an engine said while it pushed.
#[derive(Debug, Default)]
struct Report {
    digest: Option<Digest>,
    error: Option<String>,
    last: String,
}

impl Report {
    /// One line: a JSON object with some of `status`, `error`, `errorDetail`, `aux` and, from an answer that is no report,
    /// `message`.
    fn read(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        if text.trim().is_empty() {
            return;
        }
        let Ok(json) = serde_json::from_slice::<Value>(line) else {
            self.last = one_line(&text);
            return;
        };
        let at = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        if let Some(message) = at("/errorDetail/message").or(at("/error")).or(at("/message")) {
            self.error.get_or_insert_with(|| one_line(message));
        } else if json.get("errorDetail").is_some_and(|detail| !detail.is_null()) {
            self.error.get_or_insert_with(|| one_line(&text));
        }
        if let Some(digest) = at("/aux/Digest") {
            self.digest = digest.parse().ok();
        }
        if let Some(status) = at("/status") {
            self.last = one_line(status);
        }
    }
}

/// A credential as the engine takes it.
fn engines(credential: &Credential, registry: &str) -> DockerCredentials {
    let serveraddress = Some(address(registry).to_owned());
    match credential {
        Credential::Password { user, password } => DockerCredentials {
            username: Some(user.clone()),
            password: Some(password.expose_secret().to_owned()),
            serveraddress,
            ..DockerCredentials::default()
        },
        Credential::IdentityToken(token) => DockerCredentials {
            identitytoken: Some(token.expose_secret().to_owned()),
            serveraddress,
            ..DockerCredentials::default()
        },
    }
}
