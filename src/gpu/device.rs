//! An open device.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::adapter::{self, AdapterChoice, AdapterSummary};
use super::pipeline::{Pipeline, PipelineSpec};
use super::profile::DeviceProfile;
use crate::{Error, Result};

/// An open device. Cloning copies the handle.
#[derive(Clone)]
pub struct Gpu(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub summary: AdapterSummary,
    pub pipelines: Mutex<HashMap<PipelineSpec, Pipeline>>,
    /// Read-back buffers not in use.
    pub staging: Mutex<Vec<wgpu::Buffer>>,
    pub failure: Arc<Mutex<Option<Error>>>,
    pub counters: AtomicCounters,
}

#[derive(Default)]
pub(super) struct AtomicCounters {
    pub buffers: AtomicU64,
    pub buffer_bytes: AtomicU64,
    pub bind_groups: AtomicU64,
    pub pipelines: AtomicU64,
    pub submissions: AtomicU64,
}

/// How often things have been made on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// Buffers created.
    pub buffers: u64,
    /// Bytes in buffers now alive.
    pub buffer_bytes: u64,
    pub bind_groups: u64,
    pub pipelines: u64,
    pub submissions: u64,
}

impl Gpu {
    /// Opens an adapter with all it offers.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none (or none of that name), [`Error::Gpu`] if the driver refuses.
    pub fn open(choice: &AdapterChoice) -> Result<Gpu> {
        let instance = adapter::instance();
        let adapter = adapter::choose(adapter::enumerate(&instance), choice)?;
        let summary = adapter::summary(&adapter);
        let wanted = adapter::FEATURES.iter().fold(wgpu::Features::empty(), |all, (f, _)| all | *f);
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("luthier"),
            required_features: wanted & adapter.features(),
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        }))
        .map_err(|e| {
            Error::Gpu(format!("{} did not open: {e}. Is its driver up to date?", summary.line()))
        })?;
        let failure: Arc<Mutex<Option<Error>>> = Arc::default();
        let slot = failure.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            let error = match e {
                wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory(
                    "the GPU is out of memory: use a smaller batch (--batch-size) or model, or close other programs"
                        .into(),
                ),
                other => Error::Gpu(format!("the GPU driver refused a command: {other}")),
            };
            slot.lock().expect("no panic while held").get_or_insert(error);
        }));
        let slot = failure.clone();
        device.set_device_lost_callback(move |reason, message| {
            if !matches!(reason, wgpu::DeviceLostReason::Destroyed) {
                // Being lost explains any other failure, so it replaces it.
                *slot.lock().expect("no panic while held") = Some(Error::DeviceLost(message));
            }
        });
        Ok(Gpu(Arc::new(Inner {
            device,
            queue,
            summary,
            pipelines: Mutex::default(),
            staging: Mutex::default(),
            failure,
            counters: AtomicCounters::default(),
        })))
    }

    /// Name, driver and features of the adapter.
    pub fn summary(&self) -> &AdapterSummary {
        &self.0.summary
    }

    /// What kernels may know of the device.
    pub fn profile(&self) -> &DeviceProfile {
        &self.0.summary.profile
    }

    /// What has been made so far.
    pub fn counters(&self) -> Counters {
        let c = &self.0.counters;
        let get = |v: &AtomicU64| v.load(Ordering::Relaxed);
        Counters {
            buffers: get(&c.buffers),
            buffer_bytes: get(&c.buffer_bytes),
            bind_groups: get(&c.bind_groups),
            pipelines: get(&c.pipelines),
            submissions: get(&c.submissions),
        }
    }

    /// The first failure the driver has reported since the last check.
    ///
    /// # Errors
    /// That failure.
    pub fn check(&self) -> Result<()> {
        match self.0.failure.lock().expect("no panic while held").take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({})", self.0.summary.line())
    }
}
