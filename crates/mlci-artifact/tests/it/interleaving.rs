//! Writers and the garbage collection, switched between any two requests.
//!
//! Every call runs against a store that holds each request up once, so one poll is one step, and a schedule is a list
//! of whose turn it is. There is no grace: everything unreferenced is taken as soon as the collection sees it.

use std::{cell::RefCell, collections::BTreeMap, pin::Pin, sync::Arc, task::Poll};

use mlci_artifact::{
    Digest, Error, Store,
    object_store::{ObjectStore, ObjectStoreExt as _, path::Path},
};
use proptest::prelude::*;

use crate::{
    garbage::AT_ONCE,
    support::{Hooked, blob_key, content, label, memory, name, on, publish},
};

type Call<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Lets the calls take turns by the schedule, then each of them finish in turn. Says how many steps each took, and
/// leaves out those that were stopped: after its last turn in the schedule, if `stopped` names it.
fn run(mut calls: Vec<Call<'_>>, schedule: &[usize], stopped: Option<usize>) -> Vec<usize> {
    let mut steps = vec![0; calls.len()];
    let mut done = vec![false; calls.len()];
    let mut step = |calls: &mut Vec<Call<'_>>, turn: usize| {
        if !done[turn] {
            steps[turn] += 1;
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            done[turn] = calls[turn].as_mut().poll(&mut context) == Poll::Ready(());
        }
        !done[turn]
    };
    for &turn in schedule {
        let turn = turn % calls.len();
        step(&mut calls, turn);
    }
    for turn in 0..calls.len() {
        if stopped != Some(turn) {
            let mut left = 10_000;
            while step(&mut calls, turn) {
                left -= 1;
                assert!(left > 0, "call {turn} does not come to an end");
            }
        }
    }
    steps
}

/// A collection must not stand still between copying a blob and deleting it, so it does not here.
fn stepping(objects: &Arc<dyn ObjectStore>) -> Store {
    Hooked::stepping(objects.clone(), |request, path| request == "delete" && path.as_ref().starts_with("blobs/"))
        .store()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}

/// Where the blob lies before: nowhere, among the blobs, in the trash, in both.
fn place_blob(objects: &Arc<dyn ObjectStore>, places: usize) {
    for (bit, folder) in [(1, "blobs"), (2, "trash")] {
        if places & bit != 0 {
            let key = blob_key(folder, &content("a")) + if folder == "trash" { "/copy" } else { "" };
            block_on(objects.put(&Path::from(key), content("a").into())).unwrap();
        }
    }
}

async fn collect(store: &Store, runs: usize) {
    for _ in 0..runs {
        store.collect_garbage(AT_ONCE).await.unwrap();
    }
}

/// After everything, the version's bytes can be read, before and after further collections.
fn assert_kept(store: &Store, digest: &Digest, context: &str) {
    block_on(async {
        for _ in 0..3 {
            assert_eq!(store.get_blob(digest).await.expect(context), content("a"));
            collect(store, 1).await;
        }
    });
}

/// All schedules with the two switches collection, publisher, collection, publisher (and the other way round), with
/// one, two and three collections.
#[test]
fn a_publisher_beside_the_collection() {
    let mut longest = 0;
    for (places, runs) in (0..4).flat_map(|places| (1..4).map(move |runs| (places, runs))) {
        for (first, second) in [(0, 1), (1, 0)] {
            let (mut before, mut between) = (0, 0);
            loop {
                let objects = memory();
                place_blob(&objects, places);
                let store = stepping(&objects);
                let publisher: Call<'_> = Box::pin(async { assert!(publish(&store, "a").await.unwrap().created) });
                let collection: Call<'_> = Box::pin(collect(&store, runs));
                let schedule = [vec![first; before], vec![second; between], vec![first; 1_000]].concat();
                let steps = run(vec![publisher, collection], &schedule, None);
                let context = format!("blob in {places}, {runs} runs, {first} first: {before}, then {between}");
                assert_kept(&on(&objects), &Digest::of(&content("a")), &context);
                longest = longest.max(steps[0]);

                // The next schedule, until both have been switched at their end.
                between += 1;
                if between > steps[second] {
                    (before, between) = (before + 1, 0);
                }
                if before > steps[first] {
                    break;
                }
            }
        }
    }
    assert!(longest > 5, "the publisher was held up at its requests");
}

/// A publisher between two collections that have both read their references too early to see its manifest, with or
/// without a third that took the blob away in between: what one of them moves, the other must not delete.
#[test]
fn a_publisher_between_two_collections() {
    for (places, third) in (0..4).flat_map(|places| [(places, false), (places, true)]) {
        let (mut early, mut late) = (0, 0);
        loop {
            let objects = memory();
            place_blob(&objects, places);
            let store = stepping(&objects);
            let third: Call<'_> = Box::pin(async {
                if third {
                    collect(&on(&objects), 1).await;
                }
            });
            let publisher: Call<'_> = Box::pin(async { assert!(publish(&store, "a").await.unwrap().created) });
            let calls = vec![Box::pin(collect(&store, 1)) as Call<'_>, Box::pin(collect(&store, 1)), third, publisher];
            let schedule = [vec![0; early], vec![2], vec![1; late], vec![3; 1_000]].concat();
            let steps = run(calls, &schedule, None);
            let context = format!("blob in {places}: first up to {early}, second up to {late}");
            assert_kept(&on(&objects), &Digest::of(&content("a")), &context);
            late += 1;
            if late > steps[1] {
                (early, late) = (early + 1, 0);
            }
            if early > steps[0] {
                break;
            }
        }
    }
}

