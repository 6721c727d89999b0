//! Writes the kernel of a group of elementwise nodes: one load an operand, one store a result, all between in registers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::gpu::shader;
use crate::graph::fuse::{Item, base};
use crate::graph::map::{MapFn, MapOp};
use crate::graph::plan::{Location, Place, Plan};
use crate::graph::{DType, Kind, Node, NodeId};
use crate::ops::kernel::{f32_literal, fold_grid};

/// Lanes of a generated kernel's workgroup.
const GROUP: usize = 64;

/// A generated kernel and what it binds.
pub struct Generated {
    pub label: String,
    pub source: String,
    pub bindings: Vec<GeneratedBinding>,
    pub groups: [u32; 3],
    /// Floating-point operations of one run.
    pub flops: f64,
}

/// A range of storage a generated kernel binds.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratedBinding {
    pub place: Place,
    /// First element; a multiple of 64.
    pub offset: usize,
    pub elements: usize,
    pub dtype: DType,
    pub write: bool,
    /// Some access is to single elements.
    scalar: bool,
}

/// Where an operand's elements are, relative to the result's.
#[derive(Clone, Debug)]
struct Access {
    binding: usize,
    /// Element offset within the binding.
    offset: usize,
    /// Elements between neighbours along each axis of the result.
    strides: Vec<usize>,
}

/// Generates the kernel of an item made of elementwise nodes and assignments.
pub fn generate(nodes: &[Node], item: &Item, plan: &Plan, max_groups: u32) -> Generated {
    let spec = &nodes[item.nodes[0]].spec;
    let mut writer = Writer { nodes, plan, bindings: Vec::new() };
    let mut reads: BTreeMap<(NodeId, NodeId), Access> = BTreeMap::new();
    for &id in &item.nodes {
        for &input in &nodes[id].inputs {
            let source = base(nodes, input);
            if item.nodes.contains(&source) && source == input {
                continue;
            }
            let strides = nodes[input].spec.shape.broadcast_strides(&spec.shape);
            reads.entry((id, input)).or_insert_with(|| writer.access(source, input, strides));
        }
    }
    let dense = spec.shape.strides();
    let mut stores: Vec<(NodeId, Access)> = Vec::new();
    for &id in &item.writes {
        let access = writer.store(id, &dense);
        // An assignment and the value it takes are one store.
        if !stores.iter().any(|(_, a)| a.binding == access.binding && a.offset == access.offset) {
            stores.push((id, access));
        }
    }
    writer.unify_buffers();

    let mut accesses: Vec<&mut Access> =
        reads.values_mut().chain(stores.iter_mut().map(|(_, a)| a)).collect();
    let sizes = collapse(&spec.shape, &mut accesses);
    let elements = spec.elements();
    let wide =
        accesses.iter().all(|a| vectorizes(a, &sizes)) && sizes.last().is_some_and(|s| s.is_multiple_of(4));
    for access in accesses.iter() {
        let broadcast = access.strides.last().is_none_or(|&s| s == 0);
        writer.bindings[access.binding].scalar |= !wide || broadcast;
    }
    let source = emit(nodes, item, &writer.bindings, &reads, &stores, &sizes, elements, wide);
    let flops: usize = item.nodes.iter().filter_map(|&id| map(&nodes[id])).map(|op| op.f.flops).sum();
    Generated {
        label: label(nodes, item),
        source,
        bindings: writer.bindings,
        groups: fold_grid(elements.div_ceil(if wide { 4 * GROUP } else { GROUP }), max_groups),
        flops: (flops * elements) as f64,
    }
}

fn map(node: &Node) -> Option<&MapOp> {
    match node.kind() {
        Kind::Map(op) => Some(op),
        _ => None,
    }
}

fn label(nodes: &[Node], item: &Item) -> String {
    let mut names: Vec<&str> = item
        .nodes
        .iter()
        .filter_map(|&id| map(&nodes[id]))
        .map(|op| op.f.name)
        .filter(|name| !matches!(*name, "constant" | "copy" | "copy_u32"))
        .collect();
    names.dedup();
    if names.is_empty() {
        names.push("copy");
    }
    if names.len() > 6 {
        let more = names.len() - 5;
        names.truncate(5);
        return format!("{}+{more} more", names.join("+"));
    }
    names.join("+")
}

struct Writer<'a> {
    nodes: &'a [Node],
    plan: &'a Plan,
    bindings: Vec<GeneratedBinding>,
}

