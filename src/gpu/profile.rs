//! What kernels may know of a device.

/// Facts about an adapter that decide which kernel variants are used.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceProfile {
    /// Runs on the CPU (Mesa's lavapipe, WARP): kernels without barriers and shared memory are best.
    pub software: bool,
    /// Whether subgroup operations may be used.
    pub subgroups: bool,
    /// Smallest and largest subgroup size the driver may choose.
    pub subgroup_sizes: (u32, u32),
    /// Workgroups allowed along one dimension.
    pub max_groups: u32,
    /// Storage buffers a kernel may bind.
    pub max_bindings: usize,
    /// Largest binding in bytes.
    pub max_binding_bytes: u64,
    /// Workgroup memory in bytes.
    pub workgroup_memory: u32,
    /// Invocations allowed in a workgroup.
    pub max_invocations: u32,
    /// Processor threads, for software devices: the number of workgroups should be a multiple of it.
    pub threads: usize,
}

impl DeviceProfile {
    /// What every WebGPU device offers: for planning and validating without one.
    pub fn portable() -> DeviceProfile {
        DeviceProfile {
            software: false,
            subgroups: false,
            subgroup_sizes: (4, 128),
            max_groups: 65_535,
            max_bindings: 8,
            max_binding_bytes: 128 << 20,
            workgroup_memory: 16 << 10,
            max_invocations: 256,
            threads: 1,
        }
    }

    /// Whether subgroups always have exactly `lanes` lanes.
    pub fn subgroup_is(&self, lanes: u32) -> bool {
        self.subgroups && self.subgroup_sizes == (lanes, lanes)
    }
}
