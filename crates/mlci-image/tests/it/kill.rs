use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use mlci_image::{ImageSpec, Layout};

use crate::fixture::{AMD64, EXEC, Fixture, elf};

/// Blobs appear whole and the index last: a kill leaves some of the blobs, the old index, and temporary files.
#[test]
fn every_state_that_a_kill_can_leave() {
    let finished = Fixture::new();
    let image = finished.build("model");
    let blobs = finished.blobs();
    for present in 0_u32..1 << blobs.len() {
        let fixture = Fixture::new();
        for (number, name) in blobs.iter().enumerate().filter(|(number, _)| present >> number & 1 == 1) {
            let from = finished.layout.folder().join("blobs/sha256").join(name);
            fs::copy(from, fixture.layout.folder().join("blobs/sha256").join(name)).unwrap();
            fixture.leave_temporary(&format!(".mlci-1-{number}.tmp"));
        }
        let built = fixture.build("model");
        assert!(!built.reused);
        assert_eq!(built.digest, image.digest);
        fixture.layout.verify(&built.digest).unwrap();
        assert_eq!(fixture.blobs(), blobs);
        assert!(fixture.temporary().is_empty());
    }
}

const FOLDER: &str = "MLCI_IMAGE_TEST_FOLDER";

fn spec(folder: &Path) -> ImageSpec {
    ImageSpec::new(folder.join("server"), folder.join("model"))
}

/// Not a test of its own: what the next test runs as another process, and kills.
#[test]
fn child() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    Layout::open(&folder.join("images")).unwrap().build(&spec(folder)).unwrap();
}

/// Kills a process while it compresses the server: nothing half done is found later.
#[test]
fn a_killed_process() {
    let fixture = Fixture::new();
    let folder = fixture.folder.path();
    // Long enough to be met in the middle.
    let mut server = elf(EXEC, AMD64);
    server.extend((0_u32..4 << 20).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()));
    fs::write(folder.join("server"), server).unwrap();
    fs::write(folder.join("model"), "model").unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::child"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let temporary = fixture.layout.folder().join(".mlci/tmp");
    while !fs::read_dir(&temporary).is_ok_and(|mut files| files.next().is_some()) {
        assert!(child.try_wait().unwrap().is_none(), "the child ended before it was seen writing");
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fixture.temporary().len(), 1);
    assert_eq!(fixture.layout.images().unwrap(), []);

    let image = fixture.layout.build(&spec(folder)).unwrap();
    fixture.layout.verify(&image.digest).unwrap();
    assert!(fixture.temporary().is_empty());
    let fresh = Layout::open(&folder.join("fresh")).unwrap();
    assert_eq!(fresh.build(&spec(folder)).unwrap().digest, image.digest);
}
