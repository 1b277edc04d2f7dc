use std::{collections::VecDeque, sync::Mutex, thread};

use mlci_track::{Digest, Error, Run, RunLog, Status};

use crate::{Scratch, chain, ticking, time};

#[track_caller]
fn points(run: &Run, log: &RunLog, key: &str) -> Vec<(u64, f64)> {
    log.read(run.id()).unwrap().metrics[key].iter().map(|point| (point.step, point.value)).collect()
}

/// Case A5: params {a:1,b:2}, then {a:1,c:2}, then {a:9}.
#[test]
fn a_param_keeps_its_value() {
    let scratch = Scratch::new();
    let run = scratch.log.start("run").unwrap();
    for (key, value) in [("a", 1), ("b", 2), ("a", 1), ("c", 2)] {
        run.param(key, value).unwrap();
    }
    let text = run.param("a", 9).unwrap_err().to_string();
    assert!(["`a`", "`1`", "`9`"].iter().all(|part| text.contains(part)), "{text}");

    let record = scratch.log.read(run.id()).unwrap();
    assert_eq!(record.params.into_iter().map(|(key, value)| key + &value).collect::<Vec<_>>(), ["a1", "b2", "c2"]);
    // The start, three params, and no line for what was known or refused.
    assert_eq!(scratch.log.entries(run.id()).unwrap().count(), 4);
}

/// Case A4: NaN twice at a step is one point, infinity stays what it is, and the run can finish.
#[test]
fn nan_and_infinity_come_back() {
    let scratch = Scratch::new();
    let run = scratch.log.start("run").unwrap();
    for (key, value) in [("loss", f64::NAN), ("loss", f64::NAN), ("acc", f64::INFINITY), ("low", f64::NEG_INFINITY)] {
        run.metric(key, value, 0).unwrap();
    }
    run.finish(Status::Finished, None).unwrap();

    let [(0, loss)] = points(&run, &scratch.log, "loss")[..] else { panic!("one point expected") };
    assert!(loss.is_nan());
    assert_eq!(points(&run, &scratch.log, "acc"), [(0, f64::INFINITY)]);
    assert_eq!(points(&run, &scratch.log, "low"), [(0, f64::NEG_INFINITY)]);
    let summary = &scratch.log.list().unwrap()[0];
    assert_eq!(summary.status, Some(Status::Finished));
    // What is handed on as JSON is JSON.
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(summary).unwrap()).unwrap();
    assert_eq!(json["metrics"]["loss"]["value"], "NaN");
}

/// A step that is measured again, as after a resume, keeps both values; the last of the highest step is the last.
#[test]
fn points_are_in_the_order_of_steps() {
    let scratch = Scratch::new();
    let run = scratch.log.clone().with_clock(ticking()).start("run").unwrap();
    for (value, step) in [(1.0, 0), (3.0, 2), (2.0, 1), (2.5, 1), (2.5, 1), (2.0, 1), (3.0, 2)] {
        run.metric("m", value, step).unwrap();
    }
    assert_eq!(points(&run, &scratch.log, "m"), [(0, 1.0), (1, 2.0), (1, 2.5), (1, 2.0), (2, 3.0)]);
    let last = scratch.log.list().unwrap()[0].metrics["m"];
    assert_eq!(last, *scratch.log.read(run.id()).unwrap().metrics["m"].last().unwrap());
}

#[test]
fn the_last_tag_and_artifact_of_a_name_count() {
    let scratch = Scratch::new();
    let run = scratch.log.start("run").unwrap();
    run.tag("staging", "deployed").unwrap();
    run.artifact("model.bin", &Digest::of(b"old"), 3).unwrap();
    run.artifact("model.bin", &Digest::of(b"newer"), 5).unwrap();
    run.finish(Status::Finished, None).unwrap();
    run.tag("staging", "verified").unwrap();
    scratch.log.tag(run.id(), "production", "rolled back").unwrap();

    let record = scratch.log.read(run.id()).unwrap();
    assert_eq!(record.tags["staging"], "verified");
    assert_eq!(record.tags["production"], "rolled back");
    assert_eq!((record.artifacts["model.bin"].digest, record.artifacts["model.bin"].bytes), (Digest::of(b"newer"), 5));
    assert_eq!(scratch.log.list().unwrap()[0].tags, record.tags);
    assert_eq!(record.status, Status::Finished);
}

