use std::fs;

use mlci_core::Digest;
use mlci_image::{Error, Image};

use crate::fixture::Fixture;

fn blobs(image: &Image) -> Vec<Digest> {
    [image.digest, image.config].into_iter().chain(image.layers.iter().map(|layer| layer.digest)).collect()
}

/// Damages each blob in turn: it is noticed wherever blobs are read, and the next build repairs it.
#[track_caller]
fn check(damage: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let shared = fixture.build("another model");
    for digest in blobs(&image) {
        let path = fixture.layout.blob(&digest);
        let whole = fs::read(&path).unwrap();
        match damage(&whole) {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let errors = [
            fixture.layout.verify(&image.digest).unwrap_err(),
            fixture.layout.unpack(&image.digest, &fixture.path("run")).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(&error, Error::Damaged { path: at, .. } if *at == path), "{error}");
            assert!(error.to_string().contains("build the image again"), "{error}");
        }
        let again = fixture.build("model");
        assert!(!again.reused);
        assert_eq!(again.digest, image.digest);
        assert_eq!(fs::read(&path).unwrap(), whole);
        fixture.layout.verify(&image.digest).unwrap();
        fixture.layout.verify(&shared.digest).unwrap();
    }
}

#[test]
fn a_blob_that_is_cut_short() {
    check(|whole| Some(whole[..whole.len() / 2].to_vec()));
}

#[test]
fn a_blob_that_is_empty() {
    check(|_| Some(Vec::new()));
}

#[test]
fn a_blob_with_a_flipped_bit() {
    check(|whole| {
        let mut bytes = whole.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        Some(bytes)
    });
}

#[test]
fn a_blob_that_is_longer() {
    check(|whole| Some([whole, b" "].concat()));
}

#[test]
fn a_blob_that_is_missing() {
    check(|_| None);
}

/// Both images have the server's layer; the damage is found by way of the one that is still whole.
#[test]
fn a_manifest_that_is_damaged_does_not_hide_others() {
    let fixture = Fixture::new();
    let first = fixture.build("model");
    let second = fixture.build("another model");
    fs::write(fixture.layout.blob(&first.digest), "{}").unwrap();
    assert_eq!(fixture.layout.find(&second.digest).unwrap().unwrap().digest, second.digest);
    assert!(matches!(fixture.layout.find(&first.digest), Err(Error::Damaged { .. })));
    assert!(matches!(fixture.layout.images(), Err(Error::Damaged { .. })));
    assert_eq!(fixture.build("a third model").layers[0], first.layers[0]);
}

#[test]
fn an_unknown_digest() {
    let fixture = Fixture::new();
    let none = Digest::of(b"none");
    assert_eq!(fixture.layout.find(&none).unwrap(), None);
    for error in [
        fixture.layout.verify(&none).unwrap_err(),
        fixture.layout.unpack(&none, &fixture.path("run")).unwrap_err(),
        fixture.layout.tag(&none, "v1").unwrap_err(),
    ] {
        assert!(matches!(error, Error::NoImage { digest, .. } if digest == none), "{error}");
    }
}
