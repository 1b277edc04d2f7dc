use std::{
    io,
    path::{Path, PathBuf},
};

use mlci_core::Digest;

use crate::spec::Architecture;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an image could not be built, found or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server or the model cannot be read.
    #[error("cannot read the {what} `{}`: name an existing file that this user may read", path.display())]
    Input {
        /// `server` or `model`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server or the model is a folder, a pipe or a device.
    #[error("the {what} `{}` is not a regular file: name the file itself", path.display())]
    NotAFile {
        /// `server` or `model`.
        what: &'static str,
        /// What was named.
        path: PathBuf,
    },
    /// The server or the model does not fit into a layer.
    #[error("the {what} `{}` has {bytes} bytes: a layer holds a file of less than 8 GiB", path.display())]
    TooLarge {
        /// `server` or `model`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// The server or the model was written to while it was read.
    #[error("the {what} `{}` changed while it was read: build again when nothing writes to it", path.display())]
    Changed {
        /// `server` or `model`.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The server cannot run in an image.
    #[error("the server `{}` cannot run in an image", path.display())]
    Server {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        source: ServerProblem,
    },
    /// Port 0 is no port that others could connect to.
    #[error("port 0 cannot be connected to: choose 1 to 65535, usually 8080")]
    Port,
    /// A reference does not have the form that the specification demands.
    #[error(
        "`{reference}` cannot name an image in a layout: use letters and digits, with single `-`, `.`, `_`, `:`, `@`, \
         `+`, `/` or `--` between them, at most 255 bytes"
    )]
    Reference {
        /// The reference.
        reference: String,
    },
    /// Where the layout should be is a file.
    #[error("`{}` is a file, not the folder of an OCI image layout: choose another path or remove the file", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Where the layout should be is a folder of something else.
    #[error("`{}` is no OCI image layout and holds `{found}`: choose an empty or a new folder", folder.display())]
    NotALayout {
        /// The folder.
        folder: PathBuf,
        /// The first other thing in it.
        found: String,
    },
    /// The layout has another version than 1.0.0.
    #[error(
        "the OCI image layout `{}` has version `{version}`, and only 1.0.0 is known here: use a newer mlci or another folder",
        folder.display()
    )]
    LayoutVersion {
        /// The folder.
        folder: PathBuf,
        /// Its version.
        version: String,
    },
    /// `oci-layout` or `index.json` is missing or damaged.
    #[error(
        "`{}` {problem}, so the images beside it cannot be found: restore the file, or remove the whole folder and build \
         again, which gives the same images",
        path.display()
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
        /// Why it could not be read, if it is there.
        source: Option<serde_json::Error>,
    },
    /// Something in the layout, or in the folder to unpack into, could not be read or written.
    #[error("cannot {action} `{}`{}", path.display(), fix(source))]
    Storage {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The layout has no image with this digest that mlci made.
    #[error("no image {digest} of mlci in `{}`: build it, or look at the images that are there", folder.display())]
    NoImage {
        /// The manifest's digest.
        digest: Digest,
        /// The layout.
        folder: PathBuf,
    },
    /// A blob is missing or is not what its digest says.
    #[error("the blob `{}` {problem}: build the image again, which repairs it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A blob is intact, and is not what an image of this version of mlci holds.
    #[error(
        "the blob `{}` {problem}, which this version of mlci does not put into an image: do not run this image unless you \
         know where it comes from",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is in it.
        problem: String,
    },
}

impl Error {
    pub(crate) fn storage(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Storage { action, path: path.to_owned(), source }
    }
}

fn fix(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ": make room on the disk, for example by removing images that are no longer needed"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ": choose a folder that this user may write to, or change its permissions"
        }
        io::ErrorKind::Unsupported => ": choose a folder on a local disk, which has file locks",
        _ => "",
    }
}

/// Why a server cannot run in an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerProblem {
    /// It has no ELF header of a 64-bit little-endian file.
    #[error("it is not a 64-bit Linux program (no such ELF header): build it for {}", targets())]
    NotElf,
    /// It is an ELF file of another kind, such as an object file.
    #[error("it is an ELF file, but not an executable (type {kind}): name the linked program")]
    NotExecutable {
        /// `e_type` of its header.
        kind: u16,
    },
    /// It ends before its program headers do.
    #[error("its ELF header points past its end: the file is damaged or cut short, build or copy it again")]
    Truncated,
    /// It is for a processor that images are not built for.
    #[error("it is for ELF machine {machine}: build it for {}", targets())]
    Machine {
        /// `e_machine` of its header.
        machine: u16,
    },
    /// It is for another processor than the image.
    #[error("it is built for {server} and the image is for {image}: change one of them")]
    Architecture {
        /// The server's.
        server: Architecture,
        /// The image's.
        image: Architecture,
    },
    /// It asks for a loader, which an image does not have.
    #[error(
        "it is dynamically linked (it asks for the loader `{interpreter}`) and an image holds no libraries: build it with \
         `--target {}-unknown-linux-gnu` and `-C target-feature=+crt-static` in RUSTFLAGS, or for a musl target",
        architecture.target()
    )]
    Dynamic {
        /// The loader.
        interpreter: String,
        /// What the server is built for.
        architecture: Architecture,
    },
}

fn targets() -> String {
    Architecture::ALL.map(|architecture| format!("{}-unknown-linux-gnu", architecture.target())).join(" or ")
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    /// A full or read-only disk cannot be had in every test environment, so this is as near as it gets.
    #[test]
    fn what_to_do_about_the_disk() {
        for (kind, words) in [
            (io::ErrorKind::StorageFull, "make room on the disk"),
            (io::ErrorKind::PermissionDenied, "choose a folder that this user may write to"),
            (io::ErrorKind::ReadOnlyFilesystem, "choose a folder that this user may write to"),
            (io::ErrorKind::Unsupported, "which has file locks"),
        ] {
            let error = Error::storage("write", Path::new("images/index.json"))(kind.into());
            let text = error.to_string();
            assert!(text.starts_with("cannot write `images/index.json`: ") && text.contains(words), "{text}");
            // The cause is the source's to tell.
            assert!(!text.contains(&error.source().unwrap().to_string()), "{text}");
        }
        let other = Error::storage("read", Path::new("images"))(io::ErrorKind::Other.into());
        assert_eq!(other.to_string(), "cannot read `images`");
    }
}
