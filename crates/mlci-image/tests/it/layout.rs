use std::fs;

use mlci_image::{Error, Layout};
use serde_json::json;

use crate::fixture::{Fixture, chain, names};

#[test]
fn an_empty_folder_becomes_a_layout() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::open(folder.path()).unwrap();
    assert_eq!(layout.images().unwrap(), []);
    assert_eq!(names(folder.path()), [".mlci", "blobs", "index.json", "oci-layout"]);
}

/// Files appear in an order, each whole: so these are the states in which a killed `open` can leave a folder.
#[test]
fn an_interrupted_start_is_finished() {
    let expected = Fixture::new().build("model").digest;
    for removed in [&["oci-layout"][..], &["oci-layout", "index.json"], &["oci-layout", "index.json", "blobs"]] {
        let fixture = Fixture::new();
        for name in removed {
            let path = fixture.layout.folder().join(name);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        fixture.leave_temporary(".mlci-1-0.tmp");
        Layout::open(fixture.layout.folder()).unwrap();
        assert_eq!(fixture.build("model").digest, expected);
        assert!(fixture.temporary().is_empty());
    }
}

#[test]
fn another_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "text").unwrap();
    let error = Layout::open(folder.path()).unwrap_err();
    assert!(matches!(&error, Error::NotALayout { found, .. } if found == "thesis.tex"), "{error}");
    assert_eq!(names(folder.path()), ["thesis.tex"]);

    let file = folder.path().join("thesis.tex");
    let error = Layout::open(&file).unwrap_err();
    assert!(matches!(&error, Error::NotAFolder { path } if *path == file), "{error}");
}

#[track_caller]
fn check_file(name: &str, content: Option<&str>, words: &str) {
    let fixture = Fixture::new();
    fixture.build("model");
    let path = fixture.layout.folder().join(name);
    match content {
        Some(content) => fs::write(path, content).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
    let error = Layout::open(fixture.layout.folder()).unwrap_err();
    let text = chain(&error);
    assert!(text.contains(words), "{text}");
    // A layout that is open already says the same, and nothing is written over what is there.
    if name == "index.json" {
        assert!(matches!(error, Error::Layout { .. }), "{text}");
        assert!(text.contains("remove the whole folder and build again"), "{text}");
        assert!(matches!(fixture.layout.build(&fixture.spec("another")), Err(Error::Layout { .. })));
        assert!(matches!(fixture.layout.images(), Err(Error::Layout { .. })));
        assert!(matches!(fixture.layout.prune(&[]), Err(Error::Layout { .. })));
    }
}

#[test]
fn damaged_files() {
    check_file("index.json", None, "is missing");
    for content in ["", "{", "[]", "null", "{\"schemaVersion\":2,\"manifests\":[{}]}", "{\"manifests\":[]}"] {
        check_file("index.json", Some(content), "is not what the specification says");
    }
    check_file("oci-layout", Some(""), "is not what the specification says");
    check_file("oci-layout", Some("{\"imageLayoutVersion\":\"2.0.0\"}"), "has version `2.0.0`");
}

/// What another tool wrote into the index is there after every change, with members that are not known here.
#[test]
fn entries_of_other_tools_stay() {
    let fixture = Fixture::new();
    let foreign = json!({
        "mediaType": "application/vnd.example+json", "digest": format!("sha512:{}", "0".repeat(128)), "size": 3,
        "annotations": {"org.opencontainers.image.ref.name": "theirs"}, "data": "e30=", "urls": ["https://example.org"],
    });
    fixture.write_index(
        &json!({"schemaVersion": 2, "annotations": {"a": "b"}, "manifests": [foreign.clone()], "artifactType": "x/y"}),
    );
    let image = fixture.build("model");
    fixture.layout.tag(&image.digest, "ours").unwrap();
    fixture.layout.prune(&[]).unwrap();
    let index = fixture.index();
    assert_eq!(index["manifests"], json!([foreign]));
    assert_eq!((&index["annotations"], &index["artifactType"]), (&json!({"a": "b"}), &json!("x/y")));
}

/// Go's tools write an empty list as null.
#[test]
fn null_for_an_empty_list() {
    let fixture = Fixture::new();
    fixture.write_index(&json!({"schemaVersion": 2, "manifests": null}));
    Layout::open(fixture.layout.folder()).unwrap();
    fixture.build("model");
    assert_eq!(fixture.layout.images().unwrap().len(), 1);
}

/// Another tool that rewrites an entry drops the annotations; the next build adds them again.
#[test]
fn lost_annotations_are_written_again() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let mut index = fixture.index();
    index["manifests"][0].as_object_mut().unwrap().remove("annotations");
    fixture.write_index(&index);
    assert_eq!(fixture.layout.images().unwrap(), []);
    assert_eq!(fixture.build("model").digest, image.digest);
    assert_eq!(fixture.layout.images().unwrap().len(), 1);
}
