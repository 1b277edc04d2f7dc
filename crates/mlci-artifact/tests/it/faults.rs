//! Stores that refuse: the message names the object, the cause and the way out, and nothing half done stays.

use std::{fs, io};

use mlci_artifact::{Digest, Error, Store, object_store};

use crate::support::{Hooked, chain, content, label, memory, name, on, publish};

#[tokio::test]
async fn a_file_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    fs::write(&file, "x").unwrap();
    let error = Store::directory(&file).unwrap_err();
    assert!(matches!(error, Error::NotAFolder { .. }), "{error:?}");
    assert!(error.to_string().contains("store` is no folder"), "{error}");
    let error = Store::directory(&file.join("inside")).unwrap_err();
    assert!(matches!(error, Error::Folder(_)), "{error:?}");
    assert!(error.to_string().contains("store/inside`"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"x");
}

#[tokio::test]
async fn a_file_in_the_place_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::directory(folder.path()).unwrap();
    fs::write(folder.path().join("blobs"), "x").unwrap();
    let error = publish(&store, "a").await.unwrap_err();
    let text = chain(&error);
    assert!(text.contains("blobs/sha256/") && text.contains("a file stands where the store needs a folder"), "{text}");
    assert!(store.versions(&name()).await.unwrap().is_empty());
}

/// Root may write everywhere, so the real thing shows only for other users; the shape of the error is the same below.
#[cfg(unix)]
#[tokio::test]
async fn a_read_only_folder_can_be_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let store = Store::directory(folder.path()).unwrap();
    publish(&store, "a").await.unwrap();
    let versions = folder.path().join("models/wine-quality/versions");
    let set = |mode| fs::set_permissions(&versions, fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    let enforced = fs::write(versions.join("probe"), "").is_err();
    let result = publish(&store, "b").await;
    let read = store.find_version(&name(), &Digest::of(&content("a"))).await;
    set(0o755);
    assert_eq!(read.unwrap().unwrap().number, 1);
    match result {
        Ok(published) => assert!(!enforced && published.created),
        Err(error) => assert!(error.to_string().contains("give this user the right to read and write"), "{error}"),
    }
}

#[tokio::test]
async fn refused_writes_say_what_to_do_and_leave_nothing() {
    let io_error = |kind: io::ErrorKind| object_store::Error::Generic {
        store: "LocalFileSystem",
        // object_store wraps the cause once more.
        source: Box::new(mlci_core::FileError { action: "open", path: "x".into(), source: kind.into() }),
    };
    let denied = || object_store::Error::PermissionDenied { path: "x".into(), source: "403".into() };
    type Make = Box<dyn Fn() -> object_store::Error + Send + Sync>;
    let cases: [(Make, &str); 5] = [
        (Box::new(move || io_error(io::ErrorKind::StorageFull)), "no space left"),
        (Box::new(move || io_error(io::ErrorKind::PermissionDenied)), "the right to read and write"),
        (Box::new(move || io_error(io::ErrorKind::ReadOnlyFilesystem)), "read-only"),
        (Box::new(denied), "check the credentials"),
        (Box::new(move || io_error(io::ErrorKind::TimedOut)), "timed out"),
    ];
    for (make, advice) in cases {
        let objects = memory();
        let full = Hooked::failing(objects.clone(), move |request| (request == "put").then(&make)).store();
        let text = chain(&publish(&full, "a").await.unwrap_err());
        assert!(text.starts_with("cannot write `Hooked/blobs/sha256/") && text.contains(advice), "{text}");
        assert!(full.models().await.unwrap().is_empty());
        // Once there is room, the same call does it.
        assert!(publish(&on(&objects), "a").await.unwrap().created);
    }
}

/// Killed before any request: the same call afterwards gets to the same state, and others are not held up.
#[tokio::test]
async fn a_publisher_that_dies_anywhere() {
    for other_first in [false, true] {
        for count in 0.. {
            let objects = memory();
            let store = on(&objects);
            publish(&store, "before").await.unwrap();
            let (dying, died) = Hooked::dying(objects.clone(), count);
            let result = publish(&dying.store(), "a").await;
            if other_first {
                publish(&store, "other").await.unwrap();
            }
            let found = store.find_version(&name(), &Digest::of(&content("a"))).await.unwrap();
            let again = publish(&store, "a").await.unwrap();
            assert_eq!(again.created, found.is_none(), "died before request {count}");
            publish(&store, "after").await.unwrap();

            let versions = store.versions(&name()).await.unwrap();
            let expected = if other_first { 4 } else { 3 };
            assert!(versions.iter().map(|version| version.number).eq(1..=expected), "{count}: {versions:?}");
            for version in &versions {
                let found = store.find_version(&name(), &version.model).await.unwrap();
                assert_eq!(found.as_ref(), Some(version), "{count}");
                assert!(store.model_bytes(version).await.is_ok(), "{count}");
            }
            if !died.load(std::sync::atomic::Ordering::Relaxed) {
                assert!(result.unwrap().created && count > 5, "every request was cut off once");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_promotion_or_rollback_that_dies_anywhere() {
    for count in 0.. {
        let objects = memory();
        let store = on(&objects);
        for (number, model) in [(1, "a"), (2, "b"), (3, "c")] {
            publish(&store, model).await.unwrap();
            store.promote(&name(), number, &label("production"), "ann", "").await.unwrap();
        }
        let (dying, died) = Hooked::dying(objects.clone(), count);
        let dying = dying.store();
        let rolled_back = dying.rollback(&name(), &label("production"), "ben", "").await;
        let promoted = dying.promote(&name(), 1, &label("production"), "ann", "").await;
        let history = store.alias_history(&name(), &label("production")).await.unwrap();
        let versions: Vec<_> = history.iter().map(|moved| moved.version).collect();
        assert!([1, 2, 3, 2, 1].starts_with(&versions), "{versions:?}");
        assert!(versions.len() >= 3 + usize::from(rolled_back.is_ok()) + usize::from(promoted.is_ok()));
        if !died.load(std::sync::atomic::Ordering::Relaxed) {
            assert_eq!(versions.len(), 5);
            break;
        }
    }
}
