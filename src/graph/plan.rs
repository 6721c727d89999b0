//! Decides where every result lives, before anything is allocated: results whose lifetimes do not overlap share memory.
//!
//! Slots are whole buffers rather than ranges of one, because a device may not read and write one buffer in the same
//! dispatch. Assignment is greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference",
//! 2020, "Greedy by Size for Shared Objects").

use std::collections::HashMap;

use super::fuse::{Item, Schedule, base};
use super::{Kind, Node, NodeId, Var};

/// Where a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// In a variable's storage (the variable that owns it).
    Var(Var),
    /// In a shared slot.
    Slot(usize),
}

/// Where a node's value is, and from which element on.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    pub place: Place,
    /// In elements of 4 bytes.
    pub offset: usize,
}

/// Where everything is.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Location of every node that has a value in memory (nodes inside a generated kernel have none).
    pub locations: HashMap<NodeId, Location>,
    /// Slots of each item's scratch buffers.
    pub scratch: Vec<Vec<usize>>,
    /// Bytes of each slot.
    pub slots: Vec<usize>,
    /// Bytes the temporaries would take with a buffer each.
    pub unplanned: usize,
}

impl Plan {
    /// Bytes of all slots.
    pub fn bytes(&self) -> usize {
        self.slots.iter().sum()
    }
}

/// A run of values that occupy one slot one after the other.
struct Tenant {
    bytes: usize,
    first: usize,
    last: usize,
}

/// Plans the memory of a schedule. `scratch[i]` lists the scratch buffers item `i` needs, in bytes; `kept` are read after
/// the step.
pub fn plan(nodes: &[Node], schedule: &Schedule, scratch: &[Vec<usize>], kept: &[NodeId]) -> Plan {
    let items = &schedule.items;
    let mut last_use: HashMap<NodeId, usize> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        for &id in item.reads.iter().chain(&item.writes) {
            last_use.insert(id, at);
        }
    }
    for &id in kept {
        last_use.insert(base(nodes, id), items.len());
    }

    let mut plan = Plan::default();
    let mut tenants: Vec<Tenant> = Vec::new();
    let mut tenant_of: HashMap<NodeId, usize> = HashMap::new();
    let mut scratch_tenants: Vec<Vec<usize>> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let mut adopted: Vec<usize> = Vec::new();
        for &id in &item.writes {
            if let Some(var) = target(nodes, item, id) {
                let (root, offset) = var.root();
                plan.locations.insert(id, Location { place: Place::Var(root.clone()), offset });
                continue;
            }
            let bytes = nodes[id].spec.bytes();
            plan.unplanned += bytes;
            let heir = item.reads.iter().find_map(|&read| {
                let tenant = *tenant_of.get(&read)?;
                let fits = tenants[tenant].bytes == bytes
                    && tenants[tenant].last == at
                    && !adopted.contains(&tenant)
                    && item.kernel(nodes).is_none()
                    && elementwise_only(nodes, item, read);
                fits.then_some(tenant)
            });
            let last = last_use[&id].max(at);
            let tenant = match heir {
                Some(tenant) => {
                    adopted.push(tenant);
                    tenants[tenant].last = last;
                    tenant
                }
                None => {
                    tenants.push(Tenant { bytes, first: at, last });
                    tenants.len() - 1
                }
            };
            tenant_of.insert(id, tenant);
        }
        let own = scratch.get(at).map_or(&[][..], |s| s);
        scratch_tenants.push(
            own.iter()
                .map(|&bytes| {
                    plan.unplanned += bytes;
                    tenants.push(Tenant { bytes, first: at, last: at });
                    tenants.len() - 1
                })
                .collect(),
        );
    }

    let slot_of = assign_slots(&tenants, &mut plan.slots);
    plan.scratch = scratch_tenants.iter().map(|own| own.iter().map(|&t| slot_of[t]).collect()).collect();
    for (&id, &tenant) in &tenant_of {
        plan.locations.insert(id, Location { place: Place::Slot(slot_of[tenant]), offset: 0 });
    }
    locate_aliases(nodes, &mut plan);
    plan
}

/// The variable a value is written into directly, if any.
fn target<'a>(nodes: &'a [Node], item: &Item, id: NodeId) -> Option<&'a Var> {
    if let Kind::Assign(var) = nodes[id].kind() {
        return Some(var);
    }
    // A kernel's result that an assignment of the same item takes, or an elementwise value assigned in the same kernel.
    item.nodes.iter().find_map(|&other| match nodes[other].kind() {
        Kind::Assign(var) if nodes[other].inputs[0] == id => Some(var),
        _ => None,
    })
}

/// Whether every read of `source` in the item is at the element that is written.
fn elementwise_only(nodes: &[Node], item: &Item, source: NodeId) -> bool {
    item.nodes.iter().all(|&id| {
        nodes[id].inputs.iter().all(|&input| {
            base(nodes, input) != source
                || (nodes[input].spec.shape == nodes[id].spec.shape
                    && nodes[input].spec.elements() == nodes[source].spec.elements())
        })
    })
}

fn assign_slots(tenants: &[Tenant], slots: &mut Vec<usize>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tenants.len()).collect();
    order.sort_by_key(|&t| (std::cmp::Reverse(tenants[t].bytes), tenants[t].first));
    let mut residents: Vec<Vec<usize>> = Vec::new();
    let mut slot_of = vec![0; tenants.len()];
    for t in order {
        let free = |slot: &Vec<usize>| {
            slot.iter().all(|&r| tenants[r].last < tenants[t].first || tenants[t].last < tenants[r].first)
        };
        // Slots only shrink in size as they are made, so the last free one wastes least.
        let slot = residents.iter().rposition(free).unwrap_or_else(|| {
            slots.push(tenants[t].bytes);
            residents.push(Vec::new());
            slots.len() - 1
        });
        residents[slot].push(t);
        slot_of[t] = slot;
    }
    slot_of
}

/// Variables, arenas and views have locations too: those of what they look into.
fn locate_aliases(nodes: &[Node], plan: &mut Plan) {
    for (id, node) in nodes.iter().enumerate() {
        let location = match node.kind() {
            Kind::Leaf(var) | Kind::Arena(var) => {
                let (root, offset) = var.root();
                Some(Location { place: Place::Var(root.clone()), offset })
            }
            Kind::View { offset } => plan
                .locations
                .get(&node.inputs[0])
                .map(|at| Location { place: at.place.clone(), offset: at.offset + offset }),
            _ => None,
        };
        if let Some(location) = location {
            plan.locations.insert(id, location);
        }
    }
}
