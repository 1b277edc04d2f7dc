use std::fs;

use mlci_track::{Error, Status};

use crate::{Scratch, chain, time};

const START: &str =
    r#"{"event":"start","format":1,"id":"00000000000000a1","name":"run","time":"2026-01-01T00:00:00Z"}"#;
const METRIC: &str = r#"{"event":"metric","key":"m","value":1.0,"step":7,"time":"2026-01-01T00:00:07Z"}"#;
const END: &str = r#"{"event":"end","status":"finished","time":"2026-01-01T00:00:09Z"}"#;
const ID: &str = "00000000000000a1";

/// A writer died in the middle of a line. Its run is closed at its last sign of life, and nothing else is lost.
#[test]
fn a_torn_last_line_is_left_out() {
    for cut in 1..METRIC.len() {
        let scratch = Scratch::new();
        let (id, path) = scratch.put(1, ID, format!("{START}\n{METRIC}\n{}", &METRIC[..cut]));
        let record = scratch.log.read(&id).unwrap();
        assert_eq!((record.status, record.metrics["m"].len()), (Status::Running, 1));
        assert!(record.skipped.is_empty());

        assert_eq!(scratch.log.close_stale().unwrap(), [id]);
        let record = scratch.log.read(&id).unwrap();
        assert_eq!((record.status, record.end), (Status::Failed, Some(time("2026-01-01T00:00:07Z"))));
        // The end stands on a line of its own; the torn one is now seen as what it is.
        assert_eq!(record.skipped.damaged, [3], "{}", fs::read_to_string(&path).unwrap());
        assert_eq!(scratch.log.close_stale().unwrap(), []);
    }
}

/// A last line that lacks no more than its line feed holds all that was logged.
#[test]
fn a_whole_last_line_is_read() {
    let scratch = Scratch::new();
    let (id, _) = scratch.put(1, ID, format!("{START}\n{METRIC}"));
    assert_eq!(scratch.log.read(&id).unwrap().metrics["m"].len(), 1);
    scratch.log.tag(&id, "a", "b").unwrap();
    let record = scratch.log.read(&id).unwrap();
    assert_eq!((record.metrics["m"].len(), record.tags["a"].as_str()), (1, "b"));
    assert!(record.skipped.is_empty());
}

/// A process that died between making the file and writing to it.
#[test]
fn an_empty_file_is_a_failed_run() {
    let scratch = Scratch::new();
    let (id, _) = scratch.put(1, ID, "");
    let summary = &scratch.log.list().unwrap()[0];
    assert_eq!((summary.status, summary.name.as_str()), (Some(Status::Running), ""));

    assert_eq!(scratch.log.close_stale().unwrap(), [id]);
    let record = scratch.log.read(&id).unwrap();
    assert_eq!((record.status, record.end), (Status::Failed, Some(record.start)));
    assert_eq!(scratch.log.start("next").unwrap().number(), 2);
}

#[test]
fn damage_in_the_middle_is_counted_and_costs_its_lines_only() {
    let scratch = Scratch::new();
    let news = r#"{"event":"dataset","rows":7,"time":"2026-01-01T00:00:00Z"}"#;
    let mut content = format!("{START}\n{news}\n\0\0\0\n{METRIC}\n{{}}\n").into_bytes();
    content.extend(b"\xff\xfe\n");
    content.extend(format!("{END}\n").bytes());
    let (id, path) = scratch.put(1, ID, &content);
    scratch.put(2, "00000000000000b2", START.replace("a1", "b2"));

    let record = scratch.log.read(&id).unwrap();
    assert_eq!((record.skipped.damaged, record.skipped.unknown), (vec![3, 5, 6], 1));
    assert_eq!((record.status, record.name.as_str(), record.metrics["m"].len()), (Status::Finished, "run", 1));
    let summaries = scratch.log.list().unwrap();
    assert_eq!(summaries.len(), 2);
    assert_eq!(summaries[1].skipped.damaged, [3, 5, 6]);
    assert!(summaries[1].problem.is_none());

    // Nothing mends a file by taking away from it.
    scratch.log.tag(&id, "a", "b").unwrap();
    scratch.log.close_stale().unwrap();
    assert!(fs::read(path).unwrap().starts_with(&content));
}

