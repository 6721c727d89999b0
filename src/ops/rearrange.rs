//! Transposes, slices, pads and concatenations: elements move, values stay.

use crate::graph::array::indices;
use crate::graph::{Array, Op, Spec, Tensor, Vjp};

use super::kernel::{Kernel, Launch, LowerCx, Lowering, Operand, Sample, SampleInput, Shader};

/// Axes a tensor may have when it is rearranged.
const MAX_RANK: usize = 6;

/// Permutes axes: axis `i` of the result is axis `0[i]` of the input.
#[derive(Debug)]
pub struct Permute(Vec<usize>);

/// Elements `start..end` along one axis.
#[derive(Debug)]
pub struct Slice {
    axis: usize,
    start: usize,
    end: usize,
}

/// Zeros before and after along one axis.
#[derive(Debug)]
pub struct Pad {
    axis: usize,
    before: usize,
    after: usize,
}

/// Joins tensors along one axis.
#[derive(Debug)]
pub struct Concat {
    axis: usize,
}

/// A copy of the box `sizes` between two layouts, each given by an offset and a stride an axis.
fn copy_box(
    cx: &LowerCx<'_>,
    sizes: &[usize],
    from: (usize, &[usize]),
    to: (usize, &[usize]),
    input: usize,
) -> Launch {
    const SIZES: [&str; MAX_RANK] = ["", "D1", "D2", "D3", "D4", "D5"];
    const FROM: [&str; MAX_RANK] = ["FROM0", "FROM1", "FROM2", "FROM3", "FROM4", "FROM5"];
    const TO: [&str; MAX_RANK] = ["TO0", "TO1", "TO2", "TO3", "TO4", "TO5"];
    let count: usize = sizes.iter().product();
    let mut shader = Shader::new("copy_strided").set("COUNT", count).set("FROM", from.0).set("TO", to.0);
    let lead = MAX_RANK - sizes.len();
    for (axis, &size) in sizes.iter().enumerate() {
        let at = lead + axis;
        if at > 0 {
            shader = shader.set(SIZES[at], size);
        }
        shader = shader.set(FROM[at], from.1[axis]).set(TO[at], to.1[axis]);
    }
    Launch::new(shader, cx.grid(count, 64)).read([Operand::Input(input)]).write(Operand::Output)
}

fn check_rank(spec: &Spec) -> Result<(), String> {
    match spec.shape.len() {
        1..=MAX_RANK => Ok(()),
        rank => Err(format!("{spec} has {rank} axes, between 1 and {MAX_RANK} are supported")),
    }
}

impl Op for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String> {
        check_rank(inputs[0])?;
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        if sorted != (0..inputs[0].shape.len()).collect::<Vec<_>>() {
            return Err(format!("{:?} is not an order of the axes of {}", self.0, inputs[0]));
        }
        let shape: Vec<usize> = self.0.iter().map(|&a| inputs[0].shape[a]).collect();
        Ok(Spec { shape: shape.into(), dtype: inputs[0].dtype })
    }
    fn reference(&self, inputs: &[&Array]) -> Array {
        let shape: Vec<usize> = self.0.iter().map(|&a| inputs[0].shape[a]).collect();
        let mut source = vec![0; shape.len()];
        Array::from_fn(shape, |index| {
            self.0.iter().zip(index).for_each(|(&axis, &i)| source[axis] = i);
            inputs[0].at(&source)
        })
    }
    fn vjp<'g>(&self, vjp: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        let mut inverse = vec![0isize; self.0.len()];
        self.0.iter().enumerate().for_each(|(to, &from)| inverse[from] = to as isize);
        vec![Some(vjp.grad.permute(&inverse))]
    }
}

