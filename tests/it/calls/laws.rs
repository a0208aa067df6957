//! What the notices of a world must be like, whatever happened in it: what begins ends once, and
//! nothing is told of what has not begun or has ended.

use std::collections::{BTreeMap, BTreeSet};

use talkpath::engine::notice::{EndedLink, LegEnded, Member};
use talkpath::engine::{Notice, Stats};
use talkpath::id::{LegId, SessionId, UnitId};
use talkpath::sim::World;
use talkpath::termination::Reason;

type Found = Result<(), String>;

/// Checks the notices of a world in which everything is over.
pub fn check(world: &World) -> Found {
    check_all(&world.notices, &world.stats())
}

fn check_all(notices: &[Notice], stats: &Stats) -> Found {
    let mut book = Book::default();
    for (index, notice) in notices.iter().enumerate() {
        let taken = book.take(notice);
        taken.map_err(|why| {
            let before = &notices[index.saturating_sub(20)..index];
            format!("{why}: {notice:?}, after {before:#?}")
        })?;
    }
    book.close()?;
    let told = |reason| book.sip_ends.get(&reason).copied().unwrap_or_default();
    match stats
        .legs_ended()
        .find(|(reason, count)| told(*reason) != *count)
    {
        Some((reason, count)) => Err(format!("{count} legs ended by {reason}, not as many told")),
        None => Ok(()),
    }
}

/// Two telephones meet; then each notice of it is left out once, and told twice once.
#[test]
fn a_notice_too_few_or_too_many_breaks_a_law() {
    let mut world = super::shipped();
    let phones = ["+31612345678", "+31687654321"].map(|number| {
        let phone = world.phone(number);
        super::join(&mut world, phone, "1234");
        phone
    });
    for phone in phones {
        world.hang_up(phone);
    }
    super::assert_empty(&mut world);
    let (notices, stats) = (&world.notices, world.stats());
    super::expect(check_all(notices, &stats));
    assert!(notices.len() > 20, "{notices:#?}");
    for (index, notice) in notices.iter().enumerate() {
        let mut fewer = notices.clone();
        fewer.remove(index);
        assert!(check_all(&fewer, &stats).is_err(), "without {notice:?}");
        let mut more = notices.clone();
        more.insert(index, notice.clone());
        assert!(check_all(&more, &stats).is_err(), "twice {notice:?}");
    }
}

fn held(law: bool, what: &str) -> Found {
    law.then_some(()).ok_or_else(|| what.to_owned())
}

/// What has been told so far.
#[derive(Default)]
struct Book {
    /// Whether they have ended.
    sessions: BTreeMap<SessionId, bool>,
    legs: BTreeMap<LegId, Leg>,
    conferences: BTreeMap<UnitId, Conference>,
    /// Recordings that have begun or ended, and whether nothing more may come of them.
    recordings: BTreeMap<UnitId, bool>,
    sip_ends: BTreeMap<Reason, u64>,
}

struct Leg {
    session: SessionId,
    answered: bool,
    ended: bool,
    /// The latest time that was told of it.
    last_ms: u64,
    /// The other end of an internal call.
    peer: Option<LegId>,
}

struct Conference {
    session: SessionId,
    closed: bool,
    members: BTreeSet<LegId>,
}

impl Book {
    fn take(&mut self, notice: &Notice) -> Found {
        match notice {
            Notice::SessionStarted(started) => {
                let before = self.sessions.insert(started.session, false);
                held(before.is_none(), "the session had started")
            }
            Notice::SessionEnded(ended) => {
                let before = self.sessions.insert(ended.session, true);
                held(before == Some(false), "the session was not there")
            }
            Notice::CallArrived(call) => self.begin(call.leg, call.session, None),
            Notice::ConferenceCalled(call) => self.begin(call.leg, call.session, None),
            Notice::InternalCall(call) => {
                self.begin(call.to_leg, call.to_session, Some(call.leg))?;
                let own = self.legs.get_mut(&call.leg).ok_or("nobody called")?;
                held(own.session == call.session, "it is of another session")?;
                let before = own.peer.replace(call.to_leg);
                held(before.is_none(), "the leg had called")
            }
            Notice::ConferenceUnrouted(call) => self.live(call.leg, call.session).map(|_| ()),
            Notice::LegAnswered(leg) => {
                let entry = self.live(leg.leg, leg.session)?;
                entry.last_ms = leg.at_ms;
                let before = std::mem::replace(&mut entry.answered, true);
                held(!before, "the leg had been answered")
            }
            Notice::LegTrouble { session, leg, .. }
            | Notice::FlowLost { session, leg }
            | Notice::FlowBack { session, leg } => self.live(*leg, *session).map(|_| ()),
            Notice::LegJoined(member) => {
                held(self.member(member)?.insert(member.leg), "it was inside")
            }
            Notice::LegLeft(member) => held(
                self.member(member)?.remove(&member.leg),
                "it was not inside",
            ),
            Notice::LegEnded(ended) => self.end(ended),
            Notice::ConferenceOpened(opened) => {
                self.begun(opened.session)?;
                let conference = Conference {
                    session: opened.session,
                    closed: false,
                    members: BTreeSet::new(),
                };
                let before = self.conferences.insert(opened.conference, conference);
                held(before.is_none(), "the conference had opened")
            }
            Notice::ConferenceClosed(closed) => {
                let entry = self.open(closed.conference, closed.session)?;
                entry.closed = true;
                held(entry.members.is_empty(), "somebody was inside")
            }
            Notice::RecordingBegun(begun) => {
                let before = self.recordings.insert(begun.recorder, false);
                held(before.is_none(), "the recording had begun")
            }
            Notice::RecordingEnded(ended) => self.end_recording(ended.recorder),
            Notice::RecordingsGivenUp { recorders, .. } => recorders
                .iter()
                .try_for_each(|recorder| self.end_recording(*recorder)),
            Notice::ScenarioFailed(failed) => self.known(failed.session),
            Notice::SoundFailed(failed) => self.known(failed.session),
            Notice::HostPanicked { session, .. } => self.known(*session),
            Notice::EventsOverflowed { session, .. } => self.begun(*session),
            Notice::CallUnrouted(_) | Notice::RuleKeptOut { .. } | Notice::RuleFull { .. } => {
                Ok(())
            }
        }
    }

