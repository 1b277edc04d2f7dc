use std::process::Command;

use crate::fixture::{Fixture, json};

fn skopeo(arguments: &[String]) -> Vec<u8> {
    let output = Command::new("skopeo").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Other tools read what is written here, and what they write back can be read here.
#[test]
#[ignore = "needs skopeo"]
fn skopeo_reads_copies_and_converts() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    fixture.layout.tag(&image.digest, "demo:v1").unwrap();
    let source = format!("oci:{}:demo:v1", fixture.layout.folder().display());

    let inspected: serde_json::Value =
        serde_json::from_slice(&skopeo(&["inspect".to_owned(), source.clone()])).unwrap();
    assert_eq!(inspected["Digest"], image.digest.to_string());
    assert_eq!(inspected["Labels"]["mlci.model.digest"], image.model.to_string());

    // As `docker load` reads it.
    let archive = fixture.path("docker.tar");
    skopeo(&["copy".to_owned(), source.clone(), format!("docker-archive:{}:demo:v1", archive.display())]);
    let mut found = false;
    for entry in tar::Archive::new(std::fs::File::open(archive).unwrap()).entries().unwrap() {
        let entry = entry.unwrap();
        if entry.path_bytes().as_ref() == b"manifest.json" {
            let manifest: serde_json::Value = serde_json::from_reader(entry).unwrap();
            assert_eq!(manifest[0]["Config"], format!("{}.json", image.config.hex()));
            assert_eq!(manifest[0]["Layers"].as_array().unwrap().len(), 2);
            found = true;
        }
    }
    assert!(found);

    // Into a layout of its own making and from there into ours: the same manifest, and ours once it is built.
    let other = fixture.path("other");
    skopeo(&["copy".to_owned(), source, format!("oci:{}:copy", other.display())]);
    assert_eq!(json(&other.join("index.json"))["manifests"][0]["digest"], image.digest.to_string());
    let layout = mlci_image::Layout::open(&other).unwrap();
    assert_eq!(layout.build(&fixture.spec("model")).unwrap().digest, image.digest);
    layout.verify(&image.digest).unwrap();
    assert_eq!(layout.images().unwrap()[0].tags, ["copy"]);
}
