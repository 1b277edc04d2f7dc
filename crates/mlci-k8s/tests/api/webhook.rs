//! An admission webhook that is asked about what is applied.

use std::time::{Duration, Instant};

use mlci_k8s::{ApplyOptions, Error};

use crate::{
    Lab, eventually,
    hook::{Answers, Hook},
};

#[tokio::test]
#[ignore = "needs the API server of Kubernetes: cargo xtask test --lab kubernetes-api"]
async fn one_that_refuses_is_away_or_silent_is_named() {
    let lab = Lab::new("webhook").await;
    let mut workload = lab.workload();
    let options = ApplyOptions::default();
    let mut hook = Hook::new(&lab.client, &lab.namespace, "apps", "deployments").await;

    hook.answers(Answers::No);
    eventually("the webhook to be asked", async || lab.cluster.apply(&workload, &options).await.is_err()).await;
    let error = lab.cluster.apply(&workload, &options).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    for words in [hook.name(), "denied the request", "not on a Sunday", "deployments.apps `wine`"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(matches!(lab.cluster.diff(&workload, &options).await, Err(Error::Refused { .. })), "a dry run asks it too");

    for (answers, words) in [(Answers::Never, "context deadline exceeded"), (Answers::Nonsense, "0-length response")] {
        hook.answers(answers);
        let begun = Instant::now();
        let error = lab.cluster.apply(&workload, &options).await.unwrap_err();
        println!("{error} after {:?}", begun.elapsed());
        assert!(matches!(error, Error::Webhook { .. }), "{error:?}");
        assert!(error.to_string().contains(words) && error.to_string().contains(hook.name()), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    hook.close();
    let error = lab.cluster.apply(&workload, &options).await.unwrap_err();
    assert!(matches!(error, Error::Webhook { .. }), "{error:?}");
    assert!(error.to_string().contains("connection refused"), "{error}");

    // Back in a moment, as when its pod is replaced.
    let (applied, hook) = tokio::join!(lab.cluster.apply(&workload, &options), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        hook.open().await;
        hook.answers(Answers::Yes);
        hook
    });
    let first = applied.unwrap();
    workload.env.insert("A".to_owned(), "1".to_owned());
    let second = lab.cluster.apply(&workload, &options).await.unwrap();
    assert_eq!(second.generation, first.generation + 1);
    hook.remove().await;
}
