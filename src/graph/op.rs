//! What an operation is to the graph: a shape rule, a gradient rule, and an f64 reference.

use std::any::Any;
use std::fmt::Debug;

use super::map::MapOp;
use super::{Array, Graph, Spec, Tensor, Var};

/// An operation that takes tensors to one tensor.
///
/// `Debug` must print every parameter of the op: equal text and equal inputs mean equal results.
pub trait Op: Any + Debug + Send + Sync {
    fn name(&self) -> &'static str;

    /// Shape and dtype of the result, or what is wrong with the inputs.
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String>;

    /// The result in f64, straight from the definition.
    fn reference(&self, inputs: &[&Array]) -> Array;

    /// Records the gradient with respect to each input; `None` where there is none.
    fn vjp<'g>(&self, vjp: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>>;

    /// How the passes treat it.
    fn kind(&self) -> Kind<'_> {
        Kind::Kernel
    }

    /// For an op with a gradient rule of its own but no kernel: the ops it stands for.
    fn decompose<'g>(&self, _inputs: &[Tensor<'g>]) -> Option<Tensor<'g>> {
        None
    }
}

/// How the passes treat an op.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// The value a variable has when the step begins.
    Leaf(&'a Var),
    /// Elementwise: becomes part of a generated kernel.
    Map(&'a MapOp),
    /// The same bytes, seen from `offset` elements on and with another shape.
    View { offset: usize },
    /// Writes its input to a variable at the end of the step; the result is the variable's new value.
    Assign(&'a Var),
    /// The new value of an arena, once every input (assignments to its slices) is in place.
    Arena(&'a Var),
    /// Has kernels of its own.
    Kernel,
}

/// What a gradient rule gets: inputs and output of the forward node, and the gradient of its output.
pub struct Vjp<'a, 'g> {
    pub graph: &'g Graph,
    pub inputs: &'a [Tensor<'g>],
    pub output: Tensor<'g>,
    pub grad: Tensor<'g>,
    /// Which inputs' gradients anybody wants; rules may answer `None` for the others.
    pub needs: &'a [bool],
}

impl<'g> Vjp<'_, 'g> {
    /// Sums a gradient of the broadcast shape down to the shape of input `i`.
    pub fn reduce_to(&self, grad: Tensor<'g>, i: usize) -> Tensor<'g> {
        grad.sum_to(self.inputs[i].shape())
    }
}

#[derive(Debug)]
pub(super) struct Leaf(pub Var);

impl Op for Leaf {
    fn name(&self) -> &'static str {
        "var"
    }
    fn infer(&self, _: &[&Spec]) -> Result<Spec, String> {
        Ok(self.0.spec().clone())
    }
    fn reference(&self, _: &[&Array]) -> Array {
        unreachable!("the evaluator feeds variables")
    }
    fn vjp<'g>(&self, _: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        vec![]
    }
    fn kind(&self) -> Kind<'_> {
        Kind::Leaf(&self.0)
    }
}

#[derive(Debug)]
pub(super) struct Assign(pub Var);

impl Op for Assign {
    fn name(&self) -> &'static str {
        "assign"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String> {
        if inputs[0] != self.0.spec() {
            return Err(format!("a value of {} cannot be assigned to {:?}", inputs[0], self.0));
        }
        Ok(self.0.spec().clone())
    }
    fn reference(&self, inputs: &[&Array]) -> Array {
        inputs[0].clone()
    }
    fn vjp<'g>(&self, vjp: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        vec![Some(vjp.grad)]
    }
    fn kind(&self) -> Kind<'_> {
        Kind::Assign(&self.0)
    }
}

#[derive(Debug)]
pub(super) struct Arena(pub Var);

impl Op for Arena {
    fn name(&self) -> &'static str {
        "arena"
    }
    fn infer(&self, _: &[&Spec]) -> Result<Spec, String> {
        Ok(self.0.spec().clone())
    }
    fn reference(&self, _: &[&Array]) -> Array {
        unreachable!("the evaluator assembles arenas from their slices")
    }
    fn vjp<'g>(&self, vjp: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        vec![None; vjp.inputs.len()]
    }
    fn kind(&self) -> Kind<'_> {
        Kind::Arena(&self.0)
    }
}
