//! The garbage collection by itself; beside writers it is tested in `interleaving`.

use std::{fs::File, sync::Arc, time::Duration};

use futures::StreamExt as _;
use mlci_artifact::{
    Bytes, Digest, Error, GarbageOptions, GarbageReport, Store, Timestamp,
    object_store::{self, ObjectStore, ObjectStoreExt as _, path::Path},
};

use crate::support::{Hooked, blob_key, content, label, memory, name, on, publish};

pub(crate) const AT_ONCE: GarbageOptions = GarbageOptions { grace: Duration::ZERO, dry_run: false };

async fn is_blob(objects: &Arc<dyn ObjectStore>, bytes: &[u8]) -> bool {
    objects.head(&Path::from(blob_key("blobs", bytes))).await.is_ok()
}

async fn copies(objects: &Arc<dyn ObjectStore>, bytes: &[u8]) -> usize {
    objects.list(Some(&Path::from(blob_key("trash", bytes)))).count().await
}

#[tokio::test]
async fn two_runs_remove_what_nothing_refers_to() {
    let objects = memory();
    let store = on(&objects);
    publish(&store, "a").await.unwrap();
    publish(&store, "b").await.unwrap();
    store.promote(&name(), 1, &label("production"), "ann", "").await.unwrap();
    let config = store.put_blob("config".into()).await.unwrap();
    store.log::<u8>(&["releases", "production"]).unwrap().append(&1, &[config.digest]).await.unwrap();
    let waste = store.put_blob("waste".into()).await.unwrap();

    let planned = GarbageOptions { dry_run: true, ..AT_ONCE };
    let first = GarbageReport { kept: 3, trashed: vec![waste.digest], ..GarbageReport::default() };
    assert_eq!(store.collect_garbage(planned).await.unwrap(), first);
    assert!(is_blob(&objects, b"waste").await && copies(&objects, b"waste").await == 0);
    assert_eq!(store.collect_garbage(AT_ONCE).await.unwrap(), first);
    assert!(!is_blob(&objects, b"waste").await && copies(&objects, b"waste").await == 1);

    let second = GarbageReport { kept: 3, deleted: vec![waste.digest], freed: 5, ..GarbageReport::default() };
    assert_eq!(store.collect_garbage(planned).await.unwrap(), second);
    assert!(store.has_blob(&waste.digest).await.unwrap());
    assert_eq!(store.collect_garbage(AT_ONCE).await.unwrap(), second);
    assert!(!store.has_blob(&waste.digest).await.unwrap());

    let third = GarbageReport { kept: 3, ..GarbageReport::default() };
    assert_eq!(store.collect_garbage(AT_ONCE).await.unwrap(), third);
    for version in store.versions(&name()).await.unwrap() {
        assert!(store.model_bytes(&version).await.is_ok());
    }
    assert_eq!(store.get_blob(&config.digest).await.unwrap(), "config");
}

#[tokio::test]
async fn what_is_in_the_trash_can_be_read_and_comes_back() {
    let objects = memory();
    let store = on(&objects);
    let blob = store.put_blob("x".into()).await.unwrap();
    store.collect_garbage(AT_ONCE).await.unwrap();
    // A reader that may not write gets it too.
    let reader = Hooked::failing(objects.clone(), |request| {
        (request == "put").then(|| object_store::Error::Generic { store: "test", source: "no".into() })
    });
    assert_eq!(reader.store().get_blob(&blob.digest).await.unwrap(), "x");
    assert!(!is_blob(&objects, b"x").await);

    // A new reference takes it out at once.
    store.log::<u8>(&["log"]).unwrap().append(&1, &[blob.digest]).await.unwrap();
    assert!(is_blob(&objects, b"x").await);
    // The copy is of no more use.
    let report = store.collect_garbage(AT_ONCE).await.unwrap();
    assert_eq!(report, GarbageReport { kept: 1, freed: 1, ..GarbageReport::default() });
    assert_eq!(copies(&objects, b"x").await, 0);

    // One that is referred to and only in the trash, as a run beside a publisher may leave it.
    let (blob_path, copy) = (Path::from(blob_key("blobs", b"x")), Path::from(blob_key("trash", b"x") + "/copy"));
    objects.rename(&blob_path, &copy).await.unwrap();
    let report = store.collect_garbage(AT_ONCE).await.unwrap();
    assert_eq!(report, GarbageReport { restored: vec![blob.digest], ..GarbageReport::default() });
    assert!(is_blob(&objects, b"x").await);
    store.collect_garbage(AT_ONCE).await.unwrap();
    assert_eq!(copies(&objects, b"x").await, 0);

    // A damaged copy is not put back as if it were whole.
    objects.delete(&blob_path).await.unwrap();
    objects.put(&copy, Bytes::from("y").into()).await.unwrap();
    assert!(matches!(store.collect_garbage(AT_ONCE).await, Err(Error::DamagedBlob { .. })));
    assert!(!is_blob(&objects, b"x").await);
    // Nor does it hide a whole one.
    objects.put(&Path::from(blob_key("trash", b"x") + "/other"), Bytes::from("x").into()).await.unwrap();
    assert_eq!(store.get_blob(&blob.digest).await.unwrap(), "x");
    assert!(is_blob(&objects, b"x").await);
}

