//! One contract, kept on every kind of store.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use mlci_artifact::{Bytes, Digest, Draft, Error, Label, Store, Timestamp, object_store::path::Path};
use serde::{Deserialize, Serialize};

use crate::support::{chain, content, label, memory, name, publish};

#[tokio::test]
async fn in_memory() {
    contract(Store::in_memory).await;
}

#[tokio::test]
async fn under_a_prefix() {
    contract(|| Store::new(memory(), Path::parse("team a/mäggi").unwrap())).await;
}

#[tokio::test]
async fn in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    contract(|| {
        number += 1;
        // Characters that a URL or a key would escape.
        Store::directory(&folder.path().join(format!("a b#{number}/ü%20"))).unwrap()
    })
    .await;
}

pub(crate) async fn contract(mut empty: impl FnMut() -> Store) {
    blobs(empty()).await;
    versions(empty()).await;
    aliases(empty()).await;
    logs(empty()).await;
    backward_clock(empty()).await;
    assert_eq!(empty().sweep_partial(Duration::ZERO).await.unwrap(), 0);
}

async fn blobs(store: Store) {
    let empty = Bytes::new();
    // More than a mebibyte, so that it is hashed on the pool.
    let large = Bytes::from(vec![7; (1 << 20) + 1]);
    for bytes in [empty, Bytes::from("abc"), large] {
        assert!(!store.has_blob(&Digest::of(&bytes)).await.unwrap());
        let missing = store.get_blob(&Digest::of(&bytes)).await.unwrap_err();
        assert!(matches!(missing, Error::MissingBlob { .. }), "{missing:?}");

        let blob = store.put_blob(bytes.clone()).await.unwrap();
        assert_eq!((blob.digest, blob.size), (Digest::of(&bytes), bytes.len() as u64));
        assert_eq!(store.put_blob(bytes.clone()).await.unwrap(), blob);
        assert!(store.has_blob(&blob.digest).await.unwrap());
        assert_eq!(store.get_blob(&blob.digest).await.unwrap(), bytes);
    }
}

async fn versions(store: Store) {
    let name = name();
    assert!(store.models().await.unwrap().is_empty());
    assert!(store.versions(&name).await.unwrap().is_empty());
    let nothing = store.version(&name, 1).await.unwrap_err().to_string();
    assert!(nothing.contains("no version 1: nothing was published"), "{nothing}");

    let files: BTreeMap<_, _> =
        [("model.mlci".to_owned(), content("a")), ("golden.json".to_owned(), "[1]".into())].into();
    let annotations: BTreeMap<_, _> = [("commit".to_owned(), "0123abc".to_owned())].into();
    let draft = Draft { model: Digest::of(&content("a")), annotations: annotations.clone() };
    let first = store.publish(&name, draft.clone(), files.clone()).await.unwrap();
    assert!(first.created);
    assert_eq!(first.version.number, 1);
    assert_eq!(first.version.annotations, annotations);
    for (file, bytes) in &files {
        assert_eq!(store.get_blob(&first.version.files[file].digest).await.unwrap(), bytes);
    }
    assert_eq!(store.model_bytes(&first.version).await.unwrap(), content("a"));

    let second = publish(&store, "b").await.unwrap();
    assert!(second.created);
    // The same model is the same version, whatever else was given with it.
    for model in ["a", "b"] {
        assert!(!publish(&store, model).await.unwrap().created);
    }
    let all = [first.version, second.version];
    assert_eq!(store.versions(&name).await.unwrap(), all);
    assert_eq!(store.version_numbers(&name).await.unwrap(), [1, 2]);
    assert_eq!(store.models().await.unwrap(), std::slice::from_ref(&name));
    for version in &all {
        assert_eq!(store.version(&name, version.number).await.unwrap(), *version);
        assert_eq!(store.find_version(&name, &version.model).await.unwrap().as_ref(), Some(version));
    }
    assert_eq!(store.find_version(&name, &Digest::of(b"unknown")).await.unwrap(), None);
    assert_eq!(store.find_version(&"other".parse().unwrap(), &all[0].model).await.unwrap(), None);

    let missing = store.version(&name, 7).await.unwrap_err();
    assert_eq!(missing.to_string(), "model `wine-quality` has no version 7: it has 1 to 2");

    let wrong = Draft { model: Digest::of(b"unknown"), annotations: BTreeMap::new() };
    let error = store.publish(&name, wrong, files).await.unwrap_err();
    assert!(error.to_string().contains("(given: golden.json, model.mlci)"), "{error}");
    for file in ["", ".", "..", "a/b", "..\\b", "a\n", &"x".repeat(256)] {
        let files = [("m".to_owned(), content("a")), (file.to_owned(), content("b"))].into();
        let error = store.publish(&name, draft.clone(), files).await.unwrap_err();
        assert!(matches!(error, Error::FileName { .. }), "{file:?}: {error}");
    }
}

