//! How an op becomes dispatches: [`Kernel::lower`] describes them as plain data, and `exec` records them.

use crate::gpu::DeviceProfile;
use crate::graph::{Op, Spec};

/// Value of a `const` in a shader.
#[derive(Clone, Copy, Debug)]
pub enum Const {
    U32(u32),
    F32(f32),
    Bool(bool),
}

impl PartialEq for Const {
    fn eq(&self, other: &Const) -> bool {
        self.wgsl() == other.wgsl()
    }
}
impl Eq for Const {}

impl std::hash::Hash for Const {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.wgsl().hash(state);
    }
}

impl Const {
    /// The literal.
    pub fn wgsl(&self) -> String {
        match self {
            Const::U32(v) => format!("{v}u"),
            Const::F32(v) => f32_literal(*v),
            Const::Bool(v) => v.to_string(),
        }
    }
}

/// An `f32` literal that reads back to the same bits. WGSL has no literal for infinities and NaN.
///
/// # Panics
/// If the value is not finite.
pub fn f32_literal(v: f32) -> String {
    assert!(v.is_finite(), "WGSL cannot write the constant {v}");
    format!("{v:e}f")
}

impl From<usize> for Const {
    fn from(v: usize) -> Const {
        Const::U32(u32::try_from(v).expect("sizes are below 2^32"))
    }
}
impl From<u32> for Const {
    fn from(v: u32) -> Const {
        Const::U32(v)
    }
}
impl From<f32> for Const {
    fn from(v: f32) -> Const {
        Const::F32(v)
    }
}
impl From<bool> for Const {
    fn from(v: bool) -> Const {
        Const::Bool(v)
    }
}

/// A file of `shaders/` with the values of its constants. This is the pipeline cache's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shader {
    /// File name without `.wgsl`.
    pub file: &'static str,
    /// Values for lines `const NAME: type = value;` of the file.
    pub consts: Vec<(&'static str, Const)>,
}

impl Shader {
    /// A shader with its constants still at their defaults.
    pub fn new(file: &'static str) -> Shader {
        Shader { file, consts: Vec::new() }
    }

    /// Sets a constant.
    pub fn set(mut self, name: &'static str, value: impl Into<Const>) -> Shader {
        self.consts.push((name, value.into()));
        self
    }
}

/// What a binding of a launch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The op's `i`-th input.
    Input(usize),
    /// The op's result.
    Output,
    /// The `i`-th scratch buffer of the lowering.
    Scratch(usize),
}

/// One dispatch.
#[derive(Clone, Debug)]
pub struct Launch {
    pub shader: Shader,
    /// Bindings 0, 1, ... in order; read-only.
    pub reads: Vec<Operand>,
    /// The bindings after those; read-write.
    pub writes: Vec<Operand>,
    /// Workgroups along x, y, z.
    pub groups: [u32; 3],
}

impl Launch {
    /// A dispatch with its bindings still to be named.
    pub fn new(shader: Shader, groups: [u32; 3]) -> Launch {
        Launch { shader, reads: vec![], writes: vec![], groups }
    }

    /// Adds read-only bindings.
    pub fn read(mut self, operands: impl IntoIterator<Item = Operand>) -> Launch {
        self.reads.extend(operands);
        self
    }

    /// Adds a read-write binding, after the read-only ones.
    pub fn write(mut self, operand: Operand) -> Launch {
        self.writes.push(operand);
        self
    }
}

/// Everything an op dispatches.
#[derive(Clone, Debug, Default)]
pub struct Lowering {
    pub launches: Vec<Launch>,
    /// Sizes of scratch buffers in bytes.
    pub scratch: Vec<usize>,
}

impl From<Launch> for Lowering {
    fn from(launch: Launch) -> Lowering {
        Lowering { launches: vec![launch], scratch: vec![] }
    }
}

/// What a lowering may look at.
pub struct LowerCx<'a> {
    pub inputs: &'a [&'a Spec],
    pub output: &'a Spec,
    pub device: &'a DeviceProfile,
    /// Take the plain kernels that the fast ones are checked against.
    pub naive: bool,
}

impl LowerCx<'_> {
    /// Workgroups for `n` lanes in groups of `size`, folded into two dimensions where one would pass the limit. Shaders
    /// find their linear group as `group.y * groups.x + group.x` and must guard the tail.
    pub fn grid(&self, n: usize, size: usize) -> [u32; 3] {
        fold_grid(n.div_ceil(size), self.device.max_groups)
    }
}

/// Folds a count of workgroups into x and y.
pub fn fold_grid(groups: usize, max: u32) -> [u32; 3] {
    let max = max as usize;
    let groups = groups.max(1);
    let y = groups.div_ceil(max);
    let x = groups.div_ceil(y);
    [x as u32, y as u32, 1]
}

/// An op with kernels.
pub trait Kernel: Op + Sized {
    /// Describes the dispatches.
    fn lower(&self, cx: &LowerCx<'_>) -> Lowering;

    /// Cases for the conformance suite. Must include awkward ones: odd sizes, size 1, edges.
    fn samples() -> Vec<Sample>;

    /// Floating-point operations of one evaluation, for reports.
    fn flops(&self, inputs: &[&Spec], output: &Spec) -> f64 {
        let _ = inputs;
        output.elements() as f64
    }
}

/// How a test fills an input.
#[derive(Clone, Debug)]
pub enum SampleInput {
    /// Floats drawn uniformly from an interval.
    Uniform(Spec, f64, f64),
    /// Distinct floats, at least `gap` apart (for maxima, whose gradient jumps at ties).
    Distinct(Spec, f64),
    /// Integers below a bound.
    Index(Spec, u32),
    /// These values.
    Values(Spec, Vec<f64>),
}

impl SampleInput {
    /// Floats in -1..1.
    pub fn floats(shape: impl Into<crate::graph::Shape>) -> SampleInput {
        SampleInput::Uniform(Spec::f32(shape), -1.0, 1.0)
    }

    /// The input's shape and dtype.
    pub fn spec(&self) -> &Spec {
        match self {
            SampleInput::Uniform(spec, ..)
            | SampleInput::Distinct(spec, _)
            | SampleInput::Index(spec, _)
            | SampleInput::Values(spec, _) => spec,
        }
    }
}

/// One case of the conformance suite.
pub struct Sample {
    pub op: std::sync::Arc<dyn Op>,
    pub inputs: Vec<SampleInput>,
    /// Whether the gradient is checked too.
    pub gradient: bool,
}

impl Sample {
    /// A case whose gradient is checked as well.
    pub fn new(op: impl Op, inputs: Vec<SampleInput>) -> Sample {
        Sample { op: std::sync::Arc::new(op), inputs, gradient: true }
    }

    /// A case of an op without a gradient.
    pub fn forward_only(op: impl Op, inputs: Vec<SampleInput>) -> Sample {
        Sample { gradient: false, ..Sample::new(op, inputs) }
    }
}
