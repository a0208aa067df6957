//! Commands of scenarios: each is checked against the state and carried out, or refused with an
//! event that names the place in the script.

use crate::id::{LegId, UnitId};
use crate::media;
use crate::script::{Command, Place, Placed, Sound};
use crate::termination::Reason;

use super::Output;
use super::context::Context;
use super::notice::{ConferenceOpened, Notice};
use super::refused::{Refused, refuse};
use super::session::{Phase, Session};
use super::unit::{Conference, RecordOf, UnitKind};

impl Session {
    /// Carries out one command of the scenario.
    pub(super) fn execute(&mut self, cx: &mut Context, placed: Placed) {
        let Placed { command, place } = placed;
        if let Command::Log { warn, text } = command {
            let session = self.id;
            cx.outputs.push_back(Output::Log {
                session,
                warn,
                text,
            });
            return;
        }
        if self.phase != Phase::Running {
            return;
        }
        let leg = self.leg_of_command(&command);
        if let Err(refused) = self.try_execute(cx, command, &place) {
            self.refused(cx, leg, refused, &place);
        }
    }

    /// Carries out what a handler asks for after the end of its session: to write to the log and
    /// to remove guests. Nothing else is there any more, which is said once.
    pub(super) fn execute_last(&mut self, cx: &mut Context, commands: Vec<Placed>) {
        let mut late: Vec<Place> = Vec::new();
        for Placed { command, place } in commands {
            match command {
                Command::Log { .. } => self.execute(cx, Placed { command, place }),
                Command::RemoveUser { name } => {
                    if let Err(refused) = remove_guest(cx, name) {
                        self.refused(cx, None, refused, &place);
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
        cx.stats.refused_commands += late.len() as u64;
        let text = format!(
            "{place}: session-over: {} commands were not carried out: the session is over, and its \
             legs, conferences, players and recorders are gone",
            late.len()
        );
        cx.warn_scenario(self.id, text);
    }

    /// The leg that a command is for, for the event of its refusal.
    fn leg_of_command(&self, command: &Command) -> Option<LegId> {
        match command {
            Command::CallConference { leg, .. }
            | Command::ForwardDirect { leg }
            | Command::Leg { leg, .. } => Some(*leg),
            Command::Connect { from, to } => [from, to]
                .map(|unit| unit.leg())
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
        cx: &mut Context,
        command: Command,
        place: &Place,
    ) -> Result<(), Refused> {
        match command {
            Command::Log { .. } => {}
            Command::Terminate => self.end(cx, Reason::ScriptTerminate),
            Command::CallConference { leg, name, options } => {
                let called = self.call_conference(cx, leg, &name, options);
                if called.is_err() {
                    self.tell_never_called(cx, leg);
                }
                return called;
            }
            Command::ForwardDirect { leg } => {
                self.forward_direct(cx, leg)?;
                return self.leave_media(cx, leg);
            }
            Command::RemoveUser { name } => return remove_guest(cx, name),
            Command::Leg { leg, command } => return self.execute_leg(cx, leg, command, place),
            Command::CreateConference { unit, label } => {
                let kind = UnitKind::Conference(Conference::default());
                self.add_unit(cx, unit, kind, place);
                cx.notice(Notice::ConferenceOpened(ConferenceOpened {
                    session: self.id,
                    conference: unit,
                    label,
                    at_ms: self.at_ms(cx),
                }));
                cx.media(media::Command::AddMixer { unit });
            }
            Command::CreatePlayer {
                unit,
                sound,
                looped,
                gain_db,
            } => {
                self.add_unit(cx, unit, UnitKind::Player, place);
                cx.media(media::Command::AddPlayer { unit });
                self.play(cx, unit, sound, looped, gain_db);
            }
            Command::CreateRecorder { unit, options } => {
                self.open_recorder(cx, (unit, RecordOf::Connected), options, place);
            }
            Command::Unit { unit, command } => return self.execute_unit(cx, unit, command, place),
            Command::Connect { from, to } => {
                self.note_place(from, place);
                return self.connect(cx, from, to);
            }
            Command::Disconnect { from, to } => {
                cx.media(media::Command::Disconnect { from, to });
                self.note_membership(cx, from, to, false);
            }
            Command::SetTimer {
                timer,
                after_ms,
                repeat,
            } => self.set_timer(cx, timer, after_ms, repeat),
            Command::CancelTimer { timer } => self.cancel_timer(timer),
            Command::SetCustomData { text } => self.custom_data = text,
        }
        Ok(())
    }

    /// Where the last command for a unit or leg stands.
    fn note_place(&mut self, unit: UnitId, place: &Place) {
        if let Some(leg) = self.legs.get_mut(&unit.leg()) {
            leg.place.clone_from(place);
        } else if let Some(unit) = self.units.get_mut(&unit) {
            unit.place.clone_from(place);
        }
    }

    /// The apology of a session that fails.
    pub(super) fn speak(&mut self, cx: &mut Context, leg: LegId, text: &str) {
        let sound = Sound::Speech {
            text: text.to_owned(),
            voice: Default::default(),
        };
        self.play(cx, leg.unit(), sound, false, 0.0);
    }
}

/// Scenarios remove guests only; accounts are the administrator's.
fn remove_guest(cx: &mut Context, name: String) -> Result<(), Refused> {
    if !name.starts_with(super::GUEST_PREFIX) {
        return refuse("not-a-guest", "only guests can be removed by a scenario");
    }
    cx.outputs.push_back(Output::RemoveUser { name });
    Ok(())
}