async fn aliases(store: Store) {
    let (name, production) = (name(), label("production"));
    assert!("Production!".parse::<Label>().is_err());
    assert_eq!(store.alias(&name, &production).await.unwrap(), None);
    let error = store.promote(&name, 1, &production, "ann", "why").await.unwrap_err();
    assert!(matches!(error, Error::NotFound { version: 1, .. }), "{error:?}");
    let error = store.rollback(&name, &production, "ann", "why").await.unwrap_err();
    assert!(error.to_string().ends_with("it was never set"), "{error}");

    for model in ["a", "b", "c", "d"] {
        publish(&store, model).await.unwrap();
    }
    // Promote to a version, or roll back (`None`); where the alias points then, or `None` for nothing to go back to.
    let steps = [
        (Some(1), Some(1)),
        (None, None),
        (Some(2), Some(2)),
        (Some(3), Some(3)),
        (Some(3), Some(3)),
        // Two in a row go two steps back, not there and back.
        (None, Some(2)),
        (None, Some(1)),
        (None, None),
        (Some(2), Some(2)),
        (Some(4), Some(4)),
        (None, Some(2)),
        (Some(2), Some(2)),
        // A version may come twice.
        (Some(1), Some(1)),
        (None, Some(2)),
        (None, Some(1)),
        (None, None),
    ];
    for (step, (promote, expected)) in steps.into_iter().enumerate() {
        let result = match promote {
            Some(version) => store.promote(&name, version, &production, "ann", "better").await,
            None => store.rollback(&name, &production, "ben", "worse").await,
        };
        match (result, expected) {
            (Ok(moved), Some(version)) => {
                assert_eq!(moved.version, version, "step {step}");
                assert_eq!(moved.digest, store.version(&name, version).await.unwrap().model);
                assert_eq!(store.alias(&name, &production).await.unwrap(), Some(moved));
            }
            (Err(Error::NothingToRollBack { current: Some(1), .. }), None) => {}
            (result, _) => panic!("step {step}: {result:?}"),
        }
    }
    let history = store.alias_history(&name, &production).await.unwrap();
    let versions: Vec<_> = history.iter().map(|moved| (moved.version, moved.rollback)).collect();
    let (up, back) = (false, true);
    assert_eq!(
        versions,
        [(1, up), (2, up), (3, up), (2, back), (1, back), (2, up), (4, up), (2, back), (1, up), (2, back), (1, back)]
    );
    assert_eq!(history.iter().map(|moved| moved.number).collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
    assert_eq!((history[3].by.as_str(), history[3].reason.as_str()), ("ben", "worse"));

    let staging = store.promote(&name, 4, &label("staging"), "ann", "").await.unwrap();
    let aliases = store.aliases(&name).await.unwrap();
    let expected = [(production, history.last().unwrap().clone()), (label("staging"), staging)];
    assert_eq!(aliases, expected.into());
    assert!(store.aliases(&"other".parse().unwrap()).await.unwrap().is_empty());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Release {
    image: String,
    score: f64,
}

async fn logs(store: Store) {
    let release = |image: &str| Release { image: image.to_owned(), score: 0.1 + 0.2 };
    let log = store.log::<Release>(&["releases", "wine.quality_2", "production"]).unwrap();
    assert_eq!(log.last().await.unwrap(), None);
    assert!(log.entries().await.unwrap().is_empty());

    let blob = store.put_blob("config".into()).await.unwrap();
    let first = log.append(&release("one"), &[blob.digest]).await.unwrap();
    assert_eq!((first.number, &first.references), (1, &vec![blob.digest]));
    assert_eq!(first.body, release("one"));
    let second = log.append_after(Some(1), &release("two"), &[]).await.unwrap();
    for (last, found) in [(None, 2), (Some(1), 2), (Some(3), 2)] {
        let error = log.append_after(last, &release("late"), &[]).await.unwrap_err();
        assert!(matches!(error, Error::Conflict { expected, found: Some(n), .. } if expected == last && n == found));
        assert!(error.to_string().contains("its last entry is 2, not "), "{error}");
    }
    assert_eq!(log.entries().await.unwrap(), [first, second]);
    assert_eq!(log.last_number().await.unwrap(), Some(2));

    // A log above it and one beside it are others.
    let above = store.log::<u32>(&["releases"]).unwrap();
    assert_eq!(above.append_after(None, &1, &[]).await.unwrap().number, 1);
    assert_eq!(above.entries().await.unwrap().len(), 1);

    let unknown = log.append(&release("three"), &[Digest::of(b"unknown")]).await.unwrap_err();
    assert!(matches!(unknown, Error::MissingBlob { .. }), "{unknown:?}");
    let number = store.log::<f64>(&["numbers"]).unwrap();
    let error = number.append(&f64::NAN, &[]).await.unwrap_err();
    assert!(matches!(error, Error::Encode { .. }), "{}", chain(&error));
    assert_eq!((number.last_number().await.unwrap(), log.last_number().await.unwrap()), (None, Some(2)));

    for path in [&[][..], &[""], &[".."], &["a", "../x"], &["a/b"], &["A"], &["a b"], &["0000000001.json"]] {
        assert!(matches!(store.log::<u32>(path), Err(Error::LogPath { .. })), "{path:?}");
    }
}

/// The present state is the entry with the highest number, also when its time is the earliest.
async fn backward_clock(store: Store) {
    let seconds = AtomicI64::new(1_000_000);
    let store = store.with_clock(move || Timestamp::from_second(seconds.fetch_sub(1_000, Ordering::Relaxed)).unwrap());
    let (name, production) = (name(), label("production"));
    for model in ["a", "b", "c"] {
        let version = publish(&store, model).await.unwrap().version;
        store.promote(&name, version.number, &production, "ann", "").await.unwrap();
    }
    let history = store.alias_history(&name, &production).await.unwrap();
    assert!(history.is_sorted_by(|a, b| a.at > b.at), "the clock went backwards: {history:?}");
    assert_eq!(history.iter().map(|moved| moved.version).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(store.alias(&name, &production).await.unwrap().unwrap().version, 3);
    assert_eq!(store.rollback(&name, &production, "ann", "").await.unwrap().version, 2);
    assert!(store.versions(&name).await.unwrap().is_sorted_by_key(|version| version.number));
}
