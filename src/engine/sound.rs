//! Playing and recording: sounds are fetched by the shell and given to the media core; a sound that
//! arrives after it was replaced or stopped is dropped.

use std::sync::Arc;
use std::time::Instant;

use tracing::info;

use crate::id::{LegId, PlaybackId, SessionId, UnitId};
use crate::media::{self, Clip};
use crate::script::{Event, LegEvent, Place, RecordOptions, Sound, UnitEvent};

use super::leg::{Leg, LegState, MediaState, Playing};
use super::refused::{Refused, refuse, refuse_direct};
use super::session::{Ending, UnitKind};
use super::{Engine, Output, Recorded};
use crate::termination::Reason;

/// What is recorded, and so where its events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordOf {
    /// One leg.
    Leg(LegId),
    /// The mix of a conference.
    Conference(UnitId),
    /// What is connected to the recorder itself.
    Connected,
}

/// An open recording.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recording {
    session: SessionId,
    of: RecordOf,
}

impl Engine {
    /// Plays on a leg that has media, or will have.
    pub(super) fn play_on_leg(
        &mut self,
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
        let opening = leg
            .sip()
            .is_some_and(|sip| !matches!(sip.media, MediaState::Closed));
        let silent = match leg.state {
            LegState::Alerting | LegState::Answered => leg.sip().is_some() && !opening,
            LegState::Early | LegState::Connected(_) => false,
        };
        if silent {
            let text = "nothing can be played before answer() or start_early_media()";
            return refuse("no-media", text);
        }
        self.play(id.unit(), sound, looped, gain_db);
        Ok(())
    }

