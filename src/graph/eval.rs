//! The whole graph in f64 on the CPU: the reference the GPU is checked against.

use std::collections::HashMap;

use super::{Array, Graph, Kind, NodeId, VarId};

/// Result of [`evaluate`].
pub struct Evaluation {
    values: Vec<Option<Array>>,
    /// New values of assigned variables.
    pub assigned: HashMap<VarId, Array>,
}

impl Evaluation {
    /// The value of a node.
    ///
    /// # Panics
    /// If the node was not computed.
    pub fn value(&self, id: NodeId) -> &Array {
        self.values[id].as_ref().expect("node was evaluated")
    }
}

/// Evaluates every node, given the values variables begin the step with.
///
/// # Panics
/// If a variable has no value in `vars`.
pub fn evaluate(graph: &Graph, vars: &HashMap<VarId, Array>) -> Evaluation {
    let nodes = graph.nodes();
    let mut values: Vec<Option<Array>> = vec![None; nodes.len()];
    let mut assigned = HashMap::new();
    for (id, node) in nodes.iter().enumerate() {
        let value = match node.kind() {
            Kind::Leaf(var) => {
                vars.get(&var.id()).unwrap_or_else(|| panic!("no value for {var:?}")).reshaped(var.shape())
            }
            Kind::Arena(arena) => {
                let mut whole = match vars.get(&arena.id()) {
                    Some(value) => value.clone(),
                    None => Array::full(arena.shape(), 0.0),
                };
                for &input in &node.inputs {
                    let Kind::Assign(slice) = nodes[input].kind() else { continue };
                    let data = &values[input].as_ref().expect("inputs come first").data;
                    let offset = slice.root().1 - arena.root().1;
                    whole.data[offset..offset + data.len()].copy_from_slice(data);
                }
                whole
            }
            kind => {
                let inputs: Vec<&Array> =
                    node.inputs.iter().map(|&i| values[i].as_ref().expect("inputs come first")).collect();
                let value = node.op.reference(&inputs);
                if let Kind::Assign(var) = kind {
                    assigned.insert(var.id(), value.clone());
                }
                value
            }
        };
        assert_eq!(value.shape, node.spec.shape, "{}: reference shape", node.op.name());
        values[id] = Some(value);
    }
    Evaluation { values, assigned }
}