#[test]
fn after_the_end_only_tags_are_taken() {
    let scratch = Scratch::new();
    let run = scratch.log.start("run").unwrap();
    assert!(matches!(run.finish(Status::Running, None), Err(Error::NotAnEnd)));
    run.finish(Status::Failed, Some("refused by the gate")).unwrap();
    // The first end counts.
    run.finish(Status::Finished, None).unwrap();

    let digest = Digest::of(b"");
    for result in [run.param("a", 1), run.metric("a", 1.0, 0), run.artifact("a", &digest, 0)] {
        assert!(matches!(result, Err(Error::Ended { status: Status::Failed, .. })), "{result:?}");
    }
    let summary = &scratch.log.list().unwrap()[0];
    assert_eq!((summary.status, summary.reason.as_deref()), (Some(Status::Failed), Some("refused by the gate")));
}

#[test]
fn a_run_that_is_dropped_has_failed() {
    let scratch = Scratch::new();
    drop(scratch.log.start("given up").unwrap());
    let panicked = thread::scope(|scope| {
        let log = &scratch.log;
        scope
            .spawn(move || {
                let _run = log.start("panicked").unwrap();
                std::panic::resume_unwind(Box::new("stop"));
            })
            .join()
    });
    assert!(panicked.is_err());

    let summaries = scratch.log.list().unwrap();
    assert_eq!(summaries.len(), 2);
    for summary in summaries {
        assert_eq!(summary.status, Some(Status::Failed), "{}", summary.name);
        assert!(summary.end.is_some() && summary.reason.is_some());
    }
}

/// A signal handler's thread ends the run under the work's hands.
#[test]
fn another_thread_can_end_the_run() {
    let scratch = Scratch::new();
    let run = scratch.log.start("run").unwrap();
    let steps = thread::scope(|scope| {
        let (begun, wait) = std::sync::mpsc::channel();
        let run = &run;
        let work = scope.spawn(move || {
            let mut step = 0;
            loop {
                match run.metric("loss", 0.5, step) {
                    Ok(()) => step += 1,
                    Err(Error::Ended { status: Status::Killed, .. }) => return step,
                    Err(error) => panic!("{error}"),
                }
                let _ = begun.send(());
            }
        });
        wait.recv().unwrap();
        run.finish(Status::Killed, Some("SIGTERM")).unwrap();
        work.join().unwrap()
    });

    let record = scratch.log.read(run.id()).unwrap();
    assert_eq!((record.status, record.reason.as_deref()), (Status::Killed, Some("SIGTERM")));
    assert!(record.end.unwrap() >= record.start);
    assert_eq!(record.metrics["loss"].len() as u64, steps);
}

#[test]
fn many_threads_lose_nothing() {
    const THREADS: u64 = 10;
    const STEPS: u64 = 300;
    let scratch = Scratch::new();
    let run = scratch.log.start("run").unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let run = &run;
            scope.spawn(move || {
                for step in 0..STEPS {
                    run.metric(&format!("loss/{thread}"), 1.0 / (step + 1) as f64, step).unwrap();
                    run.param("shared", "same").unwrap();
                }
            });
        }
    });
    let record = scratch.log.read(run.id()).unwrap();
    assert!(record.skipped.is_empty());
    assert_eq!((record.metrics.len() as u64, record.params.len()), (THREADS, 1));
    for points in record.metrics.values() {
        assert!(points.iter().map(|point| point.step).eq(0..STEPS));
        assert!(points.iter().all(|point| point.value == 1.0 / (point.step + 1) as f64));
    }
}

/// A reader sees what was written before it looked, whole, and nothing else.
#[test]
fn reading_while_writing_sees_a_beginning() {
    const STEPS: u64 = 2000;
    let scratch = Scratch::new();
    let run = scratch.log.start("run").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for step in 0..STEPS {
                run.metric("loss", step as f64, step).unwrap();
            }
            run.finish(Status::Finished, None).unwrap();
        });
        let mut seen = 0;
        loop {
            let record = scratch.log.read(run.id()).unwrap();
            assert!(record.skipped.is_empty());
            let steps = record.metrics.get("loss").map_or(0, Vec::len) as u64;
            assert!(steps >= seen);
            assert!(record.metrics.values().flatten().map(|point| point.step).eq(0..steps));
            seen = steps;
            if record.status != Status::Running {
                assert_eq!((record.status, seen), (Status::Finished, STEPS));
                break;
            }
        }
    });
}