    fn known(&self, session: SessionId) -> Found {
        held(self.sessions.contains_key(&session), "no such session")
    }

    /// The session has begun and not ended.
    fn begun(&self, session: SessionId) -> Found {
        let ended = self.sessions.get(&session);
        held(ended == Some(&false), "the session is not there")
    }

    fn begin(&mut self, leg: LegId, session: SessionId, peer: Option<LegId>) -> Found {
        self.begun(session)?;
        let entry = Leg {
            session,
            answered: false,
            ended: false,
            last_ms: 0,
            peer,
        };
        let before = self.legs.insert(leg, entry);
        held(before.is_none(), "the leg had begun")
    }

    fn live(&mut self, leg: LegId, session: SessionId) -> Result<&mut Leg, String> {
        let entry = self.legs.get_mut(&leg);
        let entry = entry.filter(|leg| !leg.ended && leg.session == session);
        entry.ok_or_else(|| "the leg is not there".to_owned())
    }

    fn open(&mut self, unit: UnitId, session: SessionId) -> Result<&mut Conference, String> {
        let entry = self.conferences.get_mut(&unit);
        let entry = entry.filter(|it| !it.closed && it.session == session);
        entry.ok_or_else(|| "the conference is not there".to_owned())
    }

    fn member(&mut self, member: &Member) -> Result<&mut BTreeSet<LegId>, String> {
        let leg = self.live(member.leg, member.session)?;
        leg.last_ms = leg.last_ms.max(member.at_ms);
        Ok(&mut self.open(member.conference, member.session)?.members)
    }

    fn end(&mut self, ended: &LegEnded) -> Found {
        let mut conferences = self.conferences.values();
        let inside = conferences.any(|it| it.members.contains(&ended.leg));
        held(!inside, "it is in a conference")?;
        let leg = self.live(ended.leg, ended.session)?;
        leg.ended = true;
        held(leg.last_ms <= ended.at_ms, "it did something later")?;
        held(
            leg.answered == ended.answered_ms.is_some(),
            "answered or not",
        )?;
        match &ended.link {
            EndedLink::Sip { .. } => *self.sip_ends.entry(ended.reason).or_default() += 1,
            // Who called a conference that there is not has nobody at the other end.
            EndedLink::Internal { peer } => {
                held(leg.peer.is_none_or(|it| it == *peer), "another peer")?;
            }
        }
        Ok(())
    }

    fn end_recording(&mut self, recorder: UnitId) -> Found {
        let before = self.recordings.insert(recorder, true);
        held(before != Some(true), "the recording was over")
    }

    /// Everything has ended.
    fn close(&self) -> Found {
        let sessions = self.sessions.iter().filter(|(_, ended)| !**ended);
        let legs = self.legs.iter().filter(|(_, leg)| !leg.ended);
        let conferences = self.conferences.iter().filter(|(_, it)| !it.closed);
        let recordings = self.recordings.iter().filter(|(_, over)| !**over);
        let mut left: Vec<String> = sessions.map(|(id, _)| id.to_string()).collect();
        left.extend(legs.map(|(id, _)| id.to_string()));
        left.extend(conferences.map(|(id, _)| id.to_string()));
        left.extend(recordings.map(|(id, _)| id.to_string()));
        held(left.is_empty(), &format!("no end was told of {left:?}"))
    }
}
