//! Batches from the data set that stays on the device: gather, crop, flip, normalise.

use crate::graph::{Array, Op, Spec, Tensor, Vjp};

use super::elementwise::pcg4d;
use super::kernel::{Kernel, Launch, LowerCx, Lowering, Operand, Sample, SampleInput, Shader};

/// Elements of the control vector the batch kernels read; the host writes it before every step.
pub mod control {
    /// Position in the epoch's order of the batch's first image.
    pub const FIRST: usize = 0;
    /// Rows of the batch that count.
    pub const VALID: usize = 1;
    /// Seed of all random draws of the run.
    pub const SEED: usize = 2;
    /// Number of the step, from 0.
    pub const STEP: usize = 3;
    /// Length of the vector.
    pub const LEN: usize = 64;
}

/// Random changes to an image, drawn anew each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageAugment {
    /// Shifts by up to this many pixels each way.
    pub crop: usize,
    /// Mirrors left and right with probability one half.
    pub flip: bool,
}

/// Geometry of a resident data set and of the batches taken from it.
#[derive(Clone, Copy, Debug)]
pub struct ImageBatch {
    /// Images in a batch.
    pub batch: usize,
    /// Images in the data set.
    pub images: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub augment: ImageAugment,
}

/// Stream number of the draws, apart from those of dropout layers.
const STREAM: u32 = 0x1f00_0000;

impl ImageBatch {
    /// Words that hold the packed bytes of the data set.
    pub fn words(&self) -> usize {
        (self.images * self.height * self.width * self.channels).div_ceil(4)
    }
}

impl Op for ImageBatch {
    fn name(&self) -> &'static str {
        "image_batch"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String> {
        let wanted = [
            Spec::u32([self.words()]),
            Spec::u32([self.images]),
            Spec::u32([control::LEN]),
            Spec::f32([2, self.channels]),
        ];
        for (what, (got, want)) in
            ["images", "order", "control", "norm"].iter().zip(inputs.iter().zip(&wanted))
        {
            if *got != want {
                return Err(format!("{what} is {got}, expected {want}"));
            }
        }
        Ok(Spec::f32([self.batch, self.height, self.width, self.channels]))
    }
    fn reference(&self, inputs: &[&Array]) -> Array {
        let [images, order, control, norm] = inputs else { unreachable!("four inputs") };
        let (h, w, crop) = (self.height as isize, self.width as isize, self.augment.crop);
        let word = |i: usize| control.data[i] as u32;
        Array::from_fn([self.batch, self.height, self.width, self.channels], |index| {
            let &[b, row, column, c] = index else { unreachable!("four axes") };
            let image = order.data[(word(control::FIRST) as usize + b).min(self.images - 1)] as usize;
            let draw = pcg4d([b as u32, STREAM, word(control::SEED), word(control::STEP)]);
            let shift = |bits: u32| ((bits >> 8) as usize % (2 * crop + 1)) as isize - crop as isize;
            let row = row as isize + shift(draw[0]);
            let mut column = column as isize + shift(draw[1]);
            if self.augment.flip && draw[2] >> 31 == 1 {
                column = w - 1 - column;
            }
            if !(0..h).contains(&row) || !(0..w).contains(&column) {
                return 0.0;
            }
            let at =
                ((image * self.height + row as usize) * self.width + column as usize) * self.channels + c;
            let byte = (images.data[at / 4] as u32 >> (8 * (at % 4))) & 255;
            (byte as f64 - norm.at(&[0, c])) * norm.at(&[1, c])
        })
    }
    fn vjp<'g>(&self, _: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        vec![None; 4]
    }
}

impl Kernel for ImageBatch {
    fn lower(&self, cx: &LowerCx<'_>) -> Lowering {
        let shader = Shader::new("image_batch")
            .set("B", self.batch)
            .set("H", self.height)
            .set("W", self.width)
            .set("C", self.channels)
            .set("N", self.images)
            .set("CROP", self.augment.crop)
            .set("FLIP", self.augment.flip)
            .set("STREAM", STREAM);
        Launch::new(shader, cx.grid(cx.output.elements(), 64))
            .read((0..4).map(Operand::Input))
            .write(Operand::Output)
            .into()
    }

    fn samples() -> Vec<Sample> {
        let case = |batch, images, height, width, channels, crop, flip, first: f64| {
            let op =
                ImageBatch { batch, images, height, width, channels, augment: ImageAugment { crop, flip } };
            let mut words = vec![0.0; control::LEN];
            words[..4].copy_from_slice(&[first, batch as f64, 5.0, 17.0]);
            let order = (0..images).map(|i| ((i * 7 + 3) % images) as f64).collect();
            let bytes = (0..op.words()).map(|i| pcg4d([i as u32, 1, 2, 3])[0] as f64).collect();
            let norm =
                (0..2 * channels).map(|i| if i < channels { 100.0 + i as f64 } else { 0.0625 }).collect();
            let inputs = vec![
                SampleInput::Values(Spec::u32([op.words()]), bytes),
                SampleInput::Values(Spec::u32([images]), order),
                SampleInput::Values(Spec::u32([control::LEN]), words),
                SampleInput::Values(Spec::f32([2, channels]), norm),
            ];
            Sample::forward_only(op, inputs)
        };
        vec![
            case(3, 5, 4, 6, 3, 0, false, 1.0),
            case(4, 5, 5, 3, 1, 2, true, 0.0),
            case(7, 9, 8, 8, 3, 4, true, 2.0),
            // Short last batch.
            case(4, 5, 2, 2, 3, 0, false, 3.0),
        ]
    }
}

/// The labels that go with an [`ImageBatch`].
#[derive(Debug)]
pub struct LabelBatch {
    pub batch: usize,
    pub images: usize,
}

impl Op for LabelBatch {
    fn name(&self) -> &'static str {
        "label_batch"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Spec, String> {
        for (what, got) in ["labels", "order"].iter().zip(inputs) {
            if **got != Spec::u32([self.images]) {
                return Err(format!("{what} is {got}, expected u32[{}]", self.images));
            }
        }
        Ok(Spec::u32([self.batch]))
    }
    fn reference(&self, inputs: &[&Array]) -> Array {
        let first = inputs[2].data[control::FIRST] as usize;
        Array::from_fn([self.batch], |index| {
            let at = inputs[1].data[(first + index[0]).min(self.images - 1)] as usize;
            inputs[0].data[at]
        })
    }
    fn vjp<'g>(&self, _: &Vjp<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
        vec![None; 3]
    }
}

impl Kernel for LabelBatch {
    fn lower(&self, _: &LowerCx<'_>) -> Lowering {
        let shader = Shader::new("label_batch").set("B", self.batch).set("N", self.images);
        Launch::new(shader, [self.batch.div_ceil(64) as u32, 1, 1])
            .read((0..3).map(Operand::Input))
            .write(Operand::Output)
            .into()
    }

    fn samples() -> Vec<Sample> {
        let case = |batch: usize, images: usize, first: f64| {
            let mut words = vec![0.0; control::LEN];
            words[control::FIRST] = first;
            let order = (0..images).map(|i| ((i * 7 + 3) % images) as f64).collect();
            let inputs = vec![
                SampleInput::Index(Spec::u32([images]), 10),
                SampleInput::Values(Spec::u32([images]), order),
                SampleInput::Values(Spec::u32([control::LEN]), words),
            ];
            Sample::forward_only(LabelBatch { batch, images }, inputs)
        };
        vec![case(3, 10, 4.0), case(70, 101, 50.0)]
    }
}
