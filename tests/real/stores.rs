//! The whole pipeline on a store that several checkouts share: `[artifact] store = "s3://…"`, `"gs://…"`.

use mlci_artifact::object_store::{self, ObjectStoreExt as _};

use crate::{
    project::{Project, configuration, http},
    unique, variable,
};

/// A checkout of the pipeline whose store is this.
fn on(store: &str) -> Project {
    let project = Project::new();
    project.configure("[image]", &format!("[artifact]\nstore = \"{store}\"\n\n[image]"));
    project
}

/// From data to production and back, and everything that matters is in the store: another checkout goes on from there.
fn a_pipeline_on(store: &str) {
    let one = on(store);
    let first = one.pass(&["ci"]);
    assert_eq!((first.version(), first.environment("staging")["status"].as_str()), (1, Some("verified")));
    assert!(!one.path(".mlci/store").exists(), "nothing goes to the default store");
    assert_eq!(one.run(&["deploy", "production"]).code, 5);
    one.pass(&["approve", "production"]);
    one.pass(&["deploy", "production"]);

    // Another machine: it finds the version, the approval and the champion.
    let other = on(store);
    let again = other.pass(&["ci"]);
    assert_eq!((again.version(), again.text("/model/digest")), (1, first.text("/model/digest")));
    assert_eq!(again.environment("production")["status"], "verified");
    other.configure("seed = 42", "seed = 43");
    let second = other.pass(&["ci"]);
    assert_eq!((second.version(), second.environment("production")["status"].as_str()), (2, Some("waiting")));
    other.pass(&["approve", "production"]);
    other.pass(&["deploy", "production"]);
    let back = other.pass(&["rollback", "production"]);
    let production = back.environment("production");
    assert_eq!(production["model_digest"], first.value["model"]["digest"]);
    let (status, _, body) = http(production["address"].as_str().unwrap(), "GET", "/v2/models/wine", "").unwrap();
    assert!(status == 200 && body.contains("\"1\""), "{body}");

    // The first one sees what the other did.
    let chain = one.pass(&["trace", "wine@1"]).value["result"].to_string();
    assert!(chain.contains("rolled back to by"), "{chain}");
    let models = one.pass(&["models"]).value["result"].clone();
    assert_eq!(models.as_array().map(Vec::len), Some(2), "{models:#}");
    assert_eq!(one.pass(&["doctor"]).code, 0);
}

/// Writes an object as any other program would.
fn put(url: &str, content: &str) {
    let settings = std::env::vars().map(|(name, value)| (name.to_lowercase(), value));
    let settings = settings.chain([("allow_http".to_owned(), "true".to_owned())]);
    let (objects, key) = object_store::parse_url_opts(&url.parse().unwrap(), settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(objects.put(&key, content.to_owned().into())).unwrap();
}

/// Data that is an object: copied once, again when it has changed, and again when the copy has.
fn data_in(folder: &str) {
    let url = format!("{folder}/wine & co.csv");
    let project = Project::with(&configuration().replace("wine.csv", &url));
    let missing = project.run(&["ci"]);
    assert_eq!(missing.code, 1, "{:#}", missing.value);
    assert!(missing.error().contains(&format!("there is no object `{url}`")), "{}", missing.error());

    let wine = project.read("wine.csv");
    put(&url, &wine);
    let train = |copies: usize| {
        let finished = project.pass(&["ci", "--stage", "..train"]);
        let said = finished.lines.iter().filter(|line| line["message"].as_str().is_some_and(|m| m.contains("copied")));
        assert_eq!(said.count(), copies, "{:#?}", finished.lines);
        finished.text("/model/digest").to_owned()
    };
    let first = train(1);
    assert_eq!(train(0), first);
    let copy = project.files(".mlci/cache/data").into_iter().find(|file| file.ends_with("content")).unwrap();
    project.write(&format!(".mlci/cache/data/{copy}"), "a,b\n1,2\n");
    assert_eq!(train(1), first);
    let (rows, _) = wine.trim_end().rsplit_once('\n').unwrap();
    put(&url, &format!("{rows}\n"));
    assert_ne!(train(1), first);
}

#[test]
#[ignore = "needs an S3 server: cargo xtask test --lab s3"]
fn data_in_s3() {
    data_in(&format!("s3://{}/data/{}", variable("MLCI_LAB_S3_BUCKET"), unique()));
}

#[test]
#[ignore = "needs a bucket or the stand-in: cargo xtask test --lab gcs"]
fn data_in_gcs() {
    data_in(&format!("gs://{}/data/{}", variable("MLCI_LAB_GCS_BUCKET"), unique()));
}

#[test]
#[ignore = "needs an S3 server: cargo xtask test --lab s3"]
fn a_pipeline_on_s3() {
    a_pipeline_on(&format!("s3://{}/pipeline/{}", variable("MLCI_LAB_S3_BUCKET"), unique()));
}

#[test]
#[ignore = "needs a bucket or the stand-in: cargo xtask test --lab gcs"]
fn a_pipeline_on_gcs() {
    a_pipeline_on(&format!("gs://{}/pipeline/{}", variable("MLCI_LAB_GCS_BUCKET"), unique()));
}

/// What was tried, where, what came back, and what to do.
#[test]
#[ignore = "needs an S3 server: cargo xtask test --lab s3"]
fn a_bucket_that_is_not_there() {
    let project = on("s3://no-such-bucket-of-ours/x");
    let refused = project.run(&["ci"]);
    assert_eq!((refused.code, refused.stage("gate")), (1, "failed"), "{:#}", refused.value);
    for part in ["s3://no-such-bucket-of-ours/x/", "NoSuchBucket", "make the bucket, or name another"] {
        assert!(refused.error().contains(part), "{part}: {}", refused.error());
    }
    let doctor = project.run(&["doctor"]);
    assert_eq!(doctor.code, 1, "{:#}", doctor.value);
}

#[test]
#[ignore = "needs an S3 server: cargo xtask test --lab s3"]
fn a_server_that_does_not_answer() {
    let project = on("s3://bucket/x");
    // A port on which nothing listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let output =
        project.command(&["models", "--format", "json"]).env("AWS_ENDPOINT_URL", format!("http://{address}")).output();
    let refused = crate::project::finished(&output.unwrap());
    assert_eq!(refused.code, 1);
    assert!(
        refused.error().contains("s3://bucket/x") && refused.error().contains(&address.to_string()),
        "{}",
        refused.error()
    );
}

/// The secret is in no output, and in no file.
#[test]
#[ignore = "needs an S3 server: cargo xtask test --lab s3"]
fn a_wrong_secret() {
    let project = on(&format!("s3://{}/{}", variable("MLCI_LAB_S3_BUCKET"), unique()));
    let secret = "a-secret-that-is-wrong";
    let output = project.command(&["ci", "--format", "json"]).env("AWS_SECRET_ACCESS_KEY", secret).output().unwrap();
    let refused = crate::project::finished(&output);
    assert_eq!(refused.code, 1, "{:#}", refused.value);
    assert!(refused.error().contains("check the credentials"), "{}", refused.error());
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains(secret));
    for file in project.files(".mlci") {
        let bytes = std::fs::read(project.path(".mlci").join(&file)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{file}");
    }
}
