//! The same content has the same digest everywhere.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::project::{Project, server};

/// Two folders, two umasks, two copies of the server with other modes and times, no cache: one digest.
#[test]
fn two_folders_and_umasks_give_one_image() {
    let mut digests = Vec::new();
    for (umask, mode) in [("077", 0o700), ("002", 0o775)] {
        let project = Project::new();
        let copy = project.path("deep/er/server");
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(server(), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(mode)).unwrap();
        project.configure(&server().display().to_string(), "deep/er/server");
        let program = env!("CARGO_BIN_EXE_mlci-under-test");
        let mut shell = project.command(&[]);
        let mut command = std::process::Command::new("sh");
        command.current_dir(project.root());
        for (name, value) in shell.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let script = format!("umask {umask}; exec '{program}' ci --stage ..image --format json");
        let output = command.args(["-c", &script]).env("TZ", format!("UTC{umask}")).output().unwrap();
        let finished = crate::project::finished(&output);
        assert_eq!(finished.code, 0, "{:#}", finished.value);
        digests.push((finished.text("/model/digest").to_owned(), finished.text("/image/digest").to_owned()));
        shell.env_clear();
    }
    assert_eq!(digests[0], digests[1]);
}

/// A commit that changes neither server nor model reuses the image.
#[test]
fn an_image_is_made_once_per_content() {
    let project = Project::new();
    let first = project.pass(&["ci", "--stage", "..image"]);
    project.configure("[gate.limits]", "[gate]\nmin_rows = 31\n\n[gate.limits]");
    let second = project.pass(&["ci", "--stage", "..image"]);
    assert_eq!((second.stage("gate"), second.stage("image")), ("done", "cached"));
    assert_eq!(first.text("/image/digest"), second.text("/image/digest"));
    // Without a journal the work is done again, and comes to the same.
    fs::remove_dir_all(project.path(".mlci/journal")).unwrap();
    let third = project.pass(&["ci", "--stage", "..image"]);
    assert_eq!((third.stage("image"), third.text("/image/digest")), ("done", first.text("/image/digest")));
}
