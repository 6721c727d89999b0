//! Rewrites a graph into an equal, smaller one: composed ops are spelled out, equal nodes merged, unused ones dropped.

use std::collections::HashMap;

use super::var::ARENA_ALIGN;
use super::{Graph, Kind, NodeId, Tensor};

/// A simplified copy of a graph, and where the old graph's outputs ended up in it.
pub struct Simplified {
    pub graph: Graph,
    /// New id of each old node that survived.
    pub ids: HashMap<NodeId, NodeId>,
}

/// Spells out composed ops, merges equal nodes and drops those no output needs.
pub fn simplify(graph: &Graph) -> Simplified {
    let mut done = rewrite(graph);
    // A composed op may be spelled with other composed ops, and leaves equal or unused nodes behind.
    while done.spelled_out {
        let next = rewrite(&done.graph);
        let ids =
            done.ids.iter().filter_map(|(&old, mid)| next.ids.get(mid).map(|&new| (old, new))).collect();
        done = Rewritten { ids, ..next };
    }
    Simplified { graph: done.graph, ids: done.ids }
}

struct Rewritten {
    graph: Graph,
    ids: HashMap<NodeId, NodeId>,
    spelled_out: bool,
}

fn rewrite(graph: &Graph) -> Rewritten {
    let mut spelled_out = false;
    let nodes = graph.nodes();
    let mut live = vec![false; nodes.len()];
    for id in graph.outputs() {
        live[id] = true;
    }
    for id in (0..nodes.len()).rev() {
        if live[id] {
            nodes[id].inputs.iter().for_each(|&i| live[i] = true);
        }
    }
    let out = Graph::new();
    let mut ids: HashMap<NodeId, NodeId> = HashMap::new();
    let mut seen: HashMap<(String, Vec<NodeId>), NodeId> = HashMap::new();
    for (id, node) in nodes.iter().enumerate().filter(|&(id, _)| live[id]) {
        let mut inputs: Vec<Tensor<'_>> = node.inputs.iter().map(|i| out.tensor(ids[i])).collect();
        let new = if let Kind::Leaf(var) = node.kind() {
            out.var(var).id()
        } else if let Some(parts) = node.op.decompose(&inputs) {
            spelled_out = true;
            assert_eq!(parts.shape(), node.spec.shape, "{}: decomposition", node.op.name());
            parts.id()
        } else {
            // What an assignment writes must be computed, not seen through another's storage.
            if let (Kind::Assign(_), Some(&value)) = (node.kind(), inputs.first())
                && !matches!(out.node(value.id()).kind(), Kind::Map(_) | Kind::Kernel)
            {
                inputs[0] = value.copy();
            }
            if matches!(node.kind(), Kind::Kernel) {
                inputs.iter_mut().filter(|t| !aligned(&out, t.id())).for_each(|t| *t = t.copy());
            }
            let key = (format!("{:?}:{}", node.op, node.spec), inputs.iter().map(|t| t.id()).collect());
            *seen.entry(key).or_insert_with(|| out.apply_arc(node.op.clone(), &inputs).id())
        };
        ids.insert(id, new);
    }
    for id in graph.outputs() {
        out.keep(out.tensor(ids[&id]));
    }
    Rewritten { graph: out, ids, spelled_out }
}

/// Whether a kernel may bind the tensor where it is: bindings begin at multiples of [`ARENA_ALIGN`] elements.
fn aligned(graph: &Graph, mut id: NodeId) -> bool {
    let mut from_start = 0;
    while let Kind::View { offset } = graph.node(id).kind() {
        from_start += offset;
        id = graph.node(id).inputs[0];
    }
    from_start.is_multiple_of(ARENA_ALIGN)
}