impl Writer<'_> {
    fn location(&self, id: NodeId) -> &Location {
        self.plan
            .locations
            .get(&id)
            .unwrap_or_else(|| panic!("node {id} ({:?}) has no location", self.nodes[id].op))
    }

    /// Binds the whole of `source` (aligned down to what a device allows) and returns the binding.
    fn bind(&mut self, source: NodeId, write: bool) -> (usize, usize) {
        let at = self.location(source).clone();
        let aligned = at.offset / 64 * 64;
        let binding = GeneratedBinding {
            place: at.place.clone(),
            offset: aligned,
            elements: at.offset - aligned + self.nodes[source].spec.elements(),
            dtype: self.nodes[source].spec.dtype,
            write,
            scalar: false,
        };
        let known = self.bindings.iter_mut().position(|b| {
            b.place == binding.place
                && b.offset == binding.offset
                && b.elements == binding.elements
                && b.dtype == binding.dtype
        });
        let index = known.unwrap_or_else(|| {
            self.bindings.push(binding);
            self.bindings.len() - 1
        });
        self.bindings[index].write |= write;
        (index, aligned)
    }

    fn access(&mut self, source: NodeId, view: NodeId, strides: Vec<usize>) -> Access {
        let (binding, aligned) = self.bind(source, false);
        Access { binding, offset: self.location(view).offset - aligned, strides }
    }

    fn store(&mut self, id: NodeId, dense: &[usize]) -> Access {
        let (binding, aligned) = self.bind(id, true);
        Access { binding, offset: self.location(id).offset - aligned, strides: dense.to_vec() }
    }

    /// A device refuses one buffer both read-only and writable in a dispatch: if any range is written, all are.
    fn unify_buffers(&mut self) {
        let written: Vec<Place> = self.bindings.iter().filter(|b| b.write).map(|b| b.place.clone()).collect();
        for binding in &mut self.bindings {
            binding.write |= written.contains(&binding.place);
        }
    }
}

/// Merges neighbouring axes that every operand steps through as one, and drops axes of size 1.
fn collapse(shape: &[usize], accesses: &mut [&mut Access]) -> Vec<usize> {
    let keep: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] != 1).collect();
    let mut sizes: Vec<usize> = Vec::new();
    let mut merged: Vec<Vec<usize>> = vec![Vec::new(); accesses.len()];
    for &axis in &keep {
        let joins = !sizes.is_empty()
            && accesses
                .iter()
                .zip(&merged)
                .all(|(a, own)| *own.last().expect("one a size") == a.strides[axis] * shape[axis]);
        if joins {
            *sizes.last_mut().expect("not empty") *= shape[axis];
            for (access, own) in accesses.iter().zip(&mut merged) {
                *own.last_mut().expect("one a size") = access.strides[axis];
            }
        } else {
            sizes.push(shape[axis]);
            for (access, own) in accesses.iter().zip(&mut merged) {
                own.push(access.strides[axis]);
            }
        }
    }
    for (access, own) in accesses.iter_mut().zip(merged) {
        access.strides = own;
    }
    sizes
}

/// Whether four neighbours of the result are four neighbours (or one element) of the operand.
fn vectorizes(access: &Access, sizes: &[usize]) -> bool {
    match access.strides.split_last() {
        None => sizes.is_empty(),
        Some((0, _)) => true,
        Some((1, outer)) => access.offset.is_multiple_of(4) && outer.iter().all(|s| s.is_multiple_of(4)),
        Some(_) => false,
    }
}

