//! What an encoder with memory still has to say when its source has ended.

/// Frames of silence that are encoded after the last sound, so that encoders with memory end
/// softly.
pub(super) const TAIL_TICKS: u8 = 3;
