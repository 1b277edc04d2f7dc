//! What a call asks of the store does not grow with the history.

use std::sync::Mutex;

use mlci_artifact::{Bytes, Digest, object_store::ObjectStoreExt as _, object_store::path::Path};

use crate::support::{Hooked, content, label, memory, name, on, publish};

const MANY: u64 = 1_000;

fn taken(requests: &Mutex<Vec<&'static str>>) -> Vec<&'static str> {
    std::mem::take(&mut *requests.lock().unwrap())
}

#[tokio::test]
async fn the_last_entry_is_one_listing_and_one_read() {
    let objects = memory();
    let writer = on(&objects).log::<u64>(&["releases"]).unwrap();
    for number in 1..=MANY {
        writer.append_after((number > 1).then_some(number - 1), &number, &[]).await.unwrap();
    }
    let (hooked, requests) = Hooked::recording(objects);
    let log = hooked.store().log::<u64>(&["releases"]).unwrap();
    assert_eq!(log.last().await.unwrap().unwrap().body, MANY);
    assert_eq!(taken(&requests), ["list", "get"]);
    assert_eq!(log.last_number().await.unwrap(), Some(MANY));
    assert_eq!(taken(&requests), ["list"]);
    log.append(&7, &[]).await.unwrap();
    assert_eq!(taken(&requests), ["list", "put"]);
}

#[tokio::test]
async fn a_version_among_a_thousand() {
    let objects = memory();
    let store = on(&objects);
    for number in 1..=MANY {
        publish(&store, &number.to_string()).await.unwrap();
    }
    store.promote(&name(), 3, &label("production"), "ann", "").await.unwrap();
    let (hooked, requests) = Hooked::recording(objects);
    let store = hooked.store();

    let found = store.find_version(&name(), &Digest::of(&content("3"))).await.unwrap().unwrap();
    assert_eq!(found.number, 3);
    assert_eq!(taken(&requests), ["get"; 2]);
    assert_eq!(store.alias(&name(), &label("production")).await.unwrap().unwrap().version, 3);
    assert_eq!(taken(&requests), ["list", "get"]);
    assert_eq!(store.version_numbers(&name()).await.unwrap().len() as u64, MANY);
    assert_eq!(taken(&requests), ["list"]);
    assert_eq!(store.find_version(&name(), &Digest::of(b"unknown")).await.unwrap(), None);
    assert_eq!(taken(&requests), ["get", "list", "get", "get"]);

    assert!(!publish(&store, "3").await.unwrap().created);
    let again = taken(&requests);
    assert!(again.len() <= 5 && !again.contains(&"put"), "{again:?}");
    assert!(publish(&store, "new").await.unwrap().created);
    let new = taken(&requests);
    assert!(new.len() <= 12, "{new:?}");
}

/// object_store's clients send a request again when its answer is lost. The second one finds the entry there.
#[tokio::test]
async fn an_entry_whose_answer_was_lost_is_there_once() {
    let objects = memory();
    let store = Hooked::repeating(objects.clone()).store();
    let log = store.log::<String>(&["releases"]).unwrap();
    assert_eq!(log.append(&"same".to_owned(), &[]).await.unwrap().number, 1);
    assert_eq!(log.append(&"same".to_owned(), &[]).await.unwrap().number, 2);
    assert_eq!(log.append_after(Some(2), &"same".to_owned(), &[]).await.unwrap().number, 3);
    assert!(publish(&store, "a").await.unwrap().created);
    store.promote(&name(), 1, &label("staging"), "ann", "").await.unwrap();
    assert_eq!(store.alias_history(&name(), &label("staging")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn names_that_are_not_entries_are_left_alone() {
    let objects = memory();
    let store = on(&objects);
    publish(&store, "a").await.unwrap();
    let folder = "models/wine-quality/versions";
    for file in ["0000000000.json", "2.json", "0000000002.json~", "00000000002.json", "+000000002.json", "README"] {
        objects.put(&Path::from(format!("{folder}/{file}")), Bytes::from("x").into()).await.unwrap();
    }
    assert_eq!(store.version_numbers(&name()).await.unwrap(), [1]);
    assert_eq!(publish(&store, "b").await.unwrap().version.number, 2);

    // The number that no other can follow is an error, not a panic.
    let last = Path::from(format!("{folder}/{}.json", u64::MAX));
    let entry = objects.get(&Path::from(format!("{folder}/0000000001.json"))).await.unwrap().bytes().await.unwrap();
    let entry =
        String::from_utf8(entry.to_vec()).unwrap().replace("\"number\": 1", &format!("\"number\": {}", u64::MAX));
    objects.put(&last, entry.into()).await.unwrap();
    let error = publish(&store, "c").await.unwrap_err();
    assert!(error.to_string().contains(&u64::MAX.to_string()), "{error}");
}
