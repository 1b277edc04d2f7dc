use std::{collections::BTreeMap, fs};

use mlci_track::{Digest, Entry, Error, Event, Status};
use proptest::prelude::*;

use crate::Scratch;

fn key() -> impl Strategy<Value = String> {
    // Few enough that they meet.
    prop_oneof![Just("a".to_owned()), Just("val/loss 2".to_owned()), "[a-z0-9_.: -]{0,8}[a-zé]"]
        .prop_filter("`..` cannot stand first", |key| !key.starts_with(".."))
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (key(), any::<String>()).prop_map(|(key, value)| Event::Param { key, value }),
        (key(), prop::num::f64::ANY, 0..4_u64).prop_map(|(key, value, step)| Event::Metric { key, value, step }),
        (key(), any::<String>()).prop_map(|(key, value)| Event::Tag { key, value }),
        (key(), any::<[u8; 32]>(), any::<u64>()).prop_map(|(name, digest, bytes)| Event::Artifact {
            name,
            digest: Digest::from_bytes(digest),
            bytes
        }),
    ]
}

fn end() -> impl Strategy<Value = Option<(Status, Option<String>)>> {
    let status = prop_oneof![Just(Status::Finished), Just(Status::Failed), Just(Status::Killed)];
    prop::option::of((status, prop::option::of(any::<String>())))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_reads_back(events in prop::collection::vec(event(), 0..40), end in end(), name in "\\PC{0,20}x") {
        let scratch = Scratch::new();
        let run = scratch.log.start(&name).unwrap();
        let mut params: BTreeMap<&str, &str> = BTreeMap::new();
        let mut expected = Vec::new();
        for event in &events {
            match event {
                Event::Param { key, value } => {
                    let old = params.get(key.as_str()).copied();
                    match run.param(key, value) {
                        Ok(()) => prop_assert!(old.is_none_or(|old| old == value)),
                        Err(Error::ParamChanged { .. }) => prop_assert!(old.is_some_and(|old| old != value)),
                        Err(error) => panic!("{error}"),
                    }
                    if params.insert(key, old.unwrap_or(value)).is_some() {
                        continue;
                    }
                }
                Event::Metric { key, value, step } => run.metric(key, *value, *step).unwrap(),
                Event::Tag { key, value } => run.tag(key, value).unwrap(),
                Event::Artifact { name, digest, bytes } => run.artifact(name, digest, *bytes).unwrap(),
                other => panic!("{other:?}"),
            }
            expected.push(event.clone());
        }
        if let Some((status, reason)) = &end {
            run.finish(*status, reason.as_deref()).unwrap();
            expected.push(Event::End { status: *status, reason: reason.clone() });
        }

        let mut entries = scratch.log.entries(run.id()).unwrap();
        let read: Vec<Entry> = (&mut entries).map(Result::unwrap).collect();
        prop_assert!(entries.skipped().is_empty());
        prop_assert!(read.is_sorted_by_key(|entry| entry.time));
        // As text, since NaN differs from itself and its many bit patterns are one in the log.
        let texts = |events: &[Event]| events.iter().map(|event| format!("{event:?}")).collect::<Vec<_>>();
        let read: Vec<_> = read.into_iter().map(|entry| entry.event).collect();
        prop_assert_eq!(texts(&read[1..]), texts(&expected));

        let record = scratch.log.read(run.id()).unwrap();
        prop_assert_eq!(&record.name, &name);
        prop_assert_eq!(record.status, end.as_ref().map_or(Status::Running, |end| end.0));
        prop_assert!(record.params.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(params));
        // The list says the same as the record.
        let summary = &scratch.log.list().unwrap()[0];
        prop_assert_eq!(&summary.tags, &record.tags);
        let last: BTreeMap<_, _> = record.metrics.iter().map(|(key, points)| (key, points.last().unwrap())).collect();
        prop_assert_eq!(format!("{last:?}"), format!("{:?}", summary.metrics));
    }

    /// Wherever a file is cut, its beginning reads back, without an error and without counting damage.
    #[test]
    fn any_beginning_of_a_file_reads_back(events in prop::collection::vec(event(), 0..6), cut in any::<prop::sample::Index>()) {
        let scratch = Scratch::new();
        let run = scratch.log.start("run").unwrap();
        for event in &events {
            match event {
                Event::Metric { key, value, step } => run.metric(key, *value, *step).unwrap(),
                Event::Tag { key, value } => run.tag(key, value).unwrap(),
                _ => {}
            }
        }
        let whole = fs::read(run.path()).unwrap();
        let cut = &whole[..cut.index(whole.len())];
        let (id, _) = scratch.put(7, "00000000000000a1", cut);
        let lines = cut.iter().filter(|byte| **byte == b'\n').count();
        let mut entries = scratch.log.entries(&id).unwrap();
        let read = (&mut entries).map(Result::unwrap).count();
        // A cut just before a line feed leaves a whole line.
        let unended = usize::from(cut.last().is_some_and(|byte| *byte != b'\n') && whole[cut.len()] == b'\n');
        prop_assert_eq!(read, lines + unended);
        prop_assert!(entries.skipped().is_empty());
    }

    /// Whatever a file holds, reading it neither fails nor panics, and the others are listed.
    #[test]
    fn any_bytes_are_a_run(content in prop::collection::vec(any::<u8>(), 0..200)) {
        let scratch = Scratch::new();
        let (id, _) = scratch.put(1, "00000000000000a1", &content);
        prop_assert_eq!(scratch.log.list().unwrap().len(), 1);
        prop_assert_eq!(scratch.log.close_stale().unwrap(), [id]);
        prop_assert_eq!(scratch.log.read(&id).unwrap().status, Status::Failed);
    }
}
