//! Recording: a [`Graph`] of nodes and the [`Tensor`] handles to them.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::op::{Arena, Assign, Leaf};
use super::{DType, Kind, Op, Shape, Spec, Var, VarId};

/// Position of a node in its graph. Inputs always have smaller ids than their users.
pub type NodeId = usize;

/// One recorded operation and the shape of its result.
#[derive(Clone)]
pub struct Node {
    pub op: Arc<dyn Op>,
    pub inputs: Vec<NodeId>,
    pub spec: Arc<Spec>,
}

impl Node {
    pub fn kind(&self) -> Kind<'_> {
        self.op.kind()
    }

    /// The op, if it is a `T`.
    pub fn is<T: Op>(&self) -> Option<&T> {
        (&*self.op as &dyn Any).downcast_ref()
    }
}

/// A recorded step. Interior mutability lets [`Tensor`] handles stay `Copy`.
///
/// Reading a variable always gives the value it had when the step began; [`Graph::assign`] takes effect at the end of
/// the step, and the handle it returns is the new value.
#[derive(Default)]
pub struct Graph {
    nodes: RefCell<Vec<Node>>,
    leaves: RefCell<HashMap<VarId, NodeId>>,
    outputs: RefCell<Vec<NodeId>>,
}

impl Graph {
    pub fn new() -> Graph {
        Graph::default()
    }

    /// Records an op.
    ///
    /// # Panics
    /// At the caller's line, if the op does not take tensors of these shapes.
    #[track_caller]
    pub fn apply<'g>(&'g self, op: impl Op, inputs: &[Tensor<'g>]) -> Tensor<'g> {
        self.apply_arc(Arc::new(op), inputs)
    }

    /// [`Graph::apply`] for an op already on the heap.
    #[track_caller]
    pub fn apply_arc<'g>(&'g self, op: Arc<dyn Op>, inputs: &[Tensor<'g>]) -> Tensor<'g> {
        for input in inputs {
            assert!(std::ptr::eq(input.graph, self), "{}: a tensor of another graph", op.name());
        }
        let specs: Vec<Arc<Spec>> = inputs.iter().map(|t| t.spec()).collect();
        let specs: Vec<&Spec> = specs.iter().map(|s| &**s).collect();
        match op.infer(&specs) {
            Ok(spec) => {
                self.push(Node { op, inputs: inputs.iter().map(|t| t.id).collect(), spec: Arc::new(spec) })
            }
            Err(message) => panic!("{}: {message}", op.name()),
        }
    }

    fn push(&self, node: Node) -> Tensor<'_> {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(node);
        Tensor { graph: self, id: nodes.len() - 1 }
    }

    /// The value a variable has when the step begins.
    pub fn var<'g>(&'g self, var: &Var) -> Tensor<'g> {
        let known = self.leaves.borrow().get(&var.id()).copied();
        if let Some(id) = known {
            return Tensor { graph: self, id };
        }
        let tensor = self.apply(Leaf(var.clone()), &[]);
        self.leaves.borrow_mut().insert(var.id(), tensor.id);
        tensor
    }

    /// Gives a variable a new value at the end of the step; the result is that new value.
    ///
    /// # Panics
    /// At the caller's line, if shapes or dtypes differ.
    #[track_caller]
    pub fn assign<'g>(&'g self, var: &Var, value: Tensor<'g>) -> Tensor<'g> {
        let tensor = self.apply(Assign(var.clone()), &[value]);
        self.keep(tensor);
        tensor
    }

    /// The value of an arena after assignments to its slices.
    pub fn arena<'g>(&'g self, arena: &Var, slices: &[Tensor<'g>]) -> Tensor<'g> {
        self.apply(Arena(arena.clone()), slices)
    }

    /// Keeps a node (and all it needs) even if nothing else uses it.
    pub fn keep(&self, tensor: Tensor<'_>) {
        let mut outputs = self.outputs.borrow_mut();
        if !outputs.contains(&tensor.id) {
            outputs.push(tensor.id);
        }
    }

    /// What the step is run for: assignments and kept tensors.
    pub fn outputs(&self) -> Vec<NodeId> {
        self.outputs.borrow().clone()
    }

    /// All nodes so far.
    pub fn nodes(&self) -> Vec<Node> {
        self.nodes.borrow().clone()
    }

    /// Number of nodes so far.
    pub fn len(&self) -> usize {
        self.nodes.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> Node {
        self.nodes.borrow()[id].clone()
    }

    /// The handle of a node.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn tensor(&self, id: NodeId) -> Tensor<'_> {
        assert!(id < self.len(), "no node {id}");
        Tensor { graph: self, id }
    }
}

/// Handle to a node's result. Methods record further nodes; nothing is computed until the graph is compiled and run.
#[derive(Clone, Copy)]
pub struct Tensor<'g> {
    graph: &'g Graph,
    id: NodeId,
}

impl<'g> Tensor<'g> {
    pub fn graph(self) -> &'g Graph {
        self.graph
    }

    pub fn id(self) -> NodeId {
        self.id
    }

    pub fn spec(self) -> Arc<Spec> {
        self.graph.nodes.borrow()[self.id].spec.clone()
    }

    /// Sizes of the axes.
    pub fn shape(self) -> Shape {
        self.spec().shape.clone()
    }

    pub fn dtype(self) -> DType {
        self.spec().dtype
    }

    /// Size of an axis; negative axes count from the last.
    ///
    /// # Panics
    /// At the caller's line, if there is no such axis.
    #[track_caller]
    pub fn dim(self, axis: isize) -> usize {
        self.shape()[self.axis(axis)]
    }

    /// Resolves an axis that may count from the last.
    #[track_caller]
    pub(crate) fn axis(self, axis: isize) -> usize {
        let rank = self.shape().len() as isize;
        let resolved = if axis < 0 { axis + rank } else { axis };
        if !(0..rank).contains(&resolved) {
            panic!("axis {axis} of {}", self.spec());
        }
        resolved as usize
    }

    /// Keeps this result readable after the step.
    pub fn keep(self) -> Tensor<'g> {
        self.graph.keep(self);
        self
    }
}

impl fmt::Debug for Tensor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.graph.node(self.id);
        write!(f, "%{} {:?}{:?} {}", self.id, node.op, node.inputs, node.spec)
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, node) in self.nodes.borrow().iter().enumerate() {
            writeln!(f, "%{id} = {:?} {:?} : {}", node.op, node.inputs, node.spec)?;
        }
        write!(f, "outputs {:?}", self.outputs.borrow())
    }
}
