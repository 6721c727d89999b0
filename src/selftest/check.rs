//! One case of the suite.

use crate::exec::{Options, Program, Store};
use crate::gpu::Gpu;
use crate::graph::map::MapFn;
use crate::graph::var::ARENA_ALIGN;
use crate::graph::{Array, DType, Graph, Kind, Shape, Spec, Tensor, Var};
use crate::ops::elementwise::uniform;
use crate::ops::kernel::{Sample, SampleInput};
use crate::{Error, Result};

/// Marks elements no kernel may touch.
const SENTINEL: f64 = 1234.0;

/// Half the distance over which central differences are taken.
const STEP: f64 = 1e-5;

/// `Err` inside `Ok` is a wrong result.
pub fn sample(gpu: &Gpu, sample: &Sample, options: Options) -> Result<std::result::Result<(), String>> {
    let inputs = draw(sample);
    let graph = Graph::new();
    let vars: Vec<Var> = sample
        .inputs
        .iter()
        .enumerate()
        .map(|(i, input)| {
            let Spec { shape, dtype } = input.spec().clone();
            Var::new(format!("input {i}"), shape, dtype)
        })
        .collect();
    let tensors: Vec<Tensor<'_>> = vars.iter().map(|v| graph.var(v)).collect();
    let output = graph.apply_arc(sample.op.clone(), &tensors);
    let spec = output.spec();

    // Results go between sentinels, which must survive.
    let guard = ARENA_ALIGN;
    let guarded = |name: &str, spec: &Spec| {
        let room = spec.elements().next_multiple_of(ARENA_ALIGN) + 2 * guard;
        let arena = Var::new(name, [room], spec.dtype);
        let slice = arena.slice(name, guard, &spec.shape);
        (arena, slice)
    };
    let mut results = vec![guarded("output", &spec)];
    graph.assign(&results[0].1, output);

    let weights: Vec<f64> = (0..spec.elements()).map(|i| draw_one(i, 999, 0.5, 1.5)).collect();
    let weight_var = Var::new("weights", &spec.shape, DType::F32);
    let mut differentiated = Vec::new();
    if sample.gradient {
        let loss = (output * graph.var(&weight_var)).sum_all();
        let grads = graph.gradients(loss, &tensors);
        for (i, grad) in grads.into_iter().enumerate() {
            if vars[i].dtype() != DType::F32 {
                continue;
            }
            let Some(grad) = grad else { continue };
            let result = guarded(&format!("gradient {i}"), vars[i].spec());
            graph.assign(&result.1, grad);
            results.push(result);
            differentiated.push(i);
        }
    }

    let mut store = Store::new(gpu);
    for (var, value) in vars.iter().zip(&inputs) {
        upload(&mut store, var, &value.data)?;
    }
    upload(&mut store, &weight_var, &weights)?;
    for (arena, _) in &results {
        upload(&mut store, arena, &vec![SENTINEL; arena.spec().elements()])?;
    }
    Program::compile(&graph, &mut store, options)?.run()?;

    let references: Vec<&Array> = inputs.iter().collect();
    let mut expected = vec![sample.op.reference(&references)];
    for &i in &differentiated {
        expected.push(central_differences(sample, &inputs, i, &weights));
    }
    for (at, ((arena, slice), expected)) in results.iter().zip(&expected).enumerate() {
        let what =
            if at == 0 { "result".into() } else { format!("gradient of input {}", differentiated[at - 1]) };
        let got = download(&mut store, arena)?;
        let inside = guard..guard + slice.spec().elements();
        if let Some((i, v)) = got.iter().enumerate().find(|(i, v)| !inside.contains(i) && **v != SENTINEL) {
            return Ok(Err(format!(
                "{what}: wrote {v} outside its storage, at {}",
                i as isize - guard as isize
            )));
        }
        if let Err(message) = compare(&got[inside], expected) {
            return Ok(Err(format!("{what}: {message}")));
        }
    }
    Ok(Ok(()))
}

/// Numbers that are the same everywhere, and exact in f32.
fn draw_one(i: usize, stream: u32, low: f64, high: f64) -> f64 {
    (low + (high - low) * uniform(i as u32, stream, 7, 11) as f64) as f32 as f64
}

