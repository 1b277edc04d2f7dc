use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use mlci_image::{Error, Layout};

use crate::fixture::Fixture;

const BUILDERS: usize = 8;

/// Each thread has a layout of its own, as processes have: locks are between open files.
#[test]
fn no_entry_is_lost() {
    let fixture = Fixture::new();
    // Two of them build the same image at a time.
    let specs: Vec<_> = (0..BUILDERS / 2).map(|number| fixture.spec(&format!("model {number}"))).collect();
    let start = Barrier::new(BUILDERS);
    thread::scope(|scope| {
        for number in 0..BUILDERS {
            let (fixture, start, spec) = (&fixture, &start, &specs[number / 2]);
            scope.spawn(move || {
                start.wait();
                let layout = Layout::open(fixture.layout.folder()).unwrap();
                let image = layout.build(spec).unwrap();
                layout.tag(&image.digest, &format!("v{number}")).unwrap();
            });
        }
    });
    let images = fixture.layout.images().unwrap();
    assert_eq!(images.len(), BUILDERS / 2);
    let mut tags: Vec<_> = images.iter().flat_map(|image| image.tags.clone()).collect();
    tags.sort();
    assert_eq!(tags, (0..BUILDERS).map(|number| format!("v{number}")).collect::<Vec<_>>());
    for image in images {
        fixture.layout.verify(&image.digest).unwrap();
    }
    assert!(fixture.temporary().is_empty());
    assert_eq!(fixture.blobs().len(), 1 + 3 * BUILDERS / 2);
}

#[test]
fn an_empty_folder_is_started_once() {
    let folder = tempfile::tempdir().unwrap();
    let start = Barrier::new(BUILDERS);
    thread::scope(|scope| {
        for _ in 0..BUILDERS {
            scope.spawn(|| {
                start.wait();
                Layout::open(folder.path()).unwrap();
            });
        }
    });
}

/// Counts down when it is dropped, also by a panic, so that nobody waits for a thread that failed.
struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Pruning waits for builds and readers, and they for it: what is listed is always complete.
#[test]
fn pruning_in_between() {
    let fixture = Fixture::new();
    let specs: Vec<_> = (0..4).map(|number| fixture.spec(&format!("model {number}"))).collect();
    let running = AtomicUsize::new(BUILDERS);
    thread::scope(|scope| {
        for number in 0..BUILDERS {
            let running = Running(&running);
            let (layout, specs) = (fixture.layout.clone(), &specs);
            scope.spawn(move || {
                let _running = running;
                for round in 0..5 {
                    let image = layout.build(&specs[(number + round) % specs.len()]).unwrap();
                    // It may be gone when it is looked for, and then completely.
                    match layout.verify(&image.digest) {
                        Ok(()) | Err(Error::NoImage { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        while running.load(Ordering::SeqCst) > 0 {
            fixture.layout.prune(&[]).unwrap();
        }
    });
    for image in fixture.layout.images().unwrap() {
        fixture.layout.verify(&image.digest).unwrap();
    }
}
