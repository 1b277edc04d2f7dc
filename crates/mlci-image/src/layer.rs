//! A layer: one file in a tar archive, compressed.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read},
    path::Path,
};

use flate2::read::GzDecoder;
use mlci_core::Digest;
use tar::{EntryType, Header};

use crate::{
    Error, Result,
    document::{Annotations, Descriptor, FORMAT, FORMAT_KEY, LAYER, TAR_BYTES},
    gzip::GzipWriter,
    tally::Tally,
};

/// What a ustar header can say of a file's length: 11 octal digits.
const FILE_LIMIT: u64 = (1 << 33) - 1;
/// The longest archive of one file: at most four blocks of 512 bytes beside it, and the padding.
const TAR_LIMIT: u64 = FILE_LIMIT + 5 * 512;
const BLOCK: usize = 64 * 1024;

/// The two things an image holds, each in a layer of its own: the server first, since it changes less often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Server,
    Model,
}

/// An entry of a layer's archive: its name, type and mode.
type TarEntry = (&'static str, EntryType, u32);

impl Content {
    pub(crate) const ALL: [Self; 2] = [Self::Server, Self::Model];

    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Model => "model",
        }
    }

    /// The label and annotation that carries the digest of the file.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Server => "mlci.server.digest",
            Self::Model => "mlci.model.digest",
        }
    }

    /// Where the file is, from the root of the image.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Server => "mlci-serve",
            Self::Model => "model/model.mlci",
        }
    }

    pub(crate) const fn mode(self) -> u32 {
        match self {
            Self::Server => 0o755,
            Self::Model => 0o644,
        }
    }

    /// The entries of the archive in their order. The file is the last.
    const fn entries(self) -> &'static [TarEntry] {
        const SERVER: &[TarEntry] = &[(Content::Server.path(), EntryType::Regular, Content::Server.mode())];
        const MODEL: &[TarEntry] = &[
            ("model/", EntryType::Directory, 0o755),
            (Content::Model.path(), EntryType::Regular, Content::Model.mode()),
        ];
        match self {
            Self::Server => SERVER,
            Self::Model => MODEL,
        }
    }
}

/// A file that goes into an image.
pub(crate) struct Input<'a> {
    pub(crate) content: Content,
    pub(crate) path: &'a Path,
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
}

impl<'a> Input<'a> {
    /// Reads the file once for its digest.
    pub(crate) fn read(content: Content, path: &'a Path) -> Result<Self> {
        let what = content.what();
        let failed = |source| Error::Input { what, path: path.to_owned(), source };
        let (file, bytes) = open_input(content, path)?;
        if bytes > FILE_LIMIT {
            return Err(Error::TooLarge { what, path: path.to_owned(), bytes });
        }
        let mut file = Tally::new(BufReader::with_capacity(BLOCK, file.take(FILE_LIMIT)));
        io::copy(&mut file, &mut io::sink()).map_err(failed)?;
        let (digest, bytes) = file.finish();
        Ok(Self { content, path, digest, bytes })
    }
}

pub(crate) fn open_input(content: Content, path: &Path) -> Result<(File, u64)> {
    let failed = |source| Error::Input { what: content.what(), path: path.to_owned(), source };
    // Before it is opened: opening a pipe would wait for a writer.
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::NotAFile { what: content.what(), path: path.to_owned() });
    }
    Ok((File::open(path).map_err(failed)?, metadata.len()))
}

/// A layer as a manifest and a configuration describe it.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) descriptor: Descriptor,
    /// The digest of the archive.
    pub(crate) diff_id: Digest,
}

/// Writes the layer of `input` to `file`, whose path is `target`.
pub(crate) fn pack(input: &Input<'_>, file: &File, target: &Path) -> Result<Packed> {
    let what = input.content.what();
    let (source, _) = open_input(input.content, input.path)?;
    let mut source = Tally::new(source.take(input.bytes));
    let packed = (|| {
        let gzip = GzipWriter::new(Tally::new(BufWriter::with_capacity(BLOCK, file)))?;
        let mut archive = tar::Builder::new(Tally::new(gzip));
        for &entry in input.content.entries() {
            let (_, kind, _) = entry;
            if kind.is_file() {
                archive.append(&header(entry, input.bytes)?, &mut source)?;
            } else {
                archive.append(&header(entry, 0)?, io::empty())?;
            }
        }
        let (gzip, diff_id, tar_bytes) = archive.into_inner()?.into_parts();
        let (buffer, digest, size) = gzip.finish()?.into_parts();
        buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
        let annotations = Annotations::from([
            (FORMAT_KEY.to_owned(), FORMAT.to_owned()),
            (TAR_BYTES.to_owned(), tar_bytes.to_string()),
            (input.content.key().to_owned(), input.digest.to_string()),
        ]);
        Ok(Packed { descriptor: Descriptor { media_type: LAYER.to_owned(), digest, size, annotations }, diff_id })
    })();
    if source.failed() {
        let source = packed.err().unwrap_or_else(|| io::ErrorKind::Other.into());
        return Err(Error::Input { what, path: input.path.to_owned(), source });
    }
    let packed = packed.map_err(Error::storage("write", target))?;
    // Also when the file became shorter: the archive is wrong then.
    if source.finish() != (input.digest, input.bytes) {
        return Err(Error::Changed { what, path: input.path.to_owned() });
    }
    Ok(packed)
}

