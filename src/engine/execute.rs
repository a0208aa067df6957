//! Commands of scenarios: each is checked against the state and carried out, or refused with an
//! event that names the place in the script.

use std::time::{Duration, Instant};

use crate::id::{LegId, SessionId, TimerId, UnitId};
use crate::media;
use crate::script::{Command, Place, Placed, Sound, UnitCommand};
use crate::termination::Reason;

use super::alarm::Alarm;
use super::limits::TIMER_PERIOD_MIN_MS;
use super::refused::{Refused, refuse};
use super::session::{Conference, Timer, Unit, UnitKind};
use super::sound::RecordOf;
use super::{Engine, Output};

impl Engine {
    /// Carries out one command of a session.
    pub(super) fn execute(&mut self, now: Instant, session: SessionId, placed: Placed) {
        let Placed { command, place } = placed;
        if let Command::Log { warn, text } = command {
            self.outputs.push_back(Output::Log {
                session,
                warn,
                text,
            });
            return;
        }
        if self
            .sessions
            .get(&session)
            .is_none_or(|session| session.ending.is_some())
        {
            return;
        }
        let leg = self.leg_of_command(&command);
        if let Err(refused) = self.try_execute(now, session, command, &place) {
            self.refused(now, session, leg, refused, &place);
        }
    }

    /// Carries out what a handler asks for after the end of its session: to write to the log and
    /// to remove guests. Nothing else is there any more, which is said once.
    pub(super) fn execute_last(&mut self, now: Instant, session: SessionId, commands: Vec<Placed>) {
        let mut late: Vec<Place> = Vec::new();
        for Placed { command, place } in commands {
            match command {
                Command::Log { .. } => self.execute(now, session, Placed { command, place }),
                Command::RemoveUser { name } => {
                    if let Err(refused) = self.remove_guest(name) {
                        self.refused(now, session, None, refused, &place);
                    }
                }
                Command::Terminate | Command::CancelTimer { .. } => {}
                Command::CallConference { .. }
                | Command::ForwardDirect { .. }
                | Command::Leg { .. }
                | Command::CreateConference { .. }
                | Command::CreatePlayer { .. }
                | Command::CreateRecorder { .. }
                | Command::Unit { .. }
                | Command::Connect { .. }
                | Command::Disconnect { .. }
                | Command::SetTimer { .. }
                | Command::SetCustomData { .. } => late.push(place),
            }
        }
        let Some(place) = late.first() else {
            return;
        };
        self.stats.refused_commands += late.len() as u64;
        let text = format!(
            "{place}: session-over: {} commands were not carried out: the session is over, and its \
             legs, conferences, players and recorders are gone",
            late.len()
        );
        self.outputs.push_back(Output::Log {
            session,
            warn: true,
            text,
        });
    }

    /// The leg that a command is for, for the event of its refusal.
    fn leg_of_command(&self, command: &Command) -> Option<LegId> {
        match command {
            Command::CallConference { leg, .. }
            | Command::ForwardDirect { leg }
            | Command::Leg { leg, .. } => Some(*leg),
            Command::Connect { from, to } => [from, to]
                .map(|unit| LegId(unit.0))
                .into_iter()
                .find(|leg| self.legs.contains_key(leg)),
            Command::Log { .. }
            | Command::Terminate
            | Command::RemoveUser { .. }
            | Command::CreateConference { .. }
            | Command::CreatePlayer { .. }
            | Command::CreateRecorder { .. }
            | Command::Unit { .. }
            | Command::Disconnect { .. }
            | Command::SetTimer { .. }
            | Command::CancelTimer { .. }
            | Command::SetCustomData { .. } => None,
        }
    }

