//! Who is asking: HTTP Basic, and tokens as Docker Hub has them (distribution, "Token Authentication" and "OAuth2").

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{
    Response, Url,
    header::{HeaderValue, WWW_AUTHENTICATE},
};
use secrecy::{ExposeSecret as _, zeroize::Zeroizing};
use serde::Deserialize;

use crate::{
    Credential,
    registry::{
        Attempt, Registry, RegistryError, Result, answer,
        http::{Call, Target},
    },
};

const CLIENT: &str = "mlci";
/// What a token server means that does not say how long its token is good.
const DEFAULT_LIFE: u64 = 60;
/// Before its end, so that it does not run out on the way.
const MARGIN: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: usize = 1024 * 1024;

/// What is sent along to a registry.
#[derive(Clone)]
pub(super) struct Authorization {
    /// Marked as sensitive: Debug does not show it.
    pub(super) header: HeaderValue,
    /// The user, if it is not anonymous.
    pub(super) who: Option<String>,
    pub(super) basic: bool,
    ends: Option<Instant>,
}

/// By registry, repository and whether it is for pushing.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<(String, String, bool), Authorization>>);

/// A token server's answer. No Debug.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scopes: Vec<String> },
}

impl Registry {
    /// What was good for this repository before, unless it has run out.
    pub(super) fn authorization(&self, target: &Target) -> Option<Authorization> {
        let tokens = self.inner.tokens.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tokens.get(&key(target))?;
        known.ends.is_none_or(|ends| ends > Instant::now()).then(|| known.clone())
    }

    /// Answers a challenge (401), and keeps the answer for the next requests.
    pub(super) async fn authorize(
        &self,
        target: &Target,
        call: &Call<'_>,
        response: Response,
    ) -> Result<Authorization> {
        let attempt = target.attempt(call);
        let challenge =
            challenge(response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()));
        let credential = self.inner.credentials.find(&target.registry).await?;
        let authorization = match (challenge, credential) {
            (Some(Challenge::Bearer { realm, service, scopes }), credential) => {
                self.token(target, attempt, (realm, service, scopes), credential.as_ref()).await?
            }
            (Some(Challenge::Basic), Some(credential @ Credential::Password { .. })) => Authorization {
                header: basic(&credential).ok_or_else(|| unusable(target, attempt))?,
                who: Some(credential.who()),
                basic: true,
                ends: None,
            },
            (Some(Challenge::Basic), credential) => {
                let hint = match credential {
                    None => format!(
                        "log in with `docker login {}` (credentials: {})",
                        target.registry,
                        self.inner.credentials.place()
                    ),
                    Some(_) => {
                        "it takes a user and a password, and there is only an identity token: log in again".to_owned()
                    }
                };
                return Err(RegistryError::Refused { attempt, answer: answer::read(response).await, hint });
            }
            (None, _) => {
                let answer = answer::read(response).await;
                let hint = "it does not say how to log in (WWW-Authenticate): is it a registry?".to_owned();
                return Err(RegistryError::Refused { attempt, answer, hint });
            }
        };
        let mut tokens = self.inner.tokens.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(key(target), authorization.clone());
        Ok(authorization)
    }

    async fn token(
        &self,
        target: &Target,
        mut attempt: Box<Attempt>,
        (realm, service, scopes): (String, Option<String>, Vec<String>),
        credential: Option<&Credential>,
    ) -> Result<Authorization> {
        attempt.action = format!("get a token to {}", attempt.action);
        let wrong = |problem: String| RegistryError::Protocol { attempt: attempt.clone(), problem };
        let mut url = Url::parse(&realm)
            .map_err(|_| wrong(format!("it names the token server `{}`, which is no URL", answer::clean(&realm))))?;
        if url.scheme() != "https" && !target.plain {
            return Err(wrong(
                "it names a token server without TLS, which would see the password: this is refused".to_owned(),
            ));
        }
        let scopes: BTreeSet<_> = scopes.into_iter().chain(target.scopes()).collect();
        let parameters = service.iter().map(|service| ("service", service.as_str()));
        let request = if let Some(Credential::IdentityToken(secret)) = credential {
            let scopes = scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
            let mut form: Vec<_> = parameters.collect();
            form.extend([("grant_type", "refresh_token"), ("client_id", CLIENT), ("scope", &scopes)]);
            form.push(("refresh_token", secret.expose_secret()));
            "POST".clone_into(&mut attempt.method);
            self.client(target).post(url).form(&form)
        } else {
            url.query_pairs_mut()
                .extend_pairs(parameters)
                .extend_pairs(scopes.iter().map(|scope| ("scope", scope)))
                .append_pair("client_id", CLIENT);
            "GET".clone_into(&mut attempt.method);
            let request = self.client(target).get(url);
            match credential {
                Some(credential) => {
                    let header = basic(credential).ok_or_else(|| unusable(target, attempt.clone()))?;
                    request.header(reqwest::header::AUTHORIZATION, header)
                }
                None => request,
            }
        };
        let mut response = self.answered(request, self.inner.settings.timeout, || attempt.clone()).await?;
        let who = credential.map(Credential::who);
        let status = response.status();
        if status.is_client_error() && status.as_u16() != 429 {
            let mut answer = answer::read(response).await;
            answer.message = format!("its token server says `{}`", answer.message);
            let hint = match who {
                Some(who) => {
                    format!("the password or token of {who} is wrong: run `docker login {}` again", target.registry)
                }
                None => format!(
                    "log in with `docker login {}` (credentials: {})",
                    target.registry,
                    self.inner.credentials.place()
                ),
            };
            return Err(RegistryError::Refused { attempt, answer, hint });
        }
        if !status.is_success() {
            let retry_after =
                response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let answer = answer::read(response).await;
            let hint = ": this is its token server, try again later".to_owned();
            return Err(RegistryError::Failed { attempt, answer, hint, retry_after });
        }
        let html = answer::is_html(response.headers());
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) =
            response.chunk().await.map_err(|error| RegistryError::unreachable(attempt.clone(), error))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_LIMIT {
                return Err(RegistryError::Protocol {
                    attempt,
                    problem: "its token server sent more than 1 MiB".to_owned(),
                });
            }
        }
        let no_token = |what: String| RegistryError::Protocol {
            attempt: attempt.clone(),
            problem: format!("its token server answered 200 with {what}"),
        };
        // The JSON error may quote the token.
        let token: Token = serde_json::from_slice(&body).map_err(|_| {
            no_token(if html { answer::explain(&body, true).1 } else { "what is not the JSON of a token".to_owned() })
        })?;
        let secret = Zeroizing::new(token.token.or(token.access_token).unwrap_or_default());
        if secret.is_empty() {
            return Err(no_token("no token in it".to_owned()));
        }
        let life = Duration::from_secs(token.expires_in.unwrap_or(DEFAULT_LIFE)).saturating_sub(MARGIN);
        let header = sensitive(&format!("Bearer {}", secret.as_str()));
        Ok(Authorization {
            header: header.ok_or_else(|| no_token("a token that cannot stand in a header".to_owned()))?,
            who,
            basic: false,
            ends: Instant::now().checked_add(life),
        })
    }
}

