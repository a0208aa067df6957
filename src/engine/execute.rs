//! Commands of scenarios: each is checked against the state and carried out, or refused with an
//! event that names the place in the script.

use std::time::{Duration, Instant};

use crate::id::{LegId, SessionId, TimerId, UnitId};
use crate::media;
use crate::script::{Command, Headers, LegCommand, Place, Placed, Sound, UnitCommand};
use crate::termination::Reason;

use super::alarm::Alarm;
use super::leg::{DigitChoice, LegState, Link, Wanted};
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
            Command::ForwardDirect { leg } => return self.forward_direct(now, session, leg),
            Command::RemoveUser { name } => return self.remove_guest(name),
            Command::Leg { leg, command } => {
                return self.execute_leg(now, session, leg, command, place);
            }
            Command::CreateConference { unit, label: _ } => {
                self.add_unit(session, unit, UnitKind::Conference(Conference::default()));
                self.media(media::Command::AddMixer { unit });
            }
            Command::CreatePlayer {
                unit,
                sound,
                looped,
                gain_db,
            } => {
                self.add_unit(session, unit, UnitKind::Player);
                self.media(media::Command::AddPlayer { unit });
                self.play(unit, sound, looped, gain_db);
            }
            Command::CreateRecorder { unit, options } => {
                self.open_recorder(now, session, unit, RecordOf::Connected, options);
            }
            Command::Unit { unit, command } => {
                return self.execute_unit(now, session, unit, command);
            }
            Command::Connect { from, to } => return self.connect(now, session, from, to),
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

    // tidy: table
    fn execute_leg(
        &mut self,
        now: Instant,
        session: SessionId,
        id: LegId,
        command: LegCommand,
        place: &Place,
    ) -> Result<(), Refused> {
        // A leg may have ended while the turn that speaks of it was running; that is nobody's
        // fault.
        let Some(leg) = self.legs.get(&id) else {
            if let LegCommand::Record { recorder, .. } = command {
                self.tell_nothing_to_record(now, session, recorder);
            }
            return Ok(());
        };
        if leg.session != session {
            return refuse("not-yours", "the leg belongs to another session");
        }
        match command {
            LegCommand::Answer { headers } => return self.answer(now, id, headers, place),
            LegCommand::Ring => return self.ring(now, id),
            LegCommand::Reject { code, reason } => return self.reject(now, id, code, &reason),
            LegCommand::Hangup { headers, reason } => {
                let mut headers = extra_headers(headers)?;
                let why = match reason.as_str() {
                    "replaced" => Reason::Replaced,
                    _ => Reason::ScriptHangup,
                };
                if !reason.is_empty() {
                    let value = format!("SIP;cause=200;text=\"{reason}\"");
                    headers.push(("Reason".to_owned(), value));
                }
                self.hang_up(now, id, why, &headers);
            }
            LegCommand::StartEarlyMedia => return self.start_early_media(now, id),
            LegCommand::Play {
                sound,
                looped,
                gain_db,
            } => {
                return self.play_on_leg(id, sound, looped, gain_db);
            }
            LegCommand::StopPlayback => self.stop_playback(id.unit()),
            LegCommand::DetectDigits {
                telephone_event,
                in_band,
                info,
            } => {
                self.detect_digits(
                    id,
                    DigitChoice {
                        telephone_event,
                        in_band,
                        info,
                    },
                );
            }
            LegCommand::SendDigits { digits } => return self.send_digits(now, id, digits),
            LegCommand::SendMessage { text } => return self.send_message(now, id, text, place),
            LegCommand::SendInfo {
                mime,
                body,
                headers,
            } => {
                let headers = extra_headers(headers)?;
                return self.send_info(now, id, mime, body, headers, place);
            }
            LegCommand::Record { recorder, options } => {
                self.open_recorder(now, session, recorder, RecordOf::Leg(id), options);
            }
            LegCommand::Mute { on } => self.silence(id, Some(on), None),
            LegCommand::Deafen { on } => self.silence(id, None, Some(on)),
            LegCommand::Gain { in_db, out_db } => {
                self.media(media::Command::Gain {
                    unit: id.unit(),
                    in_db,
                    out_db,
                });
            }
            LegCommand::DetectTalk { on } => {
                self.media(media::Command::DetectTalk {
                    unit: id.unit(),
                    on,
                });
            }
        }
        Ok(())
    }

    fn answer(
        &mut self,
        now: Instant,
        id: LegId,
        headers: Headers,
        place: &Place,
    ) -> Result<(), Refused> {
        let headers = extra_headers(headers)?;
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        if !leg.incoming {
            return refuse("not-incoming", "only an incoming leg can be answered");
        }
        match (leg.state, leg.peer()) {
            (LegState::Answered | LegState::Connected(_), _) => {
                refuse("already-answered", "the leg has been answered already")
            }
            (LegState::Alerting | LegState::Early, Some(peer)) => {
                self.connect_leg(now, peer);
                self.connect_leg(now, id);
                Ok(())
            }
            (LegState::Alerting | LegState::Early, None) => {
                self.want_media(now, id, Wanted::Answer(headers, place.clone()));
                Ok(())
            }
        }
    }

    fn ring(&mut self, now: Instant, id: LegId) -> Result<(), Refused> {
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        if !leg.incoming || leg.state != LegState::Alerting {
            return refuse("not-alerting", "only an incoming leg that waits can ring");
        }
        match &leg.link {
            Link::Sip(sip) => {
                let call = sip.call;
                self.sip
                    .provisional(now, call, 180, Vec::new(), None)
                    .or_else(|error| refuse("ring-refused", error.to_string()))
            }
            Link::Internal { peer, .. } => {
                let peer = *peer;
                let headers = Vec::new();
                self.tell_leg(
                    now,
                    peer,
                    crate::script::LegEvent::Ringing { code: 180, headers },
                );
                Ok(())
            }
        }
    }

    fn reject(&mut self, now: Instant, id: LegId, code: u16, reason: &str) -> Result<(), Refused> {
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        if !leg.incoming || matches!(leg.state, LegState::Answered | LegState::Connected(_)) {
            return refuse(
                "not-alerting",
                "only an incoming leg that waits can be rejected",
            );
        }
        if !(400..700).contains(&code) {
            return refuse("bad-code", format!("{code} is not a refusal (400 to 699)"));
        }
        if let Some(sip) = leg.sip() {
            let call = sip.call;
            let reason = Some(reason).filter(|reason| !reason.is_empty());
            if let Err(error) = self.sip.reject(now, call, code, reason, Vec::new()) {
                return refuse("reject-refused", error.to_string());
            }
        }
        self.drop_leg_with(now, id, Reason::Rejected, Some(code));
        Ok(())
    }

    fn start_early_media(&mut self, now: Instant, id: LegId) -> Result<(), Refused> {
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        if !leg.incoming || leg.state != LegState::Alerting {
            return refuse(
                "not-alerting",
                "early media is for an incoming leg that waits",
            );
        }
        let Some(sip) = leg.sip() else {
            return refuse("internal-leg", "an internal leg has no early media");
        };
        if sip.offer.is_none() {
            let text = "the caller sent no offer, so there is nothing to answer before the call is";
            return refuse("no-offer", text);
        }
        self.want_media(now, id, Wanted::EarlyMedia);
        Ok(())
    }

    fn silence(&mut self, id: LegId, muted: Option<bool>, deafened: Option<bool>) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        leg.muted = muted.unwrap_or(leg.muted);
        leg.deafened = deafened.unwrap_or(leg.deafened);
        let (muted, deafened) = (leg.muted, leg.deafened);
        self.media(media::Command::Silence {
            unit: id.unit(),
            muted,
            deafened,
        });
    }

    fn add_unit(&mut self, session: SessionId, unit: UnitId, kind: UnitKind) {
        if let Some(entry) = self.sessions.get_mut(&session) {
            entry.units.insert(
                unit,
                Unit {
                    kind,
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
                self.open_recorder(now, session, recorder, of, options);
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

/// Only `X-…` headers may be set by scenarios.
fn extra_headers(headers: Headers) -> Result<Headers, Refused> {
    for (name, value) in &headers {
        if !name.to_ascii_lowercase().starts_with("x-") {
            return refuse("bad-header", format!("{name}: only X-… headers can be set"));
        }
        if value.contains(['\r', '\n', '\0']) {
            return refuse(
                "bad-header",
                format!("{name}: a value may not contain line ends"),
            );
        }
    }
    Ok(headers)
}
