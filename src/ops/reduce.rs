//! Sums and maxima over axes.

use crate::graph::array::indices;
use crate::graph::{Array, DType, Op, Shape, Spec, Tensor, Vjp};

use super::kernel::{Kernel, Launch, LowerCx, Lowering, Operand, Sample, SampleInput, Shader};

/// What the elements along the reduced axes become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    Sum,
    Max,
}

/// Reduces the neighbouring axes `first..end` to size 1 (they stay, so that the result broadcasts back).
#[derive(Debug)]
pub struct Reduce {
    reduction: Reduction,
    first: usize,
    end: usize,
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum => "sum",
            Reduction::Max => "max",
        }
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String> {
        if inputs[0].dtype != DType::F32 {
            return Err(format!("input is {}, expected f32", inputs[0]));
        }
        let mut shape = inputs[0].shape.to_vec();
        if self.end > shape.len() || self.first >= self.end {
            return Err(format!("axes {}..{} of {}", self.first, self.end, inputs[0]));
        }
        if shape[self.first..self.end].contains(&0) {
            return Err(format!("nothing to reduce in {}", inputs[0]));
        }
        shape[self.first..self.end].fill(1);
        Ok(Spec::f32(shape))
    }
    fn reference(&self, inputs: &[&Array]) -> Array {
        let mut shape = inputs[0].shape.to_vec();
        shape[self.first..self.end].fill(1);
        let start = if self.reduction == Reduction::Sum { 0.0 } else { f64::NEG_INFINITY };
        let mut out = Array::full(shape, start);
        for (mut index, &x) in indices(&inputs[0].shape).zip(&inputs[0].data) {
            index[self.first..self.end].fill(0);
            let y = out.at_mut(&index);
            *y = if self.reduction == Reduction::Sum { *y + x } else { y.max(x) };
        }
        out
    }
    fn vjp<'g>(&self, vjp: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        let input = vjp.inputs[0];
        let grad = match self.reduction {
            Reduction::Sum => vjp.grad.expand(input.shape()),
            // Ties share the gradient, as the subgradient of least norm.
            Reduction::Max => {
                let hit = input.equal(vjp.output);
                let ties = hit.reduce(Reduction::Sum, self.first, self.end);
                hit * (vjp.grad / ties)
            }
        };
        vec![Some(grad)]
    }
}

impl Kernel for Reduce {
    fn lower(&self, cx: &LowerCx<'_>) -> Lowering {
        let shape = &cx.inputs[0].shape;
        let outer: usize = shape[..self.first].iter().product();
        let count: usize = shape[self.first..self.end].iter().product();
        let inner: usize = shape[self.end..].iter().product();
        let shader = |outer: usize, count: usize| {
            Shader::new("reduce")
                .set("OUTER", outer)
                .set("COUNT", count)
                .set("INNER", inner)
                .set("MAX", self.reduction == Reduction::Max)
        };
        // Few results of long runs would leave most lanes idle: reduce in chunks first.
        let chunk = (count as f64).sqrt().ceil() as usize;
        let chunks = (chunk..=count).take(chunk).find(|c| count.is_multiple_of(*c));
        match chunks {
            Some(chunks) if count > 256 && outer * inner < 4096 && !cx.naive => {
                let partial = outer * chunks * inner;
                Lowering {
                    launches: vec![
                        Launch::new(shader(outer * chunks, count / chunks), cx.grid(partial, 64))
                            .read([Operand::Input(0)])
                            .write(Operand::Scratch(0)),
                        Launch::new(shader(outer, chunks), cx.grid(outer * inner, 64))
                            .read([Operand::Scratch(0)])
                            .write(Operand::Output),
                    ],
                    scratch: vec![partial * 4],
                }
            }
            _ => Launch::new(shader(outer, count), cx.grid(outer * inner, 64))
                .read([Operand::Input(0)])
                .write(Operand::Output)
                .into(),
        }
    }

    fn flops(&self, inputs: &[&Spec], _: &Spec) -> f64 {
        inputs[0].elements() as f64
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for (shape, first, end) in [
            (vec![7], 0, 1),
            (vec![1, 1], 0, 2),
            (vec![5, 3], 0, 1),
            (vec![5, 3], 1, 2),
            (vec![3, 4, 5], 1, 2),
            (vec![2, 30, 31, 3], 0, 3),
        ] {
            let spec = Spec::f32(shape.clone());
            let sum = Reduce { reduction: Reduction::Sum, first, end };
            samples.push(Sample::new(sum, vec![SampleInput::floats(shape)]));
            let max = Reduce { reduction: Reduction::Max, first, end };
            samples.push(Sample::new(max, vec![SampleInput::Distinct(spec, 1e-2)]));
        }
        samples
    }
}

impl<'g> Tensor<'g> {
    fn reduce(self, reduction: Reduction, first: usize, end: usize) -> Tensor<'g> {
        if self.shape()[first..end].iter().all(|&size| size == 1) {
            return self;
        }
        self.graph().apply(Reduce { reduction, first, end }, &[self])
    }

    #[track_caller]
    fn reduce_axes(self, reduction: Reduction, axes: &[isize]) -> Tensor<'g> {
        let mut axes: Vec<usize> = axes.iter().map(|&a| self.axis(a)).collect();
        axes.sort_unstable();
        axes.dedup();
        // Runs of neighbouring axes reduce in one go.
        let mut out = self;
        while let Some(&last) = axes.last() {
            let mut first = last;
            while axes.last() == Some(&first) {
                axes.pop();
                if axes.last().is_some_and(|&a| a + 1 == first) {
                    first -= 1;
                }
            }
            out = out.reduce(reduction, first, last + 1);
        }
        out
    }

    /// Sum over axes, which stay with size 1. Negative axes count from the last.
    #[track_caller]
    pub fn sum(self, axes: &[isize]) -> Tensor<'g> {
        self.reduce_axes(Reduction::Sum, axes)
    }

    /// Mean over axes, which stay with size 1.
    #[track_caller]
    pub fn mean(self, axes: &[isize]) -> Tensor<'g> {
        let sum = self.sum(axes);
        let count = self.shape().elements() / sum.shape().elements().max(1);
        sum * self.graph().constant(1.0 / count as f64)
    }

    /// Largest element over axes, which stay with size 1.
    #[track_caller]
    pub fn max(self, axes: &[isize]) -> Tensor<'g> {
        self.reduce_axes(Reduction::Max, axes)
    }

    /// Sum of all elements, shape `[]`.
    pub fn sum_all(self) -> Tensor<'g> {
        let count = self.shape().elements();
        self.reshape([count]).sum(&[0]).reshape([])
    }

    /// Mean of all elements, shape `[]`.
    pub fn mean_all(self) -> Tensor<'g> {
        let count = self.shape().elements();
        self.sum_all() * self.graph().constant(1.0 / count as f64)
    }

    /// Sums over the axes along which `shape` was broadcast to this tensor's shape: the adjoint of broadcasting.
    #[track_caller]
    pub fn sum_to(self, shape: impl Into<Shape>) -> Tensor<'g> {
        let shape = shape.into();
        let own = self.shape();
        if own == shape {
            return self;
        }
        let lead = own.len() - shape.len();
        let axes: Vec<isize> =
            (0..own.len()).filter(|&a| a < lead || shape[a - lead] != own[a]).map(|a| a as isize).collect();
        self.sum(&axes).reshape(shape)
    }
}
