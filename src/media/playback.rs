//! Playing a clip: a cursor through its samples, 20 ms at a time, at the clip's own rate. The end
//! is reported when the last frame has gone out, the start when the first has.

use std::sync::Arc;

use super::signal::Signal;
use crate::audio::{Clip, Gain, Rate};
use crate::id::PlaybackId;

/// A factor that goes to its target within one frame, so that a change does not click.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ramp(Gain);

impl Ramp {
    /// Starts at no change.
    pub(super) const UNITY: Ramp = Ramp(Gain::UNITY);

    /// Nothing would change by [`Ramp::apply`] with this target.
    pub(super) fn rests_at_unity(self, target: Gain) -> bool {
        self.0 == Gain::UNITY && target == Gain::UNITY
    }

    /// Ends the frame at `target`.
    pub(super) fn arrive(&mut self, target: Gain) {
        self.0 = target;
    }

    /// Multiplies each sample, going from where the last frame ended to `target`.
    pub(super) fn apply(&mut self, target: Gain, samples: &mut [i32]) {
        let (from, to) = (self.0.factor(), target.factor());
        self.0 = target;
        if from == 1.0 && to == 1.0 {
            return;
        }
        let step = (to - from) / samples.len().max(1) as f32;
        for (index, sample) in samples.iter_mut().enumerate() {
            // A cast from f32 saturates, and 24 bits hold what is not clipped later.
            *sample = (*sample as f32 * (from + step * (index + 1) as f32)).round() as i32;
        }
    }
}

/// One clip on its way.
#[derive(Debug)]
struct Playback {
    id: PlaybackId,
    clip: Arc<Clip>,
    looped: bool,
    gain: Gain,
    position: usize,
    started: bool,
}

/// What to report after the frame of a tick has gone out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// This was the first frame.
    pub(super) started: Option<PlaybackId>,
    /// This was the last frame.
    pub(super) finished: Option<PlaybackId>,
}

/// What plays on one unit: at most one clip at a time.
pub(super) struct Player {
    playback: Option<Playback>,
    /// What it says in this tick.
    pub(super) signal: Signal,
    /// Holds the clip where it is.
    pub(super) paused: bool,
    /// Ticks since the last clip ended, at most 255.
    pub(super) idle_ticks: u8,
    progress: Progress,
}

impl Player {
    /// A player that plays nothing.
    pub(super) fn new() -> Player {
        Player {
            playback: None,
            signal: Signal::new(Rate::Hz8000),
            paused: false,
            idle_ticks: 0,
            progress: Progress::default(),
        }
    }

    /// Starts a clip instead of the one that plays.
    pub(super) fn play(&mut self, id: PlaybackId, clip: Arc<Clip>, looped: bool, gain_db: f32) {
        self.signal.set_rate(clip.rate);
        self.progress = Progress::default();
        let gain = Gain::from_db(gain_db);
        self.playback = Some(Playback {
            id,
            clip,
            looped,
            gain,
            position: 0,
            started: false,
        });
    }

    /// Ends the clip without a report.
    pub(super) fn stop(&mut self) {
        self.playback = None;
        self.progress = Progress::default();
        self.signal.silence();
    }

    /// A clip plays, or is held.
    pub(super) fn plays(&self) -> bool {
        self.playback.is_some()
    }

    /// A clip plays and is not held.
    pub(super) fn runs(&self) -> bool {
        self.plays() && !self.paused
    }

    /// Puts the frame of this tick into the signal.
    pub(super) fn advance(&mut self) {
        self.progress = Progress::default();
        let Some(playback) = self.playback.as_mut().filter(|_| !self.paused) else {
            self.signal.silence();
            self.idle_ticks = self.idle_ticks.saturating_add(1);
            return;
        };
        self.idle_ticks = 0;
        if !playback.started {
            playback.started = true;
            self.progress.started = Some(playback.id);
        }
        let mut ended = false;
        let frame = self.signal.put(|out| ended = playback.fill(out));
        playback.gain.apply(frame);
        self.signal.open();
        if ended {
            self.progress.finished = Some(playback.id);
            self.playback = None;
        }
    }

