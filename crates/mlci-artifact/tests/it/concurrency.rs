//! Many writers at once, on real threads.

use std::collections::BTreeSet;

use mlci_artifact::{Digest, Error, GarbageOptions, Store};

use crate::support::{content, label, name, publish};

const WRITERS: u64 = 16;
const EACH: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_memory() {
    check(&Store::in_memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    check(&Store::directory(folder.path()).unwrap()).await;
    // Nothing but complete objects is left.
    assert_eq!(Store::directory(folder.path()).unwrap().sweep_partial(std::time::Duration::ZERO).await.unwrap(), 0);
}

/// Every call can be spawned; that this compiles is the test of it.
#[tokio::test]
async fn calls_are_send() {
    fn send<F: Future + Send>(future: F) -> F {
        future
    }
    let (store, name, alias) = (Store::in_memory(), name(), label("staging"));
    let log = store.log::<String>(&["log"]).unwrap();
    let version = send(publish(&store, "a")).await.unwrap().version;
    send(store.promote(&name, 1, &alias, "ann", "")).await.unwrap();
    assert!(send(store.rollback(&name, &alias, "ann", "")).await.is_err());
    send(log.append(&"a".to_owned(), &[version.model])).await.unwrap();
    send(log.append_after(Some(1), &"b".to_owned(), &[])).await.unwrap();
    assert_eq!(send(log.entries()).await.unwrap().last(), send(log.last()).await.unwrap().as_ref());
    assert_eq!(send(store.versions(&name)).await.unwrap(), std::slice::from_ref(&version));
    assert_eq!(send(store.models()).await.unwrap().len(), send(store.aliases(&name)).await.unwrap().len());
    assert_eq!(send(store.model_bytes(&version)).await.unwrap(), content("a"));
    assert_eq!(send(store.collect_garbage(GarbageOptions::default())).await.unwrap().kept, 1);
    assert_eq!(send(store.sweep_partial(std::time::Duration::ZERO)).await.unwrap(), 0);
}

async fn check(store: &Store) {
    appends(store).await;
    appends_after(store).await;
    publishers(store).await;
}

async fn all<T: Send + 'static>(tasks: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    // All are started before the first is awaited.
    let handles: Vec<_> = tasks.map(tokio::spawn).collect();
    let mut results = Vec::new();
    for handle in handles {
        results.push(handle.await.unwrap());
    }
    results
}

/// No number twice, no gap, nothing lost, and every writer's entries in its own order.
async fn appends(store: &Store) {
    let log = store.log::<(u64, u64)>(&["appends"]).unwrap();
    all((0..WRITERS).map(|writer| {
        let log = log.clone();
        async move {
            for turn in 0..EACH {
                log.append(&(writer, turn), &[]).await.unwrap();
            }
        }
    }))
    .await;
    let entries = log.entries().await.unwrap();
    assert!(entries.iter().map(|entry| entry.number).eq(1..=WRITERS * EACH));
    for writer in 0..WRITERS {
        let turns = entries.iter().filter(|entry| entry.body.0 == writer).map(|entry| entry.body.1);
        assert!(turns.eq(0..EACH));
    }
}

/// A counter that every writer increments by what it read: none gets lost.
async fn appends_after(store: &Store) {
    let log = store.log::<u64>(&["counter"]).unwrap();
    all((0..WRITERS).map(|_| {
        let log = log.clone();
        async move {
            loop {
                let last = log.last().await.unwrap();
                let (number, count) = last.map_or((None, 0), |last| (Some(last.number), last.body));
                match log.append_after(number, &(count + 1), &[]).await {
                    Ok(_) => break,
                    Err(Error::Conflict { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }))
    .await;
    assert_eq!(log.last().await.unwrap().unwrap().body, WRITERS);
}

/// Every model becomes one version, made by one of its publishers, and the alias ends where its last move says.
async fn publishers(store: &Store) {
    let models = WRITERS / 2;
    let published = all((0..WRITERS).map(|writer| {
        let store = store.clone();
        async move {
            let published = publish(&store, &(writer % models).to_string()).await.unwrap();
            store.promote(&name(), published.version.number, &label("staging"), "ann", "").await.unwrap();
            published
        }
    }))
    .await;
    let created: BTreeSet<_> =
        published.iter().filter(|published| published.created).map(|published| published.version.number).collect();
    assert!(created.into_iter().eq(1..=models));
    let versions = store.versions(&name()).await.unwrap();
    assert!(versions.iter().map(|version| version.number).eq(1..=models));
    for model in 0..models {
        let found = store.find_version(&name(), &Digest::of(&content(&model.to_string()))).await.unwrap().unwrap();
        assert_eq!(store.model_bytes(&found).await.unwrap(), content(&model.to_string()));
        for published in published.iter().filter(|published| published.version.model == found.model) {
            assert_eq!(published.version, found);
        }
    }
    let history = store.alias_history(&name(), &label("staging")).await.unwrap();
    assert!(history.windows(2).all(|pair| pair[0].version != pair[1].version), "{history:?}");
    assert_eq!(store.alias(&name(), &label("staging")).await.unwrap().as_ref(), history.last());
}
