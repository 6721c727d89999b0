//! Device memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::device::{Gpu, Inner};
use crate::{Error, Result};

/// A range of device memory for kernels to read and write. Freed when the last handle is dropped.
#[derive(Clone)]
pub struct Buffer(Arc<Owned>);

struct Owned {
    raw: wgpu::Buffer,
    bytes: u64,
    gpu: Arc<Inner>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.gpu.counters.buffer_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Buffer {
    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    pub(super) fn raw(&self) -> &wgpu::Buffer {
        &self.0.raw
    }

    /// Whether two handles mean the same memory.
    pub fn same(&self, other: &Buffer) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Gpu {
    /// Allocates zeroed memory.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the device cannot give that much.
    pub fn alloc(&self, label: &str, bytes: usize) -> Result<Buffer> {
        let bytes = (bytes as u64).max(4).next_multiple_of(4);
        let most = self.summary().max_buffer_bytes.min(self.profile().max_binding_bytes);
        if bytes > most {
            return Err(Error::OutOfMemory(format!(
                "{label} needs {:.0} MiB in one buffer, but {} allows {:.0} MiB: use a smaller batch (--batch-size)",
                mib(bytes),
                self.summary().name,
                mib(most)
            )));
        }
        let raw = self.0.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.check().map_err(|e| match e {
            Error::OutOfMemory(_) => Error::OutOfMemory(format!(
                "{} could not allocate {:.0} MiB for {label} (already in use here: {:.0} MiB): use a smaller batch \
                 (--batch-size) or model, or close other programs",
                self.summary().name,
                mib(bytes),
                mib(self.counters().buffer_bytes),
            )),
            other => other,
        })?;
        self.0.counters.buffers.fetch_add(1, Ordering::Relaxed);
        self.0.counters.buffer_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(Buffer(Arc::new(Owned { raw, bytes, gpu: self.0.clone() })))
    }

    /// Writes bytes into a buffer, ordered before the next submission.
    ///
    /// # Panics
    /// If the range is not within the buffer or not a multiple of 4 bytes.
    pub fn write(&self, buffer: &Buffer, offset: u64, data: &[u8]) {
        assert!(offset + data.len() as u64 <= buffer.bytes(), "write past the end of a buffer");
        self.0.queue.write_buffer(buffer.raw(), offset, data);
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}