    /// Fetches a sound for a unit; what plays there goes on until it has come.
    pub(super) fn play(&mut self, unit: UnitId, sound: Sound, looped: bool, gain_db: f32) {
        let id = PlaybackId(self.take_ids(1));
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
            self.clips.remove(&before.id);
        }
        self.clips.insert(id, unit);
        self.outputs.push_back(Output::Clip { id, sound });
    }

    fn playing_slot(&mut self, unit: UnitId) -> Option<&mut Option<Playing>> {
        if let Some(leg) = self.legs.get_mut(&LegId(unit.0)) {
            return Some(&mut leg.playing);
        }
        let session = self.units.get(&unit)?;
        let entry = self.sessions.get_mut(session)?.units.get_mut(&unit)?;
        Some(&mut entry.playing)
    }

    /// Stops what plays or is being fetched; no event follows.
    pub(super) fn stop_playback(&mut self, unit: UnitId) {
        let Some(slot) = self.playing_slot(unit) else {
            return;
        };
        if let Some(playing) = slot.take() {
            self.clips.remove(&playing.id);
            self.media(media::Command::StopPlay { unit });
        }
    }

    /// A sound has come, or there is none.
    pub(super) fn handle_clip(
        &mut self,
        now: Instant,
        id: PlaybackId,
        result: Result<Arc<Clip>, String>,
    ) {
        let Some(unit) = self.clips.remove(&id) else {
            return;
        };
        let Some(slot) = self.playing_slot(unit) else {
            return;
        };
        let Some(playing) = slot.as_ref().filter(|playing| playing.id == id) else {
            return;
        };
        match result {
            Ok(clip) => {
                let (looped, gain_db) = (playing.looped, playing.gain_db);
                self.media(media::Command::Play {
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
                tracing::warn!(%unit, source, error, "Sound cannot be played");
                self.media(media::Command::StopPlay { unit });
                self.tell_playback(now, unit, source, Some(Some(error)));
            }
        }
    }

    /// Playback began or came to its end.
    pub(super) fn handle_playback(
        &mut self,
        now: Instant,
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
        self.tell_playback(now, unit, source, finished.then_some(None));
    }

    /// `end`: absent when it began, else the error of its end.
    fn tell_playback(
        &mut self,
        now: Instant,
        unit: UnitId,
        source: String,
        end: Option<Option<String>>,
    ) {
        let id = LegId(unit.0);
        if let Some(leg) = self.legs.get(&id) {
            let apologising = self
                .sessions
                .get(&leg.session)
                .is_some_and(|session| session.ending == Some(Ending::Apologising));
            match end {
                Some(_) if apologising => self.hang_up(now, id, Reason::ScriptError, &[]),
                Some(error) => {
                    self.tell_leg(now, id, LegEvent::PlaybackFinished { source, error });
                }
                None => self.tell_leg(now, id, LegEvent::PlaybackStarted { source }),
            }
            return;
        }
        let event = match end {
            Some(error) => UnitEvent::PlaybackFinished { source, error },
            None => UnitEvent::PlaybackStarted { source },
        };
        self.tell_unit(now, unit, event);
    }

    /// Makes a recorder and opens its file.
    pub(super) fn open_recorder(
        &mut self,
        session: SessionId,
        (unit, of): (UnitId, RecordOf),
        options: RecordOptions,
        place: &Place,
    ) {
        self.add_unit(session, unit, UnitKind::Recorder, place);
        let source = match of {
            RecordOf::Leg(leg) => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.recorders.push(unit);
                }
                media::RecordSource::Leg(leg.unit())
            }
            RecordOf::Conference(_) | RecordOf::Connected => media::RecordSource::Connected,
        };
        self.recordings.insert(unit, Recording { session, of });
        if let Some(session) = self.sessions.get_mut(&session) {
            session.recordings += 1;
        }
        let name = match options.name.as_str() {
            "" => format!("{session}-{unit}"),
            name => name.to_owned(),
        };
        self.outputs.push_back(Output::OpenRecording { unit, name });
        self.media(media::Command::AddRecorder {
            unit,
            source,
            stereo: options.stereo,
        });
    }

    /// The file of a recording has been made, and has its name.
    pub(super) fn handle_recording_opened(&mut self, now: Instant, unit: UnitId, url: String) {
        // A session that has ended does not wait for it.
        let Some(recording) = self.recordings.get(&unit).copied() else {
            return;
        };
        info!(session_id = %recording.session, %unit, url, "Recording begins");
        self.tell_recording(now, unit, &recording, Written::Started(url));
    }

    /// What was to be recorded has ended before the recording began: its recorder ends with it.
    pub(super) fn tell_nothing_to_record(
        &mut self,
        now: Instant,
        session: SessionId,
        unit: UnitId,
    ) {
        let error = "it had ended before the recording began".to_owned();
        let event = UnitEvent::RecordFailed { error };
        self.tell(now, session, Event::Unit { unit, event });
    }

    /// A leg ends: what plays and records on it ends too.
    pub(super) fn close_sound(&mut self, leg: &Leg) {
        if let Some(playing) = &leg.playing {
            self.clips.remove(&playing.id);
        }
        for recorder in &leg.recorders {
            self.remove_unit(leg.session, *recorder);
        }
    }

    /// A recording has been written, or could not be.
    pub(super) fn handle_recording(
        &mut self,
        now: Instant,
        unit: UnitId,
        result: Result<Recorded, String>,
    ) {
        let Some(recording) = self.recordings.remove(&unit) else {
            return;
        };
        let id = recording.session;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.recordings -= 1;
        }
        self.tell_recording(now, unit, &recording, Written::Ended(result));
        self.finish_or_go_on(now, id);
    }

    /// The end of a session does not wait for its recordings any longer.
    pub(super) fn give_up_recordings(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let recordings = session.recordings;
        tracing::warn!(session_id = %id, recordings, "Recordings take too long to end");
        self.forget_recordings(id);
        self.finish_or_go_on(now, id);
    }

    /// Nobody is told any more what becomes of a session's recordings.
    pub(super) fn forget_recordings(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if std::mem::take(&mut session.recordings) > 0 {
            self.recordings
                .retain(|_, recording| recording.session != id);
        }
    }

    fn tell_recording(&mut self, now: Instant, unit: UnitId, recording: &Recording, what: Written) {
        let about_unit = match recording.of {
            RecordOf::Conference(conference) => conference,
            RecordOf::Leg(_) | RecordOf::Connected => unit,
        };
        let (for_unit, for_leg) = match what {
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
        };
        if let RecordOf::Leg(leg) = recording.of {
            self.tell(
                now,
                recording.session,
                Event::Leg {
                    leg,
                    event: for_leg,
                },
            );
        }
        if about_unit != unit {
            let event = for_unit.clone();
            self.tell(now, recording.session, Event::Unit { unit, event });
        }
        self.tell(
            now,
            recording.session,
            Event::Unit {
                unit: about_unit,
                event: for_unit,
            },
        );
    }
}

/// What became of a recording.
enum Written {
    Started(String),
    Ended(Result<Recorded, String>),
}
