//! A token server for a registry: who may do what, signed (Docker Registry v2, "Token Authentication Specification").
//!
//! It grants as Docker Hub does: anonymous callers may pull, the account may push too; but nobody may push to what
//! begins with `other/`.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::get,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL},
};
use mlci_core::FileError;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// The account.
pub(crate) const USER: &str = "lab";
/// Its password, which guards nothing.
pub(crate) const PASSWORD: &str = "lab-password-of-no-value";
const LIFE: u64 = 300;

struct Server {
    key: PathBuf,
    certificate: String,
}

/// Serves tokens on a loopback port until the process ends. `folder` has `key.pem` and `certificate.pem`.
///
/// # Errors
/// When these cannot be read, or the port is taken.
pub fn serve(port: u16, folder: &Path) -> Result<()> {
    let path = folder.join("certificate.pem");
    let certificate = fs::read_to_string(&path).map_err(FileError::at("read", &path))?;
    let certificate = certificate.lines().filter(|line| !line.starts_with("-----")).collect();
    let server = Arc::new(Server { key: folder.join("key.pem"), certificate });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Other(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.map_err(|error| Error::Other(format!("cannot listen on {address}: {error}")))?;
        let router = Router::new().route("/token", get(token)).with_state(server);
        axum::serve(listener, router).await.map_err(|error| Error::Other(error.to_string()))
    })
}

async fn token(State(server): State<Arc<Server>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let account = match headers.get("authorization") {
        None => false,
        Some(value) if *value == format!("Basic {}", BASE64.encode(format!("{USER}:{PASSWORD}"))) => true,
        Some(_) => {
            let body = json!({"details": "incorrect username or password"});
            return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
        }
    };
    let query = query.unwrap_or_default();
    let values = |wanted: &str| -> Vec<String> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let fitting = pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value.replace('+', " "));
        fitting.map(|value| percent_decode_str(&value).decode_utf8_lossy().into_owned()).collect()
    };
    let scopes = values("scope");
    let access: Vec<Value> =
        scopes.iter().flat_map(|scope| scope.split(' ')).filter_map(|scope| granted(scope, account)).collect();
    let service = values("service").into_iter().next().unwrap_or_default();
    match signed(&server, &service, if account { USER } else { "" }, &access) {
        Ok(token) => Json(json!({"token": token, "access_token": token, "expires_in": LIFE})).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What of a scope (`repository:NAME:ACTIONS`) is granted.
fn granted(scope: &str, account: bool) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let may_push = account && !name.starts_with("other/");
    let actions: Vec<&str> = actions.split(',').filter(|action| may_push || *action == "pull").collect();
    Some(json!({"type": kind, "name": name, "actions": actions}))
}

fn signed(server: &Server, service: &str, subject: &str, access: &[Value]) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [server.certificate]});
    let claims = json!({
        "iss": "lab", "sub": subject, "aud": service, "access": access,
        "iat": now, "nbf": now.saturating_sub(10), "exp": now + LIFE, "jti": format!("{now}-{subject}"),
    });
    let text = format!("{}.{}", BASE64_URL.encode(header.to_string()), BASE64_URL.encode(claims.to_string()));
    let failed = |source| Error::Run { program: "openssl".to_owned(), source };
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(&server.key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        std::io::Write::write_all(&mut input, text.as_bytes()).map_err(failed)?;
    }
    let signature = child.wait_with_output().map_err(failed)?.stdout;
    Ok(format!("{text}.{}", BASE64_URL.encode(signature)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_do_what() {
        let actions = |scope, account| granted(scope, account).unwrap()["actions"].clone();
        assert_eq!(actions("repository:team/x:pull,push", true), json!(["pull", "push"]));
        assert_eq!(actions("repository:team/x:pull,push", false), json!(["pull"]));
        assert_eq!(actions("repository:other/x:pull,push", true), json!(["pull"]));
        assert!(granted("nothing", true).is_none());
    }
}
