//! How the process is, for whoever asks: whether it takes new calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of the process. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct Health(Arc<Known>);

#[derive(Default)]
struct Known {
    draining: AtomicBool,
}

impl Health {
    /// From here on new calls and joins are refused; the process ends soon.
    pub fn set_draining(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Whether the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }
}
