//! What one source says in one tick: a frame at its own rate, and on demand at the others, each
//! made once.

use crate::audio::{ActivityGate, Rate, Resampler};

/// A frame that was resampled, kept for the tick.
struct Converted {
    resampler: Resampler,
    frame: Vec<i16>,
    fresh: bool,
}

/// The sound of one source.
pub(super) struct Signal {
    rate: Rate,
    frame: Vec<i16>,
    active: bool,
    gate: ActivityGate,
    converted: [Option<Box<Converted>>; 3],
}

impl Signal {
    /// A silent source of `rate`.
    pub(super) fn new(rate: Rate) -> Signal {
        let frame = Vec::with_capacity(rate.frame_samples());
        Signal {
            rate,
            frame,
            active: false,
            gate: ActivityGate::new(),
            converted: [None, None, None],
        }
    }

    /// The rate of its own frame.
    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Something is to be heard in this tick.
    pub(super) fn active(&self) -> bool {
        self.active
    }

    /// Changes the rate; what was there is forgotten.
    pub(super) fn set_rate(&mut self, rate: Rate) {
        if rate != self.rate {
            *self = Signal::new(rate);
        }
    }

    /// Nothing in this tick.
    pub(super) fn silence(&mut self) {
        self.active = false;
    }

    /// The frame of this tick, which `fill` writes into an empty buffer; shorter ones are filled up
    /// with silence. Whether it is heard is for [`Signal::gate`] or [`Signal::open`].
    pub(super) fn put(&mut self, fill: impl FnOnce(&mut Vec<i16>)) -> &mut [i16] {
        self.frame.clear();
        fill(&mut self.frame);
        self.frame.resize(self.rate.frame_samples(), 0);
        for converted in self.converted.iter_mut().flatten() {
            converted.fresh = false;
        }
        &mut self.frame
    }

    /// Hears the frame whatever its level.
    pub(super) fn open(&mut self) {
        self.active = true;
    }

    /// Hears the frame when it, or one shortly before, is loud enough.
    pub(super) fn gate(&mut self, level_dbov: i8) {
        self.active = self.gate.is_active(level_dbov);
    }

    /// The frame at its own rate.
    pub(super) fn frame(&self) -> &[i16] {
        &self.frame
    }

    /// The frame at its own rate, to be changed before it is asked for at others.
    pub(super) fn frame_mut(&mut self) -> &mut [i16] {
        &mut self.frame
    }

    /// The frame at `rate`, resampled at the first call in a tick.
    pub(super) fn at(&mut self, rate: Rate) -> &[i16] {
        if rate == self.rate {
            return &self.frame;
        }
        let slot = match rate {
            Rate::Hz8000 => &mut self.converted[0],
            Rate::Hz16000 => &mut self.converted[1],
            Rate::Hz48000 => &mut self.converted[2],
        };
        let converted = slot.get_or_insert_with(|| {
            Box::new(Converted {
                resampler: Resampler::new(self.rate, rate),
                frame: Vec::with_capacity(rate.frame_samples()),
                fresh: false,
            })
        });
        if !converted.fresh {
            converted.frame.clear();
            converted
                .resampler
                .resample(&self.frame, &mut converted.frame);
            converted.fresh = true;
        }
        &converted.frame
    }
}
