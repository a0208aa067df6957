//! Playing and recording: sounds are fetched by the shell and given to the media core; a sound that
//! arrives after it was replaced or stopped is dropped.

use std::sync::Arc;

use crate::id::{LegId, PlaybackId, UnitId};
use crate::media::{self, Clip};
use crate::script::{Event, LegEvent, Place, RecordOptions, Sound, UnitEvent};

use super::context::Context;
use super::leg::{Leg, LegState, Playing};
use super::notice::{Notice, RecordingBegun, RecordingEnded, SoundFailed};
use super::refused::{Refused, refuse, refuse_direct};
use super::session::{Phase, Session};
use super::unit::{RecordOf, UnitKind};
use super::{Output, Recorded};
use crate::termination::Reason;

impl Session {
    /// Plays on a leg that has media, or will have.
    pub(super) fn play_on_leg(
        &mut self,
        cx: &mut Context,
        id: LegId,
        sound: Sound,
        looped: bool,
        gain_db: f32,
    ) -> Result<(), Refused> {
        if self.is_direct(id) {
            return refuse_direct();
        }
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        let is_silent = match leg.state {
            LegState::Alerting => leg.sip().is_some_and(|sip| !sip.is_taken()),
            LegState::Early | LegState::Answered | LegState::Connected(_) => false,
        };
        if is_silent {
            let text = "nothing can be played before answer() or start_early_media()";
            return refuse("no-media", text);
        }
        self.play(cx, id.unit(), sound, looped, gain_db);
        Ok(())
    }

    /// Fetches a sound for a unit; what plays there goes on until it has come.
    pub(super) fn play(
        &mut self,
        cx: &mut Context,
        unit: UnitId,
        sound: Sound,
        looped: bool,
        gain_db: f32,
    ) {
        let id = PlaybackId(cx.take_ids(1));
        let source = match &sound {
            Sound::File { path } => path.clone(),
            Sound::Speech { text, .. } => text.clone(),
            Sound::Tone { name, .. } => name.clone(),
        };
        let Some(slot) = self.playing_slot(unit) else {
            return;
        };
        let before = slot.replace(Playing {
            id,
            source,
            looped,
            gain_db,
        });
        if let Some(before) = before {
            cx.index.clips.remove(&before.id);
        }
        cx.index.clips.insert(id, unit);
        cx.outputs.push_back(Output::Clip { id, sound });
    }

    fn playing_slot(&mut self, unit: UnitId) -> Option<&mut Option<Playing>> {
        if let Some(leg) = self.legs.get_mut(&unit.leg()) {
            return Some(&mut leg.playing);
        }
        Some(&mut self.units.get_mut(&unit)?.playing)
    }

    /// Stops what plays or is being fetched; no event follows.
    pub(super) fn stop_playback(&mut self, cx: &mut Context, unit: UnitId) {
        let Some(slot) = self.playing_slot(unit) else {
            return;
        };
        if let Some(playing) = slot.take() {
            cx.index.clips.remove(&playing.id);
            cx.media(media::Command::StopPlay { unit });
        }
    }

    /// A sound has come, or there is none.
    pub(super) fn handle_clip(
        &mut self,
        cx: &mut Context,
        unit: UnitId,
        id: PlaybackId,
        result: Result<Arc<Clip>, String>,
    ) {
        let Some(slot) = self.playing_slot(unit) else {
            return;
        };
        let Some(playing) = slot.as_ref().filter(|playing| playing.id == id) else {
            return;
        };
        match result {
            Ok(clip) => {
                let (looped, gain_db) = (playing.looped, playing.gain_db);
                cx.media(media::Command::Play {
                    unit,
                    playback: id,
                    clip,
                    looped,
                    gain_db,
                });
            }
            Err(error) => {
                let source = playing.source.clone();
                *slot = None;
                cx.notice(Notice::SoundFailed(SoundFailed {
                    session: self.id,
                    unit,
                    source: source.clone(),
                    error: error.clone(),
                }));
                cx.media(media::Command::StopPlay { unit });
                self.tell_playback(cx, unit, source, Some(Some(error)));
            }
        }
    }

    /// Playback began or came to its end.
    pub(super) fn handle_playback(
        &mut self,
        cx: &mut Context,
        unit: UnitId,
        playback: PlaybackId,
        finished: bool,
    ) {
        let Some(slot) = self.playing_slot(unit) else {
            return;
        };
        let Some(playing) = slot.as_ref().filter(|playing| playing.id == playback) else {
            return;
        };
        let source = playing.source.clone();
        if finished {
            *slot = None;
        }
        self.tell_playback(cx, unit, source, finished.then_some(None));
    }

    /// `end`: absent when it began, else the error of its end.
    fn tell_playback(
        &mut self,
        cx: &mut Context,
        unit: UnitId,
        source: String,
        end: Option<Option<String>>,
    ) {
        let id = unit.leg();
        if self.legs.contains_key(&id) {
            let apologising = self.phase == Phase::Apologising;
            match end {
                Some(_) if apologising => self.hang_up(cx, id, Reason::ScriptError, &[]),
                Some(error) => {
                    self.tell_leg(cx, id, LegEvent::PlaybackFinished { source, error });
                }
                None => self.tell_leg(cx, id, LegEvent::PlaybackStarted { source }),
            }
            return;
        }
        let event = match end {
            Some(error) => UnitEvent::PlaybackFinished { source, error },
            None => UnitEvent::PlaybackStarted { source },
        };
        self.tell_unit(cx, unit, event);
    }

