//! Reshape and leading-axis slices: the same bytes under another shape, at no cost.

use crate::graph::{Array, Kind, Op, Shape, Spec, Tensor, Vjp};

/// A dense range of the input's elements under another shape.
#[derive(Debug)]
struct View {
    offset: usize,
    shape: Shape,
}

impl Op for View {
    fn name(&self) -> &'static str {
        "view"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String> {
        let spec = Spec { shape: self.shape.clone(), dtype: inputs[0].dtype };
        if self.offset + spec.elements() > inputs[0].elements() {
            return Err(format!("{spec} at {} does not fit into {}", self.offset, inputs[0]));
        }
        Ok(spec)
    }
    fn reference(&self, inputs: &[&Array]) -> Array {
        let data = inputs[0].data[self.offset..self.offset + self.shape.elements()].to_vec();
        Array::new(&self.shape, data)
    }
    fn vjp<'g>(&self, vjp: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        let input = vjp.inputs[0];
        let total = input.shape().elements();
        let count = self.shape.elements();
        let flat = vjp.grad.reshape([count]);
        let whole = if count == total { flat } else { flat.pad(0, self.offset, total - self.offset - count) };
        vec![Some(whole.reshape(input.shape()))]
    }
    fn kind(&self) -> Kind<'_> {
        Kind::View { offset: self.offset }
    }
}

impl<'g> Tensor<'g> {
    /// The same elements in row-major order under another shape with as many elements.
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Tensor<'g> {
        let shape = shape.into();
        if shape == self.shape() {
            return self;
        }
        if shape.elements() != self.shape().elements() {
            panic!("reshape: {} does not have the elements of {shape}", self.spec());
        }
        self.graph().apply(View { offset: 0, shape }, &[self])
    }

    /// Rows `start..end` along the first axis: a view, no copy.
    #[track_caller]
    pub fn rows(self, start: usize, end: usize) -> Tensor<'g> {
        let shape = self.shape();
        if shape.is_empty() || start > end || end > shape[0] {
            panic!("rows: {start}..{end} of {}", self.spec());
        }
        let mut rows = shape.to_vec();
        rows[0] = end - start;
        let inner: usize = shape[1..].iter().product();
        self.graph().apply(View { offset: start * inner, shape: rows.into() }, &[self])
    }

    /// Row `i` along the first axis, without that axis: a view, no copy.
    #[track_caller]
    pub fn row(self, i: usize) -> Tensor<'g> {
        let inner = self.shape().get(1..).unwrap_or_default().to_vec();
        self.rows(i, i + 1).reshape(inner)
    }
}
