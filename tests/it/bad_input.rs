//! Bad input gets an error that names the thing, the place, the cause and the fix, and loses nothing.

use std::{fs, net::TcpListener};

use crate::project::Project;

const CONFIGURATION: &str = "[project]\nname = \"bad\"\n\n[data]\npath = \"data.csv\"\ntarget = \"y\"\n";

/// Runs the pipeline up to the gate on this data.
#[track_caller]
fn refused(data: &str, says: &[&str]) {
    ends(data, (1, "fail"), says);
}

#[track_caller]
fn ends(data: &str, (code, verdict): (i32, &str), says: &[&str]) {
    let project = Project::with(CONFIGURATION);
    project.write("data.csv", data);
    let finished = project.run(&["ci", "--stage", "..gate"]);
    assert_eq!((finished.code, finished.value["verdict"].as_str()), (code, Some(verdict)), "{:#}", finished.value);
    let error = finished.error();
    for part in says {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
    // What failed is in the run log, with its reason.
    let run = project.pass(&["runs"]).value["result"][0].clone();
    assert_eq!(run["status"], "failed", "{run:#}");
}

fn rows(count: usize, row: impl Fn(usize) -> String) -> String {
    (0..count).map(|i| row(i) + "\n").collect()
}

#[test]
fn data_that_cannot_be_used() {
    refused("", &["data.csv", "empty"]);
    refused("x,y\n", &["no rows"]);
    refused("x,y\n1,2\n3\n", &["line 3"]);
    // The configuration names a column that is not there.
    ends("x,z\n1,2\n3,4\n", (2, "invalid"), &["`y`"]);
    ends("x,Y\n1,2\n3,4\n", (2, "invalid"), &["`y`", "`Y`"]);
    refused("x,note,y\n1,red,2\n3,blue,4\n", &["`note`", "exclude = [\"note\"]"]);
    refused("x,y\n1,2\n,\n3,4\n", &["line 3"]);
    refused("x,y\n1,2\n", &["row"]);
    refused(&("a,b,c,y\n".to_owned() + "1,2,3,4\n5,6,8,8\n9,1,1,3\n"), &["rows"]);
    refused(&("x,y\n".to_owned() + &rows(50, |i| format!("{i},7"))), &["`y` is 7 in all", "nothing to learn"]);
    refused(&("a,b,y\n".to_owned() + &rows(50, |i| format!("{i},{},{}", 2 * i, i % 7))), &["`b`", "`a`"]);
    // A2: every bad cell with line and column, in one message.
    refused(
        "a,b,y\n1,2,1\n3,NA,2\n5,\"NA\",3\n7, 6 ,4\n9,inf,5\n11,NaN,6\n",
        &["line 3", "line 4", "line 6", "line 7", "`b`", "missing = \"drop\""],
    );
    // A3: an id beyond 2^53 as a feature.
    refused("id,x,y\n1582218195625938945,1,2\n2,2,4\n1582218195625938947,3,6\n", &["`id`", "1582218195625938945"]);
}

#[test]
fn a_file_that_is_not_there() {
    let project = Project::with(CONFIGURATION);
    let finished = project.run(&["ci"]);
    assert_eq!((finished.code, finished.stage("data")), (1, "failed"));
    assert!(finished.error().contains("data.csv"), "{}", finished.error());
}

/// A2, with the rows dropped: two are left, and the note counts the others. A1: the mark is no part of the name.
#[test]
fn dropped_rows_are_counted_and_a_byte_order_mark_is_none() {
    let project = Project::with(&CONFIGURATION.replace("target = \"y\"", "target = \"y\"\nmissing = \"drop\""));
    project.write("data.csv", "\u{feff}a,b,y\n1,2,1\n3,NA,2\n5,\"NA\",3\n7, 6 ,4\n9,inf,5\n11,NaN,6\n");
    let finished = project.pass(&["ci", "--stage", "..data"]);
    let note = finished.value["stages"][2]["note"].as_str().unwrap();
    assert!(note.starts_with("2 rows, 3 columns, 4 rows dropped"), "{note}");
}

/// A configured port that something else listens on; what served before still does.
#[test]
fn a_port_in_use() {
    let project = Project::new();
    let first = project.pass(&["ci"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    project.configure("[environment.staging]", &format!("[environment.staging]\nport = {port}"));
    let refused = project.run(&["ci"]);
    assert_eq!((refused.code, refused.stage("deploy")), (1, "failed"), "{:#}", refused.value);
    for part in [format!("127.0.0.1:{port}"), "[environment.staging] port".to_owned()] {
        assert!(refused.error().contains(&part), "{}", refused.error());
    }
    let address = first.text("/environments/0/address");
    assert_eq!(crate::project::http(address, "GET", "/readyz", "").unwrap().0, 200);
    // The release is not to blame: once the port is free, it goes there.
    drop(taken);
    let moved = project.pass(&["ci"]);
    assert_eq!(moved.text("/environments/0/address"), format!("http://127.0.0.1:{port}"));
}

/// A store that is a file, one whose entries are half written, and one from a later version.
#[test]
fn a_store_that_cannot_be_used() {
    let project = Project::new();
    project.write("taken", "no folder");
    project.configure("[image]", "[artifact]\nstore = \"taken\"\n\n[image]");
    let refused = project.run(&["ci"]);
    assert_eq!(refused.code, 1);
    assert!(refused.error().contains("taken"), "{}", refused.error());

    let project = Project::new();
    project.pass(&["ci", "--stage", "..publish"]);
    let manifest = project.files(".mlci/store").into_iter().find(|file| file.contains("versions")).unwrap();
    let path = format!(".mlci/store/{manifest}");
    let whole = project.read(&path);
    project.write(&path, &whole[..whole.len() / 2]);
    let damaged = project.run(&["models"]);
    assert_eq!(damaged.code, 1);
    let name = manifest.rsplit('/').next().unwrap();
    assert!(damaged.error().contains(name), "{}", damaged.error());
}

/// A full disk, as a limit on the size of files: the stage fails with the file's name and leaves no half of it.
#[test]
fn a_disk_that_is_full() {
    let project = Project::new();
    let program = env!("CARGO_BIN_EXE_mlci-under-test");
    // 512-byte blocks; what the stages write before is smaller, the image's server layer is not. Python-like shells
    // send SIGXFSZ; ignored, the write fails as on a full disk.
    let script = format!("trap '' XFSZ; ulimit -f 400; exec '{program}' ci --format json");
    let output = std::process::Command::new("sh")
        .current_dir(project.root())
        .env_remove("CI")
        .args(["-c", &script])
        .output()
        .unwrap();
    let refused = crate::project::finished(&output);
    assert_eq!((refused.code, refused.stage("image")), (1, "failed"), "{:#}", refused.value);
    assert!(refused.error().contains("images"), "{}", refused.error());
    let again = project.pass(&["ci"]);
    assert_eq!(again.environment("staging")["status"], "verified");
}

/// What was to be told, and could not be, has failed.
#[test]
fn output_that_goes_nowhere() {
    let project = Project::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = project.command(&["status", "--format", "json"]).stdout(full).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

/// A named pipe would be waited for, a device read for ever.
#[test]
fn files_that_are_none() {
    for device in ["/dev/zero", "/dev/stdin", "."] {
        let project = Project::new();
        project.configure("wine.csv", device);
        let refused = project.run(&["ci"]);
        assert_eq!((refused.code, refused.stage("data")), (1, "failed"), "{device}");
        assert!(refused.error().contains("no regular file"), "{device}: {}", refused.error());
        assert_eq!(project.run(&["status", "--config", device]).code, 2, "{device}");
    }
}

/// A blob that was lost is stored again, as long as the model is there.
#[test]
fn a_blob_that_was_lost() {
    let project = Project::new();
    let first = project.pass(&["ci", "--stage", "..publish"]);
    let hex = first.text("/model/digest")[7..].to_owned();
    let blob = project.files(".mlci/store").into_iter().find(|file| file.ends_with(&hex)).unwrap();
    fs::remove_file(project.path(&format!(".mlci/store/{blob}"))).unwrap();
    let again = project.pass(&["ci", "--stage", "..publish"]);
    assert_eq!((again.stage("publish"), again.version()), ("done", 1));
    assert!(project.path(&format!(".mlci/store/{blob}")).is_file());
}

/// A model from elsewhere in the place of the trained one is not served: the digest says that it is another.
#[test]
fn a_model_from_elsewhere() {
    let project = Project::new();
    let first = project.pass(&["ci", "--stage", "..train"]);
    let other = Project::new();
    other.configure("seed = 42", "seed = 43");
    let foreign = other.pass(&["ci", "--stage", "..train"]);
    let path = |project: &Project, digest: &str| project.path(&format!(".mlci/models/{}.mlci", &digest[7..]));
    fs::copy(path(&other, foreign.text("/model/digest")), path(&project, first.text("/model/digest"))).unwrap();
    let again = project.pass(&["ci", "--stage", "..train"]);
    assert_eq!((again.stage("train"), again.text("/model/digest")), ("done", first.text("/model/digest")));
}

/// A server that no container could run.
#[test]
fn a_server_that_is_none() {
    let project = Project::new();
    let line = project.read("mlci.toml").lines().find(|line| line.starts_with("server")).unwrap().to_owned();
    project.configure(&line, "server = \"wine.csv\"");
    let refused = project.run(&["ci"]);
    assert_eq!((refused.code, refused.stage("image")), (1, "failed"));
    assert!(refused.error().contains("ELF"), "{}", refused.error());
    project.configure("server = \"wine.csv\"", "server = \"none\"");
    let missing = project.run(&["ci"]);
    assert!(missing.error().contains("[image] server"), "{}", missing.error());
}
