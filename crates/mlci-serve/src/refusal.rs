use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A request that gets no prediction, as the client is told.
///
/// JSON: `{"error": …, "field": …, "row": …, "expected": …}`, the last three where they apply; `row` counts from 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: String) -> Self {
        Self { status, error, field: None, row: None, expected: None }
    }

    /// Input that does not fit: 400.
    pub(crate) fn input(error: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// Input that does not fit, in this row where it is known.
    pub(crate) fn at(row: Option<usize>, error: String) -> Self {
        let error = match row {
            Some(row) => format!("row {row}: {error}"),
            None => error,
        };
        Self { row, ..Self::input(error) }
    }

    /// A value that its field cannot have.
    pub(crate) fn value(row: Option<usize>, field: &str, expected: &str, got: &str) -> Self {
        let place = row.map_or_else(String::new, |row| format!("row {row}, "));
        let text = format!("{place}field `{field}`: expected {expected}, got {got}");
        Self { row, ..Self::input(text).field(field).expected(expected) }
    }

    pub(crate) fn field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    pub(crate) fn expected(mut self, expected: &str) -> Self {
        self.expected = Some(expected.to_owned());
        self
    }

    pub(crate) fn parts(&self) -> (&str, Option<&str>, Option<usize>) {
        (&self.error, self.field.as_deref(), self.row)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // Texts and a number: serialising them cannot fail.
        let mut response = json(self.status, serde_json::to_vec(&self).unwrap_or_default());
        // For the log, which says why as the client is told.
        response.extensions_mut().insert(self);
        response
    }
}

/// A response whose body is this JSON text.
pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
