//! From the bytes of a file to those of its text: compression by its magic numbers, and what is no CSV at all.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder, errors};

/// How data is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// RFC 1952; several members one after the other are one text.
    Gzip,
    /// RFC 8878; likewise several frames.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Why bytes do not become text. It travels as the inside of an [`io::Error`].
#[derive(Debug, thiserror::Error)]
pub(super) enum NoText {
    #[error("{0} data is damaged or cut off: {1}")]
    Damaged(Compression, String),
    #[error("the data is {0}")]
    Other(&'static str),
    #[error("the row on line {0} is too long")]
    LongRow(u64),
}

impl NoText {
    pub(super) fn error(self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, self)
    }
}

/// What the magic number at the beginning of a file says, where it cannot be CSV.
const OTHERS: [(&[u8], &str); 9] = [
    (b"PAR1", "Parquet"),
    (b"PK\x03\x04", "a zip archive, or an .xlsx file"),
    (b"\xd0\xcf\x11\xe0", "an .xls file"),
    (b"BZh", "compressed by bzip2"),
    (b"\xfd7zXZ", "compressed by xz"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"SQLite", "a SQLite database"),
    (b"ARROW1", "an Arrow file"),
    (b"\x89HDF", "an HDF5 file"),
];

/// Opens what is compressed; what is no text is refused.
pub(super) fn open<'r>(reader: impl Read + Send + 'r) -> io::Result<Box<dyn Read + Send + 'r>> {
    let (magic, reader) = peek::<6, _>(reader)?;
    let broken = Arc::new(AtomicBool::new(false));
    let reader = Watched { inner: reader, broken: Arc::clone(&broken) };
    let unpacked = |format, inner| Ok(Box::new(Unpacked { inner, format, broken }) as Box<dyn Read + Send + 'r>);
    match magic.as_slice() {
        [0x1f, 0x8b, ..] => {
            unpacked(Compression::Gzip, Box::new(MultiGzDecoder::new(reader)) as Box<dyn Read + Send + 'r>)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            let frames = Frames { source: BufReader::new(reader), decoder: FrameDecoder::new(), inside: false };
            unpacked(Compression::Zstd, Box::new(frames) as Box<dyn Read + Send + 'r>)
        }
        other => match OTHERS.iter().find(|(magic, _)| other.starts_with(magic)) {
            Some((_, what)) => Err(NoText::Other(what).error()),
            None => Ok(Box::new(reader)),
        },
    }
}

/// The first bytes, at most `N`, and a reader of all.
pub(super) fn peek<const N: usize, R: Read>(mut reader: R) -> io::Result<(Vec<u8>, impl Read + use<R, N>)> {
    let mut first = Vec::with_capacity(N);
    reader.by_ref().take(N as u64).read_to_end(&mut first)?;
    let all = io::Cursor::new(first.clone()).chain(reader);
    Ok((first, all))
}

/// Remembers whether it was the reader that failed, and not what reads from it.
struct Watched<R> {
    inner: R,
    broken: Arc<AtomicBool>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|error| {
            self.broken.store(error.kind() != io::ErrorKind::Interrupted, Ordering::Relaxed);
        })
    }
}

/// Says of a decoder's errors which format is damaged.
struct Unpacked<'r> {
    inner: Box<dyn Read + Send + 'r>,
    format: Compression,
    broken: Arc<AtomicBool>,
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted || self.broken.load(Ordering::Relaxed) {
                error
            } else {
                NoText::Damaged(self.format, error.to_string()).error()
            }
        })
    }
}

/// The frames of zstd data, one after the other; ruzstd's own reader takes a single one, and compares no checksum.
///
/// Memory: the window that a frame asks for, of at most 128 MiB (as the command zstd has it by default), and a block.
struct Frames<R> {
    source: BufReader<R>,
    decoder: FrameDecoder,
    inside: bool,
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.inside {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.inside = self.begin()?;
                continue;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder
                    .decode_blocks(&mut self.source, one)
                    .map_err(|error| io::Error::other(error.to_string()))?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let stated = self.decoder.get_checksum_from_data();
            if stated.is_some() && stated != self.decoder.get_calculated_checksum() {
                return Err(io::Error::other("the checksum is another one"));
            }
            self.inside = false;
        }
    }
}

impl<R: Read> Frames<R> {
    /// Reads the head of a frame; `false`: it is one to be skipped, and has been.
    fn begin(&mut self) -> io::Result<bool> {
        let skipped = match self.decoder.reset(&mut self.source) {
            Ok(()) => return Ok(true),
            Err(errors::FrameDecoderError::ReadFrameHeaderError(errors::ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => u64::from(length),
            Err(error) => return Err(io::Error::other(error.to_string())),
        };
        let found = io::copy(&mut self.source.by_ref().take(skipped), &mut io::sink())?;
        if found == skipped { Ok(false) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}
