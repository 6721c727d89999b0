//! Which adapters there are, and which one to use.

use super::profile::DeviceProfile;
use crate::{Error, Result};

/// How to choose among several adapters.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AdapterChoice {
    /// The environment variable `LUTHIER_ADAPTER` if set, else the most capable: discrete before integrated before
    /// virtual before software.
    #[default]
    Best,
    /// By a part of its name (any case) or its number in `luthier devices`.
    Named(String),
}

/// What is known of an adapter before it is opened.
#[derive(Clone, Debug)]
pub struct AdapterSummary {
    pub name: String,
    /// `Vulkan`, `Metal` or `Dx12`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    pub driver: String,
    /// Names of the features kernels can make use of.
    pub features: Vec<&'static str>,
    pub profile: DeviceProfile,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
}

impl AdapterSummary {
    /// One line for logs and reports.
    pub fn line(&self) -> String {
        format!("{} ({}, {}, {})", self.name, self.kind, self.backend, self.driver)
    }
}

pub(super) fn instance() -> wgpu::Instance {
    let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
    desc.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    desc.flags = wgpu::InstanceFlags::empty();
    wgpu::Instance::new(desc)
}

pub(super) fn enumerate(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    let mut found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    found.sort_by_key(|adapter| rank(adapter.get_info().device_type));
    found
}

fn rank(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Cpu => 3,
        wgpu::DeviceType::Other => 4,
    }
}

/// Features worth asking for, with the names users know them by.
pub(super) const FEATURES: &[(wgpu::Features, &str)] = &[
    (wgpu::Features::SUBGROUP, "subgroups"),
    (wgpu::Features::SHADER_F16, "f16"),
    (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
    (wgpu::Features::PIPELINE_CACHE, "pipeline-cache"),
];

pub(super) fn summary(adapter: &wgpu::Adapter) -> AdapterSummary {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let available = adapter.features();
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    };
    let driver = match (info.driver.is_empty(), info.driver_info.is_empty()) {
        (false, false) => format!("{} {}", info.driver, info.driver_info),
        (true, true) => "driver unknown".into(),
        _ => format!("{}{}", info.driver, info.driver_info),
    };
    AdapterSummary {
        name: info.name,
        backend: format!("{:?}", info.backend),
        kind,
        driver,
        features: FEATURES.iter().filter(|(f, _)| available.contains(*f)).map(|(_, name)| *name).collect(),
        max_buffer_bytes: limits.max_buffer_size,
        profile: DeviceProfile {
            software: info.device_type == wgpu::DeviceType::Cpu,
            subgroups: available.contains(wgpu::Features::SUBGROUP),
            subgroup_sizes: (info.subgroup_min_size, info.subgroup_max_size),
            max_groups: limits.max_compute_workgroups_per_dimension,
            // More would be allowed on most, but plans should not differ without need.
            max_bindings: (limits.max_storage_buffers_per_shader_stage as usize).min(8),
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            max_invocations: limits.max_compute_invocations_per_workgroup,
            threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
        },
    }
}

/// All adapters, best first.
pub fn adapters() -> Vec<AdapterSummary> {
    enumerate(&instance()).iter().map(summary).collect()
}

pub(super) fn choose(adapters: Vec<wgpu::Adapter>, choice: &AdapterChoice) -> Result<wgpu::Adapter> {
    let wanted = match choice {
        AdapterChoice::Named(name) => Some(name.clone()),
        AdapterChoice::Best => std::env::var("LUTHIER_ADAPTER").ok().filter(|name| !name.is_empty()),
    };
    if adapters.is_empty() {
        return Err(Error::NoAdapter(NO_ADAPTER.into()));
    }
    let Some(wanted) = wanted else {
        return Ok(adapters.into_iter().next().expect("not empty"));
    };
    let names: Vec<String> = adapters.iter().map(|a| a.get_info().name).collect();
    let at = match wanted.parse::<usize>() {
        Ok(number) => Some(number).filter(|&n| n < names.len()),
        Err(_) => names.iter().position(|name| name.to_lowercase().contains(&wanted.to_lowercase())),
    };
    match at {
        Some(at) => Ok(adapters.into_iter().nth(at).expect("in range")),
        None => {
            let list: Vec<String> =
                names.iter().enumerate().map(|(i, name)| format!("{i}: {name}")).collect();
            Err(Error::NoAdapter(format!("no adapter matches {wanted:?}; there are {}", list.join(", "))))
        }
    }
}

#[cfg(target_os = "linux")]
const NO_ADAPTER: &str = "no Vulkan adapter found. Install your GPU's Vulkan driver, or the software one \
    (Debian and Ubuntu: mesa-vulkan-drivers, version 25 or newer; `make test` sets it up); \
    then `luthier devices` must list it";
#[cfg(target_os = "macos")]
const NO_ADAPTER: &str =
    "no Metal device found. Luthier needs macOS on a machine (or virtual machine) with Metal";
#[cfg(target_os = "windows")]
const NO_ADAPTER: &str = "no DirectX 12 or Vulkan adapter found. Update the graphics driver; \
    a virtual machine needs GPU access or the WARP software adapter";
#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "windows")))]
const NO_ADAPTER: &str = "no Vulkan adapter found. Install a Vulkan driver for your device";
