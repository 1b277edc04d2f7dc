//! The contract on real servers, and what their refusals say. `cargo xtask test --lab s3 gcs` starts them.

use std::{
    env,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use mlci_artifact::{Error, Store};

use crate::{
    contract::contract,
    support::{chain, content, name, publish},
};

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: cargo xtask test --lab starts a server and sets it"))
}

/// A prefix that no other test, and no other run, has.
fn fresh(bucket: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    // With what a URL or a key would escape.
    format!("{bucket}/team a/mäggi+%20/{since:x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Two clients that publish at the same moment: every model is a version, each number is given once.
async fn two_writers(url: &str) {
    let (one, other) = (Store::remote(url).unwrap(), Store::remote(url).unwrap());
    for round in 0..5 {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let (first, second) = tokio::join!(publish(&one, &a), publish(&other, &b));
        assert_ne!(first.unwrap().version.number, second.unwrap().version.number);
    }
    assert_eq!(one.version_numbers(&name()).await.unwrap(), (1..=10).collect::<Vec<_>>());
}

#[cfg(feature = "s3")]
mod s3 {
    use mlci_artifact::object_store::aws::AmazonS3Builder;

    use super::*;

    fn url() -> String {
        fresh(&format!("s3://{}", variable("MLCI_LAB_S3_BUCKET")))
    }

    #[tokio::test]
    #[ignore = "needs an S3 server: cargo xtask test --lab s3"]
    async fn the_contract_holds() {
        contract(|| Store::remote(&url()).unwrap()).await;
    }

    #[tokio::test]
    #[ignore = "needs an S3 server: cargo xtask test --lab s3"]
    async fn two_writers_never_take_the_same_number() {
        two_writers(&url()).await;
    }

    #[tokio::test]
    #[ignore = "needs an S3 server: cargo xtask test --lab s3"]
    async fn a_bucket_that_is_not_there_is_named() {
        let store = Store::remote("s3://no-such-bucket/x").unwrap();
        let error = publish(&store, "a").await.unwrap_err();
        let text = chain(&error);
        assert!(matches!(&error, Error::Refused { status, .. } if status == "404 Not Found"), "{text}");
        assert!(
            text.contains("`s3://no-such-bucket/x/") && text.contains("make the bucket, or name another"),
            "{text}"
        );
        assert!(text.contains("NoSuchBucket"), "{text}");
    }

    #[tokio::test]
    #[ignore = "needs an S3 server: cargo xtask test --lab s3"]
    async fn a_wrong_secret_is_said_to_be_one_and_not_shown() {
        let secret = "not-the-secret-of-the-lab";
        let builder = AmazonS3Builder::from_env().with_allow_http(true).with_secret_access_key(secret);
        let objects = builder.with_bucket_name(variable("MLCI_LAB_S3_BUCKET")).build().unwrap();
        let store = Store::new(std::sync::Arc::new(objects), "x".into());
        let error = store.put_blob(content("a")).await.unwrap_err();
        let text = chain(&error);
        assert!(text.contains("check the credentials"), "{text}");
        assert!(!text.contains(secret) && !format!("{store:?}{error:?}").contains(secret));
    }
}

#[cfg(feature = "gcs")]
mod gcs {
    use super::*;

    fn url() -> String {
        fresh(&format!("gs://{}", variable("MLCI_LAB_GCS_BUCKET")))
    }

    #[tokio::test]
    #[ignore = "needs a bucket or the stand-in: cargo xtask test --lab gcs"]
    async fn the_contract_holds() {
        contract(|| Store::remote(&url()).unwrap()).await;
    }

    #[tokio::test]
    #[ignore = "needs a bucket or the stand-in: cargo xtask test --lab gcs"]
    async fn two_writers_never_take_the_same_number() {
        two_writers(&url()).await;
    }

    #[tokio::test]
    #[ignore = "needs a bucket or the stand-in: cargo xtask test --lab gcs"]
    async fn a_bucket_that_is_not_there_is_named() {
        let store = Store::remote("gs://mlci-no-such-bucket-0000/x").unwrap();
        let text = chain(&publish(&store, "a").await.unwrap_err());
        assert!(
            text.contains("`gs://mlci-no-such-bucket-0000/x/") && text.contains("make the bucket, or name another"),
            "{text}"
        );
    }
}
