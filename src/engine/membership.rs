//! Commands on conferences, players and recorders, and who is in a conference.

use crate::id::{LegId, UnitId};
use crate::media::Command;
use crate::script::{Event, Place, UnitCommand, UnitEvent};

use super::context::Context;
use super::notice::{ConferenceClosed, Member, Notice};
use super::refused::{Refused, refuse};
use super::session::Session;
use super::unit::{Conference, RecordOf, Unit, UnitKind};

impl Session {
    pub(super) fn add_unit(
        &mut self,
        cx: &mut Context,
        unit: UnitId,
        kind: UnitKind,
        place: &Place,
    ) {
        let entry = Unit {
            kind,
            place: place.clone(),
            playing: None,
        };
        self.units.insert(unit, entry);
        cx.index.units.insert(unit, self.id);
    }

    /// Removes a conference, player or recorder.
    pub(super) fn remove_unit(&mut self, cx: &mut Context, unit: UnitId) {
        self.stop_playback(cx, unit);
        if let Some(entry) = self.units.remove(&unit)
            && let UnitKind::Conference(conference) = entry.kind
        {
            for leg in conference.members.into_keys() {
                cx.notice(Notice::LegLeft(self.member(cx, unit, leg)));
            }
            cx.notice(Notice::ConferenceClosed(ConferenceClosed {
                session: self.id,
                conference: unit,
                at_ms: self.at_ms(cx),
            }));
        }
        cx.index.units.remove(&unit);
        cx.media(Command::Close { unit });
    }

    pub(super) fn tell_unit(&mut self, cx: &mut Context, unit: UnitId, event: UnitEvent) {
        if self.units.contains_key(&unit) {
            self.tell(cx, Event::Unit { unit, event });
        }
    }

    // tidy: table
    pub(super) fn execute_unit(
        &mut self,
        cx: &mut Context,
        unit: UnitId,
        command: UnitCommand,
        place: &Place,
    ) -> Result<(), Refused> {
        let Some(entry) = self.units.get_mut(&unit) else {
            // A script names only what it made, so this one has been there and ended meanwhile.
            if let UnitCommand::Record { recorder, .. } = command {
                self.tell_nothing_to_record(cx, recorder);
            }
            return Ok(());
        };
        entry.place.clone_from(place);
        match command {
            UnitCommand::Play {
                sound,
                looped,
                gain_db,
            } => self.play(cx, unit, sound, looped, gain_db),
            UnitCommand::StopPlayback => self.stop_playback(cx, unit),
            UnitCommand::Pause { on } => cx.media(Command::Pause { unit, paused: on }),
            UnitCommand::Record { recorder, options } => {
                let of = RecordOf::Conference(unit);
                self.open_recorder(cx, (recorder, of), options, place);
                cx.media(Command::Connect {
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
                UnitKind::Conference(_) => cx.media(Command::WatchSpeakers { unit, on }),
                UnitKind::Player | UnitKind::Recorder => {
                    return refuse("not-a-conference", "only in a conference somebody speaks");
                }
            },
            UnitCommand::Stop => self.remove_unit(cx, unit),
        }
        Ok(())
    }

    /// Connects two units of the session, if the conference among them admits it.
    pub(super) fn connect(
        &mut self,
        cx: &mut Context,
        from: UnitId,
        to: UnitId,
    ) -> Result<(), Refused> {
        for unit in [from, to] {
            match cx.index.units.get(&unit) {
                // A leg that has just ended.
                None => return Ok(()),
                Some(owner) if *owner != self.id => {
                    return refuse("not-yours", "the unit belongs to another session");
                }
                Some(_) => {}
            }
        }
        if from == to {
            return refuse("same-unit", "a unit cannot be sent to itself");
        }
        for unit in [from, to] {
            self.enter_media(unit.leg())?;
        }
        for (unit, leg) in [(from, to.leg()), (to, from.leg())] {
            if let Some(conference) = self.conference(unit, leg) {
                conference.admit(leg)?;
            }
        }
        cx.media(Command::Connect { from, to });
        self.note_membership(cx, from, to, true);
        Ok(())
    }

    /// The conference that a unit is, when `leg` is a leg of the session.
    fn conference(&mut self, unit: UnitId, leg: LegId) -> Option<&mut Conference> {
        if !self.legs.contains_key(&leg) {
            return None;
        }
        match &mut self.units.get_mut(&unit)?.kind {
            UnitKind::Conference(conference) => Some(conference),
            UnitKind::Player | UnitKind::Recorder => None,
        }
    }

    /// Keeps the member lists of conferences and tells about changes.
    pub(super) fn note_membership(
        &mut self,
        cx: &mut Context,
        from: UnitId,
        to: UnitId,
        joined: bool,
    ) {
        for (unit, leg) in [(from, to.leg()), (to, from.leg())] {
            let Some(conference) = self.conference(unit, leg) else {
                continue;
            };
            let before = conference.members.get(&leg).copied().unwrap_or(0);
            let after = match joined {
                true => before + 1,
                false => before.saturating_sub(1),
            };
            match after {
                0 => conference.members.remove(&leg),
                _ => conference.members.insert(leg, after),
            };
            match (before, after) {
                (0, 1) => {
                    cx.notice(Notice::LegJoined(self.member(cx, unit, leg)));
                    self.tell_unit(cx, unit, UnitEvent::MemberJoined { leg });
                }
                (1, 0) => self.tell_left(cx, unit, leg),
                _ => {}
            }
        }
    }

    /// Takes a leg that has ended out of every conference.
    pub(super) fn leave_conferences(&mut self, cx: &mut Context, leg: LegId) {
        let mut left = Vec::new();
        for (unit, entry) in &mut self.units {
            if let UnitKind::Conference(conference) = &mut entry.kind
                && conference.members.remove(&leg).is_some()
            {
                left.push(*unit);
            }
        }
        for unit in left {
            self.tell_left(cx, unit, leg);
        }
    }

    fn tell_left(&mut self, cx: &mut Context, unit: UnitId, leg: LegId) {
        cx.notice(Notice::LegLeft(self.member(cx, unit, leg)));
        self.tell_unit(cx, unit, UnitEvent::MemberLeft { leg });
    }

    fn member(&self, cx: &Context, conference: UnitId, leg: LegId) -> Member {
        Member {
            session: self.id,
            conference,
            leg,
            at_ms: self.at_ms(cx),
        }
    }
}
