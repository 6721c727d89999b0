//! Groups nodes into the units that run: an op with kernels, or a chain of elementwise nodes that becomes one
//! generated kernel. Assignments join the unit that computes the value, so most cost nothing.
//!
//! Order is only constrained by data and by reads of a variable's old value before its new one is written
//! ("anti-dependencies"); two units may merge when no other path leads from one to the other.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Graph, Kind, Node, NodeId, Var};

/// One thing to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Members in recording order. A single [`Kind::Kernel`] node (with the assignment that takes its result, if any),
    /// or elementwise nodes and assignments of one shape.
    pub nodes: Vec<NodeId>,
    /// Nodes outside whose values are read, views resolved to what they view.
    pub reads: Vec<NodeId>,
    /// Members whose values are needed outside or after the step.
    pub writes: Vec<NodeId>,
}

impl Item {
    /// The node with kernels of its own, if this is not a generated kernel.
    pub fn kernel(&self, nodes: &[Node]) -> Option<NodeId> {
        self.nodes.iter().copied().find(|&id| matches!(nodes[id].kind(), Kind::Kernel))
    }
}

/// What to run, in order.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    pub items: Vec<Item>,
}

/// The node whose storage a view (of a view ...) looks into.
pub fn base(nodes: &[Node], mut id: NodeId) -> NodeId {
    while let Kind::View { .. } = nodes[id].kind() {
        id = nodes[id].inputs[0];
    }
    id
}

/// Whether two variables share storage.
pub fn overlap(a: &Var, b: &Var) -> bool {
    let ((root_a, at_a), (root_b, at_b)) = (a.root(), b.root());
    root_a == root_b && at_a < at_b + b.spec().elements() && at_b < at_a + a.spec().elements()
}

struct Fuser {
    nodes: Vec<Node>,
    /// Unit each node runs in; leaves and views are in none.
    unit: Vec<Option<usize>>,
    members: Vec<BTreeSet<NodeId>>,
    /// Node-level edges, data and anti-dependencies: `after[a]` run after `a`.
    after: Vec<Vec<NodeId>>,
    outputs: HashSet<NodeId>,
    max_bindings: usize,
}

/// Groups the nodes of a simplified graph. No generated kernel binds more than `max_bindings` buffers; `enabled = false`
/// keeps every node apart (assignments still join), for comparison.
pub fn fuse(graph: &Graph, max_bindings: usize, enabled: bool) -> Schedule {
    let nodes = graph.nodes();
    let mut fuser = Fuser::new(nodes, graph.outputs(), max_bindings);
    for id in (0..fuser.nodes.len()).rev() {
        if fuser.unit[id].is_none() {
            continue;
        }
        for input in fuser.nodes[id].inputs.clone() {
            fuser.try_merge(input, id, enabled);
        }
    }
    fuser.schedule()
}

impl Fuser {
    fn new(nodes: Vec<Node>, outputs: Vec<NodeId>, max_bindings: usize) -> Fuser {
        let count = nodes.len();
        let mut fuser = Fuser {
            unit: vec![None; count],
            members: Vec::new(),
            after: vec![Vec::new(); count],
            outputs: outputs.into_iter().map(|id| base(&nodes, id)).collect(),
            nodes,
            max_bindings,
        };
        let mut readers: Vec<(Var, NodeId)> = Vec::new();
        let mut writers: Vec<(Var, NodeId)> = Vec::new();
        for id in 0..count {
            if matches!(fuser.nodes[id].kind(), Kind::Leaf(_) | Kind::View { .. }) {
                continue;
            }
            fuser.unit[id] = Some(fuser.members.len());
            fuser.members.push(BTreeSet::from([id]));
            if let Kind::Assign(var) = fuser.nodes[id].kind() {
                writers.push((var.clone(), id));
            }
            for input in fuser.nodes[id].inputs.clone() {
                let input = base(&fuser.nodes, input);
                match fuser.nodes[input].kind() {
                    Kind::Leaf(var) => readers.push((var.clone(), id)),
                    _ => fuser.after[input].push(id),
                }
            }
        }
        for (written, writer) in &writers {
            for (read, reader) in &readers {
                if reader != writer && overlap(read, written) {
                    fuser.after[*reader].push(*writer);
                }
            }
        }
        fuser
    }

    fn try_merge(&mut self, producer: NodeId, consumer: NodeId, enabled: bool) {
        let (Some(from), Some(to)) = (self.unit[producer], self.unit[consumer]) else { return };
        if from == to {
            return;
        }
        let allowed = match (self.nodes[producer].kind(), self.nodes[consumer].kind()) {
            (Kind::Kernel, Kind::Assign(var)) => {
                self.members[to].len() == 1
                    && self.members[from].len() == 1
                    && self.nodes[producer].inputs.iter().all(|&i| !self.lives_in(i, var))
            }
            (Kind::Map(_), Kind::Assign(_)) => self.nodes[producer].spec == self.nodes[consumer].spec,
            (Kind::Map(_) | Kind::Assign(_), Kind::Map(_)) => {
                enabled && self.nodes[producer].spec.shape == self.nodes[consumer].spec.shape
            }
            _ => false,
        };
        let has_kernel =
            |unit: &BTreeSet<NodeId>| unit.iter().any(|&id| matches!(self.nodes[id].kind(), Kind::Kernel));
        let kernel_assign = matches!(self.nodes[producer].kind(), Kind::Kernel);
        if !allowed || (!kernel_assign && (has_kernel(&self.members[from]) || has_kernel(&self.members[to])))
        {
            return;
        }
        let merged: BTreeSet<NodeId> = self.members[from].union(&self.members[to]).copied().collect();
        if self.other_path(from, to) || !self.reads_are_safe(&merged) {
            return;
        }
        if !kernel_assign && self.bindings(&merged) > self.max_bindings {
            return;
        }
        for &id in &merged {
            self.unit[id] = Some(to);
        }
        self.members[from].clear();
        self.members[to] = merged;
    }

