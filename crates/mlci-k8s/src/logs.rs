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

    /// The warnings about an object, the newest last.
    pub(crate) async fn warnings(&self, namespace: &Namespace, object: &str) -> Result<Vec<String>> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace.as_str());
        let params = ListParams::default().fields(&format!("involvedObject.name={object},type=Warning"));
        let action = Action::all("list", "events", namespace.as_str());
        let mut events = self.call(&action, || api.list(&params)).await?.items;
        let time = |event: &Event| {
            let last = event.last_timestamp.as_ref().map(|time| time.0);
            last.or(event.event_time.as_ref().map(|time| time.0)).or(event.creation_timestamp().map(|time| time.0))
        };
        events.sort_by_key(time);
        let mut texts: Vec<_> = events.iter().map(describe).collect();
        texts.dedup();
        Ok(texts.split_off(texts.len().saturating_sub(EVENTS)))
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
