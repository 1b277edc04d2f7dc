//! A model for the tests, and requests to its router.

use mlci_core::Digest;
use mlci_model::{Column, Estimator, Generalized, Golden, Kind, Linear, Link, Model, Parts, Profile, Schema, Unseen};

use crate::ServedModel;

/// `y = 2·a - b + 0.5·n + 1`: `a` in g/L, `b`, and the integer `n`, all from 0 to 10 in training, which had 300 rows.
pub(crate) fn model(name: &str) -> Model {
    let values = [0.0, 1.0, 10.0];
    let column =
        |name: &str, kind, unit: Option<&str>| Column::observed(name, kind, unit.map(str::to_owned), &values).unwrap();
    let profile = Profile::of(&values.repeat(100)).unwrap();
    Model::new(Parts {
        name: name.parse().unwrap(),
        schema: Schema {
            features: vec![
                column("a", Kind::Float, Some("g/L")),
                column("b acid", Kind::Float, None),
                column("n", Kind::Integer, None),
            ],
            target: column("y", Kind::Float, None),
        },
        estimator: Estimator::Linear(Linear { coefficients: vec![2.0, -1.0, 0.5], intercept: 1.0 }),
        profiles: vec![profile.clone(); 3],
        prediction_profile: profile,
        data: Digest::of(b"data"),
        config: Digest::of(b"config"),
        golden: vec![],
    })
    .unwrap()
}

/// `y = 100·green + 200·7 + a + day`: a colour with the levels red, green and 7; `a`, which is 5 where it is missing; and
/// a day. Golden rows have two colours.
pub(crate) fn coloured(unseen: Unseen) -> Model {
    let values = [0.0, 1.0, 2.0];
    let levels = ["red", "green", "7"].map(str::to_owned).to_vec();
    let number = |name: &str, kind| Column::observed(name, kind, None, &values).unwrap();
    let profile = Profile::of(&values.repeat(100)).unwrap();
    let golden = |row: [f64; 3], prediction| Golden { row: row.to_vec(), prediction };
    Model::new(Parts {
        name: "coloured".parse().unwrap(),
        schema: Schema {
            features: vec![
                Column::category("colour", levels, unseen),
                Column { fill: Some(5.0), ..number("a", Kind::Float) },
                number("day", Kind::Date),
            ],
            target: number("y", Kind::Float),
        },
        estimator: Estimator::Linear(Linear { coefficients: vec![100.0, 200.0, 1.0, 1.0], intercept: 0.0 }),
        profiles: vec![profile.clone(); 3],
        prediction_profile: profile,
        data: Digest::of(b"data"),
        config: Digest::of(b"config"),
        golden: vec![golden([1.0, 2.0, 3.25], 105.25), golden([2.0, 0.5, -1.0], 199.5)],
    })
    .unwrap()
}

