use std::{
    fs,
    path::{Path, PathBuf},
};

use mlci_core::Digest;
use mlci_image::{Image, ImageSpec, Layout};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with a server, models and a layout.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) layout: Layout,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("server"), elf(EXEC, AMD64)).unwrap();
        let layout = Layout::open(&folder.path().join("images")).unwrap();
        Self { folder, layout }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server and a model with this content.
    pub(crate) fn spec(&self, model: &str) -> ImageSpec {
        let path = self.path(&Digest::of(model.as_bytes()).short());
        fs::write(&path, model).unwrap();
        ImageSpec::new(self.path("server"), path)
    }

    pub(crate) fn build(&self, model: &str) -> Image {
        self.layout.build(&self.spec(model)).unwrap()
    }

    pub(crate) fn index(&self) -> Value {
        json(&self.layout.folder().join("index.json"))
    }

    pub(crate) fn write_index(&self, index: &Value) {
        fs::write(self.layout.folder().join("index.json"), index.to_string()).unwrap();
    }

    pub(crate) fn document(&self, digest: &Digest) -> Value {
        json(&self.layout.blob(digest))
    }

    /// Adds a blob with this content.
    pub(crate) fn put(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        fs::write(self.layout.blob(&digest), bytes).unwrap();
        digest
    }

    pub(crate) fn blobs(&self) -> Vec<String> {
        names(&self.layout.folder().join("blobs/sha256"))
    }

    pub(crate) fn leave_temporary(&self, name: &str) {
        let folder = self.layout.folder().join(".mlci/tmp");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), "half").unwrap();
    }

    pub(crate) fn temporary(&self) -> Vec<String> {
        names(&self.layout.folder().join(".mlci/tmp"))
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Every message of an error and its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

pub(crate) const EXEC: u16 = 2;
pub(crate) const AMD64: u16 = 62;
pub(crate) const ARM64: u16 = 183;

/// The header of an ELF-64 file without program headers.
pub(crate) fn elf(kind: u16, machine: u16) -> Vec<u8> {
    elf_with(kind, machine, &[])
}

/// An ELF-64 file of a header, a program header of each of these types, and the name of a loader, at which they point.
pub(crate) fn elf_with(kind: u16, machine: u16, segments: &[u32]) -> Vec<u8> {
    const LOADER: &[u8] = b"/lib/ld.so\0";
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    bytes.resize(16, 0);
    bytes.extend(kind.to_le_bytes());
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    // Entry point, place of the program headers, place of the section headers.
    for place in [0_u64, 64, 0] {
        bytes.extend(place.to_le_bytes());
    }
    bytes.extend(0_u32.to_le_bytes());
    // Lengths and numbers: header, program header, program headers, section header, section headers, names.
    for number in [64, 56, u16::try_from(segments.len()).unwrap(), 0, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    let loader = 64 + 56 * segments.len() as u64;
    for segment in segments {
        bytes.extend(segment.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        // Offset, two addresses, length in the file, length in memory, alignment.
        for number in [loader, 0, 0, LOADER.len() as u64, 0, 1] {
            bytes.extend(number.to_le_bytes());
        }
    }
    if !segments.is_empty() {
        bytes.extend(LOADER);
    }
    bytes
}
