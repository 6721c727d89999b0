//! Every op that has kernels, one line each.

use std::any::{Any, TypeId};

use super::kernel::{Kernel, LowerCx, Lowering, Sample};
use crate::graph::{Op, Spec};

/// What the executor and the tests need to know of an op's type.
pub struct Entry {
    type_id: fn() -> TypeId,
    /// Type name without its path, for reports.
    pub name: fn() -> &'static str,
    lower: fn(&dyn Op, &LowerCx<'_>) -> Lowering,
    flops: fn(&dyn Op, &[&Spec], &Spec) -> f64,
    pub samples: fn() -> Vec<Sample>,
}

const fn entry<K: Kernel>() -> Entry {
    Entry {
        type_id: TypeId::of::<K>,
        name: || std::any::type_name::<K>().rsplit("::").next().unwrap_or_default(),
        lower: |op, cx| cast::<K>(op).lower(cx),
        flops: |op, inputs, output| cast::<K>(op).flops(inputs, output),
        samples: K::samples,
    }
}

fn cast<K: Kernel>(op: &dyn Op) -> &K {
    (op as &dyn Any).downcast_ref().expect("looked up by its type")
}

/// All ops with kernels.
pub static REGISTRY: &[Entry] = &[
    entry::<super::image_batch::ImageBatch>(),
    entry::<super::image_batch::LabelBatch>(),
    entry::<super::rearrange::Permute>(),
    entry::<super::rearrange::Slice>(),
    entry::<super::rearrange::Pad>(),
    entry::<super::rearrange::Concat>(),
    entry::<super::reduce::Reduce>(),
];

fn find(op: &dyn Op) -> &'static Entry {
    let id = (op as &dyn Any).type_id();
    REGISTRY
        .iter()
        .find(|entry| (entry.type_id)() == id)
        .unwrap_or_else(|| panic!("op {} has no line in the registry", op.name()))
}

/// Describes an op's dispatches.
///
/// # Panics
/// If the op is not in the registry.
pub fn lower(op: &dyn Op, cx: &LowerCx<'_>) -> Lowering {
    (find(op).lower)(op, cx)
}

/// Floating-point operations of one evaluation.
pub fn flops(op: &dyn Op, inputs: &[&Spec], output: &Spec) -> f64 {
    (find(op).flops)(op, inputs, output)
}