#[test]
fn a_lost_first_line_leaves_the_rest() {
    let scratch = Scratch::new();
    let (id, _) = scratch.put(1, ID, format!("\0\0\n{METRIC}\n{END}\n"));
    let record = scratch.log.read(&id).unwrap();
    assert_eq!(
        (record.name.as_str(), record.start, record.status),
        ("", time("2026-01-01T00:00:07Z"), Status::Finished)
    );
}

#[test]
fn an_end_before_the_start_is_moved_to_it() {
    let scratch = Scratch::new();
    let (id, _) = scratch.put(1, ID, format!("{}\n{END}\n", START.replace("2026", "2027")));
    assert_eq!(scratch.log.read(&id).unwrap().end, Some(time("2027-01-01T00:00:00Z")));
}

/// A later format is an error that says so. It hides no other run, blocks no start, and is not closed.
#[test]
fn a_newer_format_is_refused() {
    let scratch = Scratch::new();
    let content = "{\"format\":2,\"what\":\"ever\"}\n";
    let (id, path) = scratch.put(1, ID, content);
    scratch.put(2, "00000000000000b2", format!("{START}\n{END}\n"));

    let error = scratch.log.read(&id).unwrap_err();
    assert!(matches!(error, Error::Newer { found: 2, .. }));
    let text = chain(&error);
    assert!(text.contains("00000001-") && text.contains("version 2") && text.contains("update mlci"), "{text}");
    assert_eq!(scratch.log.entries(&id).unwrap().count(), 1);

    let summaries = scratch.log.list().unwrap();
    assert_eq!(summaries.iter().map(|run| run.status).collect::<Vec<_>>(), [Some(Status::Finished), None]);
    assert_eq!(summaries[1].problem.as_deref(), Some(text.as_str()));
    assert_eq!(scratch.log.close_stale().unwrap(), []);
    assert_eq!(fs::read_to_string(path).unwrap(), content);
    assert_eq!(scratch.log.start("next").unwrap().number(), 3);
}

/// A run whose file is a folder stands for one that the system will not let us read.
#[test]
fn a_file_that_cannot_be_read_hides_no_other() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.log.folder().join(format!("00000001-{ID}.jsonl"))).unwrap();
    let run = scratch.log.start("next").unwrap();
    assert_eq!(scratch.log.close_stale().unwrap(), []);
    let summaries = scratch.log.list().unwrap();
    assert_eq!((summaries[0].id, summaries[0].problem.as_deref()), (*run.id(), None));
    assert_eq!(summaries[1].status, None);
    assert!(summaries[1].problem.as_ref().unwrap().contains(ID), "{:?}", summaries[1].problem);
}

#[test]
fn other_files_are_not_runs() {
    let scratch = Scratch::new();
    for name in
        ["README.md", "1-00000000000000a1.jsonl", "00000001-a1.jsonl", "+0000001-00000000000000a1.jsonl", "a.lock"]
    {
        fs::write(scratch.log.folder().join(name), "x").unwrap();
    }
    assert!(scratch.log.list().unwrap().is_empty());
    assert_eq!(scratch.log.close_stale().unwrap(), []);
    assert!(scratch.names().contains(&"a.lock".to_owned()));
}

/// Tags may push the end of a run far from the end of its file.
#[test]
fn an_end_under_many_tags_is_found() {
    let scratch = Scratch::new();
    let run = scratch.log.start("run").unwrap();
    run.finish(Status::Finished, None).unwrap();
    for number in 0..3 {
        scratch.log.tag(run.id(), &format!("note{number}"), &"x".repeat(4000)).unwrap();
    }
    assert_eq!(scratch.log.close_stale().unwrap(), []);
    assert_eq!(scratch.log.read(run.id()).unwrap().status, Status::Finished);
}
