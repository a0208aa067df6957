//! The files of a world: sounds that can be played, and recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::audio::{Clip, Rate};
use crate::engine::Recorded;
use crate::id::{PlaybackId, UnitId};
use crate::script::Sound;

/// Simulated speech takes so long per character of text.
const SPEECH_MS_PER_CHARACTER: u64 = 40;
/// Frequency of simulated speech, which no marker tone has.
const SPEECH_HZ: f64 = 310.0;

#[derive(Default)]
pub(super) struct Files {
    /// What each playback says.
    names: BTreeMap<PlaybackId, String>,
    /// Each open recording with its URL and its samples of 8 kHz.
    open: BTreeMap<UnitId, (String, u64)>,
    /// URLs of finished recordings.
    recorded: BTreeSet<String>,
}

impl Files {
    /// Speech of a length that fits its text, so that a simulated prompt takes its time.
    pub(super) fn make_clip(&mut self, id: PlaybackId, sound: Sound) -> Result<Arc<Clip>, String> {
        let (name, length_ms) = match sound {
            Sound::Speech { text, .. } => {
                let length = text.chars().count() as u64 * SPEECH_MS_PER_CHARACTER;
                (text, length)
            }
            Sound::File { path }
                if path.contains("missing")
                    || path.starts_with("recording:") && !self.recorded.contains(&path) =>
            {
                return Err(format!("{path}: no such file"));
            }
            Sound::File { path } => (path, 1000),
            Sound::Tone { name, .. } => (name, 1000),
        };
        let step = std::f64::consts::TAU * SPEECH_HZ / 8000.0;
        let samples = (0..length_ms * 8)
            .map(|n| ((n as f64 * step).sin() * 8000.0) as i16)
            .collect();
        self.names.insert(id, name.clone());
        Ok(Arc::new(Clip {
            name,
            rate: Rate::Hz8000,
            samples,
        }))
    }

    /// What a playback says.
    pub(super) fn said(&self, playback: PlaybackId) -> Option<String> {
        self.names.get(&playback).cloned()
    }

    /// Begins a recording; gives its URL.
    pub(super) fn record(&mut self, unit: UnitId, name: &str) -> String {
        let url = format!("recording:{name}.wav");
        self.open.insert(unit, (url.clone(), 0));
        url
    }

    pub(super) fn write(&mut self, unit: UnitId, rate: Rate, samples: usize) {
        if let Some((_, taken)) = self.open.get_mut(&unit) {
            *taken += samples as u64 * 8000 / u64::from(rate.hz());
        }
    }

    pub(super) fn end(&mut self, unit: UnitId) -> Recorded {
        let (url, samples) = self.open.remove(&unit).unwrap_or_default();
        self.recorded.insert(url.clone());
        Recorded {
            url,
            duration_ms: samples / 8,
        }
    }

    /// Recordings that have not ended.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }
}