#[tokio::test]
async fn others_files_are_left_alone() {
    let objects = memory();
    let store = on(&objects);
    let misplaced = format!("blobs/{}", Digest::of(b"x").hex());
    for key in ["blobs/README", "blobs/sha256/ab/abcd", "trash/notes", &misplaced] {
        objects.put(&Path::from(key), Bytes::from("x").into()).await.unwrap();
    }
    assert_eq!(store.collect_garbage(AT_ONCE).await.unwrap(), GarbageReport::default());
    assert_eq!(objects.list(None).count().await, 4);
}

/// A directory keeps a file's time when it is moved, so the grace in the trash must not count from the blob's own age.
#[tokio::test]
async fn the_grace_counts_twice() {
    let folder = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let at = |days| {
        let now = Timestamp::from_second(Timestamp::now().as_second() + (day * days).as_secs() as i64).unwrap();
        Store::directory(folder.path()).unwrap().with_clock(move || now)
    };
    let options = GarbageOptions::default();
    assert_eq!(options.grace, day);
    let blob = at(0).put_blob("waste".into()).await.unwrap();
    let file = File::options().write(true).open(folder.path().join(blob_key("blobs", b"waste"))).unwrap();
    let report = at(0).collect_garbage(options).await.unwrap();
    assert_eq!(report, GarbageReport { kept: 1, ..GarbageReport::default() });

    file.set_modified(std::time::SystemTime::now() - 30 * day).unwrap();
    let report = at(0).collect_garbage(options).await.unwrap();
    assert_eq!(report, GarbageReport { trashed: vec![blob.digest], ..GarbageReport::default() });
    assert_eq!(at(0).collect_garbage(options).await.unwrap(), GarbageReport::default());
    let report = at(2).collect_garbage(options).await.unwrap();
    assert_eq!(report, GarbageReport { deleted: vec![blob.digest], freed: 5, ..GarbageReport::default() });
}

/// Killed before any request, then run again: the waste is gone, the rest is there.
#[tokio::test]
async fn a_run_that_dies_anywhere_is_finished_by_the_next() {
    for runs_before in [0, 1] {
        for count in 0.. {
            let objects = memory();
            let store = on(&objects);
            let version = publish(&store, "a").await.unwrap().version;
            let waste = store.put_blob("waste".into()).await.unwrap();
            for _ in 0..runs_before {
                store.collect_garbage(AT_ONCE).await.unwrap();
            }
            // Referred to, and only in the trash.
            let key = |folder| blob_key(folder, &content("a"));
            objects.rename(&Path::from(key("blobs")), &Path::from(key("trash") + "/copy")).await.unwrap();

            let (dying, died) = Hooked::dying(objects.clone(), count);
            let result = dying.store().collect_garbage(AT_ONCE).await;
            assert_eq!(store.model_bytes(&version).await.unwrap(), content("a"), "{count}");
            for _ in 0..3 {
                store.collect_garbage(AT_ONCE).await.unwrap();
            }
            assert!(!store.has_blob(&waste.digest).await.unwrap(), "{count}");
            assert!(is_blob(&objects, &content("a")).await && copies(&objects, &content("a")).await == 0);
            if !died.load(std::sync::atomic::Ordering::Relaxed) {
                result.unwrap();
                break;
            }
        }
    }
}
