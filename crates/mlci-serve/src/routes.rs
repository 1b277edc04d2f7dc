use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use mlci_model::{Column, Kind};
use serde::Serialize;
use serde_json::json;

use crate::{
    ServedModel,
    app::{App, finish},
    body::{self, Limits},
    input, metrics, nearest,
    refusal::{self, Refusal},
    scoring::{find_model, infer, invocations, predict},
};

const INVOCATIONS: &str = "/invocations";
const PREDICT: &str = "/predict";
const INFER: &str = "/v2/models/{name}/infer";
const INFER_VERSION: &str = "/v2/models/{name}/versions/{version}/infer";

/// Every route, as it is matched and as it stands in metrics.
const ROUTES: [&str; 16] = [
    PREDICT,
    INFER,
    INVOCATIONS,
    INFER_VERSION,
    "/",
    "/livez",
    "/readyz",
    "/metrics",
    "/model",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/{name}",
    "/v2/models/{name}/ready",
    "/v2/models/{name}/versions/{version}",
    "/v2/models/{name}/versions/{version}/ready",
];

/// Those that predict: all that take `POST`.
const PREDICTING: [&str; 4] = [PREDICT, INVOCATIONS, INFER, INFER_VERSION];

/// The label of a request that matched this route, or none: paths that clients invent make no series.
pub(crate) fn label(matched: Option<&str>) -> &'static str {
    matched.and_then(|matched| ROUTES.into_iter().find(|route| *route == matched)).unwrap_or("unmatched")
}

/// The whole API for one model, to be called in the process or served by any server that takes an axum router.
///
/// Bodies are limited to 16 MiB and 30 s; [`Server`](crate::Server) has settings for both.
///
/// `/livez` and `/readyz` always answer 200 here: a router knows of no end.
pub fn router(model: ServedModel) -> Router {
    with_app(App::new(model, Limits::default(), None))
}

pub(crate) fn with_app(app: Arc<App>) -> Router {
    let router = Router::new()
        .route("/", get(index))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .route("/model", get(model))
        .route(PREDICT, post(predict))
        .route(INVOCATIONS, post(invocations))
        .route("/v2", get(v2))
        .route("/v2/health/live", get(v2_live))
        .route("/v2/health/ready", get(v2_ready))
        .route("/v2/models/{name}", get(v2_model))
        .route("/v2/models/{name}/ready", get(v2_model_ready))
        .route(INFER, post(infer))
        .route("/v2/models/{name}/versions/{version}", get(v2_model))
        .route("/v2/models/{name}/versions/{version}/ready", get(v2_model_ready))
        .route(INFER_VERSION, post(infer))
        .fallback(unmatched)
        .method_not_allowed_fallback(wrong_method);
    finish(router, app)
}

/// Whether this route is one that predicts.
pub(crate) fn predicts(route: &str) -> bool {
    PREDICTING.contains(&route)
}

/// Whether this route is asked every few seconds by whoever watches the server.
pub(crate) fn is_probe(route: &str) -> bool {
    ["/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"].contains(&route)
}

type Shared = State<Arc<App>>;

fn ok(body: &impl Serialize) -> Response {
    // Maps with text keys and numbers that are finite: serialising them cannot fail.
    refusal::json(StatusCode::OK, serde_json::to_vec(body).unwrap_or_default())
}

async fn index(State(app): Shared) -> Response {
    let served = &app.served;
    ok(&json!({
        "server": "mlci-serve",
        "server_version": env!("CARGO_PKG_VERSION"),
        "model": served.model().name(),
        "version": served.version(),
        "digest": served.digest(),
        "routes": {
            "POST": PREDICTING,
            "GET": ROUTES.into_iter().filter(|route| !predicts(route)).collect::<Vec<_>>(),
        },
    }))
}

async fn live() -> Response {
    ok(&json!({"live": true}))
}

async fn ready(State(app): Shared) -> Response {
    readiness(&app, &json!({"ready": app.is_ready()}))
}

