use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Instant,
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use mlci_model::PredictError;

use crate::{
    ServedModel,
    body::Limits,
    input::{Batch, Layout},
    log::{Asked, Log},
    metrics::Metrics,
    refusal::Refusal,
    routes,
};

/// What all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) served: ServedModel,
    pub(crate) layout: Layout,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
    /// Where requests are logged, if they are.
    pub(crate) log: Option<Log>,
    /// Set when the server is about to stop: it is not ready any more, and every answer closes its connection.
    draining: AtomicBool,
    headers: Vec<(&'static str, HeaderValue)>,
}

impl App {
    pub(crate) fn new(served: ServedModel, limits: Limits, log: Option<Log>) -> Arc<Self> {
        let (layout, mut metrics) = (Layout::of(served.model()), Metrics::of(&served));
        if let Some(log) = &log {
            log.serves(&served);
            metrics.add_dropped(log.dropped());
        }
        let log = log.filter(Log::has_requests);
        let headers = served.headers();
        Arc::new(Self { served, layout, metrics, limits, log, draining: AtomicBool::new(false), headers })
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::SeqCst)
    }

    /// Predicts a batch, and counts it if it is traffic.
    pub(crate) fn predict(&self, batch: &Batch, traffic: bool) -> Result<Vec<f64>, Refusal> {
        let started = Instant::now();
        let predictions = self.served.model().predict(&batch.values).map_err(|error| match error {
            PredictError::Overflow { row } => {
                Refusal::at(Some(row), "the values are so large that the prediction overflows".to_owned())
                    .expected("a finite prediction")
            }
            PredictError::OnnxInput { row, feature, value, element } => {
                let range = format!("a value that goes into a model of type {element}");
                Refusal::value(Some(row), &feature, &range, &value.to_string())
            }
            // The reader has checked the rest, so this cannot be the client's doing.
            other => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, other.to_string()),
        })?;
        let took = started.elapsed();
        if traffic {
            self.metrics.predicted(&batch.values, &predictions, took);
        }
        Ok(predictions)
    }
}

/// Adds to `router` what holds for every request.
pub(crate) fn finish(router: Router<Arc<App>>, app: Arc<App>) -> Router {
    router.layer(from_fn_with_state(app.clone(), observe)).with_state(app)
}

async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let path = routes::label(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    let method = method_label(request.method());
    let log = app.log.as_ref().filter(|_| !routes::is_probe(path));
    // Whether the request is logged is known once it is answered, and then it is gone.
    let asked = log.map(|log| (log, Asked::of(&request)));

    let mut answer = pin!(next.run(request));
    // A handler that panics would take its connection down, and with it the answer that the client waits for.
    let answer = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    });
    let mut response = answer.await.unwrap_or_else(|| {
        let text = "the server failed on this request; its log says why".to_owned();
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
    });

    let headers = response.headers_mut();
    for (name, value) in &app.headers {
        headers.insert(*name, value.clone());
    }
    if !app.is_ready() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let (status, took) = (response.status(), started.elapsed());
    app.metrics.request(path, method, status.as_u16(), took);
    if let Some((log, asked)) = asked.filter(|(log, _)| log.wants(status)) {
        log.request(asked.answered(method, path, took, &mut response));
    }
    response
}

/// Anybody can invent methods; only known ones become label values.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use tower::ServiceExt as _;

    use super::*;
    use crate::tests::served;

    #[tokio::test]
    async fn a_panic_fails_its_request_only() {
        let app = App::new(served(), Limits::default(), None);
        let router = Router::new().route(
            "/livez",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        );
        let router = finish(router, app);
        let request = || Request::get("/livez").body(Body::empty()).unwrap();
        for _ in 0..2 {
            let response = router.clone().oneshot(request()).await.unwrap();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(response.headers()["mlci-model"], "demo");
        }
    }
}
