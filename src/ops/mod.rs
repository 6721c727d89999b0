//! The operations: one file each, holding its shape rule, gradient rule, f64 reference, kernels and test samples.
//!
//! To add an op:
//! - *elementwise*: a row in [`elementwise`];
//! - *made of others*: a function that records them;
//! - *with kernels of its own*: `shaders/foo.wgsl`, `src/ops/foo.rs`, and a line in [`registry`].
//!
//! The conformance tests and `luthier selftest` loop over the registry and the elementwise table.

pub mod kernel;
pub mod registry;

pub mod elementwise;
pub mod expand;
pub mod image_batch;
pub mod map;
pub mod rearrange;
pub mod reduce;
pub mod view;

pub use kernel::{Const, Kernel, Launch, LowerCx, Lowering, Operand, Sample, SampleInput, Shader};