/// The header of an entry: owner 0, time 0, no names of users; nothing of the machine it is made on.
fn header((name, kind, mode): TarEntry, bytes: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes);
    header.set_cksum();
    Ok(header)
}

/// What a layer has to be when it is read.
pub(crate) struct Expected<'a> {
    pub(crate) content: Content,
    pub(crate) packed: &'a Packed,
    /// The digest of the file in it.
    pub(crate) file: Digest,
}

/// Reads the layer in the blob at `path`, whose digest has been checked, and hands the file's bytes to `sink`.
///
/// Names in the archive are compared with the known ones and never used, so no entry can leave a folder. At most as
/// many bytes are decompressed as the manifest says.
pub(crate) fn read(expected: &Expected<'_>, path: &Path, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let foreign = |problem: String| Error::Foreign { path: path.to_owned(), problem };
    let unreadable = |error: io::Error| foreign(format!("cannot be read as a compressed tar archive ({error})"));

    let limit = tar_bytes(&expected.packed.descriptor)
        .ok_or_else(|| foreign(format!("has no annotation `{TAR_BYTES}` with a length up to {TAR_LIMIT}")))?;
    let blob = BufReader::with_capacity(BLOCK, File::open(path).map_err(Error::storage("open", path))?);
    let mut archive = tar::Archive::new(Tally::new(GzDecoder::new(blob).take(limit)));
    let mut known = expected.content.entries().iter();
    let mut file_digest = None;
    // Raw: the extension headers, which can say anything of the next entry, come as entries and are refused as such.
    for entry in archive.entries().map_err(unreadable)?.raw(true) {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).escape_debug().to_string();
        let &(known_name, kind, _) = known.next().ok_or_else(|| foreign(format!("holds a further entry `{name}`")))?;
        if *entry.path_bytes() != *known_name.as_bytes() {
            return Err(foreign(format!("holds the entry `{name}` in place of `{known_name}`")));
        }
        if entry.header().entry_type() != kind {
            let found = entry.header().entry_type();
            return Err(foreign(format!("holds the entry `{name}` as {found:?} and not as {kind:?}")));
        }
        let bytes = entry.size();
        if bytes > limit || (kind.is_dir() && bytes > 0) {
            return Err(foreign(format!("holds the entry `{name}` of {bytes} bytes in an archive of {limit}")));
        }
        if kind.is_file() {
            let mut file = Tally::new(&mut entry);
            let mut block = vec![0; BLOCK];
            loop {
                let count = match file.read(&mut block) {
                    Ok(0) => break,
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(unreadable(error)),
                };
                sink(block.get(..count).unwrap_or_default())?;
            }
            file_digest = Some(file.finish().0);
        }
    }
    if let Some((missing, ..)) = known.next() {
        return Err(foreign(format!("holds no entry `{missing}`")));
    }
    // What is behind the archive's end counts for the digest; more than the limit makes it differ.
    let mut archive = archive.into_inner();
    io::copy(&mut archive, &mut io::sink()).map_err(unreadable)?;
    let (decoder, diff_id, bytes) = archive.into_parts();
    // An error here would be in what follows the archive, or in the trailer.
    if bytes != limit || decoder.into_inner().read(&mut [0]).map_err(unreadable)? > 0 {
        return Err(foreign(format!("does not decompress to the {limit} bytes that the manifest says")));
    }
    if diff_id != expected.packed.diff_id {
        return Err(foreign(format!("holds the archive {diff_id} in place of {}", expected.packed.diff_id)));
    }
    if file_digest != Some(expected.file) {
        let what = expected.content.what();
        return Err(foreign(format!("holds another {what} than the {} of the image's label", expected.file)));
    }
    Ok(())
}

/// The length of a layer's archive by its descriptor, if there is one and it is believable.
pub(crate) fn tar_bytes(descriptor: &Descriptor) -> Option<u64> {
    let bytes = descriptor.annotations.get(TAR_BYTES)?.parse().ok()?;
    (bytes <= TAR_LIMIT).then_some(bytes)
}
