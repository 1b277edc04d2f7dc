use std::fs;

use mlci_core::Digest;
use mlci_image::Error;
use serde_json::json;

use crate::fixture::Fixture;

#[test]
fn shared_layers_stay() {
    let fixture = Fixture::new();
    let (first, second) = (fixture.build("first"), fixture.build("second"));
    fixture.layout.tag(&first.digest, "v1").unwrap();
    fixture.layout.tag(&second.digest, "v2").unwrap();
    fixture.leave_temporary(".mlci-1-0.tmp");
    let unused = fixture.put(b"unused");

    let gone = [first.digest, first.config, first.layers[1].digest, unused];
    let bytes: u64 = gone.iter().map(|digest| fs::metadata(fixture.layout.blob(digest)).unwrap().len()).sum();
    let pruned = fixture.layout.prune(&[second.digest, Digest::of(b"not here")]).unwrap();
    assert_eq!((pruned.images, pruned.blobs, pruned.temporary), (vec![first.digest], gone.len(), 1));
    assert_eq!(pruned.bytes, bytes + "half".len() as u64);

    let mut left: Vec<_> =
        [second.digest, second.config, second.layers[0].digest, second.layers[1].digest].map(|d| d.hex()).into();
    left.sort();
    assert_eq!(fixture.blobs(), left);
    assert_eq!(fixture.layout.find(&first.digest).unwrap(), None);
    fixture.layout.verify(&second.digest).unwrap();
    assert_eq!(fixture.layout.find(&second.digest).unwrap().unwrap().tags, ["v2"]);

    let again = fixture.layout.prune(&[second.digest]).unwrap();
    assert_eq!((again.images.len(), again.blobs, again.bytes), (0, 0, 0));
    // What was removed can be built again.
    assert_eq!(fixture.build("first").digest, first.digest);
}

#[test]
fn nothing_to_keep() {
    let fixture = Fixture::new();
    fixture.build("model");
    assert_eq!(fixture.layout.prune(&[]).unwrap().blobs, 4);
    assert!(fixture.blobs().is_empty());
    assert_eq!(fixture.layout.images().unwrap(), []);
}

/// Another tool's image is not ours to remove; nor is what its index of several platforms leads to, as far as it is here.
#[test]
fn what_other_tools_need_stays() {
    let fixture = Fixture::new();
    let [config, layer] = [fixture.put(b"config"), fixture.put(b"layer")];
    let descriptor = |digest: &Digest| json!({"digest": digest.to_string(), "size": 1});
    let manifest = json!({"config": descriptor(&config), "layers": [descriptor(&layer)]});
    let manifest = fixture.put(manifest.to_string().as_bytes());
    let absent = Digest::of(b"absent");
    let platforms = json!({"manifests": [descriptor(&manifest), descriptor(&absent)]});
    let platforms = fixture.put(platforms.to_string().as_bytes());
    let mut theirs = [config, layer, manifest, platforms].map(|digest| digest.hex());
    theirs.sort();
    fixture.write_index(&json!({"schemaVersion": 2, "manifests": [descriptor(&platforms)]}));

    fixture.build("model");
    fixture.layout.prune(&[]).unwrap();
    assert_eq!(fixture.blobs(), theirs);
}

/// Nobody knows which layers a damaged manifest needs.
#[test]
fn a_damaged_manifest_stops_it() {
    let fixture = Fixture::new();
    let (kept, other) = (fixture.build("kept"), fixture.build("other"));
    let before = fixture.index();
    fs::write(fixture.layout.blob(&kept.digest), "{").unwrap();
    let blobs = fixture.blobs();
    assert!(matches!(fixture.layout.prune(&[kept.digest]), Err(Error::Damaged { .. })));
    assert_eq!((fixture.blobs(), fixture.index()), (blobs, before));
    // One that goes anyway does not.
    fixture.layout.prune(&[other.digest]).unwrap();
    fixture.layout.verify(&other.digest).unwrap();
}
