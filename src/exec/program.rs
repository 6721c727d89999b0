//! A compiled step: prepared without a device, built on one, replayed as often as wanted.

use std::collections::HashMap;

use super::codegen::{self, Generated};
use super::store::Store;
use crate::gpu::{Binding, Buffer, DeviceProfile, Dispatch, Gpu, PipelineSpec, Recorder, Submission, shader};
use crate::graph::fuse::{Schedule, fuse};
use crate::graph::plan::{Place, Plan, plan};
use crate::graph::simplify::simplify;
use crate::graph::{Graph, Node, NodeId, Spec, Tensor, Var, VarId};
use crate::ops::kernel::{LowerCx, Lowering, Operand};
use crate::ops::registry;
use crate::{Error, Result};

/// How a step is compiled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Use only the plain kernels that the fast ones are checked against.
    pub naive: bool,
    /// Join elementwise chains into single kernels.
    pub fuse: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { naive: false, fuse: true }
    }
}

/// A step that is planned but not yet on a device: its memory and its kernels are known.
pub struct Prepared {
    nodes: Vec<Node>,
    schedule: Schedule,
    lowerings: Vec<Option<Lowering>>,
    plan: Plan,
    /// Kept nodes: id in the traced graph, id here.
    kept: Vec<(NodeId, NodeId)>,
    options: Options,
    max_groups: u32,
}

impl Prepared {
    /// Simplifies, fuses, lowers and plans a traced graph for a kind of device. Allocates nothing.
    pub fn new(graph: &Graph, device: &DeviceProfile, options: Options) -> Prepared {
        let simplified = simplify(graph);
        let nodes = simplified.graph.nodes();
        let schedule = fuse(&simplified.graph, device.max_bindings, options.fuse);
        let lowerings: Vec<Option<Lowering>> = schedule
            .items
            .iter()
            .map(|item| {
                let node = &nodes[item.kernel(&nodes)?];
                let inputs: Vec<&Spec> = node.inputs.iter().map(|&i| &*nodes[i].spec).collect();
                let cx = LowerCx { inputs: &inputs, output: &node.spec, device, naive: options.naive };
                Some(registry::lower(&*node.op, &cx))
            })
            .collect();
        let scratch: Vec<Vec<usize>> =
            lowerings.iter().map(|l| l.as_ref().map_or_else(Vec::new, |l| l.scratch.clone())).collect();
        let plan = plan(&nodes, &schedule, &scratch, &simplified.graph.outputs());
        let kept = graph.outputs().into_iter().map(|old| (old, simplified.ids[&old])).collect();
        Prepared { nodes, schedule, lowerings, plan, kept, options, max_groups: device.max_groups }
    }

    /// Bytes of temporaries, with results sharing memory as planned.
    pub fn temporary_bytes(&self) -> usize {
        self.plan.bytes()
    }

    /// Bytes the temporaries would take with a buffer each.
    pub fn unplanned_bytes(&self) -> usize {
        self.plan.unplanned
    }

    /// The variables the step uses, each once, those that own storage only.
    pub fn variables(&self) -> Vec<Var> {
        let mut seen: HashMap<VarId, Var> = HashMap::new();
        for location in self.plan.locations.values() {
            if let Place::Var(var) = &location.place {
                seen.insert(var.id(), var.clone());
            }
        }
        let mut all: Vec<Var> = seen.into_values().collect();
        all.sort_by_key(|var| var.id());
        all
    }

    /// Dispatches a step will make.
    pub fn dispatches(&self) -> usize {
        self.lowerings.iter().map(|l| l.as_ref().map_or(1, |l| l.launches.len())).sum()
    }

    /// Compiles the kernels and binds the buffers.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the planned memory is not there, [`Error::Gpu`] if the driver refuses a kernel.
    pub fn build(self, store: &mut Store) -> Result<Program> {
        let gpu = store.gpu().clone();
        let slots = self
            .plan
            .slots
            .iter()
            .map(|&bytes| gpu.alloc("activations", bytes))
            .collect::<Result<Vec<Buffer>>>()?;
        let mut steps: Vec<Step> = Vec::new();
        for (at, item) in self.schedule.items.iter().enumerate() {
            match &self.lowerings[at] {
                None => {
                    let generated = codegen::generate(&self.nodes, item, &self.plan, self.max_groups);
                    steps.push(self.generated(generated, &slots, store)?);
                }
                Some(lowering) => {
                    let id = item.kernel(&self.nodes).expect("lowered items have one");
                    self.lowered(id, lowering, &self.plan.scratch[at], &slots, store, &mut steps)?;
                }
            }
        }
        let specs: Vec<PipelineSpec> = steps.iter().map(|s| s.spec.clone()).collect();
        let pipelines = gpu.pipelines(&specs)?;
        let dispatches = steps
            .iter()
            .zip(&pipelines)
            .map(|(step, pipeline)| gpu.dispatch(pipeline, &step.bindings, step.groups))
            .collect();
        gpu.check()?;
        let mut outputs = HashMap::new();
        for &(old, new) in &self.kept {
            outputs.insert(old, self.binding(new, &slots, store)?);
        }
        Ok(Program { gpu, dispatches, outputs, planned_bytes: self.plan.bytes(), slots })
    }

