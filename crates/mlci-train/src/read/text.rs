use std::io::{self, Read};

use mlci_core::{Digest, DigestBuilder};

use super::source::NoText;

const BYTE_ORDER_MARK: [u8; 3] = *b"\xef\xbb\xbf";

/// Takes a byte order mark off the beginning and turns `\r\n` and `\r` into `\n`, however the bytes are split over
/// reads.
///
/// The csv crate misses a byte order mark that arrives in pieces, and counts lines by `\n` after it has ended a record
/// at `\r`, so that its line numbers would be wrong for files with `\r\n`.
pub(super) struct Text<R> {
    inner: R,
    beginning: Beginning,
    after_return: bool,
}

enum Beginning {
    Unread,
    /// Bytes read in search of the mark, and which of them are still to be handed out.
    Held([u8; 4], std::ops::Range<usize>),
    Done,
}

impl<R: Read> Text<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, beginning: Beginning::Unread, after_return: false }
    }

    fn begin(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4];
        let mut count = 0;
        while let Some(room @ [_, ..]) = bytes.get_mut(count..) {
            match self.inner.read(room) {
                Ok(0) => break,
                Ok(read) => count += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let first = bytes.get(..count).unwrap_or_default();
        if let Some(encoding) = other_encoding(first) {
            return Err(NoText::Other(encoding).error());
        }
        let held = if first.starts_with(&BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len()..count } else { 0..count };
        self.beginning = Beginning::Held(bytes, held);
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if matches!(self.beginning, Beginning::Unread) {
            self.begin()?;
        }
        if let Beginning::Held(bytes, range) = &mut self.beginning {
            let held = bytes.get(range.clone()).unwrap_or_default();
            if !held.is_empty() {
                let count = Read::read(&mut &*held, buffer)?;
                range.start += count;
                return Ok(count);
            }
            self.beginning = Beginning::Done;
        }
        self.inner.read(buffer)
    }

    /// Unites line ends in place and says how many bytes remain.
    fn unite(&mut self, chunk: &mut [u8]) -> usize {
        if !self.after_return && memchr::memchr(b'\r', chunk).is_none() {
            return chunk.len();
        }
        let mut kept = 0;
        for index in 0..chunk.len() {
            let byte = chunk[index];
            let second_half = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            if !second_half {
                chunk[kept] = if byte == b'\r' { b'\n' } else { byte };
                kept += 1;
            }
        }
        kept
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let read = self.fill(buffer)?;
            let chunk = buffer.get_mut(..read).unwrap_or_default();
            let kept = self.unite(chunk);
            // Nothing may remain of a chunk that was the second half of a line end; nothing was read at the end only.
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

/// The encoding that the first four bytes show, where it is not UTF-8 or one of its like. CSV begins with the name of a
/// column, so that a zero byte is the half of a character.
fn other_encoding(first: &[u8]) -> Option<&'static str> {
    match first {
        [0xff, 0xfe, 0, 0] | [_, 0, 0, 0] | [0, 0, 0xfe, 0xff] | [0, 0, 0, _] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// Digests what is read through it.
pub(super) struct Hashing<R> {
    inner: R,
    digest: DigestBuilder,
}

impl<R> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, digest: Digest::builder() }
    }

    pub(super) fn finish(self) -> Digest {
        self.digest.finish()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.stream(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte a read.
    struct Drop<'a>(&'a [u8]);

    impl Read for Drop<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(1);
            self.0.read(&mut buffer[..count])
        }
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &[u8]) {
        let mut whole = Vec::new();
        let mut text = Text::new(bytes);
        text.read_to_end(&mut whole).unwrap();
        assert_eq!(whole, expected);
        let mut drops = Vec::new();
        Text::new(Drop(bytes)).read_to_end(&mut drops).unwrap();
        assert_eq!(drops, expected, "one byte a read");
    }

    #[test]
    fn the_mark_goes_and_nothing_else() {
        check(b"\xef\xbb\xbfa", b"a");
        check(b"\xef\xbb\xbf", b"");
        check(b"\xef\xbb\xbf\xef\xbb\xbfa", b"\xef\xbb\xbfa");
        for other in ["", "a", "ab", "abc", "abcd"] {
            check(other.as_bytes(), other.as_bytes());
        }
        check(b"\xef\xbb", b"\xef\xbb");
        check(b"\xef\xbba", b"\xef\xbba");
    }

    #[test]
    fn line_ends_become_one() {
        check(b"a\r\nb\r\n", b"a\nb\n");
        check(b"a\rb\r", b"a\nb\n");
        check(b"\r\n\n\r\r\n", b"\n\n\n\n");
        check(b"\xef\xbb\xbf\r\n", b"\n");
    }

    #[test]
    fn the_digest_is_that_of_the_bytes_as_they_came() {
        let bytes = b"\xef\xbb\xbfa\r\n";
        let mut text = Text::new(Hashing::new(&bytes[..]));
        text.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(text.inner.finish(), Digest::of(bytes));
    }
}
