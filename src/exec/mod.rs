//! From a traced graph to recorded steps: lower, plan, generate, bind, replay.

pub mod codegen;
pub mod program;
pub mod store;

pub use program::{Options, Prepared, Program};
pub use store::Store;
