//! A clip: decoded sound that may be played on any unit, shared by all who play it.

use super::Rate;

/// Mono samples at one rate.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    /// What it is, for logs, events and tests: the spoken text, or the file.
    pub name: String,
    /// Rate of `samples`.
    pub rate: Rate,
    /// The sound.
    pub samples: Vec<i16>,
}

impl Clip {
    /// Length in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.samples.len() as u64 * 1000 / u64::from(self.rate.hz())
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clip({:?}, {} ms)", self.name, self.duration_ms())
    }
}
