//! A canary beside the pods that serve.

use mlci_k8s::{ApplyOptions, Error, Name};

use crate::{image, in_namespace, options};

#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn a_canary_comes_and_goes_beside_the_pods_that_serve() {
    in_namespace("canary", |lab| async move {
        let mut stable = lab.workload(image::push("v1"));
        // Too long to have `-canary` put behind it.
        stable.name = "w".repeat(60).parse().unwrap();
        stable.replicas = Some(2);
        let (namespace, name) = (stable.namespace.clone(), stable.name.clone());
        lab.deploy(&stable).await.unwrap();
        let before = lab.cluster.current(&namespace, &name).await.unwrap();
        let pods = lab.cluster.tracks(&namespace, &name).await.unwrap();
        assert_eq!((pods.canary.len(), pods.stable.len()), (0, 2));
        assert!(!lab.cluster.remove_canary(&namespace, &name).await.unwrap());

        let mut next = stable.clone();
        next.image = image::push("v2");
        let applied = lab.cluster.apply_canary(&next, 2).await.unwrap();
        assert_eq!(applied.name, name.of_canary());
        let done = lab.cluster.rollout(&applied, &options(), |_| {}).await.unwrap();
        assert_eq!((done.progress.ready, done.progress.old), (2, 0));
        // To ask for one less is a change of it.
        let applied = lab.cluster.apply_canary(&next, 1).await.unwrap();
        lab.cluster.rollout(&applied, &options(), |_| {}).await.unwrap();
        let canary = lab.cluster.canary(&namespace, &name).await.unwrap().unwrap();
        assert_eq!((canary.digest, canary.desired), (Some(next.image.digest()), 1));

        // Nobody has taken anybody's pods, and nothing was changed.
        let now = lab.cluster.tracks(&namespace, &name).await.unwrap();
        assert_eq!((now.canary.len(), now.stable), (1, pods.stable.clone()));
        assert_eq!(lab.cluster.current(&namespace, &name).await.unwrap(), before);
        // It is asked along by whoever asks the Service, and not by whoever verifies what serves.
        let mut versions = std::collections::BTreeSet::new();
        for _ in 0..200 {
            versions.insert(lab.version(&stable).await);
            if versions.len() == 2 {
                break;
            }
        }
        assert_eq!(versions.into_iter().collect::<Vec<_>>(), ["v1", "v2"]);
        let forward = lab.cluster.forward(&namespace, &name).await.unwrap();
        for _ in 0..6 {
            let answer = crate::deploy::get(forward.address(), "").await;
            assert!(answer.contains("x-version: v1"), "{answer} {:?}", forward.last_error());
        }
        let own = lab.cluster.forward_pod(&namespace, &now.canary[0], next.port).await.unwrap();
        assert!(crate::deploy::get(own.address(), "").await.contains("x-version: v2"));

        // Removed: the others are as they were.
        assert!(lab.cluster.remove_canary(&namespace, &name).await.unwrap());
        assert_eq!(lab.cluster.canary(&namespace, &name).await.unwrap(), None);
        assert_eq!(lab.cluster.tracks(&namespace, &name).await.unwrap().stable, pods.stable);

        // Promoted: the rollout is not held up by it, and it goes with what is declared no longer.
        lab.cluster.apply_canary(&next, 1).await.unwrap();
        let applied = lab.cluster.apply(&next, &ApplyOptions::default()).await.unwrap();
        let obsolete: Vec<_> = applied.obsolete.iter().map(ToString::to_string).collect();
        assert_eq!(obsolete, [format!("Deployment `{}`", name.of_canary())]);
        let done = lab.cluster.rollout(&applied, &options(), |_| {}).await.unwrap();
        assert_eq!((done.progress.ready, done.progress.old), (2, 0));
        lab.cluster.prune(&applied).await.unwrap();
        assert_eq!(lab.cluster.canary(&namespace, &name).await.unwrap(), None);
        assert_eq!(lab.version(&next).await, "v2");
    })
    .await;
}

/// A workload may be called as another's canary would be.
#[tokio::test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
async fn a_workload_of_a_canarys_name_is_left_alone() {
    in_namespace("canary-name", |lab| async move {
        let stable = lab.workload(image::push("v1"));
        let (namespace, name) = (stable.namespace.clone(), stable.name.clone());
        let mut other = stable.clone();
        other.name = name.of_canary();
        assert_eq!(other.name, "wine-canary".parse::<Name>().unwrap());
        lab.deploy(&other).await.unwrap();
        lab.deploy(&stable).await.unwrap();
        let error = lab.cluster.apply_canary(&stable, 1).await.unwrap_err();
        assert!(matches!(error, Error::NotOurs { .. }) && error.to_string().contains("wine-canary"), "{error}");
        assert!(!lab.cluster.remove_canary(&namespace, &name).await.unwrap());
        lab.deploy(&stable).await.unwrap();
        lab.cluster.delete(&namespace, &name).await.unwrap();
        assert_eq!(lab.version(&other).await, "v1");
    })
    .await;
}