/// A collection that overlooks the reference and is killed anywhere after.
#[test]
fn a_publisher_beside_a_collection_that_dies() {
    for places in 0..4 {
        let (mut before, mut after) = (0, 0);
        loop {
            let objects = memory();
            place_blob(&objects, places);
            let store = stepping(&objects);
            let publisher: Call<'_> = Box::pin(async { assert!(publish(&store, "a").await.unwrap().created) });
            let schedule = [vec![1; before], vec![0; 1_000], vec![1; after]].concat();
            let steps = run(vec![publisher, Box::pin(collect(&store, 1))], &schedule, Some(1));
            let context = format!("blob in {places}: {before} before, {after} after");
            assert_kept(&on(&objects), &Digest::of(&content("a")), &context);
            // Until it has come to its end by itself.
            after += 1;
            if steps[1] < before + after - 1 {
                (before, after) = (before + 1, 0);
            }
            if steps[1] < before {
                break;
            }
        }
    }
}

/// An append that says it is done can rely on its reference; it fails only with the blob missing.
#[test]
fn an_append_beside_the_collection() {
    for (places, runs) in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 2)] {
        let (mut before, mut between, mut kept) = (0, 0, 0);
        loop {
            let objects = memory();
            place_blob(&objects, places);
            let store = stepping(&objects);
            let digest = Digest::of(&content("a"));
            let result = RefCell::new(None);
            let append: Call<'_> = Box::pin(async {
                let log = store.log::<u8>(&["releases"]).unwrap();
                let appended = log.append(&1, &[digest]).await;
                *result.borrow_mut() = Some(appended);
            });
            let collection: Call<'_> = Box::pin(collect(&store, runs));
            let schedule = [vec![0; before], vec![1; between], vec![0; 1_000]].concat();
            let steps = run(vec![append, collection], &schedule, None);
            match result.into_inner().unwrap() {
                Ok(_) => {
                    assert_kept(&on(&objects), &digest, &format!("{places}, {runs}: {before}, then {between}"));
                    kept += 1;
                }
                Err(error) => assert!(matches!(error, Error::MissingBlob { .. }), "{error:?}"),
            }
            between += 1;
            if between > steps[1] {
                (before, between) = (before + 1, 0);
            }
            if before > steps[0] {
                break;
            }
        }
        assert!(kept > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Three publishers of two models, an alias and two collections, in any order of their requests, one of them
    /// killed: no model twice, no gap, nothing that is referred to lost.
    #[test]
    fn any_schedule(
        schedule in prop::collection::vec(0..6_usize, 0..150),
        places in 0..4_usize,
        stopped in prop::option::of(0..6_usize),
    ) {
        let objects = memory();
        block_on(publish(&on(&objects), "before")).unwrap();
        place_blob(&objects, places);
        let store = stepping(&objects);
        let published = RefCell::new(Vec::new());
        let publisher = |model: &'static str| -> Call<'_> {
            let (store, published) = (&store, &published);
            Box::pin(async move {
                let result = publish(store, model).await.unwrap();
                published.borrow_mut().push(result);
            })
        };
        let mover: Call<'_> = Box::pin(async {
            for alias in ["staging", "production"] {
                store.promote(&name(), 1, &label(alias), "ann", "").await.unwrap();
            }
        });
        let collections = || -> Call<'_> { Box::pin(collect(&store, 3)) };
        let calls = vec![publisher("a"), publisher("a"), publisher("b"), mover, collections(), collections()];
        run(calls, &schedule, stopped);

        let store = on(&objects);
        block_on(async {
            let published = published.into_inner();
            let versions = store.versions(&name()).await.unwrap();
            prop_assert!(versions.iter().map(|version| version.number).eq(1..=versions.len() as u64));
            let by_digest: BTreeMap<_, _> = versions.iter().map(|version| (version.model, version)).collect();
            prop_assert_eq!(by_digest.len(), versions.len());
            for result in &published {
                prop_assert_eq!(by_digest[&result.version.model], &result.version);
            }
            let created = published.iter().filter(|result| result.created).count();
            prop_assert!(created < versions.len() && (stopped.is_some() || created == versions.len() - 1));
            // What the killed one left undone, the same call does.
            for model in ["a", "b"] {
                let before = by_digest.contains_key(&Digest::of(&content(model)));
                prop_assert_eq!(publish(&store, model).await.unwrap().created, !before);
            }
            for _ in 0..3 {
                for version in store.versions(&name()).await.unwrap() {
                    let found = store.find_version(&name(), &version.model).await.unwrap();
                    prop_assert_eq!(found.as_ref(), Some(&version));
                    prop_assert!(store.model_bytes(&version).await.is_ok());
                }
                collect(&store, 1).await;
            }
            Ok(())
        })?;
    }
}