    fn place(&self, place: &Place, slots: &[Buffer], store: &mut Store) -> Result<Buffer> {
        match place {
            Place::Var(var) => store.buffer(var),
            Place::Slot(slot) => Ok(slots[*slot].clone()),
        }
    }

    fn binding(&self, id: NodeId, slots: &[Buffer], store: &mut Store) -> Result<Binding> {
        let at = &self.plan.locations[&id];
        let buffer = self.place(&at.place, slots, store)?;
        Ok(Binding { buffer, offset: at.offset as u64 * 4, bytes: self.nodes[id].spec.bytes() as u64 })
    }

    fn generated(&self, generated: Generated, slots: &[Buffer], store: &mut Store) -> Result<Step> {
        let writes = generated.bindings.iter().map(|b| b.write).collect();
        let bindings = generated
            .bindings
            .iter()
            .map(|b| {
                let buffer = self.place(&b.place, slots, store)?;
                Ok(Binding { buffer, offset: b.offset as u64 * 4, bytes: b.elements as u64 * 4 })
            })
            .collect::<Result<_>>()?;
        let spec = PipelineSpec { label: generated.label, source: generated.source, writes };
        Ok(Step { spec, bindings, groups: generated.groups })
    }

    fn lowered(
        &self,
        id: NodeId,
        lowering: &Lowering,
        scratch: &[usize],
        slots: &[Buffer],
        store: &mut Store,
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        let node = &self.nodes[id];
        for launch in &lowering.launches {
            let mut bindings = Vec::new();
            for operand in launch.reads.iter().chain(&launch.writes) {
                bindings.push(match *operand {
                    Operand::Input(i) => self.binding(node.inputs[i], slots, store)?,
                    Operand::Output => self.binding(id, slots, store)?,
                    Operand::Scratch(i) => Binding {
                        buffer: slots[scratch[i]].clone(),
                        offset: 0,
                        bytes: lowering.scratch[i].next_multiple_of(4) as u64,
                    },
                });
            }
            let mut writes = vec![false; launch.reads.len()];
            writes.resize(bindings.len(), true);
            let consts: Vec<(&str, String)> =
                launch.shader.consts.iter().map(|(name, value)| (*name, value.wgsl())).collect();
            let spec = PipelineSpec {
                label: launch.shader.file.to_string(),
                source: shader::specialize(launch.shader.file, &consts),
                writes,
            };
            steps.push(Step { spec, bindings, groups: launch.groups });
        }
        Ok(())
    }

    /// How the step was compiled.
    pub fn options(&self) -> Options {
        self.options
    }
}

struct Step {
    spec: PipelineSpec,
    bindings: Vec<Binding>,
    groups: [u32; 3],
}

/// A compiled step on a device. Running it allocates nothing.
pub struct Program {
    gpu: Gpu,
    dispatches: Vec<Dispatch>,
    outputs: HashMap<NodeId, Binding>,
    planned_bytes: usize,
    /// Held so that shared memory lives as long as the program.
    #[allow(dead_code)]
    slots: Vec<Buffer>,
}

impl Program {
    /// Compiles a traced graph for the store's device.
    ///
    /// # Errors
    /// As [`Prepared::build`].
    pub fn compile(graph: &Graph, store: &mut Store, options: Options) -> Result<Program> {
        let profile = store.gpu().profile().clone();
        Prepared::new(graph, &profile, options).build(store)
    }

    /// Records one run.
    pub fn record(&self, recorder: &mut Recorder) {
        recorder.run(&self.dispatches);
    }

    /// Runs once.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn run(&self) -> Result<Submission> {
        self.gpu.submit(|recorder| self.record(recorder))
    }

    /// The dispatches of a run, in order.
    pub fn dispatches(&self) -> &[Dispatch] {
        &self.dispatches
    }

    /// Bytes of temporaries.
    pub fn temporary_bytes(&self) -> usize {
        self.planned_bytes
    }

    /// Where a kept tensor's value is after a run.
    ///
    /// # Panics
    /// If the tensor was not kept.
    #[track_caller]
    pub fn output(&self, tensor: Tensor<'_>) -> &Binding {
        self.output_of(tensor.id())
    }

    /// [`Program::output`] by node id, for when the graph is gone.
    ///
    /// # Panics
    /// If the node was not kept.
    #[track_caller]
    pub fn output_of(&self, id: NodeId) -> &Binding {
        self.outputs.get(&id).unwrap_or_else(|| panic!("node {id} was not kept"))
    }

    /// Reads a kept tensor after all submitted runs.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] and what else the driver reports.
    #[track_caller]
    pub fn read<T: bytemuck::Pod>(&self, tensor: Tensor<'_>) -> Result<Vec<T>> {
        let at = self.output(tensor);
        let bytes = self.gpu.read(&at.buffer, at.offset, at.bytes)?;
        Ok::<_, Error>(bytemuck::pod_collect_to_vec(&bytes))
    }
}
