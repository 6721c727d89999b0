//! Elementwise nodes: shape rule by broadcasting, everything else from the function's row.

use crate::graph::map::MapOp;
use crate::graph::{Array, Kind, Op, Shape, Spec, Tensor, Vjp};

impl Op for MapOp {
    fn name(&self) -> &'static str {
        self.f.name
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String> {
        let mut shape = Shape::from([]);
        for (i, spec) in inputs.iter().enumerate() {
            if spec.dtype != self.f.inputs[i] {
                return Err(format!("operand {i} is {spec}, expected {}", self.f.inputs[i].wgsl()));
            }
            shape = shape.broadcast(&spec.shape).ok_or_else(|| {
                let all: Vec<String> = inputs.iter().map(|s| s.to_string()).collect();
                format!("shapes do not broadcast: {}", all.join(", "))
            })?;
        }
        Ok(Spec { shape, dtype: self.f.output })
    }
    fn reference(&self, inputs: &[&Array]) -> Array {
        let shape =
            inputs.iter().fold(Shape::from([]), |s, a| s.broadcast(&a.shape).expect("checked by infer"));
        let mut at = 0;
        let mut operands = vec![0.0; inputs.len()];
        Array::from_fn(shape, |index| {
            for (operand, input) in operands.iter_mut().zip(inputs) {
                *operand = input.broadcast_at(index);
            }
            let y = (self.f.f64)(&operands, &self.params, at);
            at += 1;
            y
        })
    }
    fn vjp<'g>(&self, vjp: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        let grads = (self.f.vjp)(vjp, &self.params);
        grads.into_iter().enumerate().map(|(i, g)| g.map(|g| vjp.reduce_to(g, i))).collect()
    }
    fn kind(&self) -> Kind<'_> {
        Kind::Map(self)
    }
}
