//! The three sample rates that talkpath works in.

/// A sample rate. Ordered: the mixing rate is the maximum over the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// Narrowband, 8000 Hz.
    Hz8000,
    /// Wideband, 16000 Hz.
    Hz16000,
    /// Fullband, 48000 Hz.
    Hz48000,
}

impl Rate {
    /// Samples per second.
    pub const fn hz(self) -> u32 {
        match self {
            Rate::Hz8000 => 8_000,
            Rate::Hz16000 => 16_000,
            Rate::Hz48000 => 48_000,
        }
    }

    /// Samples in one frame of 20 ms: 160, 320 or 960.
    pub const fn frame_samples(self) -> usize {
        self.hz() as usize / 50
    }
}
