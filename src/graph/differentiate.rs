//! Reverse-mode differentiation as a graph transformation: every op's `vjp` records more nodes.

use std::collections::HashMap;

use super::{Graph, NodeId, Tensor, Vjp};

impl Graph {
    /// Gradient of a scalar with respect to tensors (usually variables); `None` for those it does not depend on.
    ///
    /// # Panics
    /// At the caller's line, if `loss` is not a scalar.
    #[track_caller]
    pub fn gradients<'g>(&'g self, loss: Tensor<'g>, wrt: &[Tensor<'g>]) -> Vec<Option<Tensor<'g>>> {
        if loss.shape().elements() != 1 {
            panic!(
                "gradients: the loss has shape {}, expected one element (take a mean or sum)",
                loss.shape()
            );
        }
        let nodes = self.nodes();
        // Only what lies between `wrt` and the loss gets a gradient.
        let mut needed = vec![false; nodes.len()];
        for t in wrt {
            needed[t.id()] = true;
        }
        for (id, node) in nodes.iter().enumerate() {
            needed[id] |= node.inputs.iter().any(|&i| needed[i]);
        }
        let mut grads: HashMap<NodeId, Tensor<'g>> = HashMap::new();
        grads.insert(loss.id(), self.constant(1.0).expand(loss.shape()));
        for id in (0..=loss.id()).rev() {
            let node = &nodes[id];
            if !needed[id] || node.inputs.is_empty() {
                continue;
            }
            let Some(&grad) = grads.get(&id) else { continue };
            let needs: Vec<bool> = node.inputs.iter().map(|&i| needed[i]).collect();
            if !needs.contains(&true) {
                continue;
            }
            let inputs: Vec<Tensor<'g>> = node.inputs.iter().map(|&i| self.tensor(i)).collect();
            let vjp = Vjp { graph: self, inputs: &inputs, output: self.tensor(id), grad, needs: &needs };
            let parts = node.op.vjp(&vjp);
            assert_eq!(parts.len(), inputs.len(), "{}: one gradient an input", node.op.name());
            for ((input, part), &wanted) in inputs.iter().zip(parts).zip(&needs) {
                let (Some(part), true) = (part, wanted) else { continue };
                assert_eq!(part.shape(), input.shape(), "{}: gradient shape", node.op.name());
                let total = match grads.get(&input.id()) {
                    Some(&sum) => sum + part,
                    None => part,
                };
                grads.insert(input.id(), total);
            }
        }
        wrt.iter().map(|t| grads.get(&t.id()).copied()).collect()
    }
}
