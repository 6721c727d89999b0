//! One error type for everything the world can get wrong: files, options, adapters, drivers, memory.
//!
//! Misuse of shapes or dtypes by the calling program is a bug and panics at the caller's line instead.

use std::path::{Path, PathBuf};

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },

    /// A data file is not what its format says it should be.
    #[error("{}: {detail}", path.display())]
    Data { path: PathBuf, detail: String },

    /// An option, configuration value or argument cannot be used.
    #[error("{0}")]
    Invalid(String),

    /// A checkpoint is corrupt or belongs to another model.
    #[error("checkpoint {}: {detail}", path.display())]
    Checkpoint { path: PathBuf, detail: String },

    /// No GPU adapter (or none that matches) was found.
    #[error("{0}")]
    NoAdapter(String),

    /// A GPU allocation did not fit.
    #[error("{0}")]
    OutOfMemory(String),

    /// The GPU device went away while in use.
    #[error("the GPU device was lost: {0}. Saved checkpoints are intact; resume with --resume")]
    DeviceLost(String),

    /// The driver or wgpu refused something.
    #[error("{0}")]
    Gpu(String),

    /// A download failed.
    #[error("{0}")]
    Network(String),
}

impl Error {
    /// An I/O error with the action ("read", "create", ...) and the path it happened at.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Error {
        Error::Io { action, path: path.as_ref().to_path_buf(), source }
    }

    /// A malformed data file.
    pub fn data(path: impl AsRef<Path>, detail: impl Into<String>) -> Error {
        Error::Data { path: path.as_ref().to_path_buf(), detail: detail.into() }
    }

    /// A corrupt or unfitting checkpoint.
    pub fn checkpoint(path: impl AsRef<Path>, detail: impl Into<String>) -> Error {
        Error::Checkpoint { path: path.as_ref().to_path_buf(), detail: detail.into() }
    }
}
