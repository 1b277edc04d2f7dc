use std::{
    fs::{self, File},
    time::{Duration, SystemTime},
};

use mlci_core::Digest;
use mlci_image::{Architecture, ImageSpec, Layout, ServerCheck};

use crate::fixture::{Fixture, names};

/// If this changes, every user's next build makes and pushes all layers again. When that is wanted, raise `FORMAT` in
/// `document.rs` too, if a layer's bytes changed: otherwise old layers would be reused in some folders and not in others.
const GOLDEN_MANIFEST: &str = "sha256:1d0fba845756354b092d8a46f95aa80905fa95d20adaaee038f0e05acf98b9ae";
/// The layers are pinned apart, so that a change shows where it is.
const GOLDEN_LAYERS: [&str; 2] = [
    "sha256:ee8a6373d23fb6ff0533c43975996f09bc0c3787c035f8a6ed5273d1aae645d0",
    "sha256:0cf3beb857f1e49cced07f3bc21deefc0f7e1d623b2c6b358d3dcdbb7a71ae75",
];

#[test]
fn the_bytes_are_pinned() {
    let image = Fixture::new().build("model");
    assert_eq!(image.layers.iter().map(|layer| layer.digest.to_string()).collect::<Vec<_>>(), GOLDEN_LAYERS);
    assert_eq!(image.digest.to_string(), GOLDEN_MANIFEST);
}

/// A long file, in which the compressor's blocks and matches come into play: noise, repeated with a distance.
#[test]
fn a_long_layer_is_pinned_too() {
    let fixture = Fixture::new();
    let mut state = 1_u64;
    let mut noise = Vec::new();
    while noise.len() < 300_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.push(b'a' + (state >> 59) as u8 % 26);
    }
    let text = String::from_utf8(noise.repeat(2)).unwrap();
    let [_, model] = &fixture.build(&text).layers[..] else { panic!("two layers") };
    assert_eq!(model.digest.to_string(), "sha256:6075e1eeca8ddf697b08fc70b014cb8e947ac0022a4d5d3ba8c0638b3815b2f6");
}

#[test]
fn nothing_but_content_counts() {
    let expected = Fixture::new().build("model").digest;

    let other = Fixture::new();
    let spec = other.spec("model");
    let moved = other.path("deeper/down");
    fs::create_dir_all(&moved).unwrap();
    let spec = ["server", "model"].map(|name| {
        let from = if name == "server" { &spec.server } else { &spec.model };
        let to = moved.join(format!("another-{name}"));
        fs::copy(from, &to).unwrap();
        let file = File::options().append(true).open(&to).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&to, fs::Permissions::from_mode(0o400)).unwrap();
        }
        to
    });
    let [server, model] = spec;
    let layout = Layout::open(&moved.join("images")).unwrap();
    // An image that was made before, with the same model and another server, changes nothing.
    let mut before = ImageSpec::new(&model, &model);
    before.settings.check = ServerCheck::Skip;
    layout.build(&before).unwrap();
    assert_eq!(layout.build(&ImageSpec::new(&server, &model)).unwrap().digest, expected);
}

#[test]
fn every_setting_and_each_file_counts() {
    let fixture = Fixture::new();
    let mut digests = vec![fixture.build("model").digest, fixture.build("another model").digest];
    let mut port = fixture.spec("model");
    port.settings.port = 9000;
    let mut architecture = fixture.spec("model");
    architecture.settings.architecture = Architecture::Arm64;
    architecture.settings.check = ServerCheck::Skip;
    let mut server = fixture.spec("model");
    server.server.clone_from(&server.model);
    server.settings.check = ServerCheck::Skip;
    for spec in [port, architecture, server] {
        digests.push(fixture.layout.build(&spec).unwrap().digest);
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 5);
    // The check is not part of the image.
    let mut unchecked = fixture.spec("model");
    unchecked.settings.check = ServerCheck::Skip;
    assert!(fixture.layout.build(&unchecked).unwrap().reused);
}

#[test]
fn an_image_is_made_once() {
    let fixture = Fixture::new();
    let first = fixture.build("model");
    assert!(!first.reused);
    let before = (fixture.blobs(), fixture.index());
    let again = fixture.build("model");
    assert!(again.reused);
    assert_eq!((fixture.blobs(), fixture.index()), before);
    assert_eq!(fixture.layout.images().unwrap(), [again]);
}

/// The server's layer is read, not made: a blob that is made takes its name by a rename and is another file then.
#[cfg(unix)]
#[test]
fn a_new_model_does_not_compress_the_server_again() {
    use std::os::unix::fs::MetadataExt as _;
    let fixture = Fixture::new();
    let first = fixture.build("model");
    let blob = fixture.layout.blob(&first.layers[0].digest);
    let number = fs::metadata(&blob).unwrap().ino();
    let second = fixture.build("a better model");
    assert_eq!(second.layers[0], first.layers[0]);
    assert_ne!(second.layers[1], first.layers[1]);
    assert!(!second.reused);
    assert_eq!(fs::metadata(&blob).unwrap().ino(), number);
}

/// Layers that an earlier version of this crate made differently are not mixed with today's.
#[test]
fn layers_of_another_format_are_not_reused() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let mut manifest = fixture.document(&image.digest);
    for layer in manifest["layers"].as_array_mut().unwrap() {
        layer["annotations"]["mlci.layer.format"] = "0".into();
    }
    let old = fixture.put(manifest.to_string().as_bytes());
    let mut index = fixture.index();
    index["manifests"][0]["digest"] = old.to_string().into();
    index["manifests"][0]["size"] = manifest.to_string().len().into();
    fixture.write_index(&index);

    let settings = fixture.spec("model").settings;
    assert_eq!(fixture.layout.find_content(&image.server, &image.model, &settings).unwrap(), None);
    let rebuilt = fixture.build("model");
    assert!(!rebuilt.reused);
    assert_eq!(rebuilt.digest, image.digest);
    fixture.layout.verify(&old).unwrap();
}

#[test]
fn content_is_found_without_the_files() {
    let fixture = Fixture::new();
    let image = fixture.build("model");
    fixture.build("another model");
    let mut settings = fixture.spec("model").settings;
    let find = |server, model, settings: &_| fixture.layout.find_content(server, model, settings).unwrap();
    assert_eq!(image.model, Digest::of(b"model"));
    assert_eq!(find(&image.server, &image.model, &settings).unwrap().digest, image.digest);
    assert_eq!(find(&image.model, &image.server, &settings), None);
    assert_eq!(find(&image.server, &image.server, &settings), None);
    settings.port = 9000;
    assert_eq!(find(&image.server, &image.model, &settings), None);
    settings.port = 8080;
    fs::write(fixture.layout.blob(&image.layers[0].digest), "short").unwrap();
    assert_eq!(find(&image.server, &image.model, &settings), None);
}

#[test]
fn nothing_temporary_is_left() {
    let fixture = Fixture::new();
    fixture.build("model");
    assert!(fixture.temporary().is_empty());
    assert_eq!(names(fixture.layout.folder()), [".mlci", "blobs", "index.json", "oci-layout"]);
}
