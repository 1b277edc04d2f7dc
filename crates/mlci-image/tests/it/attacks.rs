//! Archives that `build` does not make, under digests that are right.

use std::{fs, io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};
use mlci_core::Digest;
use mlci_image::Error;
use tar::{EntryType, Header};

use crate::fixture::{Fixture, names};

const MODEL: &str = "model/model.mlci";

/// An archive in the making; names and links are set as bytes, since `tar` refuses to write the evil ones.
#[derive(Default)]
struct Archive(Vec<u8>);

impl Archive {
    /// An archive that begins as a good one does.
    fn new() -> Self {
        Self::default().entry("model/", EntryType::Directory, "", b"")
    }

    fn entry(self, name: &str, kind: EntryType, link: &str, content: &[u8]) -> Self {
        self.sized(name, kind, link, content, content.len() as u64)
    }

    fn file(self, name: &str) -> Self {
        self.entry(name, EntryType::Regular, "", b"model")
    }

    fn sized(mut self, name: &str, kind: EntryType, link: &str, content: &[u8], size: u64) -> Self {
        let mut header = Header::new_ustar();
        let ustar = header.as_ustar_mut().unwrap();
        ustar.name[..name.len()].copy_from_slice(name.as_bytes());
        ustar.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// An image whose model layer is this archive, with every digest and length right.
fn forge(fixture: &Fixture, archive: &[u8], claimed_bytes: u64) -> Digest {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(archive).unwrap();
    forge_blob(fixture, &gzip.finish().unwrap(), &Digest::of(archive), claimed_bytes)
}

fn forge_blob(fixture: &Fixture, blob: &[u8], diff_id: &Digest, claimed_bytes: u64) -> Digest {
    let image = fixture.build("model");
    let mut config = fixture.document(&image.config);
    config["rootfs"]["diff_ids"][1] = diff_id.to_string().into();
    let config = config.to_string();
    let mut manifest = fixture.document(&image.digest);
    manifest["config"]["digest"] = fixture.put(config.as_bytes()).to_string().into();
    manifest["config"]["size"] = config.len().into();
    let layer = &mut manifest["layers"][1];
    layer["digest"] = fixture.put(blob).to_string().into();
    layer["size"] = blob.len().into();
    layer["annotations"]["mlci.layer.tar.bytes"] = claimed_bytes.to_string().into();
    let manifest = manifest.to_string();
    let digest = fixture.put(manifest.as_bytes());
    let mut index = fixture.index();
    index["manifests"][0]["digest"] = digest.to_string().into();
    index["manifests"][0]["size"] = manifest.len().into();
    fixture.write_index(&index);
    digest
}

#[track_caller]
fn refused(fixture: &Fixture, digest: &Digest, expected: &str) {
    let into = fixture.path("run");
    for error in [fixture.layout.unpack(digest, &into).unwrap_err(), fixture.layout.verify(digest).unwrap_err()] {
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(names(&into), Vec::<String>::new());
}

#[track_caller]
fn check(archive: Archive, expected: &str) {
    let fixture = Fixture::new();
    let archive = archive.finish();
    let digest = forge(&fixture, &archive, archive.len() as u64);
    let before = names(fixture.folder.path());
    refused(&fixture, &digest, expected);
    let mut after = names(fixture.folder.path());
    after.retain(|name| name != "run");
    assert_eq!(after, before);
}

/// The forgery itself is right: without an evil entry it unpacks.
#[test]
fn a_good_archive_unpacks() {
    let fixture = Fixture::new();
    let archive = Archive::new().file(MODEL).finish();
    let digest = forge(&fixture, &archive, archive.len() as u64);
    fixture.layout.unpack(&digest, &fixture.path("run")).unwrap();
    fixture.layout.verify(&digest).unwrap();
}

#[test]
fn paths_that_lead_out() {
    for name in ["../x", "/tmp/mlci-x", "model/../../x", "model//model.mlci", "./model/model.mlci", "model\\model.mlci"]
    {
        let shown = name.escape_debug().to_string();
        check(Archive::new().file(name), &format!("holds the entry `{shown}` in place of `{MODEL}`"));
        check(Archive::new().file(MODEL).file(name), &format!("holds a further entry `{shown}`"));
    }
}

#[test]
fn entries_that_are_no_files() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Directory,
        EntryType::GNUSparse,
        EntryType::Continuous,
    ] {
        check(Archive::new().entry(MODEL, kind, "../../outside", b""), &format!("as {kind:?} and not as Regular"));
    }
}

#[test]
fn a_link_to_write_through() {
    let link = Archive::default().entry("model", EntryType::Symlink, "/tmp", b"");
    check(link.file(MODEL), "holds the entry `model` in place of `model/`");
    let link = Archive::default().entry("model/", EntryType::Symlink, "/tmp", b"");
    check(link.file(MODEL), "as Symlink and not as Directory");
}

/// Extension headers could change the next entry's name and length.
#[test]
fn extension_headers() {
    for (name, kind) in [
        ("././@LongLink", EntryType::GNULongName),
        ("././@LongLink", EntryType::GNULongLink),
        ("pax", EntryType::XHeader),
        ("pax", EntryType::XGlobalHeader),
    ] {
        let archive = Archive::new().entry(name, kind, "", b"19 path=../../evil\n").file(MODEL);
        check(archive, &format!("holds the entry `{name}` in place of"));
        let archive = Archive::new().entry(MODEL, kind, "", b"19 path=../../evil\n").file(MODEL);
        check(archive, &format!("as {kind:?} and not as Regular"));
    }
}

#[test]
fn entries_that_are_missing_or_doubled() {
    check(Archive::new(), "holds no entry `model/model.mlci`");
    check(Archive::default().file(MODEL), "in place of `model/`");
    check(Archive::new().file(MODEL).file(MODEL), "holds a further entry");
    check(Archive::new().entry(MODEL, EntryType::Regular, "", b"another"), "holds another model");
}

#[test]
fn lengths_that_are_lies() {
    check(Archive::new().sized(MODEL, EntryType::Regular, "", b"model", (1 << 33) - 1), "of 8589934591 bytes");
    check(Archive::default().sized("model/", EntryType::Directory, "", b"", 512), "`model/` of 512 bytes");
    // Longer than what is there, and not longer than the archive.
    let longer = Archive::new().sized(MODEL, EntryType::Regular, "", b"model", 2048);
    check(longer, "cannot be read as a compressed tar archive");
}

/// 64 MiB of zeros are 64 KiB when compressed. Reading ends at the length that the manifest says.
#[test]
fn a_bomb() {
    let fixture = Fixture::new();
    let mut archive = Archive::new().file(MODEL).finish();
    let claimed = archive.len() as u64;
    archive.resize(64 << 20, 0);
    let digest = forge(&fixture, &archive, claimed);
    refused(&fixture, &digest, "does not decompress to the");
    // More than a layer can be is not believed in the first place.
    let digest = forge(&fixture, &archive, 1 << 40);
    let error = fixture.layout.unpack(&digest, &fixture.path("run")).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
}

#[test]
fn blobs_that_are_no_archives() {
    let archive = Archive::new().file(MODEL).finish();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&archive).unwrap();
    let blob = gzip.finish().unwrap();
    let mut wrong_sum = blob.clone();
    let at = blob.len() - 8;
    wrong_sum[at] ^= 1;
    for blob in [&b"no gzip"[..], b"", &blob[..blob.len() / 2], &blob[..blob.len() - 1], &wrong_sum] {
        let fixture = Fixture::new();
        let digest = forge_blob(&fixture, blob, &Digest::of(&archive), archive.len() as u64);
        refused(&fixture, &digest, "cannot be read as a compressed tar archive");
    }
    let fixture = Fixture::new();
    let digest = forge_blob(&fixture, &blob, &Digest::of(b"another"), archive.len() as u64);
    refused(&fixture, &digest, "holds the archive");
}

/// A link in the folder that is unpacked into is not followed.
#[cfg(unix)]
#[test]
fn links_in_the_folder() {
    use std::os::unix::fs::symlink;
    let fixture = Fixture::new();
    let image = fixture.build("model");
    let (into, outside) = (fixture.path("run"), fixture.path("outside"));
    fs::create_dir_all(&into).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    symlink(outside.join("file"), into.join("mlci-serve")).unwrap();
    symlink(&outside, into.join("model")).unwrap();
    let error = fixture.layout.unpack(&image.digest, &into).unwrap_err();
    assert!(matches!(&error, Error::Storage { path, .. } if *path == into.join("model")), "{error}");
    assert_eq!(names(&into), ["mlci-serve", "model"]);
    assert!(into.join("mlci-serve").is_symlink(), "nothing is replaced when something cannot be");
    fs::remove_file(into.join("model")).unwrap();
    fixture.layout.unpack(&image.digest, &into).unwrap();
    check_untouched(&outside);
}

#[cfg(unix)]
#[track_caller]
fn check_untouched(outside: &Path) {
    assert_eq!(names(outside), ["file"]);
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"precious");
}