impl Kernel for Permute {
    fn lower(&self, cx: &LowerCx<'_>) -> Lowering {
        let strides = cx.inputs[0].shape.strides();
        let from: Vec<usize> = self.0.iter().map(|&a| strides[a]).collect();
        copy_box(cx, &cx.output.shape, (0, &from), (0, &cx.output.shape.strides()), 0).into()
    }
    fn samples() -> Vec<Sample> {
        let case = |shape: &[usize], order: &[usize]| {
            Sample::new(Permute(order.to_vec()), vec![SampleInput::floats(shape)])
        };
        vec![
            case(&[5, 7], &[1, 0]),
            case(&[1, 3], &[1, 0]),
            case(&[2, 3, 4, 5], &[0, 3, 1, 2]),
            case(&[2, 1, 3, 2, 2, 3], &[5, 0, 3, 1, 4, 2]),
        ]
    }
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String> {
        check_rank(inputs[0])?;
        let mut shape = inputs[0].shape.to_vec();
        if self.start >= self.end || self.end > shape[self.axis] {
            return Err(format!("{}..{} along axis {} of {}", self.start, self.end, self.axis, inputs[0]));
        }
        shape[self.axis] = self.end - self.start;
        Ok(Spec { shape: shape.into(), dtype: inputs[0].dtype })
    }
    fn reference(&self, inputs: &[&Array]) -> Array {
        let mut shape = inputs[0].shape.to_vec();
        shape[self.axis] = self.end - self.start;
        Array::from_fn(shape, |index| {
            let mut source = index.to_vec();
            source[self.axis] += self.start;
            inputs[0].at(&source)
        })
    }
    fn vjp<'g>(&self, vjp: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        let size = vjp.inputs[0].shape()[self.axis];
        vec![Some(vjp.grad.pad(self.axis as isize, self.start, size - self.end))]
    }
}

impl Kernel for Slice {
    fn lower(&self, cx: &LowerCx<'_>) -> Lowering {
        let strides = cx.inputs[0].shape.strides();
        let offset = self.start * strides[self.axis];
        copy_box(cx, &cx.output.shape, (offset, &strides), (0, &cx.output.shape.strides()), 0).into()
    }
    fn samples() -> Vec<Sample> {
        let case = |shape: &[usize], axis, start, end| {
            Sample::new(Slice { axis, start, end }, vec![SampleInput::floats(shape)])
        };
        vec![case(&[9], 0, 2, 3), case(&[3, 7, 5], 1, 1, 6), case(&[2, 3, 5], 2, 0, 4)]
    }
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String> {
        check_rank(inputs[0])?;
        let mut shape = inputs[0].shape.to_vec();
        shape[self.axis] += self.before + self.after;
        Ok(Spec { shape: shape.into(), dtype: inputs[0].dtype })
    }
    fn reference(&self, inputs: &[&Array]) -> Array {
        let mut shape = inputs[0].shape.to_vec();
        shape[self.axis] += self.before + self.after;
        let mut out = Array::full(shape, 0.0);
        for (mut index, &x) in indices(&inputs[0].shape).zip(&inputs[0].data) {
            index[self.axis] += self.before;
            *out.at_mut(&index) = x;
        }
        out
    }
    fn vjp<'g>(&self, vjp: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        let size = vjp.inputs[0].shape()[self.axis];
        vec![Some(vjp.grad.slice(self.axis as isize, self.before, self.before + size))]
    }
}

