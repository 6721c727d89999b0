//! Compiled kernels.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::device::Gpu;
use crate::{Error, Result};

/// All that determines a pipeline: complete WGSL text and the number of read-only and read-write bindings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PipelineSpec {
    /// For messages and profiles.
    pub label: String,
    pub source: String,
    /// For each binding, whether the kernel writes it.
    pub writes: Vec<bool>,
}

/// A compiled kernel. Cloning copies the handle.
#[derive(Clone)]
pub struct Pipeline(pub(super) Arc<Compiled>);

pub(super) struct Compiled {
    pub raw: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    pub label: String,
}

impl Pipeline {
    /// Name of the kernel.
    pub fn label(&self) -> &str {
        &self.0.label
    }
}

impl Gpu {
    /// Compiles kernels, several at a time; those compiled before come from the cache.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the driver refuses one.
    pub fn pipelines(&self, specs: &[PipelineSpec]) -> Result<Vec<Pipeline>> {
        let missing: Vec<&PipelineSpec> = {
            let cache = self.0.pipelines.lock().expect("no panic while held");
            let mut missing: Vec<&PipelineSpec> = specs.iter().filter(|s| !cache.contains_key(*s)).collect();
            missing.sort_by(|a, b| a.source.cmp(&b.source));
            missing.dedup();
            // Long kernels take longest to compile: begin with them.
            missing.sort_by_key(|s| std::cmp::Reverse(s.source.len()));
            missing
        };
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(missing.len());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(spec) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let pipeline = self.compile(spec);
                        self.0
                            .pipelines
                            .lock()
                            .expect("no panic while held")
                            .insert((*spec).clone(), pipeline);
                    }
                });
            }
        });
        if let Err(error) = self.check() {
            let mut cache = self.0.pipelines.lock().expect("no panic while held");
            missing.iter().for_each(|spec| drop(cache.remove(*spec)));
            return Err(error);
        }
        let cache = self.0.pipelines.lock().expect("no panic while held");
        specs
            .iter()
            .map(|s| {
                cache.get(s).cloned().ok_or_else(|| Error::Gpu(format!("kernel {} did not compile", s.label)))
            })
            .collect()
    }

    fn compile(&self, spec: &PipelineSpec) -> Pipeline {
        let device = &self.0.device;
        let desc = wgpu::ShaderModuleDescriptor {
            label: Some(&spec.label),
            source: wgpu::ShaderSource::Wgsl(spec.source.as_str().into()),
        };
        let module = if cfg!(debug_assertions) {
            device.create_shader_module(desc)
        } else {
            // Safety: the kernels are this crate's own, guard their indices, and are run with checks on by the tests.
            unsafe { device.create_shader_module_trusted(desc, wgpu::ShaderRuntimeChecks::unchecked()) }
        };
        let entries: Vec<_> = spec
            .writes
            .iter()
            .enumerate()
            .map(|(binding, &write)| wgpu::BindGroupLayoutEntry {
                binding: binding as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: !write },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(&spec.label),
            entries: &entries,
        });
        let raw = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&spec.label),
            layout: Some(&device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(&spec.label),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            })),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: cfg!(debug_assertions),
                ..Default::default()
            },
            cache: None,
        });
        self.0.counters.pipelines.fetch_add(1, Ordering::Relaxed);
        Pipeline(Arc::new(Compiled { raw, layout, label: spec.label.clone() }))
    }
}
