use std::io::{self, Read, Write};

use mlci_core::{Digest, DigestBuilder};

/// Digests and counts what is read or written through it.
pub(crate) struct Tally<T> {
    inner: T,
    digest: DigestBuilder,
    bytes: u64,
    failed: bool,
}

impl<T> Tally<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, digest: Digest::builder(), bytes: 0, failed: false }
    }

    /// Whether the inner reader failed: a copy's error does not say which side it is from.
    pub(crate) const fn failed(&self) -> bool {
        self.failed
    }

    pub(crate) fn into_parts(self) -> (T, Digest, u64) {
        (self.inner, self.digest.finish(), self.bytes)
    }

    pub(crate) fn finish(self) -> (Digest, u64) {
        (self.digest.finish(), self.bytes)
    }

    /// Counts bytes that go another way.
    #[cfg(feature = "registry")]
    pub(crate) fn count(&mut self, bytes: &[u8]) {
        self.add(bytes);
    }

    #[cfg(feature = "registry")]
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn add(&mut self, bytes: &[u8]) {
        self.digest.stream(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<T: Read> Read for Tally<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.add(buffer.get(..count).unwrap_or_default());
                Ok(count)
            }
            Err(error) => {
                self.failed |= error.kind() != io::ErrorKind::Interrupted;
                Err(error)
            }
        }
    }
}

impl<T: Write> Write for Tally<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.add(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