impl Kernel for Pad {
    fn lower(&self, cx: &LowerCx<'_>) -> Lowering {
        let to = cx.output.shape.strides();
        let offset = self.before * to[self.axis];
        let count = cx.output.elements();
        let zeros =
            Launch::new(Shader::new("fill").set("COUNT", count), cx.grid(count, 64)).write(Operand::Output);
        let shape = &cx.inputs[0].shape;
        Lowering {
            launches: vec![zeros, copy_box(cx, shape, (0, &shape.strides()), (offset, &to), 0)],
            scratch: vec![],
        }
    }
    fn samples() -> Vec<Sample> {
        let case = |shape: &[usize], axis, before, after| {
            Sample::new(Pad { axis, before, after }, vec![SampleInput::floats(shape)])
        };
        vec![case(&[1], 0, 2, 0), case(&[3, 5, 2], 1, 1, 3), case(&[2, 3], 1, 0, 1)]
    }
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String> {
        let first = inputs.first().ok_or("nothing to join")?;
        check_rank(first)?;
        let mut shape = first.shape.to_vec();
        shape[self.axis] = 0;
        for spec in inputs {
            let fits = spec.dtype == first.dtype
                && spec.shape.len() == shape.len()
                && (0..shape.len()).all(|a| a == self.axis || spec.shape[a] == shape[a]);
            if !fits {
                return Err(format!("{spec} and {first} differ outside axis {}", self.axis));
            }
            shape[self.axis] += spec.shape[self.axis];
        }
        Ok(Spec { shape: shape.into(), dtype: first.dtype })
    }
    fn reference(&self, inputs: &[&Array]) -> Array {
        let mut shape = inputs[0].shape.to_vec();
        shape[self.axis] = inputs.iter().map(|a| a.shape[self.axis]).sum();
        Array::from_fn(shape, |index| {
            let mut source = index.to_vec();
            for input in inputs {
                if source[self.axis] < input.shape[self.axis] {
                    return input.at(&source);
                }
                source[self.axis] -= input.shape[self.axis];
            }
            unreachable!("the sizes add up")
        })
    }
    fn vjp<'g>(&self, vjp: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        let mut start = 0;
        vjp.inputs
            .iter()
            .map(|input| {
                let end = start + input.shape()[self.axis];
                let part = vjp.grad.slice(self.axis as isize, start, end);
                start = end;
                Some(part)
            })
            .collect()
    }
}

impl Kernel for Concat {
    fn lower(&self, cx: &LowerCx<'_>) -> Lowering {
        let to = cx.output.shape.strides();
        let mut offset = 0;
        let launches = cx.inputs.iter().enumerate().map(|(i, spec)| {
            let launch = copy_box(cx, &spec.shape, (0, &spec.shape.strides()), (offset, &to), i);
            offset += spec.shape[self.axis] * to[self.axis];
            launch
        });
        Lowering { launches: launches.collect(), scratch: vec![] }
    }
    fn samples() -> Vec<Sample> {
        let case = |shapes: &[&[usize]], axis| {
            Sample::new(Concat { axis }, shapes.iter().map(|&s| SampleInput::floats(s)).collect())
        };
        vec![case(&[&[3], &[1], &[4]], 0), case(&[&[2, 3, 1], &[2, 1, 1]], 1), case(&[&[3, 2], &[3, 5]], 1)]
    }
}

impl<'g> Tensor<'g> {
    /// Axes in another order: axis `i` of the result is axis `order[i]` of this tensor.
    #[track_caller]
    pub fn permute(self, order: &[isize]) -> Tensor<'g> {
        let order: Vec<usize> = order.iter().map(|&a| self.axis(a)).collect();
        if order.iter().enumerate().all(|(i, &a)| i == a) && order.len() == self.shape().len() {
            return self;
        }
        self.graph().apply(Permute(order), &[self])
    }

    /// Two axes exchanged.
    #[track_caller]
    pub fn transpose(self, a: isize, b: isize) -> Tensor<'g> {
        let (a, b) = (self.axis(a), self.axis(b));
        let mut order: Vec<isize> = (0..self.shape().len() as isize).collect();
        order.swap(a, b);
        self.permute(&order)
    }

    /// Elements `start..end` along an axis.
    #[track_caller]
    pub fn slice(self, axis: isize, start: usize, end: usize) -> Tensor<'g> {
        match self.axis(axis) {
            axis if start == 0 && end == self.shape()[axis] => self,
            0 => self.rows(start, end),
            axis => self.graph().apply(Slice { axis, start, end }, &[self]),
        }
    }

    /// Zeros added before and after along an axis.
    #[track_caller]
    pub fn pad(self, axis: isize, before: usize, after: usize) -> Tensor<'g> {
        let axis = self.axis(axis);
        if before + after == 0 {
            return self;
        }
        self.graph().apply(Pad { axis, before, after }, &[self])
    }

    /// Joins tensors that differ at most along `axis`.
    ///
    /// # Panics
    /// At the caller's line, if there are none or they do not fit.
    #[track_caller]
    pub fn concat(tensors: &[Tensor<'g>], axis: isize) -> Tensor<'g> {
        let first = *tensors.first().expect("concat: nothing to join");
        first.graph().apply(Concat { axis: first.axis(axis) }, tensors)
    }
}
