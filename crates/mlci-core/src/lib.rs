//! Small types that the mlci crates share: digests, verdicts, names, and crash-safe file writes.
//!
//! ```
//! use mlci_core::{Digest, ModelName, Verdict};
//!
//! let digest = Digest::of(b"abc");
//! assert_eq!(digest.short(), "ba7816bf8f01");
//! assert_eq!(digest.to_string().parse::<Digest>()?, digest);
//!
//! // A list of checks passes only when every check that applies passed, and there was one.
//! assert_eq!(Verdict::all([Verdict::Pass, Verdict::NoData]), Verdict::NoData);
//!
//! assert!("Wine Quality".parse::<ModelName>().is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! With the feature `rendered` there is `RenderedFile`, a file that is made for a repository to check in, with its
//! comparison.

#[cfg(feature = "rendered")]
mod difference;
mod digest;
mod file;
mod name;
#[cfg(feature = "rendered")]
mod rendered;
mod verdict;

#[cfg(feature = "rendered")]
pub use crate::{difference::Difference, rendered::RenderedFile};
pub use crate::{
    digest::{Digest, DigestBuilder, ParseDigestError},
    file::{FileError, digest_file, open_file, remove, write_atomic},
    name::{Label, ModelName, NameError},
    verdict::Verdict,
};
