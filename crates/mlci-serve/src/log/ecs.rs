//! Lines in the Elastic Common Schema. `log.level` and `ecs.version` are one dotted key each, at the beginning, as
//! Elastic's specification for such logs has them; Elasticsearch reads a dotted key as the object that it means.
//!
//! Sources: <https://www.elastic.co/docs/reference/ecs>, <https://github.com/elastic/ecs-logging/tree/main/spec>.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;

use super::entry::{self, ERROR, Kind, cut};
use crate::routes;

/// The version of the schema that the lines keep to.
pub const VERSION: &str = "9.4.0";

/// The name that the lines have among all that is logged: `event.dataset`, and the middle of the data stream's name.
const DATASET: &str = "mlci.serve";

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    #[serde(rename = "log.level")]
    level: &'static str,
    message: &'a str,
    #[serde(rename = "ecs.version")]
    ecs: &'static str,
    service: Service<'a>,
    process: Process,
    event: Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<Http<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<Url<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error<'a>>,
    mlci: Mlci<'a>,
}

#[derive(Serialize)]
struct Service<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
}

#[derive(Serialize)]
struct Process {
    pid: u32,
}

#[derive(Serialize)]
struct Event {
    kind: &'static str,
    category: [&'static str; 1],
    r#type: [&'static str; 1],
    dataset: &'static str,
    action: &'static str,
    outcome: &'static str,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
}

#[derive(Serialize)]
struct Http<'a> {
    request: HttpRequest<'a>,
    response: HttpResponse,
}

#[derive(Serialize)]
struct HttpRequest<'a> {
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Body>,
}

#[derive(Serialize)]
struct Body {
    bytes: u64,
}

#[derive(Serialize)]
struct HttpResponse {
    status_code: u16,
}

#[derive(Serialize)]
struct Url<'a> {
    path: &'a str,
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    r#type: &'a str,
}

/// What the schema has no field for.
#[derive(Default, Serialize)]
struct Mlci<'a> {
    server: Server,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Model<'a>>,
    /// The route that matched, with names for its parts: one of few, unlike the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_lines: Option<u64>,
}

#[derive(Serialize)]
struct Server {
    version: &'static str,
}

impl Default for Server {
    fn default() -> Self {
        Self { version: env!("CARGO_PKG_VERSION") }
    }
}

#[derive(Serialize)]
struct Model<'a> {
    name: &'a str,
    version: &'a str,
    digest: &'a str,
}

#[derive(Serialize)]
struct Refused<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<usize>,
}

/// What every line states.
pub(super) struct Context<'a> {
    pub(super) service: Option<&'a entry::Service>,
    pub(super) environment: Option<&'a str>,
}

pub(super) fn event(event: &entry::Event, context: &Context<'_>) -> String {
    let (level, action, kind, message, error) = match &event.kind {
        Kind::Started { address, .. } => ("info", "start", "start", format!("serving on http://{address}"), None),
        Kind::Stopped => ("info", "stop", "end", "stopped".to_owned(), None),
        Kind::Failed { action, error } => ("error", *action, "error", cut(error, ERROR).to_owned(), Some(*action)),
        Kind::Dropped { lines } => {
            ("warn", "drop", "info", format!("{lines} lines of this log were not written"), None)
        }
    };
    let (duration, dropped_lines) = match event.kind {
        Kind::Started { took, .. } => (Some(nanoseconds(took)), None),
        Kind::Dropped { lines } => (None, Some(lines)),
        _ => (None, None),
    };
    line(&Line {
        timestamp: timestamp(event.time),
        level,
        message: &message,
        ecs: VERSION,
        service: service(context),
        process: Process { pid: std::process::id() },
        event: Event {
            kind: "event",
            category: ["process"],
            r#type: [kind],
            dataset: DATASET,
            action,
            outcome: if level == "info" { "success" } else { "failure" },
            duration,
        },
        http: None,
        url: None,
        error: error.map(|action| Error { message: &message, r#type: action }),
        mlci: Mlci { model: context.service.map(model), dropped_lines, ..Mlci::default() },
    })
}

pub(super) fn request(request: &entry::Request, context: &Context<'_>) -> String {
    let status = request.status.as_u16();
    let message = format!("{} {} {status}", request.method, request.path);
    let error = request.refused.as_ref().map(|refused| Error {
        message: &refused.error,
        r#type: request.status.canonical_reason().unwrap_or_default(),
    });
    let refused = request.refused.as_ref().map(|refused| Refused { field: refused.field.as_deref(), row: refused.row });
    line(&Line {
        timestamp: timestamp(request.time),
        level: request.level(),
        message: &message,
        ecs: VERSION,
        service: service(context),
        process: Process { pid: std::process::id() },
        event: Event {
            kind: "event",
            category: ["web"],
            r#type: ["access"],
            dataset: DATASET,
            action: match routes::predicts(request.route) {
                true if request.verifies => "verify",
                true => "predict",
                false => "request",
            },
            outcome: if request.failed() { "failure" } else { "success" },
            duration: Some(nanoseconds(request.took)),
        },
        http: Some(Http {
            request: HttpRequest {
                method: request.method,
                id: request.id.as_deref(),
                body: request.bytes.map(|bytes| Body { bytes }),
            },
            response: HttpResponse { status_code: status },
        }),
        url: Some(Url { path: &request.path }),
        error,
        mlci: Mlci {
            model: context.service.map(model),
            route: Some(request.route),
            rows: request.rows,
            refused: refused.filter(|refused| refused.field.is_some() || refused.row.is_some()),
            ..Mlci::default()
        },
    })
}

fn service<'a>(context: &Context<'a>) -> Service<'a> {
    Service {
        name: context.service.map(|service| service.name.as_str()),
        version: context.service.map(|service| service.version.as_str()),
        environment: context.environment,
    }
}

fn model(service: &entry::Service) -> Model<'_> {
    Model { name: &service.name, version: &service.version, digest: &service.digest }
}

fn line(line: &Line<'_>) -> String {
    // Texts and integers: serialising them cannot fail.
    serde_json::to_string(line).unwrap_or_default()
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// RFC 3339 in UTC, with microseconds.
pub(super) fn timestamp(time: SystemTime) -> String {
    // A clock beyond the year 9999 is not worth a failure.
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.6}")
}
