//! An admission webhook that is asked about pods: the Deployment is taken, and its pods never come.

use mlci_k8s::Reason;

use crate::{
    hook::{Answers, Hook},
    image, in_namespace, options,
};

#[tokio::test]
#[ignore = "needs the lab's own Kubernetes cluster, whose API server reaches loopback: cargo xtask test --lab kubernetes"]
async fn one_that_refuses_is_away_or_silent_is_named_and_the_old_pods_serve_on() {
    in_namespace("webhook", |lab| async move {
        let first = lab.workload(image::push("v1"));
        lab.deploy(&first).await.unwrap();
        let mut hook = Hook::new(&lab.client, &lab.namespace, "", "pods").await;
        let mut next = first.clone();
        next.image = image::push("v2");
        hook.answers(Answers::No);
        let mut failed = async |number: &str, words: &str| {
            // Each is a change of its own, so that the controller tries at once.
            next.env.insert("TRY".to_owned(), number.to_owned());
            let failure = lab.failure(&next, &options()).await;
            assert_eq!((failure.reason, failure.pod.as_deref()), (Reason::Admission, None), "{failure}");
            assert!(failure.message.contains(words) && failure.message.contains(hook.name()), "{failure}");
            assert_eq!(lab.version(&first).await, "v1");
        };
        failed("1", "not on a Sunday").await;
        hook.answers(Answers::Never);
        failed("2", "context deadline exceeded").await;
        hook.answers(Answers::Nonsense);
        failed("3", "0-length response").await;
        hook.close();
        failed("4", "connection refused").await;
        hook.open().await;
        hook.answers(Answers::Yes);
        next.env.insert("TRY".to_owned(), "5".to_owned());
        lab.deploy(&next).await.unwrap();
        assert_eq!(lab.version(&next).await, "v2");
        hook.remove().await;
    })
    .await;
}