    /// What the last [`Player::advance`] has to report.
    pub(super) fn take_progress(&mut self) -> Progress {
        std::mem::take(&mut self.progress)
    }
}

impl Playback {
    /// Appends up to one frame; true when the clip has come to its end.
    fn fill(&mut self, out: &mut Vec<i16>) -> bool {
        let length = self.clip.rate.frame_samples();
        let samples = &self.clip.samples;
        while out.len() < length {
            let end = samples.len().min(self.position + length - out.len());
            out.extend_from_slice(samples.get(self.position..end).unwrap_or_default());
            self.position = end;
            if self.position >= samples.len() {
                if !self.looped || samples.is_empty() {
                    return true;
                }
                self.position = 0;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip_of(samples: Vec<i16>) -> Arc<Clip> {
        Arc::new(Clip {
            name: "test".into(),
            rate: Rate::Hz8000,
            samples,
        })
    }

    /// The frames until the end, at most `max`, and in which tick it was.
    fn play(player: &mut Player, max: usize) -> (Vec<i16>, Option<usize>) {
        let mut heard = Vec::new();
        for tick in 1..=max {
            player.advance();
            heard.extend_from_slice(player.signal.frame());
            let progress = player.take_progress();
            assert_eq!(progress.started.is_some(), tick == 1);
            if progress.finished.is_some() {
                return (heard, Some(tick));
            }
        }
        (heard, None)
    }

    #[test]
    fn a_clip_is_played_to_its_last_sample_and_ends_with_that_frame() {
        for (length, ticks) in [(0, 1), (1, 1), (160, 1), (161, 2), (320, 2), (400, 3)] {
            let samples: Vec<i16> = (0..length).map(|i| i as i16 + 1).collect();
            let mut player = Player::new();
            player.play(PlaybackId(1), clip_of(samples.clone()), false, 0.0);
            let (heard, ended) = play(&mut player, 9);
            assert_eq!(ended, Some(ticks), "{length}");
            assert_eq!(heard[..length], samples[..]);
            assert!(heard[length..].iter().all(|sample| *sample == 0));
            player.advance();
            assert!(!player.signal.active());
        }
    }

    #[test]
    fn a_looped_clip_has_no_seam_and_no_end() {
        let samples: Vec<i16> = (1..=100).collect();
        let mut player = Player::new();
        player.play(PlaybackId(1), clip_of(samples.clone()), true, 0.0);
        let (heard, ended) = play(&mut player, 10);
        assert_eq!(ended, None);
        let expected: Vec<i16> = samples.iter().copied().cycle().take(1600).collect();
        assert_eq!(heard, expected);
        player.play(PlaybackId(2), clip_of(Vec::new()), true, 0.0);
        assert_eq!(play(&mut player, 3).1, Some(1), "an empty clip cannot loop");
    }

    #[test]
    fn a_ramp_arrives_at_the_end_of_its_frame() {
        let mut ramp = Ramp::UNITY;
        let half = Gain::from_db(-6.0206);
        let mut samples = [1000; 160];
        ramp.apply(half, &mut samples);
        assert!(
            samples[0] > 990 && samples[159] <= 501,
            "{} {}",
            samples[0],
            samples[159]
        );
        assert!(samples.windows(2).all(|pair| pair[0] >= pair[1]));
        let mut samples = [1000; 160];
        ramp.apply(half, &mut samples);
        assert!(samples.iter().all(|sample| (499..=501).contains(sample)));
        assert!(!ramp.rests_at_unity(Gain::UNITY));
        ramp.apply(Gain::UNITY, &mut samples);
        assert!(ramp.rests_at_unity(Gain::UNITY));
    }
}
