//! The routes that predict.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequestParts as _, Path, Request, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use crate::{
    VERIFICATION_HEADER,
    app::App,
    body::{self, Media},
    input,
    log::Seen,
    refusal::{self, Refusal},
};

pub(crate) async fn predict(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(app, request, false, |app, body, _, traffic| {
        #[derive(Serialize)]
        struct Reply<'a> {
            model: &'a str,
            version: &'a str,
            digest: mlci_core::Digest,
            predictions: Vec<f64>,
        }
        let batch = input::predict::read(&app.layout, body)?;
        let predictions = app.predict(&batch, traffic)?;
        let served = &app.served;
        let (model, version, digest) = (served.model().name().as_str(), served.version(), served.digest());
        Ok((batch.rows, to_json(&Reply { model, version, digest, predictions })))
    })
    .await
}

pub(crate) async fn invocations(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(app, request, true, |app, body, media, traffic| {
        #[derive(Serialize)]
        struct Reply {
            predictions: Vec<f64>,
        }
        let batch = match media {
            Media::Json => input::mlflow::read(&app.layout, body)?,
            Media::Csv => input::csv::read(&app.layout, body)?,
        };
        Ok((batch.rows, to_json(&Reply { predictions: app.predict(&batch, traffic)? })))
    })
    .await
}

pub(crate) async fn infer(State(app): State<Arc<App>>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    if let Err(refusal) = find_model(&app, &mut head).await {
        body::discard(&head, body, app.limits).await;
        return refusal.into_response();
    }
    answer(app, Request::from_parts(head, body), false, |app, body, _, traffic| {
        #[derive(Serialize)]
        struct Output<'a> {
            name: &'a str,
            shape: [usize; 1],
            datatype: &'static str,
            data: Vec<f64>,
        }
        #[derive(Serialize)]
        struct Reply<'a> {
            model_name: &'a str,
            model_version: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<String>,
            outputs: [Output<'a>; 1],
        }
        let target = app.served.model().schema().target.name.as_str();
        let request = input::infer::read(&app.layout, target, body)?;
        let data = app.predict(&request.batch, traffic)?;
        let output = Output { name: target, shape: [data.len()], datatype: "FP64", data };
        let (model_name, model_version) = (app.served.model().name().as_str(), app.served.version());
        let reply = Reply { model_name, model_version, id: request.id, outputs: [output] };
        Ok((request.batch.rows, to_json(&reply)))
    })
    .await
}

fn to_json(reply: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(reply).unwrap_or_default()
}

/// Reads the body and answers it by `work`, off the event loop where the body is large. `work` gives the number of rows
/// and the answer.
async fn answer<W>(app: Arc<App>, request: Request, csv: bool, work: W) -> Response
where
    W: FnOnce(&App, &[u8], Media, bool) -> Result<(usize, Vec<u8>), Refusal> + Send + 'static,
{
    // Reading this much takes about a millisecond, for which the other connections of the thread would wait.
    const LARGE: usize = 256 << 10;

    let (head, body) = request.into_parts();
    let mut bytes = None;
    let traffic = !head.headers.contains_key(VERIFICATION_HEADER);
    let reply = async {
        let media = match body::media(&head.headers, csv) {
            Ok(media) => media,
            Err(refusal) => {
                body::discard(&head, body, app.limits).await;
                return Err(refusal);
            }
        };
        let body: Bytes = body::read(&head, body, app.limits).await?;
        bytes = Some(body.len());
        if body.len() <= LARGE {
            return work(&app, &body, media, traffic);
        }
        let worker = app.clone();
        match tokio::task::spawn_blocking(move || work(&worker, &body, media, traffic)).await {
            Ok(reply) => reply,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
            },
        }
    };
    let (rows, mut response) = match reply.await {
        Ok((rows, body)) => (Some(rows), refusal::json(StatusCode::OK, body)),
        Err(refusal) => (None, refusal.into_response()),
    };
    if let Some(bytes) = bytes.filter(|_| app.log.as_ref().is_some_and(|log| log.wants(response.status()))) {
        response.extensions_mut().insert(Seen { bytes, rows });
    }
    response
}

/// Refuses a path that names another model or version than the one served.
pub(crate) async fn find_model(app: &App, head: &mut Parts) -> Result<(), Refusal> {
    let refuse =
        |text: String, served: &str| Err(Refusal::new(StatusCode::NOT_FOUND, text).expected(&format!("`{served}`")));
    // The parts of a path that is not UTF-8 name nothing.
    let parts = Path::<Vec<(String, String)>>::from_request_parts(head, &()).await;
    let parts = parts.map_or_else(|_| Vec::new(), |Path(parts)| parts);
    let part = |wanted: &str| parts.iter().find(|(name, _)| name == wanted).map(|(_, part)| part.as_str());
    let (name, version) = (app.served.model().name().as_str(), app.served.version());
    let asked = part("name").unwrap_or_default();
    if asked != name {
        return refuse(format!("no model `{}` here, this server has `{name}`", input::shorten(asked)), name);
    }
    match part("version") {
        Some(asked) if asked != version => {
            let asked = input::shorten(asked);
            refuse(format!("no version `{asked}` of `{name}` here, this server has `{version}`"), version)
        }
        _ => Ok(()),
    }
}
