//! Variables: tensors that live longer than a step (parameters, statistics, optimizer state, inputs).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{DType, Shape, Spec};

/// Identity of a variable within the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct VarId(u64);

/// Where a variable's storage is.
#[derive(Clone, Debug)]
pub enum Home {
    /// A buffer of its own.
    Own,
    /// A range of another variable (an arena), at an offset in elements that is a multiple of [`ARENA_ALIGN`].
    Slice { arena: Var, offset: usize },
}

/// Arena slices start at multiples of this many elements: 256 bytes, the portable binding alignment.
pub const ARENA_ALIGN: usize = 64;

/// A named tensor that outlives the step. Cloning copies the handle.
#[derive(Clone)]
pub struct Var(Arc<Inner>);

struct Inner {
    id: VarId,
    name: String,
    spec: Spec,
    home: Home,
}

impl Var {
    /// A variable with storage of its own.
    pub fn new(name: impl Into<String>, shape: impl Into<Shape>, dtype: DType) -> Var {
        Var::at(name.into(), Spec { shape: shape.into(), dtype }, Home::Own)
    }

    /// A range of this variable, seen as a variable of its own shape.
    ///
    /// # Panics
    /// If the offset (in elements) is not a multiple of [`ARENA_ALIGN`] or the range does not fit.
    pub fn slice(&self, name: impl Into<String>, offset: usize, shape: impl Into<Shape>) -> Var {
        let spec = Spec { shape: shape.into(), dtype: self.dtype() };
        assert!(
            offset.is_multiple_of(ARENA_ALIGN),
            "arena offset {offset} is not a multiple of {ARENA_ALIGN}"
        );
        assert!(offset + spec.elements() <= self.spec().elements(), "slice past the end of {}", self.name());
        Var::at(name.into(), spec, Home::Slice { arena: self.clone(), offset })
    }

    fn at(name: String, spec: Spec, home: Home) -> Var {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = VarId(NEXT.fetch_add(1, Ordering::Relaxed));
        Var(Arc::new(Inner { id, name, spec, home }))
    }

    pub fn id(&self) -> VarId {
        self.0.id
    }

    /// Dotted path, as in checkpoints: `layer1.0.conv.weight`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn spec(&self) -> &Spec {
        &self.0.spec
    }

    pub fn shape(&self) -> &Shape {
        &self.0.spec.shape
    }

    pub fn dtype(&self) -> DType {
        self.0.spec.dtype
    }

    pub fn home(&self) -> &Home {
        &self.0.home
    }

    /// The variable that owns the storage, and this one's offset in it in elements.
    pub fn root(&self) -> (&Var, usize) {
        match &self.0.home {
            Home::Own => (self, 0),
            Home::Slice { arena, offset } => {
                let (root, base) = arena.root();
                (root, base + offset)
            }
        }
    }
}

impl PartialEq for Var {
    fn eq(&self, other: &Var) -> bool {
        self.id() == other.id()
    }
}
impl Eq for Var {}

impl std::fmt::Debug for Var {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Var#{}({} {})", self.0.id.0, self.name(), self.spec())
    }
}
