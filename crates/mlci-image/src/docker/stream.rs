//! What is made on a thread and sent while it is made.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream};
use tokio::{
    sync::mpsc,
    task::{self, JoinHandle},
};

/// Bytes in a chunk. With the queue and what is on its way, less than 2 MiB at once.
const CHUNK: usize = 256 * 1024;
const QUEUE: usize = 4;

/// Sends what is written as a stream of chunks.
pub(super) struct Sender {
    chunk: BytesMut,
    queue: mpsc::Sender<io::Result<Bytes>>,
}

impl Sender {
    fn send(&mut self) -> io::Result<()> {
        let chunk = self.chunk.split().freeze();
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the engine reads no further");
        if chunk.is_empty() { Ok(()) } else { self.queue.blocking_send(Ok(chunk)).map_err(gone) }
    }
}

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// The stream of what `make` writes, and its outcome. If it fails, the stream ends with an error, so that the request
/// that carries it is broken off and not taken for whole.
pub(super) fn streamed<E: From<io::Error> + Send + 'static>(
    make: impl FnOnce(&mut Sender) -> Result<(), E> + Send + 'static,
) -> (impl Stream<Item = io::Result<Bytes>> + Send + 'static, JoinHandle<Result<(), E>>) {
    let (queue, mut receiver) = mpsc::channel(QUEUE);
    let maker = task::spawn_blocking(move || {
        let mut sender = Sender { chunk: BytesMut::new(), queue };
        let made = make(&mut sender).and_then(|()| sender.flush().map_err(E::from));
        if made.is_err() {
            // The engine may be gone already.
            let _ = sender.queue.blocking_send(Err(io::Error::other("what is sent could not be read")));
        }
        made
    });
    (stream::poll_fn(move |context| receiver.poll_recv(context)), maker)
}
