use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use mlci_serve::control::Control;

use crate::support::{Client, Instance, wait_for};

/// Clients that send without a pause until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    /// The version that every request sent from now on has to be answered by; 0 where either may answer.
    expected: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let (stop, sent, expected) = (Arc::default(), Arc::default(), Arc::default());
        let mut load = Self { stop, sent, expected, threads: Vec::new() };
        for number in 0..8 {
            let (stop, sent, expected) = (load.stop.clone(), load.sent.clone(), load.expected.clone());
            let keep_alive = number % 2 == 0;
            load.threads.push(thread::spawn(move || {
                let mut client = Client::new(address);
                while !stop.load(Ordering::SeqCst) {
                    let wanted = expected.load(Ordering::SeqCst);
                    let reply = client.predict().unwrap_or_else(|error| panic!("client {number}: {error}"));
                    // Only where no swap began in between.
                    if wanted != 0 && expected.load(Ordering::SeqCst) == wanted {
                        assert_eq!(reply.version(), wanted.to_string());
                    }
                    sent.fetch_add(1, Ordering::SeqCst);
                    if !keep_alive {
                        client.disconnect();
                    }
                }
            }));
        }
        load
    }

    fn wait_for_more(&self) {
        let before = self.sent.load(Ordering::SeqCst);
        wait_for("more requests", || {
            // A client that failed has ended, and its message is what matters.
            let running = self.threads.iter().all(|thread| !thread.is_finished());
            (!running || self.sent.load(Ordering::SeqCst) >= before + 400).then_some(())
        });
    }

    fn finish(self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("a client lost a request");
        }
    }
}

/// Version after version on one port, under load: no request fails, and after each swap the new version answers all.
#[test]
fn swaps_under_load_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let instance =
        |version: usize| Instance::start(&folder.path().join(version.to_string()), &version.to_string(), &[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut old = instance(1);
    let address = Control::connect(&old.folder).unwrap().serve(&listener).unwrap();
    drop(listener);

    let load = Load::start(address);
    for version in 2..=6 {
        load.wait_for_more();
        let new = instance(version);
        assert_eq!(Client::new(new.address).predict().unwrap().version(), version.to_string());
        let (from, to) = (Control::connect(&old.folder).unwrap(), Control::connect(&new.folder).unwrap());
        load.expected.store(0, Ordering::SeqCst);
        assert_eq!(to.serve(&from.share().unwrap()).unwrap(), address);
        from.stop().unwrap();
        assert_eq!(old.wait().code(), Some(0), "{}", old.log());
        load.expected.store(version, Ordering::SeqCst);
        old = new;
    }
    load.wait_for_more();
    load.finish();
}