/// The clock jumps back by a year within a run and between runs: no run ends before it starts, the order stays.
#[test]
fn the_clock_may_go_backwards() {
    let times: VecDeque<_> =
        ["2026-05-05T05:05:05.6789Z", "2026-05-05T05:05:06Z", "2025-05-05T05:05:05Z", "2024-01-01T00:00:00Z"].into();
    let times = Mutex::new(times);
    let scratch = Scratch::new();
    let log = scratch.log.clone().with_clock(move || {
        let mut times = times.lock().unwrap();
        // The last one stays.
        time(if times.len() > 1 { times.pop_front().unwrap() } else { times[0] })
    });
    let first = log.start("first").unwrap();
    first.metric("m", 1.0, 0).unwrap();
    first.finish(Status::Finished, None).unwrap();
    let second = log.start("second").unwrap();
    second.finish(Status::Finished, None).unwrap();

    let summaries = log.list().unwrap();
    assert_eq!(
        summaries.iter().map(|run| (run.number, run.name.as_str())).collect::<Vec<_>>(),
        [(2, "second"), (1, "first")]
    );
    // Times are kept to the millisecond.
    assert_eq!(summaries[1].start, time("2026-05-05T05:05:05.678Z"));
    assert_eq!(summaries[1].end, Some(time("2026-05-05T05:05:06Z")));
    assert_eq!(summaries[0].start, time("2024-01-01T00:00:00Z"));
    assert_eq!(summaries[0].end, Some(summaries[0].start));
}

#[test]
fn a_run_is_found_by_the_beginning_of_its_id() {
    let scratch = Scratch::new();
    let (first, _) = scratch.put(1, "00000000000000a1", "");
    let (second, _) = scratch.put(2, "00000000000000b2", "");
    assert_eq!(scratch.log.find("00000000000000a").unwrap(), first);
    assert_eq!(scratch.log.find(&second.to_string()).unwrap(), second);

    let text = scratch.log.find("0000").unwrap_err().to_string();
    assert!(text.contains("`0000`") && text.contains(&format!("{first}, {second}")), "{text}");
    for prefix in ["f", "", "00000000000000a10"] {
        let error = scratch.log.find(prefix).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
    }
    let missing = "00000000000000c3".parse().unwrap();
    for result in [scratch.log.read(&missing).map(drop), scratch.log.tag(&missing, "a", "b")] {
        assert!(result.unwrap_err().to_string().contains("00000000000000c3"));
    }
}

#[test]
fn bad_keys_and_names_are_refused_and_leave_nothing() {
    let scratch = Scratch::new();
    assert!(scratch.log.start("two\nlines").unwrap_err().to_string().contains("line end"));
    assert_eq!(scratch.names(), Vec::<String>::new());

    let run = scratch.log.start("run").unwrap();
    let digest = Digest::of(b"");
    for (result, kind) in [
        (run.param("a=b", 1), "param key"),
        (run.metric("a=b", 1.0, 0), "metric key"),
        (run.tag("a=b", ""), "tag key"),
        (scratch.log.tag(run.id(), "a=b", ""), "tag key"),
        (run.artifact("../a", &digest, 0), "artifact name"),
    ] {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(kind), "{text}");
    }
    assert_eq!(scratch.log.entries(run.id()).unwrap().count(), 1);
}

#[test]
fn failures_of_the_file_system_name_the_path_and_the_cause() {
    let scratch = Scratch::new();
    let (_, path) = scratch.put(1, "00000000000000a1", "");
    let text = chain(&RunLog::open(&path).unwrap_err());
    assert!(text.contains("00000001-00000000000000a1.jsonl") && text.contains("exists"), "{text}");

    let gone = scratch.log.folder().join("gone");
    let log = RunLog::open(&gone).unwrap();
    std::fs::remove_dir(&gone).unwrap();
    for text in [chain(&log.start("run").unwrap_err()), chain(&log.list().unwrap_err())] {
        assert!(text.contains("gone") && text.contains("No such file"), "{text}");
    }
}

/// A signal handler's thread and an asynchronous program need this.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Run>();
    shared::<RunLog>();
    shared::<Error>();
};
