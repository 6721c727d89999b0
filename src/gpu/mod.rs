//! The device: adapter choice, buffers, pipelines, the queue. The only module that names `wgpu`.

pub mod adapter;
mod buffer;
mod device;
mod pipeline;
mod profile;
mod queue;
pub mod shader;

pub use adapter::{AdapterChoice, AdapterSummary, adapters};
pub use buffer::Buffer;
pub use device::{Counters, Gpu};
pub use pipeline::{Pipeline, PipelineSpec};
pub use profile::DeviceProfile;
pub use queue::{Binding, Dispatch, PendingRead, Recorder, Submission};
