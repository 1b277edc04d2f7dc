use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{Result, elf};

/// What an image is made of.
#[derive(Debug, Clone)]
pub struct ImageSpec {
    /// The server: a static ELF binary for Linux (see [`ServerCheck`]), which becomes `/mlci-serve`.
    pub server: PathBuf,
    /// The model, which becomes `/model/model.mlci`. Its content is not looked at.
    pub model: PathBuf,
    /// The rest.
    pub settings: Settings,
}

impl ImageSpec {
    /// This server and this model with the default settings.
    pub fn new(server: impl Into<PathBuf>, model: impl Into<PathBuf>) -> Self {
        Self { server: server.into(), model: model.into(), settings: Settings::default() }
    }
}

/// What of an image is neither server nor model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The processor that the server is built for; [`Architecture::Amd64`] by default. The system is always Linux.
    pub architecture: Architecture,
    /// The TCP port that the server listens on (`MLCI_LISTEN=0.0.0.0:PORT`); 8080 by default, 1 to 65535.
    pub port: u16,
    /// How the server is checked before it goes into an image. Not part of the image.
    pub check: ServerCheck,
}

impl Default for Settings {
    fn default() -> Self {
        Self { architecture: Architecture::Amd64, port: 8080, check: ServerCheck::Static }
    }
}

/// How the server is checked before it goes into an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerCheck {
    /// It must be an ELF executable for the architecture, and statically linked: an image holds no loader and no
    /// shared libraries.
    #[default]
    Static,
    /// It may be any file. Unless it is a static executable after all, no container can run such an image; the files in
    /// it can be unpacked and run on a host that has what they need.
    Skip,
}

/// A processor, as Go's `GOARCH` names it (OCI Image Format Specification 1.1, "Image Configuration").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Architecture {
    /// 64-bit x86 (`x86_64` in Rust's target names).
    Amd64,
    /// 64-bit Arm (`aarch64` in Rust's target names).
    Arm64,
}

impl Architecture {
    /// Every architecture that images are built for.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// The name, as in an image's configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The name in Rust's target triples.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// The architecture of a static server binary, by its ELF header.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) and [`Error::NotAFile`](crate::Error::NotAFile) if it cannot be read;
    /// [`Error::Server`](crate::Error::Server) if it is no static ELF executable for one of [`Architecture::ALL`].
    pub fn of_static(server: &Path) -> Result<Self> {
        elf::static_architecture(server)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
