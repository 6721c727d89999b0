//! Recording and submitting work, and reading results back.

use std::sync::atomic::Ordering;
use std::sync::mpsc;

use super::buffer::Buffer;
use super::device::Gpu;
use super::pipeline::Pipeline;
use crate::{Error, Result};

/// A range of a buffer as a kernel sees it.
#[derive(Clone)]
pub struct Binding {
    pub buffer: Buffer,
    /// In bytes, a multiple of 256.
    pub offset: u64,
    /// In bytes, a multiple of 4.
    pub bytes: u64,
}

/// A kernel with its buffers, ready to run any number of times.
pub struct Dispatch {
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    groups: [u32; 3],
}

impl Dispatch {
    /// Name of the kernel.
    pub fn label(&self) -> &str {
        self.pipeline.label()
    }

    /// Workgroups along x, y, z.
    pub fn groups(&self) -> [u32; 3] {
        self.groups
    }
}

/// What a submission is made of, in order.
pub struct Recorder {
    encoder: wgpu::CommandEncoder,
}

impl Recorder {
    /// Runs kernels one after the other; each sees what those before it wrote.
    pub fn run<'a>(&mut self, dispatches: impl IntoIterator<Item = &'a Dispatch>) {
        let mut pass = self.encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for dispatch in dispatches {
            pass.set_pipeline(&dispatch.pipeline.0.raw);
            pass.set_bind_group(0, &dispatch.bind_group, &[]);
            pass.dispatch_workgroups(dispatch.groups[0], dispatch.groups[1], dispatch.groups[2]);
        }
    }

    /// Copies bytes between two different buffers; offsets and size are multiples of 4.
    pub fn copy(&mut self, from: &Buffer, from_offset: u64, to: &Buffer, to_offset: u64, bytes: u64) {
        self.encoder.copy_buffer_to_buffer(from.raw(), from_offset, to.raw(), to_offset, bytes);
    }

    /// Sets a buffer to zero.
    pub fn clear(&mut self, buffer: &Buffer) {
        self.encoder.clear_buffer(buffer.raw(), 0, None);
    }
}

/// A point in the queue that can be waited for.
#[derive(Clone)]
pub struct Submission(wgpu::SubmissionIndex);

/// A read that has been queued and not yet taken.
pub struct PendingRead {
    gpu: Gpu,
    staging: wgpu::Buffer,
    ready: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Gpu {
    /// Binds buffers to a kernel, in binding order.
    pub fn dispatch(&self, pipeline: &Pipeline, bindings: &[Binding], groups: [u32; 3]) -> Dispatch {
        let entries: Vec<_> = bindings
            .iter()
            .enumerate()
            .map(|(i, b)| wgpu::BindGroupEntry {
                binding: i as u32,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: b.buffer.raw(),
                    offset: b.offset,
                    size: std::num::NonZeroU64::new(b.bytes),
                }),
            })
            .collect();
        let bind_group = self.0.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(pipeline.label()),
            layout: &pipeline.0.layout,
            entries: &entries,
        });
        self.0.counters.bind_groups.fetch_add(1, Ordering::Relaxed);
        Dispatch { pipeline: pipeline.clone(), bind_group, groups }
    }

    /// Records work and hands it to the device.
    ///
    /// # Errors
    /// What the driver reported, now or for earlier work.
    pub fn submit(&self, record: impl FnOnce(&mut Recorder)) -> Result<Submission> {
        let mut recorder = Recorder {
            encoder: self.0.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default()),
        };
        record(&mut recorder);
        let index = self.0.queue.submit([recorder.encoder.finish()]);
        self.0.counters.submissions.fetch_add(1, Ordering::Relaxed);
        self.check()?;
        Ok(Submission(index))
    }

    /// Waits until a submission is done.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], or what the driver reported.
    pub fn wait(&self, submission: &Submission) -> Result<()> {
        self.poll(wgpu::PollType::Wait { submission_index: Some(submission.0.clone()), timeout: None })
    }

    /// Waits until all submitted work is done.
    ///
    /// # Errors
    /// As [`Gpu::wait`].
    pub fn wait_idle(&self) -> Result<()> {
        self.poll(wgpu::PollType::wait_indefinitely())
    }

    fn poll(&self, kind: wgpu::PollType) -> Result<()> {
        let polled = self.0.device.poll(kind);
        self.check()?;
        polled.map(drop).map_err(|e| Error::DeviceLost(e.to_string()))
    }

    /// Queues a read of a range of a buffer after all submitted work, without waiting. The range's offset is a multiple
    /// of 4.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn read_later(&self, buffer: &Buffer, offset: u64, bytes: u64) -> Result<PendingRead> {
        let bytes = bytes.next_multiple_of(4);
        let staging = self.staging(bytes);
        let mut encoder = self.0.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer.raw(), offset, &staging, 0, bytes);
        self.0.queue.submit([encoder.finish()]);
        let (sender, ready) = mpsc::channel();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| drop(sender.send(result)));
        self.check()?;
        Ok(PendingRead { gpu: self.clone(), staging, ready })
    }

    /// A buffer to read back through, from those used before if one has this size.
    fn staging(&self, bytes: u64) -> wgpu::Buffer {
        let mut pool = self.0.staging.lock().expect("no panic while held");
        if let Some(at) = pool.iter().position(|buffer| buffer.size() == bytes) {
            return pool.swap_remove(at);
        }
        self.0.counters.buffers.fetch_add(1, Ordering::Relaxed);
        self.0.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read back"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// Reads a range of a buffer after all submitted work.
    ///
    /// # Errors
    /// As [`Gpu::wait`].
    pub fn read(&self, buffer: &Buffer, offset: u64, bytes: u64) -> Result<Vec<u8>> {
        self.read_later(buffer, offset, bytes)?.wait()
    }
}

impl PendingRead {
    /// The bytes, if they have arrived.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], or what the driver reported.
    pub fn poll(&mut self) -> Result<Option<Vec<u8>>> {
        self.gpu.poll(wgpu::PollType::Poll)?;
        match self.ready.try_recv() {
            Ok(result) => self.finish(result).map(Some),
            Err(mpsc::TryRecvError::Empty) => Ok(None),
            Err(mpsc::TryRecvError::Disconnected) => Err(Error::DeviceLost("a read was dropped".into())),
        }
    }

    /// Waits for the bytes.
    ///
    /// # Errors
    /// As [`PendingRead::poll`].
    pub fn wait(self) -> Result<Vec<u8>> {
        self.gpu.wait_idle()?;
        let result = self.ready.recv().map_err(|_| Error::DeviceLost("a read was dropped".into()))?;
        self.finish(result)
    }

    fn finish(&self, result: Result<(), wgpu::BufferAsyncError>) -> Result<Vec<u8>> {
        result.map_err(|e| Error::DeviceLost(e.to_string()))?;
        let view = self.staging.slice(..).get_mapped_range().map_err(|e| Error::Gpu(e.to_string()))?;
        let bytes = view.to_vec();
        drop(view);
        self.staging.unmap();
        self.gpu.0.staging.lock().expect("no panic while held").push(self.staging.clone());
        Ok(bytes)
    }
}
