use std::{error::Error as StdError, fmt, future::Future, sync::Arc, time::Duration};

use kube::core::Status;
use tokio::time::{sleep, timeout};

use crate::{
    cluster::Cluster,
    error::{Error, Result, chain},
    place::{FieldConflict, Place},
};

/// What is asked of the API server, in its own terms (Kubernetes documentation, "Authorization", request attributes).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Action<'a> {
    pub(crate) verb: &'static str,
    /// With its group, as a Role and an error of the server name it.
    pub(crate) resource: &'a str,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

impl<'a> Action<'a> {
    pub(crate) const fn new(verb: &'static str, resource: &'a str, namespace: &'a str, name: &'a str) -> Self {
        Self { verb, resource, namespace: Some(namespace), name: Some(name) }
    }

    pub(crate) const fn all(verb: &'static str, resource: &'a str, namespace: &'a str) -> Self {
        Self { verb, resource, namespace: Some(namespace), name: None }
    }
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if let Some(name) = self.name {
            write!(f, " `{name}`")?;
        }
        match self.namespace {
            Some(namespace) => write!(f, " in namespace `{namespace}`"),
            None => Ok(()),
        }
    }
}

/// An error that may pass is given so many chances.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(100);

impl Cluster {
    /// Makes a call that may be made twice. An error that may pass is tried again with a growing pause: a few times what
    /// the API server answers itself (500, 502, a webhook that is away), and for the cluster's whole time limit where it
    /// is away or overloaded (a lost connection, 429, 503, 504), since to be started anew takes it longer than that.
    pub(crate) async fn call<T, F>(&self, action: &Action<'_>, mut make: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let mut last = None;
        let tries = async {
            let (mut lost, mut tried, mut answered) = (false, 0_u32, 0);
            loop {
                let error = match make().await {
                    Ok(value) => return Ok(value),
                    Err(error) => explain(error, action, &self.place),
                };
                if error.is_away() {
                    // What it answers once it is back has its own chances, however long that took.
                    (lost, answered) = (true, 0);
                } else {
                    answered += 1;
                    // One that has just started refuses for a moment what it allows.
                    let passes = error.is_transient() || lost && error.is_refusal();
                    if answered >= TRIES || !passes {
                        return Err(error);
                    }
                }
                last = Some(error);
                sleep(PAUSE * (1 << tried.min(4))).await;
                tried = tried.saturating_add(1);
            }
        };
        match timeout(self.timeout, tries).await {
            Ok(result) => result,
            Err(_) => Err(match last {
                Some(error @ Error::Unreachable { .. }) => error,
                last => self.timed_out(action, last.map(|error| error.to_string())),
            }),
        }
    }

    /// Makes a call once, within the cluster's time limit.
    pub(crate) async fn call_once<T>(
        &self,
        action: &Action<'_>,
        future: impl Future<Output = kube::Result<T>>,
    ) -> Result<T> {
        match timeout(self.timeout, future).await {
            Ok(result) => result.map_err(|error| explain(error, action, &self.place)),
            Err(_) => Err(self.timed_out(action, None)),
        }
    }

    pub(crate) fn timed_out(&self, action: &Action<'_>, last: Option<String>) -> Error {
        Error::TimedOut { action: action.to_string(), place: self.place.clone(), after: self.timeout, last }
    }
}

/// `None` for an answer that says that the thing is not there.
pub(crate) fn optional<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Says what an error of the client means for the one who asked.
pub(crate) fn explain(error: kube::Error, action: &Action<'_>, place: &Arc<Place>) -> Error {
    let (action_text, place_copy) = (action.to_string(), place.clone());
    match error {
        kube::Error::Api(status) => explain_status(&status, action, place),
        kube::Error::HyperError(error) => explain_connection(Box::new(error), action_text, place_copy),
        kube::Error::Service(error) => explain_connection(error, action_text, place_copy),
        kube::Error::ReadEvents(error) => explain_connection(Box::new(error), action_text, place_copy),
        kube::Error::Auth(error) => Error::Credentials { place: place_copy, source: Box::new(error) },
        error => Error::Answer { action: action_text, place: place_copy, source: Box::new(error) },
    }
}

fn explain_connection(source: Box<dyn StdError + Send + Sync>, action: String, place: Arc<Place>) -> Error {
    let source = match source.downcast::<kube::client::AuthError>() {
        Ok(error) => return Error::Credentials { place, source: error },
        Err(source) => source,
    };
    // An io::Error does not give the error inside it as its source, so that only the text is left to look at.
    let text = chain(source.as_ref()).to_lowercase();
    if !text.contains("peer certificate") {
        return Error::Unreachable { action, place, source };
    }
    let problem = if text.contains("expired") {
        "it has expired: renew it on the cluster's side, or set this machine's clock"
    } else if text.contains("unknownissuer") || text.contains("unknown issuer") {
        "its authority is not the one in the kubeconfig: take `certificate-authority-data` from the cluster anew"
    } else if text.contains("not valid for") || text.contains("notvalidforname") {
        "it is for another host: use the address that it names, or set `tls-server-name` in the kubeconfig"
    } else {
        "it is not valid: see the cause"
    };
    Error::Certificate { action, place, problem, source }
}

/// Kubernetes API conventions, "Response Status Kind".
pub(crate) fn explain_status(status: &Status, action: &Action<'_>, place: &Arc<Place>) -> Error {
    let (action_text, place) = (action.to_string(), place.clone());
    let message = status.message.clone();
    let causes = status.details.as_ref().map_or(&[][..], |details| &details.causes);
    let cause = |reason: &str| causes.iter().any(|cause| cause.reason == reason);
    let kind = status.details.as_ref().map_or("", |details| &details.kind);
    let namespace = || action.namespace.unwrap_or_default().to_owned();
    match status.code {
        401 => Error::Unauthorized { action: action_text, place, message },
        403 if cause("NamespaceTerminating") => Error::NamespaceTerminating { namespace: namespace(), place },
        403 if message.contains(" cannot ") => Error::Forbidden {
            action: action_text,
            place,
            verb: action.verb,
            resource: action.resource.to_owned(),
            namespace: action.namespace.map(ToOwned::to_owned),
            message,
        },
        404 if kind == "namespaces" && action.resource != "namespaces" => {
            Error::NamespaceMissing { namespace: namespace(), place }
        }
        404 => Error::NotFound { action: action_text, place },
        409 if cause("FieldManagerConflict") => {
            let conflict = |message: &str, field: &str| {
                // conflict with "kubectl-edit" using apps/v1
                let manager = message.split('"').nth(1).unwrap_or(message).to_owned();
                FieldConflict { manager, field: field.to_owned() }
            };
            let conflicts = causes.iter().filter(|cause| cause.reason == "FieldManagerConflict");
            let conflicts = conflicts.map(|cause| conflict(&cause.message, &cause.field)).collect();
            Error::Conflict { action: action_text, place, conflicts }
        }
        // What is left of 403 is no missing right, but a quota or a policy.
        403 | 422 => Error::Refused { action: action_text, place, message },
        400..500 if message.contains("admission webhook") => Error::Refused { action: action_text, place, message },
        500 if message.contains("failed calling webhook") => Error::Webhook { action: action_text, place, message },
        status => Error::Api { action: action_text, place, status, message },
    }
}

#[cfg(test)]
mod tests;