#[allow(clippy::too_many_arguments)]
fn emit(
    nodes: &[Node],
    item: &Item,
    bindings: &[GeneratedBinding],
    reads: &BTreeMap<(NodeId, NodeId), Access>,
    stores: &[(NodeId, Access)],
    sizes: &[usize],
    elements: usize,
    wide: bool,
) -> String {
    let mut s = String::new();
    let (t, u) = if wide { ("vec4<f32>", "vec4<u32>") } else { ("f32", "u32") };
    writeln!(s, "alias T = {t};\nalias U = {u};").expect("strings take all");
    for (i, b) in bindings.iter().enumerate() {
        let access = if b.write { "read_write" } else { "read" };
        let scalar = b.dtype.wgsl();
        let element = if b.scalar { scalar.to_string() } else { format!("vec4<{scalar}>") };
        writeln!(s, "@group(0) @binding({i}) var<storage, {access}> b{i}: array<{element}>;").unwrap();
    }
    functions(nodes, item, wide, &mut s);

    let groups = "(group.y * groups.x + group.x)";
    let step = if wide { " * 4u" } else { "" };
    writeln!(
        s,
        "@compute @workgroup_size({GROUP})\nfn main(@builtin(workgroup_id) group: vec3<u32>, \
         @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{\n\
         let idx = ({groups} * {GROUP}u + lane){step};\nif idx >= {elements}u {{ return; }}"
    )
    .unwrap();
    if sizes.len() > 1 {
        s.push_str("var rest = idx;\n");
        for (axis, size) in sizes.iter().enumerate().skip(1).rev() {
            writeln!(s, "let c{axis} = rest % {size}u; rest /= {size}u;").unwrap();
        }
        s.push_str("let c0 = rest;\n");
    }
    let mut loaded: BTreeSet<String> = BTreeSet::new();
    for &id in &item.nodes {
        let node = &nodes[id];
        let operands: Vec<String> = node
            .inputs
            .iter()
            .map(|&input| match reads.get(&(id, input)) {
                None => format!("v{input}"),
                Some(access) => {
                    let name = format!("r{input}");
                    if loaded.insert(name.clone()) {
                        let load = load(access, &bindings[access.binding], sizes, wide);
                        writeln!(s, "let {name} = {load};").unwrap();
                    }
                    name
                }
            })
            .collect();
        match node.kind() {
            Kind::Map(op) => {
                let mut arguments = operands;
                arguments.extend(op.params.iter().map(|&p| f32_literal(p)));
                arguments.push("idx".into());
                writeln!(s, "let v{id} = f_{}({});", op.f.name, arguments.join(", ")).unwrap();
            }
            _ => writeln!(s, "let v{id} = {};", operands[0]).unwrap(),
        }
    }
    for (id, access) in stores {
        let b = access.binding;
        let at = index(access, sizes);
        if !wide {
            writeln!(s, "b{b}[{at}] = v{id};").unwrap();
        } else if bindings[b].scalar {
            for (k, c) in ["x", "y", "z", "w"].iter().enumerate() {
                writeln!(s, "b{b}[{at} + {k}u] = v{id}.{c};").unwrap();
            }
        } else {
            writeln!(s, "b{b}[({at}) / 4u] = v{id};").unwrap();
        }
    }
    s.push_str("}\n");
    s
}

/// The functions of the rows used, and what they call.
fn functions(nodes: &[Node], item: &Item, wide: bool, s: &mut String) {
    let mut rows: BTreeMap<&str, &MapFn> = BTreeMap::new();
    for &id in &item.nodes {
        if let Some(op) = map(&nodes[id]) {
            rows.insert(op.f.name, op.f);
        }
    }
    let needs = |word: &str| rows.values().any(|f| f.wgsl.contains(word));
    if needs("erf_approx(") {
        s.push_str(&shader::source("lib/elementwise"));
    }
    if needs("dropout(") {
        s.push_str(&shader::source("lib/random"));
        let drawn = if wide {
            "uniform4(idx / 4u, stream, seed.x, step.x)"
        } else {
            "uniform4(idx / 4u, stream, seed, step)[idx % 4u]"
        };
        writeln!(
            s,
            "fn dropout(x: T, seed: U, step: U, p: f32, stream: u32, idx: u32) -> T {{\n\
             return select(T(0.0), x * (1.0 / (1.0 - p)), {drawn} >= T(p));\n}}"
        )
        .unwrap();
    }
    for (name, f) in rows {
        let mut arguments: Vec<String> = ["a", "b", "c"]
            .iter()
            .zip(f.inputs)
            .map(|(name, dtype)| format!("{name}: {}", if *dtype == DType::F32 { "T" } else { "U" }))
            .collect();
        for p in ["p0", "p1"] {
            if f.wgsl.contains(p) {
                arguments.push(format!("{p}: f32"));
            }
        }
        arguments.push("idx: u32".into());
        let result = if f.output == DType::F32 { "T" } else { "U" };
        writeln!(s, "fn f_{name}({}) -> {result} {{ return {}; }}", arguments.join(", "), f.wgsl).unwrap();
    }
}

fn load(access: &Access, binding: &GeneratedBinding, sizes: &[usize], wide: bool) -> String {
    let at = index(access, sizes);
    let b = access.binding;
    let kind = if binding.dtype == DType::F32 { "T" } else { "U" };
    if !wide {
        format!("b{b}[{at}]")
    } else if access.strides.last().is_none_or(|&s| s == 0) {
        format!("{kind}(b{b}[{at}])")
    } else if binding.scalar {
        format!("{kind}(b{b}[{at}], b{b}[{at} + 1u], b{b}[{at} + 2u], b{b}[{at} + 3u])")
    } else {
        format!("b{b}[({at}) / 4u]")
    }
}

/// The element an access is at, as an expression.
fn index(access: &Access, sizes: &[usize]) -> String {
    let mut terms: Vec<String> = Vec::new();
    for (axis, &stride) in access.strides.iter().enumerate() {
        let coordinate = if sizes.len() == 1 { "idx".to_string() } else { format!("c{axis}") };
        match stride {
            0 => {}
            1 => terms.push(coordinate),
            _ => terms.push(format!("{coordinate} * {stride}u")),
        }
    }
    if access.offset > 0 || terms.is_empty() {
        terms.push(format!("{}u", access.offset));
    }
    terms.join(" + ")
}