    // tidy: table
    fn try_execute(
        &mut self,
        now: Instant,
        session: SessionId,
        command: Command,
        place: &Place,
    ) -> Result<(), Refused> {
        match command {
            Command::Log { .. } => {}
            Command::Terminate => self.end_session(now, session, Reason::ScriptTerminate),
            Command::CallConference { leg, name, options } => {
                let called = self.call_conference(now, session, leg, &name, options);
                if called.is_err() {
                    self.tell_never_called(now, session, leg);
                }
                return called;
            }
            Command::ForwardDirect { leg } => {
                self.forward_direct(now, session, leg)?;
                return self.leave_media(leg);
            }
            Command::RemoveUser { name } => return self.remove_guest(name),
            Command::Leg { leg, command } => {
                return self.execute_leg(now, session, leg, command, place);
            }
            Command::CreateConference { unit, label: _ } => {
                let kind = UnitKind::Conference(Conference::default());
                self.add_unit(session, unit, kind, place);
                self.media(media::Command::AddMixer { unit });
            }
            Command::CreatePlayer {
                unit,
                sound,
                looped,
                gain_db,
            } => {
                self.add_unit(session, unit, UnitKind::Player, place);
                self.media(media::Command::AddPlayer { unit });
                self.play(unit, sound, looped, gain_db);
            }
            Command::CreateRecorder { unit, options } => {
                let of = RecordOf::Connected;
                self.open_recorder(session, (unit, of), options, place);
            }
            Command::Unit { unit, command } => {
                return self.execute_unit(now, session, unit, command, place);
            }
            Command::Connect { from, to } => {
                self.note_place(session, from, place);
                return self.connect(now, session, from, to);
            }
            Command::Disconnect { from, to } => {
                self.media(media::Command::Disconnect { from, to });
                self.note_membership(now, session, from, to, false);
            }
            Command::SetTimer {
                timer,
                after_ms,
                repeat,
            } => {
                self.set_timer(now, session, timer, after_ms, repeat);
            }
            Command::CancelTimer { timer } => {
                if let Some(entry) = self.sessions.get_mut(&session) {
                    entry.timers.remove(&timer);
                    self.take_back_alarm(Alarm::Timer(session, timer));
                }
            }
            Command::SetCustomData { text } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.custom_data = text;
                }
            }
        }
        Ok(())
    }

    /// Scenarios remove guests only; accounts are the administrator's.
    fn remove_guest(&mut self, name: String) -> Result<(), Refused> {
        if !name.starts_with(super::GUEST_PREFIX) {
            return refuse("not-a-guest", "only guests can be removed by a scenario");
        }
        self.outputs.push_back(Output::RemoveUser { name });
        Ok(())
    }

    /// Where the last command for a unit or leg stands.
    fn note_place(&mut self, session: SessionId, unit: UnitId, place: &Place) {
        if let Some(leg) = self.legs.get_mut(&LegId(unit.0)) {
            leg.place.clone_from(place);
        } else if let Some(session) = self.sessions.get_mut(&session)
            && let Some(unit) = session.units.get_mut(&unit)
        {
            unit.place.clone_from(place);
        }
    }

    fn set_timer(
        &mut self,
        now: Instant,
        session: SessionId,
        timer: TimerId,
        after_ms: u64,
        repeat: bool,
    ) {
        let after_ms = if repeat {
            after_ms.max(TIMER_PERIOD_MIN_MS)
        } else {
            after_ms
        };
        let at = now + Duration::from_millis(after_ms);
        if let Some(session) = self.sessions.get_mut(&session) {
            let period_ms = repeat.then_some(after_ms);
            session.timers.insert(timer, Timer { at, period_ms });
        }
        self.set_alarm(at, Alarm::Timer(session, timer));
    }

    pub(super) fn add_unit(
        &mut self,
        session: SessionId,
        unit: UnitId,
        kind: UnitKind,
        place: &Place,
    ) {
        if let Some(entry) = self.sessions.get_mut(&session) {
            entry.units.insert(
                unit,
                Unit {
                    kind,
                    place: place.clone(),
                    playing: None,
                },
            );
            self.units.insert(unit, session);
        }
    }

    fn execute_unit(
        &mut self,
        now: Instant,
        session: SessionId,
        unit: UnitId,
        command: UnitCommand,
        place: &Place,
    ) -> Result<(), Refused> {
        let Some(entry) = self
            .sessions
            .get_mut(&session)
            .and_then(|s| s.units.get_mut(&unit))
        else {
            // A script names only what it made, so this one has been there and ended meanwhile.
            if let UnitCommand::Record { recorder, .. } = command {
                self.tell_nothing_to_record(now, session, recorder);
            }
            return Ok(());
        };
        entry.place.clone_from(place);
        match command {
            UnitCommand::Play {
                sound,
                looped,
                gain_db,
            } => {
                self.play(unit, sound, looped, gain_db);
            }
            UnitCommand::StopPlayback => self.stop_playback(unit),
            UnitCommand::Pause { on } => {
                self.media(media::Command::Pause { unit, paused: on });
            }
            UnitCommand::Record { recorder, options } => {
                let of = RecordOf::Conference(unit);
                self.open_recorder(session, (recorder, of), options, place);
                self.media(media::Command::Connect {
                    from: unit,
                    to: recorder,
                });
            }
            UnitCommand::Lock { on } => match &mut entry.kind {
                UnitKind::Conference(conference) => conference.locked = on,
                UnitKind::Player | UnitKind::Recorder => {
                    return refuse("not-a-conference", "only a conference can be locked");
                }
            },
            UnitCommand::MaxMembers { members } => match &mut entry.kind {
                UnitKind::Conference(conference) => {
                    conference.members_max = (members > 0).then_some(members as usize);
                }
                UnitKind::Player | UnitKind::Recorder => {
                    return refuse("not-a-conference", "only a conference has members");
                }
            },
            UnitCommand::WatchSpeakers { on } => match entry.kind {
                UnitKind::Conference(_) => {
                    self.media(media::Command::WatchSpeakers { unit, on });
                }
                UnitKind::Player | UnitKind::Recorder => {
                    return refuse("not-a-conference", "only in a conference somebody speaks");
                }
            },
            UnitCommand::Stop => self.remove_unit(session, unit),
        }
        Ok(())
    }

    /// Removes a conference, player or recorder.
    pub(super) fn remove_unit(&mut self, session: SessionId, unit: UnitId) {
        self.stop_playback(unit);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.units.remove(&unit);
        }
        self.units.remove(&unit);
        self.media(media::Command::Close { unit });
    }

    /// Connects two units of one session, if the conference among them admits it.
    fn connect(
        &mut self,
        now: Instant,
        session: SessionId,
        from: UnitId,
        to: UnitId,
    ) -> Result<(), Refused> {
        for unit in [from, to] {
            let leg = self.legs.get(&LegId(unit.0));
            let owner = leg
                .map(|leg| leg.session)
                .or_else(|| self.units.get(&unit).copied());
            match owner {
                // A leg that has just ended.
                None => return Ok(()),
                Some(owner) if owner != session => {
                    return refuse("not-yours", "the unit belongs to another session");
                }
                Some(_) => {}
            }
        }
        if from == to {
            return refuse("same-unit", "a unit cannot be sent to itself");
        }
        for unit in [from, to] {
            self.enter_media(LegId(unit.0))?;
        }
        self.admit(session, from, to)?;
        self.media(media::Command::Connect { from, to });
        self.note_membership(now, session, from, to, true);
        Ok(())
    }

    fn admit(&self, session: SessionId, from: UnitId, to: UnitId) -> Result<(), Refused> {
        let Some(session) = self.sessions.get(&session) else {
            return Ok(());
        };
        for (unit, other) in [(from, to), (to, from)] {
            let Some(Unit {
                kind: UnitKind::Conference(conference),
                ..
            }) = session.units.get(&unit)
            else {
                continue;
            };
            let leg = LegId(other.0);
            if !session.legs.contains(&leg) || conference.members.contains_key(&leg) {
                continue;
            }
            if conference.locked {
                return refuse("conference-locked", "the conference is locked");
            }
            if conference
                .members_max
                .is_some_and(|max| conference.members.len() >= max)
            {
                return refuse("conference-full", "the conference is full");
            }
        }
        Ok(())
    }

    pub(super) fn tell_unit(
        &mut self,
        now: Instant,
        unit: UnitId,
        event: crate::script::UnitEvent,
    ) {
        if let Some(&session) = self.units.get(&unit) {
            self.tell(now, session, crate::script::Event::Unit { unit, event });
        }
    }

    /// The apology of a session that fails.
    pub(super) fn speak(&mut self, leg: LegId, text: &str) {
        let sound = Sound::Speech {
            text: text.to_owned(),
            voice: Default::default(),
        };
        self.play(leg.unit(), sound, false, 0.0);
    }
}
