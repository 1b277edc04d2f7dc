//! What others did to the files is reported with the file and the way out, and mended where that is possible.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use mlci_artifact::{Digest, Error, GarbageOptions, Store};

use crate::support::{blob_key, chain, content, label, name, publish};

const VERSIONS: &str = "models/wine-quality/versions";

/// A directory store with versions 1 (`a`) and 2 (`b`), of which `production` points to 2.
async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::directory(folder.path()).unwrap();
    for (number, model) in [(1, "a"), (2, "b")] {
        publish(&store, model).await.unwrap();
        store.promote(&name(), number, &label("production"), "ann", "").await.unwrap();
    }
    (folder, store)
}

fn index_of(folder: &Path, model: &str) -> PathBuf {
    folder.join(format!("models/wine-quality/digests/{}.json", Digest::of(&content(model)).hex()))
}

#[tokio::test]
async fn an_unreadable_last_entry_is_reported_by_all_who_need_it() {
    let (whole, _) = store().await;
    let entry = fs::read_to_string(whole.path().join(VERSIONS).join("0000000002.json")).unwrap();
    let half = &entry[..entry.len() / 2];
    let first = fs::read_to_string(whole.path().join(VERSIONS).join("0000000001.json")).unwrap();
    let newer = entry.replace("\"format\": 1", "\"format\": 2");
    let cases = [
        ("", "EOF", "restore it from a backup"),
        (half, "EOF", "restore it from a backup"),
        ("{\"other\": 1}", "missing field `format`", "restore it from a backup"),
        ("{\"format\": \"one\"}", "line 1", "restore it from a backup"),
        (first.as_str(), "it says that it is number 1", "restore it from a backup"),
        (newer.as_str(), "has format 2, and this version reads format 1", "use a newer version"),
    ];
    for (damage, cause, fix) in cases {
        let (folder, store) = store().await;
        let path = folder.path().join(VERSIONS).join("0000000002.json");
        fs::write(&path, damage).unwrap();
        let errors = [
            store.versions(&name()).await.err(),
            store.version(&name(), 2).await.err(),
            store.promote(&name(), 2, &label("staging"), "ann", "").await.err(),
            store.find_version(&name(), &Digest::of(b"unknown")).await.err(),
            publish(&store, "c").await.err(),
            store.collect_garbage(GarbageOptions { grace: Duration::ZERO, dry_run: false }).await.err(),
        ];
        for error in errors {
            let text = chain(&error.expect(damage));
            assert!(text.contains("versions/0000000002.json"), "{text}");
            assert!(text.contains(cause) && text.contains(fix), "{text}");
        }
        // What does not need it works, and nothing was written over it.
        assert_eq!(store.version(&name(), 1).await.unwrap().number, 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), damage);
        // The way out that the message names.
        fs::remove_file(&path).unwrap();
        assert_eq!(publish(&store, "b").await.unwrap().version.number, 2);
        assert_eq!(store.find_version(&name(), &Digest::of(&content("b"))).await.unwrap().unwrap().number, 2);
    }
}

#[tokio::test]
async fn an_unreadable_move_of_an_alias_is_not_passed_over() {
    let (folder, store) = store().await;
    fs::write(folder.path().join("models/wine-quality/aliases/production/0000000002.json"), "{").unwrap();
    let error = store.alias(&name(), &label("production")).await.unwrap_err();
    assert!(matches!(error, Error::DamagedEntry { .. }), "{error:?}");
    assert!(store.rollback(&name(), &label("production"), "ann", "").await.is_err());
    assert!(store.aliases(&name()).await.is_err());
}

#[tokio::test]
async fn a_damaged_blob_names_the_file_and_both_digests() {
    let (folder, store) = store().await;
    let version = store.version(&name(), 1).await.unwrap();
    let path = folder.path().join(blob_key("blobs", &content("a")));
    let mut bytes = content("a").to_vec();
    bytes[0] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = store.model_bytes(&version).await.unwrap_err().to_string();
    for part in [path.to_str().unwrap(), &version.model.to_string(), &Digest::of(&bytes).to_string()] {
        assert!(error.contains(part), "{error}");
    }
    // The way out that the message names.
    fs::remove_file(&path).unwrap();
    assert!(matches!(store.model_bytes(&version).await, Err(Error::MissingBlob { .. })));
    let error = store.promote(&name(), 1, &label("staging"), "ann", "").await.unwrap_err();
    assert!(matches!(error, Error::MissingBlob { .. }), "{error:?}");
    assert!(!publish(&store, "a").await.unwrap().created);
    assert_eq!(store.model_bytes(&version).await.unwrap(), content("a"));
    // One that was cut off is seen by its size.
    fs::write(&path, b"").unwrap();
    publish(&store, "a").await.unwrap();
    assert_eq!(store.model_bytes(&version).await.unwrap(), content("a"));
}

#[tokio::test]
async fn the_index_is_made_again_from_the_versions() {
    let other = format!("{{\"format\":1,\"number\":{}}}", 2);
    let gone = format!("{{\"format\":1,\"number\":{}}}", 9);
    for damage in ["", "{", "{\"format\":2,\"number\":1}", &other, &gone] {
        let (folder, store) = store().await;
        let index = index_of(folder.path(), "a");
        let whole = fs::read(&index).unwrap();
        fs::write(&index, damage).unwrap();
        let found = store.find_version(&name(), &Digest::of(&content("a"))).await.unwrap();
        assert_eq!(found.unwrap().number, 1, "{damage}");
        let published = publish(&store, "a").await.unwrap();
        assert_eq!((published.version.number, published.created), (1, false));
        assert_eq!(fs::read(&index).unwrap(), whole, "{damage}");
    }
}

#[tokio::test]
async fn left_over_parts_are_swept() {
    let (folder, store) = store().await;
    let hour = Duration::from_secs(3600);
    let old = folder.path().join(VERSIONS).join("0000000003.json#1");
    let young = folder.path().join(blob_key("blobs", b"x") + "#12");
    let ours = folder.path().join("blobs/notes#1a");
    fs::create_dir_all(young.parent().unwrap()).unwrap();
    for path in [&old, &young, &ours] {
        fs::write(path, "part").unwrap();
    }
    for path in [&old, &ours] {
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - 2 * hour).unwrap();
    }
    // They are no obstacle before they are swept.
    assert_eq!(publish(&store, "c").await.unwrap().version.number, 3);
    assert_eq!(store.sweep_partial(hour).await.unwrap(), 1);
    assert!(!old.exists() && young.exists() && ours.exists());
    assert_eq!(store.sweep_partial(Duration::ZERO).await.unwrap(), 1);
    assert!(!young.exists() && ours.exists());
    assert_eq!(store.versions(&name()).await.unwrap().len(), 3);

    fs::remove_dir_all(folder.path()).unwrap();
    let error = store.sweep_partial(hour).await.unwrap_err().to_string();
    assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
}
