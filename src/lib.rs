//! Luthier: build and tune neural networks on any GPU that speaks Vulkan, Metal or DirectX 12.

pub mod error;

pub use error::{Error, Result};
