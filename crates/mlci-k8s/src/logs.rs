use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api, ResourceExt,
    api::{ListParams, LogParams},
};

use crate::{
    call::Action,
    cluster::Cluster,
    error::Result,
    name::{Name, Namespace},
    render::CONTAINER,
    workload::{LABEL_INSTANCE, LABEL_NAME},
};

/// The last lines that one pod's server wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodLog {
    /// The pod.
    pub pod: String,
    /// Its lines, the newest last.
    pub lines: Vec<String>,
}

/// So many of the newest warnings tell a story; the rest repeats it.
const EVENTS: usize = 5;

/// More than this of a log is not asked for, whatever the length of its lines.
const LOG_BYTES: i64 = 1 << 20;

impl Cluster {
    /// The last `lines` lines of each pod of a workload, by the pods' names. A pod that has not started has none.
    ///
    /// # Errors
    /// The errors of every call.
    pub async fn logs(&self, namespace: &Namespace, name: &Name, lines: u32) -> Result<Vec<PodLog>> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace.as_str());
        let selector = ListParams::default().labels(&selector(name));
        let action = Action::all("list", "pods", namespace.as_str());
        let pods = self.call(&action, || api.list(&selector)).await?;
        let mut logs = Vec::new();
        for pod in pods {
            let pod = pod.name_any();
            let lines = match self.log(namespace, &pod, CONTAINER, lines, false).await {
                Ok(lines) => lines,
                // 400: the container waits to start. 404: the pod is gone by now.
                Err(crate::Error::Api { status: 400, .. } | crate::Error::NotFound { .. }) => Vec::new(),
                Err(error) => return Err(error),
            };
            logs.push(PodLog { pod, lines });
        }
        logs.sort_by(|a, b| a.pod.cmp(&b.pod));
        Ok(logs)
    }

    pub(crate) async fn log(
        &self,
        namespace: &Namespace,
        pod: &str,
        container: &str,
        lines: u32,
        previous: bool,
    ) -> Result<Vec<String>> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace.as_str());
        let params = LogParams {
            container: Some(container.to_owned()),
            tail_lines: Some(lines.into()),
            limit_bytes: Some(LOG_BYTES),
            previous,
            ..LogParams::default()
        };
        let action = Action::new("get", "pods/log", namespace.as_str(), pod);
        let text = self.call(&action, || api.logs(pod, &params)).await?;
        Ok(text.lines().map(ToOwned::to_owned).collect())
    }

    /// What the cluster has told about an object.
    pub(crate) async fn story(&self, namespace: &Namespace, object: &str) -> Result<Story> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace.as_str());
        let params = ListParams::default().fields(&format!("involvedObject.name={object}"));
        let action = Action::all("list", "events", namespace.as_str());
        let mut events = self.call(&action, || api.list(&params)).await?.items;
        let time = |event: &Event| {
            let last = event.last_timestamp.as_ref().map(|time| time.0);
            last.or(event.event_time.as_ref().map(|time| time.0)).or(event.creation_timestamp().map(|time| time.0))
        };
        events.sort_by_key(time);
        Ok(read(&events))
    }
}

/// The events of an object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Story {
    /// The warnings, the newest last.
    pub(crate) warnings: Vec<String>,
    /// What a probe said last.
    pub(crate) probe: Option<String>,
    /// Whether the kubelet has ended a container because of a probe.
    pub(crate) ended_by_probe: bool,
}

/// Of events in the order of their times.
fn read(events: &[Event]) -> Story {
    let is = |event: &&Event, reason: &str| event.reason.as_deref() == Some(reason);
    let message = |event: &Event| event.message.as_deref().unwrap_or_default().trim().to_owned();
    let warnings = events.iter().filter(|event| event.type_.as_deref() == Some("Warning"));
    let mut texts: Vec<_> = warnings.clone().map(describe).collect();
    texts.dedup();
    // `Container server failed startup probe, will be restarted`
    let ended_by_probe = events
        .iter()
        .filter(|event| is(event, "Killing"))
        .map(message)
        .any(|text| text.contains("failed startup probe") || text.contains("failed liveness probe"));
    Story {
        warnings: texts.split_off(texts.len().saturating_sub(EVENTS)),
        probe: warnings.filter(|event| is(event, "Unhealthy")).map(message).next_back(),
        ended_by_probe,
    }
}

pub(crate) fn selector(name: &Name) -> String {
    format!("{LABEL_NAME}={name},{LABEL_INSTANCE}={name}")
}

fn describe(event: &Event) -> String {
    let reason = event.reason.as_deref().unwrap_or("Warning");
    let message = event.message.as_deref().unwrap_or_default().trim();
    match event.count.unwrap_or(1) {
        0 | 1 => format!("{reason}: {message}"),
        times => format!("{reason} ({times} times): {message}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn warnings_are_shown_and_probes_are_noticed() {
        let event = |kind: &str, reason: &str, message: &str, count: i32| -> Event {
            let value = json!({
                "metadata": {}, "involvedObject": {}, "type": kind, "reason": reason, "message": message, "count": count,
            });
            serde_json::from_value(value).unwrap()
        };
        let story = read(&[
            event("Normal", "Started", "Started container server", 1),
            event("Warning", "Unhealthy", "Startup probe failed: connection refused ", 3),
            event("Normal", "Killing", "Container server failed startup probe, will be restarted", 1),
            event("Warning", "BackOff", "Back-off restarting", 1),
        ]);
        assert_eq!(
            story,
            Story {
                warnings: vec![
                    "Unhealthy (3 times): Startup probe failed: connection refused".to_owned(),
                    "BackOff: Back-off restarting".to_owned()
                ],
                probe: Some("Startup probe failed: connection refused".to_owned()),
                ended_by_probe: true,
            }
        );
        // As when it makes room for the next version.
        assert!(!read(&[event("Normal", "Killing", "Stopping container server", 1)]).ended_by_probe);
    }
}
