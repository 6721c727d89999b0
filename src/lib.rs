//! Luthier: build and tune neural networks on any GPU that speaks Vulkan, Metal or DirectX 12.

pub mod error;

pub mod gpu;
pub mod graph;
pub mod ops;

pub mod exec;

pub mod selftest;

pub use error::{Error, Result};
