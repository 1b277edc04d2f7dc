use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::{core::v1::Pod, discovery::v1::EndpointSlice};
use kube::{Api, api::ListParams, client::Body, core::Status};

use crate::{
    call::{Action, explain, explain_status},
    cluster::Cluster,
    error::{Error, Result},
    name::{Name, Namespace},
};

/// The largest answer that is read through the API server.
const ANSWER_BYTES: usize = 16 << 20;

/// A pod that a Service sends to, with the port of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) pod: String,
    pub(crate) port: u16,
}

impl Cluster {
    /// Sends a request to the workload's Service through the API server, which chooses a ready pod as the Service does
    /// (`/api/v1/namespaces/…/services/…/proxy/`), and returns the answer, whatever its status. The request's URI is
    /// path and query. It is sent once only, and its answer may have at most 16 MiB.
    ///
    /// ```no_run
    /// # async fn demo(cluster: mlci_k8s::Cluster) -> Result<(), Box<dyn std::error::Error>> {
    /// use mlci_k8s::http::Request;
    ///
    /// let request = Request::post("/predict").header("content-type", "application/json").body(b"[[1.0]]".to_vec())?;
    /// let answer = cluster.proxy(&"staging".parse()?, &"wine".parse()?, request).await?;
    /// assert_eq!(answer.status(), 200);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoEndpoint`] when no pod is ready; [`Error::Forbidden`] and the like from the API server itself, which
    /// is told from the server behind it by the `Status` object that it answers with.
    pub async fn proxy(
        &self,
        namespace: &Namespace,
        service: &Name,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>> {
        let verb = if request.method() == http::Method::GET { "get" } else { "create" };
        let action = Action::new(verb, "services/proxy", namespace.as_str(), service.as_str());
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        // The Service's port by its name, as it is rendered.
        let path = format!("/api/v1/namespaces/{namespace}/services/{service}:http/proxy{path}");
        parts.uri =
            path.parse::<Uri>().map_err(|error| explain(kube::Error::HttpError(error.into()), &action, &self.place))?;
        let request = Request::from_parts(parts, Body::from(body));
        let (parts, body) = self
            .call_once(&action, async {
                let (parts, body) = self.client.send(request).await?.into_parts();
                let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(kube::Error::Service)?;
                Ok((parts, body.to_bytes().to_vec()))
            })
            .await?;
        match status_of(parts.status, &body) {
            None => Ok(Response::from_parts(parts, body)),
            Some(status) if status.message.contains("no endpoints available") => {
                Err(self.no_endpoint(namespace, service))
            }
            Some(status) => Err(explain_status(&status, &action, &self.place)),
        }
    }

    /// The ready pods behind a Service, a canary's left out.
    pub(crate) async fn endpoints(&self, namespace: &Namespace, service: &Name) -> Result<Vec<Endpoint>> {
        let mut found = self.all_endpoints(namespace, service).await?;
        // What is asked of the workload is not what a canary answers.
        let aside = self.tracks(namespace, service).await?.canary;
        found.retain(|endpoint| !aside.contains(&endpoint.pod));
        found.sort_by(|a, b| a.pod.cmp(&b.pod));
        Ok(found)
    }

    /// The ready pods behind a Service, as the cluster has them in its EndpointSlices.
    pub(crate) async fn all_endpoints(&self, namespace: &Namespace, service: &Name) -> Result<Vec<Endpoint>> {
        let api: Api<EndpointSlice> = Api::namespaced(self.client.clone(), namespace.as_str());
        let params = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
        let action = Action::all("list", "endpointslices.discovery.k8s.io", namespace.as_str());
        let slices = self.call(&action, || api.list(&params)).await?;
        Ok(slices.into_iter().flat_map(|slice| ready(&slice)).collect())
    }

    /// A ready pod behind a Service, the next one at each call.
    pub(crate) async fn endpoint(&self, namespace: &Namespace, service: &Name, turn: &AtomicUsize) -> Result<Endpoint> {
        let endpoints = self.endpoints(namespace, service).await?;
        let number = turn.fetch_add(1, Ordering::Relaxed).checked_rem(endpoints.len());
        let chosen = number.and_then(|number| endpoints.into_iter().nth(number));
        chosen.ok_or_else(|| self.no_endpoint(namespace, service))
    }

    pub(crate) fn pod_api(&self, namespace: &Namespace) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace.as_str())
    }

    pub(crate) fn no_endpoint(&self, namespace: &Namespace, service: &Name) -> Error {
        Error::NoEndpoint { service: service.to_string(), namespace: namespace.to_string(), place: self.place.clone() }
    }
}

/// The API server's own refusal, if that is what the answer is.
fn status_of(code: StatusCode, body: &[u8]) -> Option<Status> {
    if !code.is_client_error() && !code.is_server_error() {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let is_status = value.get("kind")? == "Status" && value.get("apiVersion")? == "v1";
    if is_status { serde_json::from_value(value).ok() } else { None }
}

fn ready(slice: &EndpointSlice) -> Vec<Endpoint> {
    let port = slice.ports.iter().flatten().find(|port| port.name.as_deref() == Some("http"));
    let Some(port) = port.and_then(|port| port.port).and_then(|port| u16::try_from(port).ok()) else {
        return Vec::new();
    };
    // No word on readiness counts as ready (EndpointSlice API, `conditions.ready`).
    let ready = slice
        .endpoints
        .iter()
        .filter(|it| it.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true));
    let pods = ready
        .filter_map(|endpoint| endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod")));
    pods.filter_map(|target| target.name.clone()).map(|pod| Endpoint { pod, port }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_ready_pods_are_endpoints() {
        let endpoint = |pod: &str, ready: Option<bool>| json!({ "addresses": ["10.0.0.1"], "conditions": { "ready": ready }, "targetRef": { "kind": "Pod", "name": pod } });
        let slice: EndpointSlice = serde_json::from_value(json!({
            "addressType": "IPv4",
            "metadata": {},
            "ports": [{ "name": "other", "port": 1 }, { "name": "http", "port": 8080 }],
            "endpoints": [endpoint("a", Some(true)), endpoint("b", Some(false)), endpoint("c", None), { "addresses": ["10.0.0.9"] }],
        }))
        .unwrap();
        let pods: Vec<_> = ready(&slice).into_iter().map(|it| (it.pod, it.port)).collect();
        assert_eq!(pods, [("a".to_owned(), 8080), ("c".to_owned(), 8080)]);
    }

    #[test]
    fn a_refusal_of_the_api_server_is_told_from_an_answer_behind_it() {
        let status = br#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","reason":"","code":503}"#;
        assert_eq!(status_of(StatusCode::SERVICE_UNAVAILABLE, status).unwrap().message, "no");
        for (code, body) in [(200, status.as_slice()), (503, b"{\"kind\":\"overload\"}"), (503, b"busy"), (422, b"[]")]
        {
            assert_eq!(status_of(StatusCode::from_u16(code).unwrap(), body), None);
        }
    }
}
