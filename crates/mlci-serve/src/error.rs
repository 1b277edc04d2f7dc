use std::{io, net::SocketAddr, path::PathBuf};

use mlci_core::FileError;
use mlci_model::{ModelFileError, ModelName};

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The model file cannot be used.
    #[error("cannot load the model `{}`", path.display())]
    Load {
        /// The model file.
        path: PathBuf,
        /// Why.
        source: ModelFileError,
    },
    /// The bytes are no usable model file.
    #[error("cannot load the model from memory")]
    Bytes(#[source] ModelFileError),
    /// The model is of ONNX, and this server cannot run it.
    #[error(
        "the model `{0}` is of ONNX, and this server was built without that: build it with `cargo build --release \
         --package mlci-serve --bin mlci-serve --features onnx` (as a dependency, give `mlci-serve` the feature `onnx`)"
    )]
    NeedsOnnx(ModelName),
    /// The version cannot stand in a header or a path.
    #[error("`{0}` cannot be a model version: use 1 to 128 letters, digits and `._+-:@`")]
    Version(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: stop what uses it, or choose another address (port 0 takes any free port)")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The control socket cannot be made.
    #[error("cannot make the control socket `{}`", path.display())]
    Control {
        /// The socket's path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file that says that the server is ready cannot be written.
    #[error(transparent)]
    ReadyFile(#[from] FileError),
}
