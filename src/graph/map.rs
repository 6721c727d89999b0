//! Elementwise functions as data: one [`MapFn`] row says all there is to say about one.

use super::op::Vjp;
use super::{DType, Tensor};

/// An elementwise function of up to three operands, which broadcast against each other.
///
/// The WGSL expression is written for `T` being `f32` or `vec4<f32>` alike; its operands are `a`, `b`, `c`, its
/// constants `p0`, `p1` (of type `f32`), and `idx` is the linear index of the (first) element in the result.
pub struct MapFn {
    pub name: &'static str,
    pub arity: usize,
    /// Dtypes of the operands.
    pub inputs: &'static [DType],
    pub output: DType,
    pub wgsl: &'static str,
    /// The same in f64: operands, constants, linear index in the result.
    pub f64: fn(&[f64], &[f32], usize) -> f64,
    /// Gradients with respect to the operands, in the result's shape (the caller sums over broadcast axes).
    pub vjp: for<'g> fn(&Vjp<'_, 'g>, &[f32]) -> Vec<Option<Tensor<'g>>>,
    /// Interval the tests draw each operand from.
    pub domain: (f64, f64),
    /// Points where the function is not differentiable, which gradient tests keep away from (in terms of `a`, or of
    /// `a - b` for two operands).
    pub kinks: &'static [f64],
    /// Floating-point operations it is counted as.
    pub flops: usize,
}

/// A row of the table with its constants filled in.
#[derive(Clone)]
pub struct MapOp {
    pub f: &'static MapFn,
    pub params: Vec<f32>,
}

impl std::fmt::Debug for MapOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Bits, not decimals: this text is the key by which equal nodes are recognised.
        let bits: Vec<u32> = self.params.iter().map(|p| p.to_bits()).collect();
        write!(f, "{}{:x?}", self.f.name, bits)
    }
}

/// The identity: what a copy is made with.
pub static COPY: MapFn = MapFn {
    name: "copy",
    arity: 1,
    inputs: &[DType::F32],
    output: DType::F32,
    wgsl: "a",
    f64: |x, _, _| x[0],
    vjp: |v, _| vec![Some(v.grad)],
    domain: (-3.0, 3.0),
    kinks: &[],
    flops: 0,
};

/// [`COPY`] for integers.
pub static COPY_U32: MapFn = MapFn {
    name: "copy_u32",
    inputs: &[DType::U32],
    output: DType::U32,
    vjp: |_, _| vec![None],
    domain: (0.0, 9.0),
    ..COPY
};

impl<'g> Tensor<'g> {
    /// A copy in storage of its own.
    pub fn copy(self) -> Tensor<'g> {
        let f = if self.dtype() == DType::U32 { &COPY_U32 } else { &COPY };
        self.graph().apply(MapOp { f, params: vec![] }, &[self])
    }
}
