use std::{
    io::{self, Read},
    panic::resume_unwind,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread::{self, JoinHandle},
};

use mlci_core::{Digest, DigestBuilder};

/// Digests what is read through it.
///
/// Where that is much, a thread of its own does: whoever reads hands the data to others, who would wait for SHA-256.
pub(super) struct Hashing<R> {
    inner: R,
    read: usize,
    by: By,
}

enum By {
    Reader(DigestBuilder),
    Thread(Apart),
}

/// From so many bytes on there is a thread.
const MUCH: usize = 1 << 20;
/// How many blocks wait for it at most.
const BLOCKS: usize = 4;

/// A thread that digests the blocks that it is sent.
struct Apart {
    blocks: SyncSender<Vec<u8>>,
    /// Blocks that are done with, for their room.
    spare: Receiver<Vec<u8>>,
    thread: JoinHandle<DigestBuilder>,
}

impl<R> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, read: 0, by: By::Reader(Digest::builder()) }
    }

    pub(super) fn finish(self) -> Digest {
        match self.by {
            By::Reader(digest) => digest.finish(),
            By::Thread(Apart { blocks, thread, .. }) => {
                // Its end is that of the channel.
                drop(blocks);
                thread.join().unwrap_or_else(|panic| resume_unwind(panic)).finish()
            }
        }
    }
}

impl Apart {
    /// `None` where there is no thread to be had.
    fn start(mut digest: DigestBuilder) -> Option<Self> {
        let (blocks, to_digest) = sync_channel::<Vec<u8>>(BLOCKS);
        let (give_back, spare): (Sender<Vec<u8>>, _) = channel();
        let work = move || {
            for block in to_digest {
                digest.stream(&block);
                // Nobody takes it where reading has ended.
                let _ = give_back.send(block);
            }
            digest
        };
        let thread = thread::Builder::new().name("digest".to_owned()).spawn(work).ok()?;
        Some(Self { blocks, spare, thread })
    }

    fn stream(&self, bytes: &[u8]) {
        let mut block = self.spare.try_recv().unwrap_or_default();
        block.clear();
        block.extend_from_slice(bytes);
        // It takes blocks until it panics, which `finish` hands on.
        let _ = self.blocks.send(block);
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read = self.read.saturating_add(count);
        if self.read >= MUCH
            && let By::Reader(digest) = &self.by
            && let Some(apart) = Apart::start(digest.clone())
        {
            self.by = By::Thread(apart);
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        match &mut self.by {
            By::Reader(digest) => digest.stream(bytes),
            By::Thread(apart) => apart.stream(bytes),
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_bytes_however_many_and_however_read() {
        for length in [0, 1, MUCH - 1, MUCH, MUCH + 1, 5 * MUCH + 7] {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
            for size in [7919, 300_000, 8 * MUCH] {
                let mut hashing = Hashing::new(bytes.as_slice());
                let (mut buffer, mut seen) = (vec![0; size], Vec::new());
                loop {
                    let count = hashing.read(&mut buffer).unwrap();
                    if count == 0 {
                        break;
                    }
                    seen.extend_from_slice(&buffer[..count]);
                }
                assert_eq!((hashing.finish(), seen.len()), (Digest::of(&bytes), length), "{length} by {size}");
            }
        }
        // Of what was read, and nothing waits where reading ends early.
        let mut hashing = Hashing::new(io::repeat(7));
        hashing.read_exact(&mut vec![0; 3 * MUCH]).unwrap();
        assert_eq!(hashing.finish(), Digest::of(&vec![7; 3 * MUCH]));
        let mut dropped = Hashing::new(io::repeat(7));
        dropped.read_exact(&mut vec![0; 3 * MUCH]).unwrap();
        drop(dropped);
    }
}
