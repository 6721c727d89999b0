//! The conformance suite: every op on the device against its f64 reference, forward and backward.
//!
//! The backward pass is checked against central differences of the f64 *forward*, so a wrong gradient rule and a wrong
//! kernel are both found. `luthier selftest` runs this on the user's own adapter, the tests on whatever there is.

mod check;

use std::sync::Arc;

use crate::exec::Options;
use crate::gpu::Gpu;
use crate::graph::map::MapOp;
use crate::graph::{DType, Spec};
use crate::ops::elementwise::{TABLE, test_params};
use crate::ops::kernel::{Sample, SampleInput};
use crate::ops::registry::REGISTRY;

/// One case and how it went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Op, inputs and variant.
    pub case: String,
    /// What was wrong, if anything.
    pub failure: Option<String>,
}

/// All cases: the name of the op's type, and the sample.
pub fn cases() -> Vec<(&'static str, Sample)> {
    let mut all = Vec::new();
    for f in TABLE {
        for shapes in
            [vec![vec![3, 5]; 3], vec![vec![2, 3, 8], vec![8], vec![3, 1]], vec![vec![1], vec![], vec![]]]
        {
            let shapes = if f.name == "dropout" { vec![shapes[0].clone(), vec![], vec![]] } else { shapes };
            let inputs = (0..f.arity)
                .map(|i| {
                    let spec = Spec { shape: shapes[i].clone().into(), dtype: f.inputs[i] };
                    match f.inputs[i] {
                        DType::U32 => SampleInput::Index(spec, f.domain.1 as u32),
                        DType::F32 => SampleInput::Uniform(spec, f.domain.0, f.domain.1),
                    }
                })
                .collect();
            let op = Arc::new(MapOp { f, params: test_params(f).to_vec() });
            let gradient = f.inputs.contains(&DType::F32) && f.output == DType::F32;
            all.push((f.name, Sample { op, inputs, gradient }));
        }
    }
    for entry in REGISTRY {
        all.extend((entry.samples)().into_iter().map(|sample| ((entry.name)(), sample)));
    }
    all
}

/// Runs the cases whose name contains `filter`, plain and fast variants, and reports each.
///
/// # Errors
/// When the device fails as a whole; wrong results are outcomes.
pub fn run(gpu: &Gpu, filter: &str, mut report: impl FnMut(&Outcome)) -> crate::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (name, sample) in cases() {
        if !name.to_lowercase().contains(&filter.to_lowercase()) {
            continue;
        }
        for naive in [true, false] {
            let options = Options { naive, ..Options::default() };
            let specs: Vec<String> = sample.inputs.iter().map(|i| i.spec().to_string()).collect();
            let variant = if naive { "plain" } else { "fast" };
            let case = format!("{:?} {} ({variant})", sample.op, specs.join(" "));
            let failure = check::sample(gpu, &sample, options)?.err();
            let outcome = Outcome { case, failure };
            report(&outcome);
            outcomes.push(outcome);
        }
    }
    Ok(outcomes)
}
