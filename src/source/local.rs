//! What weir itself has to tell, read as the answer of a target is.

use bytes::Bytes;
use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

/// The pieces of one exposition in text 0.0.4, until there are no more.
pub type Pieces = Box<dyn FnMut() -> Option<Bytes> + Send>;

/// A target in this process.
#[derive(Clone)]
pub struct Local {
    name: &'static str,
    open: Arc<dyn Fn() -> Pieces + Send + Sync>,
}

impl Local {
    /// A target of this name; each scrape reads what `open` gives.
    pub fn new(name: &'static str, open: impl Fn() -> Pieces + Send + Sync + 'static) -> Self {
        Self { name, open: Arc::new(open) }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn open(&self) -> LocalBody {
        LocalBody((self.open)())
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Local({:?})", self.name)
    }
}

impl PartialEq for Local {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.open, &other.open)
    }
}

impl Eq for Local {}

impl Hash for Local {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// Pieces as they come.
pub struct LocalBody(pub(super) Pieces);

impl fmt::Debug for LocalBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalBody(…)")
    }
}
