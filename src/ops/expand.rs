//! Constants and explicit broadcasting. Both are elementwise to the passes, so they cost nothing inside a kernel.

use crate::graph::map::{COPY, COPY_U32, MapFn, MapOp};
use crate::graph::{Array, DType, Graph, Kind, Op, Shape, Spec, Tensor, Vjp};

/// A constant scalar.
pub static CONSTANT: MapFn = MapFn {
    name: "constant",
    arity: 0,
    inputs: &[],
    output: DType::F32,
    wgsl: "T(p0)",
    f64: |_, p, _| p[0] as f64,
    vjp: |_, _| vec![],
    domain: (0.0, 1.0),
    kinks: &[],
    flops: 0,
};

/// Repeats its input along axes of size 1 or missing in front.
struct Expand {
    shape: Shape,
    copy: MapOp,
}

impl std::fmt::Debug for Expand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "expand{}", self.shape)
    }
}

impl Op for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String> {
        match inputs[0].shape.broadcast(&self.shape) {
            Some(shape) if shape == self.shape => Ok(Spec { shape, dtype: inputs[0].dtype }),
            _ => Err(format!("{} does not broadcast to {}", inputs[0], self.shape)),
        }
    }
    fn reference(&self, inputs: &[&Array]) -> Array {
        Array::from_fn(&self.shape, |index| inputs[0].broadcast_at(index))
    }
    fn vjp<'g>(&self, vjp: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        vec![Some(vjp.reduce_to(vjp.grad, 0))]
    }
    fn kind(&self) -> Kind<'_> {
        Kind::Map(&self.copy)
    }
}

impl Graph {
    /// A scalar constant (shape `[]`), which broadcasts against anything.
    ///
    /// # Panics
    /// If the value is not finite.
    #[track_caller]
    pub fn constant(&self, value: f64) -> Tensor<'_> {
        assert!((value as f32).is_finite(), "constant: {value} is not a finite f32");
        self.apply(MapOp { f: &CONSTANT, params: vec![value as f32] }, &[])
    }
}

impl<'g> Tensor<'g> {
    /// Broadcast to `shape`: repeated along axes of size 1 and along new leading axes.
    #[track_caller]
    pub fn expand(self, shape: impl Into<Shape>) -> Tensor<'g> {
        let shape = shape.into();
        if shape == self.shape() {
            return self;
        }
        let f = if self.dtype() == DType::U32 { &COPY_U32 } else { &COPY };
        self.graph().apply(Expand { shape, copy: MapOp { f, params: vec![] } }, &[self])
    }
}
