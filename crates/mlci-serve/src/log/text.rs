//! Lines for people.

use std::fmt::Write as _;

use super::{
    ecs::timestamp,
    entry::{Event, Kind, Request, Service},
};

const SERVER: &str = concat!("mlci-serve ", env!("CARGO_PKG_VERSION"));

pub(super) fn event(event: &Event, service: Option<&Service>) -> String {
    let label =
        |service: &Service| format!(" model={} version={} digest={}", service.name, service.version, service.digest);
    let label = service.map(label).unwrap_or_default();
    match &event.kind {
        Kind::Started { address, took } => {
            format!("{SERVER}: serving on http://{address}{label} start_ms={}", took.as_millis())
        }
        Kind::Stopped => format!("{SERVER}: stopped{label}"),
        Kind::Failed { error, .. } => format!("error: {}", one_line(error)),
        Kind::Dropped { lines } => format!("{SERVER}: {lines} lines of this log were not written"),
    }
}

pub(super) fn request(request: &Request) -> String {
    let milliseconds = request.took.as_secs_f64() * 1e3;
    let (time, level, path) = (timestamp(request.time), request.level(), one_line(&request.path));
    let status = request.status.as_u16();
    let mut line = format!("{time} {level} {} {path} {status} {milliseconds:.3} ms", request.method);
    // Writing to a String cannot fail.
    if let Some(rows) = request.rows {
        let _ = write!(line, " rows={rows}");
    }
    if let Some(id) = &request.id {
        // Quoted, so that it cannot pass for more than one field.
        let _ = write!(line, " id={:?}", one_line(id));
    }
    if let Some(refused) = &request.refused {
        let _ = write!(line, ": {}", one_line(&refused.error));
    }
    line
}

/// What clients send must not look like lines of their own.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