pub(crate) fn served() -> ServedModel {
    ServedModel::from_bytes(&model("demo").encode().unwrap(), Some("3".to_owned())).unwrap()
}

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    (head.status, head.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

async fn get(router: &Router, path: &str) -> (u16, Value) {
    let (status, _, body) = send(router, Request::get(path).body(Body::empty()).unwrap()).await;
    (status.as_u16(), serde_json::from_slice(&body).unwrap())
}

async fn post(router: &Router, path: &str, media: &str, body: impl Into<Body>) -> (u16, Value) {
    let request = Request::post(path).header("content-type", media).body(body.into()).unwrap();
    let (status, headers, body) = send(router, request).await;
    for name in ["mlci-model", "mlci-version", "mlci-model-digest", "mlci-instance"] {
        assert!(headers.contains_key(name), "{path} has no {name}");
    }
    (status.as_u16(), serde_json::from_slice(&body).unwrap())
}

const JSON: &str = "application/json";

/// For the row (1, 2, 4): 2·1 - 2 + 0.5·4 + 1 = 3; for (2, 2, 4) it is 5.
#[tokio::test]
async fn every_interface_predicts_alike() {
    let router = crate::router(served());
    let digest = served().digest().to_string();
    let rows = json!([[1, 2, 4], [2, 2, 4]]);
    let plain = json!({"model": "demo", "version": "3", "digest": digest, "predictions": [3.0, 5.0]});
    assert_eq!(post(&router, "/predict", JSON, rows.to_string()).await, (200, plain));
    let mlflow = json!({"predictions": [3.0, 5.0]});
    assert_eq!(post(&router, "/invocations", JSON, json!({"inputs": rows}).to_string()).await, (200, mlflow.clone()));
    let csv = "a,b acid,n\n1,2,4\n2,2,4\n";
    assert_eq!(post(&router, "/invocations", "text/csv; charset=utf-8", csv).await, (200, mlflow));
    let tensor = json!({"name": "input", "shape": [2, 3], "datatype": "FP64", "data": rows});
    let request = json!({"id": "7", "inputs": [tensor]}).to_string();
    let output = json!({"name": "y", "shape": [2], "datatype": "FP64", "data": [3.0, 5.0]});
    let reply = json!({"model_name": "demo", "model_version": "3", "id": "7", "outputs": [output]});
    for path in ["/v2/models/demo/infer", "/v2/models/demo/versions/3/infer"] {
        assert_eq!(post(&router, path, JSON, request.clone()).await, (200, reply.clone()));
    }
}

#[tokio::test]
async fn what_is_served_can_be_asked() {
    let router = crate::router(served());
    let (status, index) = get(&router, "/").await;
    assert_eq!((status, &index["model"], &index["version"]), (200, &json!("demo"), &json!("3")));
    let listed = index["routes"]["GET"].as_array().unwrap().len() + index["routes"]["POST"].as_array().unwrap().len();
    assert_eq!(listed, 16);
    let (_, model) = get(&router, "/model").await;
    let feature = json!({"name": "a", "kind": "float", "unit": "g/L", "range": {"min": 0.0, "max": 10.0}});
    assert_eq!((&model["features"][0], &model["digest"]), (&feature, &json!(served().digest().to_string())));
    let (_, metadata) = get(&router, "/v2/models/demo").await;
    assert_eq!(metadata["inputs"][2], json!({"name": "n", "datatype": "INT64", "shape": [-1]}));
    assert_eq!(metadata["versions"], json!(["3"]));
    for path in ["/livez", "/readyz", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/demo/ready"] {
        assert_eq!(get(&router, path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn requests_to_the_wrong_place() {
    let router = crate::router(served());
    let (status, body) = get(&router, "/predictt").await;
    assert_eq!((status, &body["error"]), (404, &json!("nothing at `/predictt`; did you mean `/predict`?")));
    for path in ["/v2/models/other", "/v2/models/demo/versions/4", "/v2/models/demo/versions/4/ready", "/v2/models/%FF"]
    {
        assert_eq!(get(&router, path).await.0, 404, "{path}");
    }
    let (status, body) = post(&router, "/v2/models/demo/versions/4/infer", JSON, "{}").await;
    assert_eq!((status, &body["expected"]), (404, &json!("`3`")));
    let request = Request::get("/predict").body(Body::empty()).unwrap();
    let (status, headers, body) = send(&router, request).await;
    assert_eq!((status, headers["allow"].to_str().unwrap()), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["error"].is_string());
}

#[tokio::test]
async fn bodies_of_the_wrong_kind() {
    let router = crate::router(served());
    let wrong = async |path, media, expected| {
        let (status, body) = post(&router, path, media, "[[1,2,4]]").await;
        assert_eq!((status, &body["field"]), (expected, &json!("content-type")), "{media}");
    };
    wrong("/predict", "application/x-www-form-urlencoded", 415).await;
    wrong("/predict", "text/csv", 415).await;
    wrong("/predict", "application/json; charset=latin1", 415).await;
    wrong("/invocations", "text/plain", 415).await;
    assert_eq!(post(&router, "/predict", "Application/JSON;charset=\"UTF-8\"", "[[1,2,4]]").await.0, 200);
    let packed = Request::post("/predict").header("content-encoding", "gzip").body(Body::from("x")).unwrap();
    assert_eq!(send(&router, packed).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let bare = Request::post("/predict").body(Body::from("[[1,2,4]]")).unwrap();
    assert_eq!(send(&router, bare).await.0, StatusCode::OK);
}

/// 16 MiB are taken, a byte more is not; both ways of reading a body give the same.
#[tokio::test]
async fn large_bodies() {
    let router = crate::router(served());
    let rows = vec!["[1,2,4]"; 100_000].join(",");
    let (status, body) = post(&router, "/predict", JSON, format!("[{rows}]")).await;
    assert_eq!((status, body["predictions"].as_array().unwrap().len()), (200, 100_000));
    let mut body = "[[1,2,4]]".to_owned();
    body.extend(std::iter::repeat_n(' ', (16 << 20) - body.len()));
    assert_eq!(post(&router, "/predict", JSON, body.clone()).await.0, 200);
    body.push(' ');
    let (status, reply) = post(&router, "/predict", JSON, body).await;
    assert_eq!((status, &reply["expected"]), (413, &json!("at most 16777216 bytes")));
}

#[tokio::test]
async fn a_prediction_that_overflows() {
    let (status, body) = post(&crate::router(served()), "/predict", JSON, "[[1,2,4],[1.7e308,0,0]]").await;
    assert_eq!((status, &body["row"]), (400, &json!(1)));
}

async fn metrics(router: &Router) -> String {
    let (_, headers, body) = send(router, Request::get("/metrics").body(Body::empty()).unwrap()).await;
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    String::from_utf8(body).unwrap()
}

#[tokio::test]
async fn what_happens_is_counted() {
    let router = crate::router(served());
    post(&router, "/predict", JSON, "[[1,2,4],[11,-1,4],[12,5,4]]").await;
    let text = metrics(&router).await;
    for line in [
        "mlci_predictions_total 3",
        "mlci_out_of_range_total{feature=\"a\"} 2",
        "mlci_out_of_range_total{feature=\"b acid\"} 1",
        "mlci_out_of_range_total{feature=\"n\"} 0",
        "mlci_inference_duration_seconds_count 1",
        "mlci_http_requests_total{path=\"/predict\",method=\"POST\",status=\"200\"} 1",
        "mlci_http_request_duration_seconds_count{path=\"/predict\",method=\"POST\",status=\"200\"} 1",
        &format!("mlci_model_info{{name=\"demo\",version=\"3\",digest=\"{}\"}} 1", served().digest()),
        &format!("mlci_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}

/// What asks for golden predictions is no traffic.
#[tokio::test]
async fn verification_is_not_counted() {
    let router = crate::router(served());
    let request = Request::post("/predict").header(crate::VERIFICATION_HEADER, "golden").body(Body::from("[[99,1,4]]"));
    assert_eq!(send(&router, request.unwrap()).await.0, 200);
    let text = metrics(&router).await;
    for line in ["mlci_predictions_total 0", "mlci_drift_rows 0", "mlci_out_of_range_total{feature=\"a\"} 0"] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}

/// 199 rows have no index, and no series of one that a query could take for 0.
#[tokio::test]
async fn drift_shows_from_200_rows_on() {
    let router = crate::router(served());
    let row = |count: usize| format!("[{}]", vec!["[0,0,0]"; count].join(","));
    post(&router, "/predict", JSON, row(199)).await;
    let series = |text: &str| text.lines().filter(|line| line.contains("drift_psi") && !line.starts_with('#')).count();
    let text = metrics(&router).await;
    assert_eq!((series(&text), text.contains("\nmlci_drift_rows 199\n")), (0, true), "{text}");
    post(&router, "/predict", JSON, row(1)).await;
    let text = metrics(&router).await;
    assert_eq!(series(&text), 4, "{text}");
    for name in ["mlci_drift_psi{feature=\"b acid\"} ", "mlci_prediction_drift_psi "] {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        assert!(line.is_some_and(|value| value.parse::<f64>().unwrap() > 1.0), "{text}");
    }
}

/// Case A15: probing makes no series. One request of a kind makes what a thousand make.
#[tokio::test]
async fn unknown_urls_and_methods_make_no_series() {
    let router = crate::router(served());
    let probe = async |number: usize| {
        for path in [format!("/xxx{number}"), format!("/predict/{number:032x}"), format!("/v2/models/m{number}")] {
            assert_eq!(get(&router, &path).await.0, 404);
        }
        let method = Method::from_bytes(format!("FOO{number}").as_bytes()).unwrap();
        let request = Request::builder().method(method).uri("/predict").body(Body::empty()).unwrap();
        assert_eq!(send(&router, request).await.0, StatusCode::METHOD_NOT_ALLOWED);
    };
    let series = async || metrics(&router).await.lines().filter(|line| !line.starts_with('#')).count();
    series().await; // The series of /metrics itself.
    probe(0).await;
    let before = series().await;
    for number in 1..=1000 {
        probe(number).await;
    }
    assert_eq!(series().await, before);
    let text = metrics(&router).await;
    for line in [
        "mlci_http_requests_total{path=\"unmatched\",method=\"GET\",status=\"404\"} 2002",
        "mlci_http_requests_total{path=\"/v2/models/{name}\",method=\"GET\",status=\"404\"} 1001",
        "mlci_http_requests_total{path=\"/predict\",method=\"other\",status=\"405\"} 1001",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}

/// Names of columns come from data files, so anything may be in them.
#[tokio::test]
async fn feature_names_with_odd_characters() {
    let mut parts = model("demo").parts().clone();
    parts.schema.features[0].name = "\"ä\\\n}".to_owned();
    let model = Model::new(parts).unwrap();
    let router = crate::router(ServedModel::from_bytes(&model.encode().unwrap(), None).unwrap());
    let (status, _) = post(&router, "/predict", JSON, r#"{"\"ä\\\n}": 1, "b acid": 2, "n": 4}"#).await;
    assert_eq!(status, 200);
    let text = metrics(&router).await;
    assert!(text.contains(r#"mlci_out_of_range_total{feature="\"ä\\\n}"} 0"#), "{text}");
}

#[test]
fn versions_that_cannot_stand_in_a_header() {
    let bytes = model("demo").encode().unwrap();
    let unset = ServedModel::from_bytes(&bytes, None).unwrap();
    assert_eq!(unset.version(), Digest::of(&bytes).short());
    for version in ["", "a b", "a/b", "ü", "a\r\nb", &"v".repeat(129)] {
        let error = ServedModel::from_bytes(&bytes, Some(version.to_owned())).unwrap_err().to_string();
        assert!(error.contains("cannot be a model version"), "{error}");
    }
}

/// Levels, dates and missing values by every interface: (green, 5 for the missing one, 1970-01-03) is 100 + 5 + 2.
#[tokio::test]
async fn every_interface_takes_texts() {
    let model = coloured(Unseen::Refuse).encode().unwrap();
    let router = crate::router(ServedModel::from_bytes(&model, None).unwrap());
    let (_, reply) = post(&router, "/predict", JSON, r#"{"colour":"green","day":"1970-01-03"}"#).await;
    assert_eq!(reply["predictions"], json!([107.0]));
    let frame = json!({"dataframe_split": {"columns": ["colour", "day"], "data": [["green", "1970-01-03"]]}});
    let csv = "day,colour,a\n1970-01-03,green,NA\n";
    assert_eq!(post(&router, "/invocations", JSON, frame.to_string()).await.1, json!({"predictions": [107.0]}));
    assert_eq!(post(&router, "/invocations", "text/csv", csv).await.1, json!({"predictions": [107.0]}));
    let tensor = |name: &str, data: &str| json!({"name": name, "shape": [1], "datatype": "BYTES", "data": [data]});
    let inputs = json!({"inputs": [tensor("colour", "green"), tensor("day", "1970-01-03")]});
    let (status, reply) = post(&router, "/v2/models/coloured/infer", JSON, inputs.to_string()).await;
    assert_eq!((status, &reply["outputs"][0]["data"]), (200, &json!([107.0])), "{reply}");
    let (_, metadata) = get(&router, "/v2/models/coloured").await;
    let datatypes: Vec<_> = (0..3).map(|input| metadata["inputs"][input]["datatype"].clone()).collect();
    assert_eq!(datatypes, ["BYTES", "FP64", "BYTES"]);
    let (_, shown) = get(&router, "/model").await;
    assert_eq!(shown["features"][0]["levels"], json!(["red", "green", "7"]));
    assert_eq!((&shown["features"][0]["unseen"], &shown["features"][1]["fill"]), (&json!("refuse"), &json!(5.0)));
    assert_eq!(shown["prediction"], json!({"is": "value"}));
}

#[tokio::test]
async fn a_classifier_says_what_its_predictions_are() {
    let mut parts = model("demo").parts().clone();
    let linear = Linear { coefficients: vec![0.0; 3], intercept: 0.0 };
    parts.estimator = Estimator::Generalized(Generalized { link: Link::Logit, linear });
    parts.schema.target = Column::category("y", vec!["bad".into(), "good".into()], Unseen::Refuse);
    let served = ServedModel::from_bytes(&Model::new(parts).unwrap().encode().unwrap(), None).unwrap();
    let router = crate::router(served);
    assert_eq!(get(&router, "/model").await.1["prediction"], json!({"is": "probability", "of": "good"}));
    assert_eq!(post(&router, "/predict", JSON, "[[1,2,3]]").await.1["predictions"], json!([0.5]));
}

/// Four numbers, `a` to `d`, as scikit-learn took them.
fn of_onnx() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../mlci-model/tests/onnx/gradient_boosting.mlci")).unwrap()
}

#[cfg(not(feature = "onnx"))]
#[test]
fn a_light_server_says_what_a_model_of_onnx_needs() {
    let error = ServedModel::from_bytes(&of_onnx(), None).unwrap_err().to_string();
    assert!(error.starts_with("the model `demo` is of ONNX, and this server was built without that"), "{error}");
    assert!(error.contains("--package mlci-serve --bin mlci-serve --features onnx"), "{error}");
}

#[cfg(feature = "onnx")]
#[tokio::test]
async fn a_model_of_onnx_is_served() {
    let served = ServedModel::from_bytes(&of_onnx(), None).unwrap();
    let golden = served.model().parts().golden[0].clone();
    let router = crate::router(served);
    let (status, reply) = post(&router, "/predict", JSON, json!([golden.row]).to_string()).await;
    assert_eq!(status, 200, "{reply}");
    let found = reply["predictions"][0].as_f64().unwrap();
    assert!((found - golden.prediction).abs() < 1e-5, "{found} for {}", golden.prediction);
    // A value that is too large for the graph's 32-bit floats is the client's doing.
    let (status, reply) = post(&router, "/predict", JSON, "[[1, 1e300, 1, 1]]").await;
    assert_eq!((status, reply["field"].as_str()), (400, Some("b")), "{reply}");
}
