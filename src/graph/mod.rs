//! The traced step: a graph of tensors, and the passes over it. Knows nothing of the GPU.
//!
//! A user's closure runs once over [`Tensor`] handles and records nodes into a [`Graph`]. [`differentiate`] appends
//! the backward pass, [`simplify`] removes what nobody needs, [`fuse`] groups elementwise chains into single
//! kernels, [`plan`] decides which results share memory, and [`eval`] computes the same graph in f64 on the CPU, which
//! is the reference every kernel is tested against.

pub mod array;
pub mod builder;
pub mod differentiate;
pub mod eval;
pub mod fuse;
pub mod map;
pub mod op;
pub mod plan;
pub mod shape;
pub mod simplify;
pub mod var;

pub use array::Array;
pub use builder::{Graph, Node, NodeId, Tensor};
pub use op::{Kind, Op, Vjp};
pub use shape::{DType, Shape, Spec};
pub use var::{Home, Var, VarId};