fn draw(sample: &Sample) -> Vec<Array> {
    let mut values: Vec<Array> = sample
        .inputs
        .iter()
        .enumerate()
        .map(|(stream, input)| {
            let count = input.spec().elements();
            let stream = stream as u32;
            let data: Vec<f64> = match input {
                SampleInput::Uniform(_, low, high) => {
                    (0..count).map(|i| draw_one(i, stream, *low, *high)).collect()
                }
                SampleInput::Distinct(_, gap) => {
                    let mut order: Vec<usize> = (0..count).collect();
                    order.sort_by(|&a, &b| {
                        draw_one(a, stream, 0.0, 1.0).total_cmp(&draw_one(b, stream, 0.0, 1.0))
                    });
                    let mut data = vec![0.0; count];
                    for (rank, at) in order.into_iter().enumerate() {
                        data[at] = ((rank as f64 - count as f64 / 2.0) * gap) as f32 as f64;
                    }
                    data
                }
                SampleInput::Index(_, below) => {
                    (0..count).map(|i| draw_one(i, stream, 0.0, *below as f64).floor()).collect()
                }
                SampleInput::Values(_, values) => values.clone(),
            };
            Array::new(&input.spec().shape, data)
        })
        .collect();
    if let Kind::Map(op) = sample.op.kind() {
        avoid_kinks(op.f, &mut values);
    }
    values
}

/// Moves elements away from where an elementwise function has no derivative.
fn avoid_kinks(f: &MapFn, values: &mut [Array]) {
    if f.kinks.is_empty() || values.is_empty() {
        return;
    }
    let shape = values.iter().fold(Shape::from([]), |s, a| s.broadcast(&a.shape).expect("samples broadcast"));
    let near = |values: &[Array]| {
        crate::graph::array::indices(&shape).find(|index| {
            let a = values[0].broadcast_at(index);
            let at = if f.arity == 2 { a - values[1].broadcast_at(index) } else { a };
            f.kinks.iter().any(|k| (at - k).abs() < 0.02)
        })
    };
    for _ in 0..10_000 {
        let Some(index) = near(values) else { return };
        let lead = index.len() - values[0].shape.len();
        let own: Vec<usize> = values[0]
            .shape
            .iter()
            .zip(&index[lead..])
            .map(|(&size, &i)| if size == 1 { 0 } else { i })
            .collect();
        *values[0].at_mut(&own) += 0.0625;
    }
    panic!("{}: no sample away from the kinks", f.name);
}

fn central_differences(sample: &Sample, inputs: &[Array], which: usize, weights: &[f64]) -> Array {
    let mut inputs = inputs.to_vec();
    let mut grad = Array::full(&inputs[which].shape, 0.0);
    for i in 0..grad.data.len() {
        let x = inputs[which].data[i];
        let mut at = |value: f64| -> f64 {
            inputs[which].data[i] = value;
            let references: Vec<&Array> = inputs.iter().collect();
            sample.op.reference(&references).data.iter().zip(weights).map(|(y, w)| y * w).sum()
        };
        let (high, low) = (at(x + STEP), at(x - STEP));
        inputs[which].data[i] = x;
        grad.data[i] = (high - low) / (2.0 * STEP);
    }
    grad
}

/// Within 64 units in the last place of the largest expected magnitude, or 1e-6.
fn compare(got: &[f64], expected: &Array) -> std::result::Result<(), String> {
    let scale = expected.data.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let tolerance = 1e-6 + 64.0 * f32::EPSILON as f64 * scale;
    let worst = got
        .iter()
        .zip(&expected.data)
        .map(|(g, e)| if g.is_nan() { f64::INFINITY } else { (g - e).abs() })
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1));
    match worst {
        Some((i, error)) if error > tolerance => Err(format!(
            "at {i} of {}: got {}, expected {} (off by {error:.2e}, allowed {tolerance:.2e})",
            expected.shape, got[i], expected.data[i]
        )),
        _ => Ok(()),
    }
}

fn upload(store: &mut Store, var: &Var, data: &[f64]) -> Result<()> {
    match var.dtype() {
        DType::F32 => store.write(var, &data.iter().map(|&v| v as f32).collect::<Vec<_>>()),
        DType::U32 => store.write(var, &data.iter().map(|&v| v as u32).collect::<Vec<_>>()),
    }
}

fn download(store: &mut Store, var: &Var) -> Result<Vec<f64>, Error> {
    Ok(match var.dtype() {
        DType::F32 => store.read::<f32>(var)?.into_iter().map(f64::from).collect(),
        DType::U32 => store.read::<u32>(var)?.into_iter().map(f64::from).collect(),
    })
}