impl Target {
    /// What a token has to be good for. All at once: mounting needs one token for both repositories.
    fn scopes(&self) -> impl Iterator<Item = String> {
        let actions = if self.push { "pull,push" } else { "pull" };
        let own = format!("repository:{}:{actions}", self.repository);
        std::iter::once(own).chain(self.mounts.iter().map(|repository| format!("repository:{repository}:pull")))
    }
}

fn key(target: &Target) -> (String, String, bool) {
    (target.registry.clone(), target.repository.clone(), target.push)
}

fn basic(credential: &Credential) -> Option<HeaderValue> {
    let Credential::Password { user, password } = credential else { return None };
    let pair = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
    sensitive(&format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn unusable(target: &Target, attempt: Box<Attempt>) -> RegistryError {
    let problem = format!("the stored credential cannot be sent: run `docker login {}` again", target.registry);
    RegistryError::Protocol { attempt, problem }
}

/// The challenge to answer; a token rather than a password.
pub(super) fn challenge<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut found = None;
    for challenge in headers.filter_map(|header| http_auth::parse_challenges(header).ok()).flatten() {
        let parameter = |name: &str| {
            challenge
                .params
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_unescaped())
        };
        if challenge.scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = parameter("realm")
        {
            let scopes = parameter("scope").unwrap_or_default();
            let scopes = scopes.split_ascii_whitespace().map(str::to_owned).collect();
            return Some(Challenge::Bearer { realm, service: parameter("service"), scopes });
        }
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            found = Some(Challenge::Basic);
        }
    }
    found
}