    /// Whether a node's value is (part of) the storage `var` is in.
    fn lives_in(&self, id: NodeId, var: &Var) -> bool {
        match self.nodes[base(&self.nodes, id)].kind() {
            Kind::Leaf(other) | Kind::Assign(other) | Kind::Arena(other) => other.root().0 == var.root().0,
            _ => false,
        }
    }

    /// Whether a path leads from one unit to the other through a third.
    fn other_path(&self, from: usize, to: usize) -> bool {
        let mut seen = HashSet::new();
        let mut stack: Vec<usize> = self.next(from).filter(|&u| u != to && u != from).collect();
        while let Some(unit) = stack.pop() {
            if unit == to {
                return true;
            }
            if seen.insert(unit) {
                stack.extend(self.next(unit).filter(|&u| u != unit));
            }
        }
        false
    }

    fn next(&self, unit: usize) -> impl Iterator<Item = usize> {
        self.members[unit].iter().flat_map(|&id| &self.after[id]).filter_map(|&id| self.unit[id])
    }

    /// A unit may write a variable it reads only element by element, and sees its own results only in registers.
    fn reads_are_safe(&self, members: &BTreeSet<NodeId>) -> bool {
        let own_view = |&input: &NodeId| {
            matches!(self.nodes[input].kind(), Kind::View { .. })
                && members.contains(&base(&self.nodes, input))
        };
        if members.iter().any(|&id| self.nodes[id].inputs.iter().any(own_view)) {
            return false;
        }
        for &writer in members {
            let Kind::Assign(written) = self.nodes[writer].kind() else { continue };
            for &reader in members {
                for &input in &self.nodes[reader].inputs {
                    let source = base(&self.nodes, input);
                    let Kind::Leaf(read) = self.nodes[source].kind() else { continue };
                    if !overlap(read, written) {
                        continue;
                    }
                    let same_range = read.root() == written.root();
                    let same_elements = self.nodes[input].spec.shape == self.nodes[reader].spec.shape
                        && read.spec().elements() == written.spec().elements()
                        && self.nodes[input].spec.elements() == read.spec().elements();
                    if !(same_range && same_elements) {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn bindings(&self, members: &BTreeSet<NodeId>) -> usize {
        let (reads, writes) = self.traffic(members);
        reads.len() + writes.len()
    }

    /// What a unit reads from and leaves for others.
    fn traffic(&self, members: &BTreeSet<NodeId>) -> (Vec<NodeId>, Vec<NodeId>) {
        let mut reads = BTreeSet::new();
        for &id in members {
            for &input in &self.nodes[id].inputs {
                let source = base(&self.nodes, input);
                if !members.contains(&source) {
                    reads.insert(source);
                }
            }
        }
        let used_outside = |id: NodeId| {
            self.outputs.contains(&id)
                || self.after[id].iter().any(|user| !members.contains(user) && self.uses(*user, id))
        };
        let writes = members
            .iter()
            .copied()
            .filter(|&id| matches!(self.nodes[id].kind(), Kind::Assign(_) | Kind::Kernel) || used_outside(id))
            .collect();
        (reads.into_iter().collect(), writes)
    }

    fn uses(&self, user: NodeId, id: NodeId) -> bool {
        self.nodes[user].inputs.iter().any(|&i| base(&self.nodes, i) == id)
    }

    /// Units in an order that respects every edge, nearest to recording order.
    fn schedule(self) -> Schedule {
        let units: Vec<usize> = (0..self.members.len()).filter(|&u| !self.members[u].is_empty()).collect();
        let mut waiting: BTreeMap<usize, usize> = units.iter().map(|&u| (u, 0)).collect();
        let edges: Vec<(usize, BTreeSet<usize>)> =
            units.iter().map(|&u| (u, self.next(u).filter(|&v| v != u).collect())).collect();
        for (_, targets) in &edges {
            for target in targets {
                *waiting.get_mut(target).expect("units are live") += 1;
            }
        }
        let edges: BTreeMap<usize, BTreeSet<usize>> = edges.into_iter().collect();
        let rank = |u: usize| *self.members[u].last().expect("not empty");
        let mut ready: BTreeSet<(NodeId, usize)> =
            waiting.iter().filter(|&(_, &n)| n == 0).map(|(&u, _)| (rank(u), u)).collect();
        let mut items = Vec::new();
        while let Some((_, unit)) = ready.pop_first() {
            for &target in &edges[&unit] {
                let left = waiting.get_mut(&target).expect("units are live");
                *left -= 1;
                if *left == 0 {
                    ready.insert((rank(target), target));
                }
            }
            // An arena's new value is where its slices are: nothing runs.
            if self.members[unit].iter().any(|&id| matches!(self.nodes[id].kind(), Kind::Arena(_))) {
                continue;
            }
            let (reads, writes) = self.traffic(&self.members[unit]);
            items.push(Item { nodes: self.members[unit].iter().copied().collect(), reads, writes });
        }
        assert!(
            items.len() <= units.len() && waiting.values().all(|&n| n == 0),
            "the schedule has a cycle: an assignment depends on itself"
        );
        Schedule { items }
    }
}
