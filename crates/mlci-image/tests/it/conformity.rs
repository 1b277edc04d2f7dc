//! What is on the disk, beside the OCI Image Format Specification 1.1.

use std::{fs, io::Read as _};

use flate2::read::GzDecoder;
use mlci_core::Digest;
use serde_json::{Value, json};
use tar::EntryType;

use crate::fixture::{Fixture, elf, json as read_json};

#[track_caller]
fn check_descriptor(fixture: &Fixture, descriptor: &Value, media_type: &str) -> Vec<u8> {
    assert_eq!(descriptor["mediaType"], media_type);
    let digest: Digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
    let bytes = fs::read(fixture.layout.blob(&digest)).unwrap();
    assert_eq!(descriptor["size"], bytes.len());
    assert_eq!(Digest::of(&bytes), digest);
    bytes
}

#[test]
fn documents_agree_with_blobs() {
    let fixture = Fixture::new();
    let image = fixture.build("model");

    assert_eq!(read_json(&fixture.layout.folder().join("oci-layout")), json!({"imageLayoutVersion": "1.0.0"}));
    let index = fixture.index();
    assert_eq!(index["schemaVersion"], 2);
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let [entry] = &index["manifests"].as_array().unwrap()[..] else { panic!("one image") };
    assert_eq!(entry["platform"], json!({"architecture": "amd64", "os": "linux"}));
    assert_eq!(entry["digest"], image.digest.to_string());

    let manifest = check_descriptor(&fixture, entry, "application/vnd.oci.image.manifest.v1+json");
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], entry["mediaType"]);

    let config = check_descriptor(&fixture, &manifest["config"], "application/vnd.oci.image.config.v1+json");
    let config: Value = serde_json::from_slice(&config).unwrap();
    let server = Digest::of(&elf(2, 62)).to_string();
    let expected = json!({
        "User": "65532:65532",
        "ExposedPorts": {"8080/tcp": {}},
        "Env": ["MLCI_MODEL=/model/model.mlci", "MLCI_LISTEN=0.0.0.0:8080"],
        "Entrypoint": ["/mlci-serve"],
        "WorkingDir": "/",
        "Labels": {"mlci.server.digest": server, "mlci.model.digest": Digest::of(b"model").to_string()},
        "StopSignal": "SIGTERM",
    });
    assert_eq!(config["config"], expected);
    assert_eq!((&config["architecture"], &config["os"]), (&json!("amd64"), &json!("linux")));
    assert_eq!(config.get("created"), None);
    assert_eq!(config["rootfs"]["type"], "layers");
    assert_eq!(config["history"].as_array().unwrap().len(), 2);

    let layers = manifest["layers"].as_array().unwrap();
    let (mut compressed, mut uncompressed) = (0, 0);
    for (layer, diff_id) in layers.iter().zip(config["rootfs"]["diff_ids"].as_array().unwrap()) {
        let blob = check_descriptor(&fixture, layer, "application/vnd.oci.image.layer.v1.tar+gzip");
        let mut archive = Vec::new();
        GzDecoder::new(&blob[..]).read_to_end(&mut archive).unwrap();
        assert_eq!(*diff_id, Digest::of(&archive).to_string());
        compressed += blob.len() as u64;
        uncompressed += archive.len() as u64;
    }
    assert_eq!(layers.len(), 2);
    assert_eq!((image.compressed_bytes, image.uncompressed_bytes), (compressed, uncompressed));
    fixture.layout.verify(&image.digest).unwrap();
}

#[test]
fn archives_hold_the_two_files() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let mut entries = Vec::new();
    for layer in &image.layers {
        let blob = fs::read(fixture.layout.blob(&layer.digest)).unwrap();
        // Time 0, no file name, unknown system (RFC 1952).
        assert_eq!(blob[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        for entry in tar::Archive::new(GzDecoder::new(&blob[..])).entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header().clone();
            let owner = (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap());
            assert_eq!(owner, (0, 0, 0));
            assert_eq!((header.username().unwrap(), header.groupname().unwrap()), (Some(""), Some("")));
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            entries.push((path, header.entry_type(), header.mode().unwrap(), content));
        }
    }
    let expected = [
        ("mlci-serve".to_owned(), EntryType::Regular, 0o755, elf(2, 62)),
        ("model/".to_owned(), EntryType::Directory, 0o755, Vec::new()),
        ("model/model.mlci".to_owned(), EntryType::Regular, 0o644, b"model".to_vec()),
    ];
    assert_eq!(entries, expected);
}

#[test]
fn unpacking_gives_the_files_back() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let into = fixture.path("deep/run");
    // Twice: what is there is replaced.
    for _ in 0..2 {
        let unpacked = fixture.layout.unpack(&image.digest, &into).unwrap();
        assert_eq!(fs::read(&unpacked.server).unwrap(), elf(2, 62));
        assert_eq!(fs::read(&unpacked.model).unwrap(), b"model");
        #[cfg(unix)]
        for (path, mode) in [(&unpacked.server, 0o755), (&unpacked.model, 0o644)] {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, mode);
        }
        assert_eq!(crate::fixture::names(&into), ["mlci-serve", "model"]);
    }
}

#[test]
fn an_empty_and_a_long_file_fit() {
    let fixture = Fixture::new();
    for model in [String::new(), "0123456789".repeat(100_000)] {
        let image = fixture.build(&model);
        fixture.layout.verify(&image.digest).unwrap();
        let unpacked = fixture.layout.unpack(&image.digest, &fixture.path("run")).unwrap();
        assert!(fs::read_to_string(unpacked.model).unwrap() == model);
    }
}