fn readiness(app: &App, body: &serde_json::Value) -> Response {
    let mut response = ok(body);
    if !app.is_ready() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn metrics_text(State(app): Shared) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE))], app.metrics.text()).into_response()
}

async fn model(State(app): Shared) -> Response {
    let served = &app.served;
    let parts = served.model().parts();
    ok(&json!({
        "name": parts.name,
        "version": served.version(),
        "digest": served.digest(),
        "data_digest": parts.data,
        "config_digest": parts.config,
        "features": parts.schema.features.iter().map(column).collect::<Vec<_>>(),
        "target": column(&parts.schema.target),
        "prediction": prediction(&parts.schema.target),
    }))
}

async fn v2() -> Response {
    let extensions: [&str; 0] = [];
    ok(&json!({"name": "mlci-serve", "version": env!("CARGO_PKG_VERSION"), "extensions": extensions}))
}

async fn v2_live() -> Response {
    live().await
}

async fn v2_ready(state: Shared) -> Response {
    ready(state).await
}

async fn v2_model(State(app): Shared, request: Request) -> Response {
    let (mut head, _) = request.into_parts();
    if let Err(refusal) = find_model(&app, &mut head).await {
        return refusal.into_response();
    }
    let tensor = |column: &Column| {
        let datatype = datatype(column);
        json!({"name": column.name, "datatype": datatype, "shape": [-1]})
    };
    let schema = app.served.model().schema();
    ok(&json!({
        "name": app.served.model().name(),
        "versions": [app.served.version()],
        "platform": "mlci_model",
        "inputs": schema.features.iter().map(tensor).collect::<Vec<_>>(),
        "outputs": [{"name": schema.target.name, "datatype": "FP64", "shape": [-1]}],
    }))
}

/// The datatype in the Open Inference Protocol.
pub(crate) fn datatype(column: &Column) -> &'static str {
    match column.kind {
        Kind::Integer => "INT64",
        Kind::Category | Kind::Date => "BYTES",
        _ => "FP64",
    }
}

/// A column for those who ask: values as they are sent, and of a category its levels in place of a range.
fn column(column: &Column) -> serde_json::Value {
    let mut shown = json!({"name": column.name, "kind": column.kind, "unit": column.unit});
    let mut add = |key: &str, value: serde_json::Value| shown[key] = value;
    if column.kind == Kind::Category {
        add("levels", json!(column.levels));
        add("unseen", json!(column.unseen));
    } else {
        add("range", json!({"min": column.shown(column.range.min), "max": column.shown(column.range.max)}));
    }
    if let Some(fill) = column.fill {
        add("fill", json!(column.shown(fill)));
    }
    shown
}

/// What a prediction is: a value of the target, or the probability of one of its two classes.
fn prediction(target: &Column) -> serde_json::Value {
    match target.levels.as_slice() {
        [_, class] if target.kind == Kind::Category => json!({"is": "probability", "of": class}),
        _ => json!({"is": "value"}),
    }
}

async fn v2_model_ready(State(app): Shared, request: Request) -> Response {
    let (mut head, _) = request.into_parts();
    match find_model(&app, &mut head).await {
        Ok(()) => readiness(&app, &json!({"name": app.served.model().name(), "ready": app.is_ready()})),
        Err(refusal) => refusal.into_response(),
    }
}

async fn unmatched(State(app): Shared, request: Request) -> Refusal {
    let (head, body) = request.into_parts();
    body::discard(&head, body, app.limits).await;
    let path = head.uri.path();
    let hint = nearest::suggestion(path, ROUTES.into_iter());
    let text = format!("nothing at `{}`{hint}", input::shorten(path));
    Refusal::new(StatusCode::NOT_FOUND, text).expected("a route that `/` lists")
}

/// The router adds the `Allow` header.
async fn wrong_method(State(app): Shared, request: Request) -> Refusal {
    let (head, body) = request.into_parts();
    body::discard(&head, body, app.limits).await;
    let (method, path) = (input::shorten(head.method.as_str()), input::shorten(head.uri.path()));
    let text = format!("`{path}` does not take {method}; the header `allow` says what it takes");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, text)
}
