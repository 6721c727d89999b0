//! Storage of variables on the device.

use std::collections::HashMap;

use crate::gpu::{Binding, Buffer, Gpu};
use crate::graph::{Var, VarId};
use crate::{Error, Result};

/// The variables' memory: shared by every program that uses them.
pub struct Store {
    gpu: Gpu,
    buffers: HashMap<VarId, Buffer>,
}

impl Store {
    /// No variables yet; programs add those they use, zeroed.
    pub fn new(gpu: &Gpu) -> Store {
        Store { gpu: gpu.clone(), buffers: HashMap::new() }
    }

    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The buffer a variable is in, allocated (and zeroed) if it is new.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn buffer(&mut self, var: &Var) -> Result<Buffer> {
        let (root, _) = var.root();
        if let Some(buffer) = self.buffers.get(&root.id()) {
            return Ok(buffer.clone());
        }
        let buffer = self.gpu.alloc(root.name(), root.spec().bytes())?;
        self.buffers.insert(root.id(), buffer.clone());
        Ok(buffer)
    }

    /// A variable as kernels bind it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn binding(&mut self, var: &Var) -> Result<Binding> {
        let buffer = self.buffer(var)?;
        Ok(Binding { buffer, offset: var.root().1 as u64 * 4, bytes: var.spec().bytes() as u64 })
    }

    /// Bytes of all variables.
    pub fn bytes(&self) -> u64 {
        self.buffers.values().map(Buffer::bytes).sum()
    }

    /// Gives a variable new elements (4 bytes each: `f32` or `u32`).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if it is new and does not fit.
    ///
    /// # Panics
    /// If there are not as many elements as the variable has.
    pub fn write<T: bytemuck::Pod>(&mut self, var: &Var, data: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        assert_eq!(bytes.len(), var.spec().bytes(), "elements for {var:?}");
        let binding = self.binding(var)?;
        if !bytes.is_empty() {
            self.gpu.write(&binding.buffer, binding.offset, bytes);
        }
        Ok(())
    }

    /// The elements of a variable after all submitted work.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] and what else the driver reports.
    pub fn read<T: bytemuck::Pod>(&mut self, var: &Var) -> Result<Vec<T>> {
        let binding = self.binding(var)?;
        let bytes = self.gpu.read(&binding.buffer, binding.offset, binding.bytes)?;
        bytemuck::allocation::try_cast_vec(bytes)
            .or_else(|(_, bytes)| Ok::<_, Error>(bytemuck::pod_collect_to_vec(&bytes)))
    }
}
