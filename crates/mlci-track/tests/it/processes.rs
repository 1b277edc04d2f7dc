//! Other processes are this test binary again, told by the environment to be a child. A child says a word on its
//! standard error when it is ready, and ends when its standard input does, so that none outlives its test.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use mlci_track::{RunId, RunLog, Status};

use crate::Scratch;

const FOLDER: &str = "MLCI_TRACK_TEST_FOLDER";
const PART: &str = "MLCI_TRACK_TEST_PART";

/// What a child does. In the run of the tests itself it is no child and has nothing to do.
#[test]
fn child() {
    let (Ok(folder), Ok(part)) = (env::var(FOLDER), env::var(PART)) else { return };
    let log = RunLog::open(Path::new(&folder)).unwrap();
    let wait = || io::stdin().read_to_end(&mut Vec::new()).unwrap();
    match part.as_str() {
        "writes" => {
            let run = log.start("child").unwrap();
            run.metric("loss", 0.5, 1).unwrap();
            // As a pipeline starts servers that outlive it; this one lives as long as the standard input.
            let mut server = command(&log, "waits").stderr(Stdio::null()).spawn().unwrap();
            eprintln!("{}", run.id());
            wait();
            server.wait().unwrap();
        }
        "starts many" => {
            eprintln!("ready");
            wait();
            for _ in 0..STARTS {
                log.start("child").unwrap().finish(Status::Finished, None).unwrap();
            }
        }
        "waits" => drop(wait()),
        other => panic!("{other}"),
    }
}

fn command(log: &RunLog, part: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "processes::child", "--nocapture"]).env(FOLDER, log.folder()).env(PART, part);
    command.stdout(Stdio::null());
    command
}

/// Starts a child and waits for its word.
fn spawn(log: &RunLog, part: &str) -> (Child, String) {
    let mut child = command(log, part).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut word = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut word).unwrap();
    (child, word.trim().to_owned())
}

#[track_caller]
fn check(log: &RunLog, id: &RunId, expected: Status) {
    let record = log.read(id).unwrap();
    assert_eq!((record.status, record.end.is_some()), (expected, expected != Status::Running));
    assert_eq!(record.metrics["loss"].len(), 1);
}

/// Case A6: a run whose process was killed does not stay as running, even if a process that it had started lives on; a
/// run whose process lives is left alone.
#[test]
fn a_killed_process_leaves_a_failed_run() {
    let scratch = Scratch::new();
    let log = &scratch.log;
    let (mut doomed, word) = spawn(log, "writes");
    let doomed_id: RunId = word.parse().unwrap();
    let (mut spared, word) = spawn(log, "writes");
    let spared_id: RunId = word.parse().unwrap();
    assert_eq!(log.close_stale().unwrap(), []);
    check(log, &doomed_id, Status::Running);

    // Its own child waits for the end of this. SIGKILL on Unix.
    let _input = doomed.stdin.take();
    doomed.kill().unwrap();
    doomed.wait().unwrap();
    check(log, &doomed_id, Status::Running);
    assert_eq!(log.close_stale().unwrap(), [doomed_id]);
    check(log, &doomed_id, Status::Failed);
    let record = log.read(&doomed_id).unwrap();
    assert!(record.end.unwrap() >= record.start);
    assert!(record.reason.unwrap().contains("process ended"));
    check(log, &spared_id, Status::Running);

    // A tag from here does not disturb the run over there.
    log.tag(&spared_id, "note", "still there").unwrap();
    drop(spared.stdin.take());
    assert!(spared.wait().unwrap().success());
    // It dropped its run.
    check(log, &spared_id, Status::Failed);
    assert_eq!(log.close_stale().unwrap(), []);
    // Of the locks none but the folder's is left.
    assert_eq!(scratch.names().iter().filter(|name| name.ends_with(".lock")).collect::<Vec<_>>(), [".lock"]);
}

/// The runs of this process hold locks as those of others do.
#[test]
fn a_process_does_not_close_its_own_run() {
    let scratch = Scratch::new();
    let run = scratch.log.start("run").unwrap();
    let other = RunLog::open(scratch.log.folder()).unwrap();
    assert_eq!(other.close_stale().unwrap(), []);
    run.metric("loss", 0.5, 1).unwrap();
    check(&other, run.id(), Status::Running);
    run.finish(Status::Finished, None).unwrap();
    check(&other, run.id(), Status::Finished);
    // The end takes the run's lock away, so that a log of ended runs is nothing but their files.
    assert!(!run.path().with_extension("lock").exists());
}

const STARTS: u64 = 10;

#[test]
fn processes_that_start_at_once_get_distinct_numbers() {
    const PROCESSES: u64 = 3;
    let scratch = Scratch::new();
    let mut children: Vec<_> = (0..PROCESSES).map(|_| spawn(&scratch.log, "starts many").0).collect();
    for child in &mut children {
        drop(child.stdin.take());
    }
    // Closing meanwhile takes no run from anyone.
    assert_eq!(scratch.log.close_stale().unwrap(), []);
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let runs = scratch.log.list().unwrap();
    assert!(runs.iter().map(|run| run.number).eq((1..=PROCESSES * STARTS).rev()));
    assert!(runs.iter().all(|run| run.status == Some(Status::Finished)));
}
