use mlci_core::Digest;
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use serde_json::Value;

use crate::registry::{
    Answer, RegistryError, Result,
    auth::Authorization,
    http::{Call, Target},
};

/// Bytes of an error's body that are looked at.
const LIMIT: usize = 64 * 1024;
/// Characters of a message that are shown.
const SHOWN: usize = 300;

/// The response if its status is a success, or the error that it is.
pub(super) async fn success(
    target: &Target,
    call: &Call<'_>,
    response: Response,
    authorization: Option<&Authorization>,
) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let attempt = target.attempt(call);
    let answer = read(response).await;
    let who = authorization.and_then(|authorization| authorization.who.as_deref()).unwrap_or("an anonymous user");
    let verb = if target.push { "push to" } else { "pull from" };
    let repository = &target.repository;
    Err(match status {
        StatusCode::UNAUTHORIZED if authorization.is_some_and(|known| known.basic) => RegistryError::Refused {
            attempt,
            answer,
            hint: format!(
                "the password of {who} is wrong, or there is no such user: run `docker login {}`",
                target.registry
            ),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RegistryError::Refused {
            attempt,
            answer,
            hint: format!(
                "{who} may not {verb} `{repository}`, or it does not exist: ask its owner, or check the name"
            ),
        },
        StatusCode::NOT_FOUND => RegistryError::NotFound {
            attempt,
            answer,
            hint: "check the repository's name, the tag or digest, and that this is a registry".to_owned(),
        },
        StatusCode::TOO_MANY_REQUESTS => RegistryError::Failed {
            attempt,
            answer,
            hint: ": it allows no more requests for now: wait, or log in for a higher limit".to_owned(),
            retry_after,
        },
        // The text is that of Go's servers, which an answer to HEAD cannot have.
        StatusCode::BAD_REQUEST if target.plain && (answer.message.is_empty() || answer.message.contains("HTTPS")) => {
            let hint =
                ": it may speak TLS: do not ask for plain HTTP, or ask for TLS if it is on this machine".to_owned();
            RegistryError::Failed { attempt, answer, hint, retry_after }
        }
        _ if status.is_server_error() => {
            RegistryError::Failed { attempt, answer, hint: ": look at the registry's own log".to_owned(), retry_after }
        }
        _ => RegistryError::Failed { attempt, answer, hint: String::new(), retry_after },
    })
}

/// What an answer without success says.
pub(super) async fn read(mut response: Response) -> Answer {
    let status = response.status().as_u16();
    let html = is_html(response.headers());
    let mut body = Vec::new();
    // The status is what counts: what cannot be read of the rest is left out.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > LIMIT {
            body.truncate(LIMIT);
            break;
        }
    }
    let (code, message) = explain(&body, html);
    Answer { status, code, message }
}

/// The error code and message in a body.
pub(super) fn explain(body: &[u8], html: bool) -> (Option<String>, String) {
    let text = String::from_utf8_lossy(body);
    if let Ok(json) = serde_json::from_slice::<Value>(body) {
        let first = |value: &Value, keys: &[&str]| {
            keys.iter().find_map(|key| value.get(key)?.as_str().filter(|text| !text.is_empty()).map(clean))
        };
        let error = json.pointer("/errors/0").unwrap_or(&json);
        // Token servers have forms of their own, OAuth 2.0's among them.
        let code = first(error, &["code", "error"]);
        let message = first(error, &["message", "error_description", "details", "detail"]).unwrap_or_default();
        return (code, message);
    }
    if html
        || text.trim_start().get(..9).is_some_and(|start| start.eq_ignore_ascii_case("<!doctype"))
        || text.contains("<html")
    {
        return (None, page(&text));
    }
    (None, clean(text.lines().next().unwrap_or_default()))
}

/// What to say of an HTML page.
fn page(text: &str) -> String {
    let title =
        text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| clean(title));
    let title = title.filter(|title| !title.is_empty()).map_or_else(String::new, |title| format!(" titled `{title}`"));
    format!("an HTML page{title} and not the JSON of a registry: is a proxy or a login page in between?")
}

pub(super) fn is_html(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with("text/html"))
}

/// A text from elsewhere, fit for one line of a terminal.
pub(super) fn clean(text: &str) -> String {
    let text = text.trim();
    let mut shown: String =
        text.chars().take(SHOWN).map(|character| if character.is_control() { ' ' } else { character }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The digest that a registry states. It may leave it out, or use another algorithm than ours.
pub(super) fn digest_header(target: &Target, call: &Call<'_>, headers: &HeaderMap) -> Result<Option<Digest>> {
    let Some(value) = headers.get("docker-content-digest") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    match text.parse() {
        Ok(digest) => Ok(Some(digest)),
        Err(_) if text.contains(':') && !text.starts_with("sha256:") => Ok(None),
        Err(_) => Err(RegistryError::Protocol {
            attempt: target.attempt(call),
            problem: format!("it states the digest `{}`, which is none", clean(text)),
        }),
    }
}