    /// Makes a recorder and opens its file.
    pub(super) fn open_recorder(
        &mut self,
        cx: &mut Context,
        (unit, of): (UnitId, RecordOf),
        options: RecordOptions,
        place: &Place,
    ) {
        self.add_unit(cx, unit, UnitKind::Recorder, place);
        let source = match of {
            RecordOf::Leg(leg) => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.recorders.push(unit);
                }
                media::RecordSource::Leg(leg.unit())
            }
            RecordOf::Conference(_) | RecordOf::Connected => media::RecordSource::Connected,
        };
        self.recordings.insert(unit, of);
        cx.index.recordings.insert(unit, self.id);
        let name = match options.name.as_str() {
            "" => cx.run.name(format_args!("{}-{unit}", self.id)).to_string(),
            name => name.to_owned(),
        };
        cx.outputs.push_back(Output::OpenRecording { unit, name });
        cx.media(media::Command::AddRecorder {
            unit,
            source,
            stereo: options.stereo,
        });
    }

    /// The file of a recording has been made, and has its name.
    pub(super) fn handle_recording_opened(&mut self, cx: &mut Context, unit: UnitId, url: String) {
        if let Some(of) = self.recordings.get(&unit).copied() {
            cx.notice(Notice::RecordingBegun(RecordingBegun {
                session: self.id,
                recorder: unit,
                url: url.clone(),
                at_ms: self.at_ms(cx),
            }));
            self.tell_recording(cx, unit, of, Written::Started(url));
        }
    }

    /// What was to be recorded has ended before the recording began: its recorder ends with it.
    pub(super) fn tell_nothing_to_record(&mut self, cx: &mut Context, unit: UnitId) {
        let error = "it had ended before the recording began".to_owned();
        let event = UnitEvent::RecordFailed { error };
        self.tell(cx, Event::Unit { unit, event });
    }

    /// A leg ends: what plays and records on it ends too.
    pub(super) fn close_sound(&mut self, cx: &mut Context, leg: &Leg) {
        if let Some(playing) = &leg.playing {
            cx.index.clips.remove(&playing.id);
        }
        for recorder in &leg.recorders {
            self.remove_unit(cx, *recorder);
        }
    }

    /// A recording has been written, or could not be.
    pub(super) fn handle_recording(
        &mut self,
        cx: &mut Context,
        unit: UnitId,
        result: Result<Recorded, String>,
    ) {
        if let Some(of) = self.recordings.remove(&unit) {
            cx.notice(Notice::RecordingEnded(RecordingEnded {
                session: self.id,
                recorder: unit,
                result: result.clone(),
                at_ms: self.at_ms(cx),
            }));
            self.tell_recording(cx, unit, of, Written::Ended(result));
            self.finish_or_go_on(cx);
        }
    }

    /// The end of a session does not wait for its recordings any longer.
    pub(super) fn give_up_recordings(&mut self, cx: &mut Context) {
        let recorders: Vec<UnitId> = std::mem::take(&mut self.recordings).into_keys().collect();
        for unit in &recorders {
            cx.index.recordings.remove(unit);
        }
        let session = self.id;
        cx.notice(Notice::RecordingsGivenUp { session, recorders });
        self.finish_or_go_on(cx);
    }

    fn tell_recording(&mut self, cx: &mut Context, unit: UnitId, of: RecordOf, what: Written) {
        let about_unit = match of {
            RecordOf::Conference(conference) => conference,
            RecordOf::Leg(_) | RecordOf::Connected => unit,
        };
        let (for_unit, for_leg) = what.events();
        if let RecordOf::Leg(leg) = of {
            let event = for_leg;
            self.tell(cx, Event::Leg { leg, event });
        }
        if about_unit != unit {
            let event = for_unit.clone();
            self.tell(cx, Event::Unit { unit, event });
        }
        let event = for_unit;
        let unit = about_unit;
        self.tell(cx, Event::Unit { unit, event });
    }
}

/// What became of a recording.
enum Written {
    Started(String),
    Ended(Result<Recorded, String>),
}

impl Written {
    /// The same event, as a recorder or conference has it and as a leg has it.
    fn events(self) -> (UnitEvent, LegEvent) {
        match self {
            Written::Started(url) => (
                UnitEvent::RecordStarted { url: url.clone() },
                LegEvent::RecordStarted { url },
            ),
            Written::Ended(Ok(Recorded { url, duration_ms })) => (
                UnitEvent::RecordStopped {
                    url: url.clone(),
                    duration_ms,
                },
                LegEvent::RecordStopped { url, duration_ms },
            ),
            Written::Ended(Err(error)) => (
                UnitEvent::RecordFailed {
                    error: error.clone(),
                },
                LegEvent::RecordFailed { error },
            ),
        }
    }
}
