use mlci_core::Digest;
use mlci_image::Error;
use serde_json::json;

use crate::fixture::Fixture;

#[track_caller]
fn check(fixture: &Fixture, digest: &Digest, tags: &[&str]) {
    assert_eq!(fixture.layout.find(digest).unwrap().unwrap().tags, tags);
}

#[test]
fn tags_are_added_and_moved() {
    let fixture = Fixture::new();
    let (first, second) = (fixture.build("first").digest, fixture.build("second").digest);
    check(&fixture, &first, &[]);
    fixture.layout.tag(&first, "wine:v1").unwrap();
    fixture.layout.tag(&first, "wine:latest").unwrap();
    check(&fixture, &first, &["wine:latest", "wine:v1"]);

    // Moving takes it from the other; an image that loses its last stays.
    fixture.layout.tag(&second, "wine:latest").unwrap();
    fixture.layout.tag(&second, "wine:v1").unwrap();
    check(&fixture, &first, &[]);
    check(&fixture, &second, &["wine:latest", "wine:v1"]);
    let order: Vec<_> = fixture.layout.images().unwrap().iter().map(|image| image.digest).collect();
    assert_eq!(order, [first, second]);
    // One entry for each tag, and one for the image without any.
    assert_eq!(fixture.index()["manifests"].as_array().unwrap().len(), 3);

    let before = fixture.index();
    fixture.layout.tag(&second, "wine:v1").unwrap();
    assert_eq!(fixture.index(), before);
    assert_eq!(fixture.build("second").tags, ["wine:latest", "wine:v1"]);
}

/// Tags are not part of the image.
#[test]
fn a_tag_does_not_change_the_digest() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    fixture.layout.tag(&image.digest, "v1").unwrap();
    let again = fixture.build("model");
    assert!(again.reused);
    assert_eq!(again.digest, image.digest);
}

#[test]
fn a_tag_is_taken_from_another_tools_image() {
    let fixture = Fixture::new();
    let image = fixture.build("model").digest;
    let theirs = fixture.put(b"{}");
    let mut index = fixture.index();
    let annotations = json!({"org.opencontainers.image.ref.name": "v1", "io.containerd.image.name": "theirs"});
    index["manifests"].as_array_mut().unwrap().push(json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": theirs.to_string(), "size": 2,
        "annotations": annotations,
    }));
    fixture.write_index(&index);
    fixture.layout.tag(&image, "v1").unwrap();
    check(&fixture, &image, &["v1"]);
    let index = fixture.index();
    let [ours, other] = &index["manifests"].as_array().unwrap()[..] else { panic!("two entries: {index}") };
    assert_eq!(ours["digest"], image.to_string());
    assert_eq!(other["annotations"], json!({"io.containerd.image.name": "theirs"}));
}

#[test]
fn references_have_a_form() {
    let fixture = Fixture::new();
    let image = fixture.build("model").digest;
    let long = "a".repeat(256);
    for reference in ["", "a b", "../x", &long] {
        let error = fixture.layout.tag(&image, reference).unwrap_err();
        assert!(matches!(error, Error::Reference { .. }), "{error}");
    }
    fixture.layout.tag(&image, &long[..255]).unwrap();
}
