//! Carries the steps of a case out in a world, tells the reference of them, and compares the two.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use talkpath::codec::g711;
use talkpath::sim::{PhoneId, PhoneState, World};

use super::super::{ACCESS_NUMBER, RUN_OUT, laws};
use super::reference::{Kind, Life, Reference, SURELY_GONE, SURELY_HERE, WEB_MAX};
use super::step::{Case, ORDERS, Step};

/// More phones would share their tones.
const PHONES: usize = 22;
/// A page that is busy for longer may be given up.
const BUSY: Duration = Duration::from_secs(40);
const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
const PINS: [&str; 2] = ["1234", "5678"];

/// Of so many cases one is replayed.
const REPLAYED: u64 = 3;

/// What was found, or nothing.
pub type Found = Result<(), String>;

pub struct Play {
    world: World,
    model: Reference,
    latency: Duration,
    said: u32,
    /// What went into the engine is fed in again at the end.
    journal: bool,
}

impl Play {
    /// Plays a case to its end.
    pub fn run(case: &Case) -> Found {
        let mut setup = super::setup();
        setup.seed = case.seed;
        setup.latency = talkpath::sim::Latency::of(case.latency);
        setup.media.legs_max = case.legs_max;
        let journal = case.seed.is_multiple_of(REPLAYED);
        setup.journal = journal;
        let mut model = Reference::default();
        model.scarce = case.legs_max < PHONES;
        let mut play = Play {
            world: World::new(setup),
            model,
            latency: case.latency,
            said: 0,
            journal,
        };
        let found = play.all(&case.steps);
        found.map_err(|text| format!("{text}\n{}", play.world.timeline()))
    }

    fn all(&mut self, steps: &[Step]) -> Found {
        for step in steps {
            self.step(step)?;
            self.pass(Duration::from_millis(5));
        }
        self.check()?;
        for index in 0..self.model.calls.len() {
            self.hang_up(index)?;
        }
        self.world.advance(RUN_OUT + Duration::from_secs(20));
        let count = |line: &str| self.world.logs.iter().filter(|log| *log == line).count();
        let (begun, ended) = (count("recorder"), count("recorder ended"));
        if ended != begun {
            return Err(format!("{begun} recorders, {ended} ends"));
        }
        if let left @ [_, ..] = self.world.leftovers().as_slice() {
            return Err(format!("left: {left:?}"));
        }
        laws::check(&self.world)?;
        match self.journal {
            true => self.world.replay(),
            false => Ok(()),
        }
    }

    fn step(&mut self, step: &Step) -> Found {
        match *step {
            Step::Dial { room } => self.dial(Kind::Phone { room }),
            Step::Misdial => self.dial(Kind::Stray),
            Step::Command => self.dial(Kind::Commander),
            Step::Order { who, order } => {
                let text = ORDERS[usize::from(order)];
                return self.pick(who, Play::is_commander, |play, index| {
                    let phone = play.model.calls[index].phone;
                    play.world.message(phone, text);
                    Ok(())
                });
            }
            Step::Join { user, room } => self.join(user, room),
            Step::Direct => self.direct(),
            Step::HangUp { who } => return self.pick(who, |_, _| true, Play::hang_up),
            Step::Kill { who } => return self.pick(who, Play::is_page, Play::kill),
            Step::Lose { who } => return self.pick(who, Play::has_flow, Play::lose),
            Step::Return { who } => return self.pick(who, Play::is_away, Play::come_back),
            Step::Busy { who } => return self.pick(who, Play::is_awake, Play::fall_asleep),
            Step::Say { who } => return self.pick(who, Play::can_say, Play::say),
            Step::Report { who, other, failed } => {
                let report = |play: &mut Play, index| play.report(index, other, failed);
                return self.pick(who, Play::can_report, report);
            }
            Step::Reload => self.world.reload(super::setup().catalog),
            Step::Drain => {
                self.world.drain();
                let now = self.world.elapsed();
                self.model.drained.get_or_insert(now);
            }
            Step::Wait { ms } => self.pass(Duration::from_millis(ms.into())),
            Step::Check => return self.check(),
        }
        Ok(())
    }

    /// Does it to one of the calls that it can be done to.
    fn pick(
        &mut self,
        who: u8,
        can: fn(&Play, usize) -> bool,
        act: impl FnOnce(&mut Play, usize) -> Found,
    ) -> Found {
        let all = 0..self.model.calls.len();
        let able: Vec<usize> = all
            .filter(|index| !self.model.calls[*index].is_gone() && can(self, *index))
            .collect();
        match able.len() {
            0 => Ok(()),
            count => act(self, able[usize::from(who) % count]),
        }
    }

    fn is_full(&self, more: usize) -> bool {
        self.model.calls.len() + more > PHONES
    }

    fn state(&self, index: usize) -> PhoneState {
        self.world.at(self.model.calls[index].phone).state
    }

    fn is_page(&self, index: usize) -> bool {
        let call = &self.model.calls[index];
        call.is_web() && !matches!(call.life, Life::Dying(_))
    }

    fn is_commander(&self, index: usize) -> bool {
        let kind = self.model.calls[index].kind;
        kind == Kind::Commander && self.state(index) == PhoneState::Connected
    }

    fn has_flow(&self, index: usize) -> bool {
        let call = &self.model.calls[index];
        call.is_web() && call.is_in() && call.away.is_none()
    }

    fn is_away(&self, index: usize) -> bool {
        let call = &self.model.calls[index];
        call.is_in() && call.away.is_some()
    }

    fn is_awake(&self, index: usize) -> bool {
        self.has_flow(index) && self.model.calls[index].busy.is_none()
    }

    fn can_say(&self, index: usize) -> bool {
        self.is_page(index)
            && self.state(index) == PhoneState::Connected
            && self.model.calls[index].away.is_none()
            && self.model.calls[index].busy.is_none()
    }

    fn can_report(&self, index: usize) -> bool {
        let call = &self.model.calls[index];
        call.page().is_some() && call.is_present() && self.model.rivals(index).next().is_none()
    }

    // --- what happens ---

    fn dial(&mut self, kind: Kind) {
        if self.is_full(1) {
            return;
        }
        let phone = self
            .world
            .phone(&format!("+1555{:04}", self.model.calls.len()));
        self.model.add(self.world.elapsed(), phone, kind);
        let number = if kind == Kind::Commander {
            super::COMMANDS
        } else {
            ACCESS_NUMBER
        };
        self.world.dial(phone, number);
    }

    fn page(&mut self, name: &str, header: &str, value: &str) -> PhoneId {
        let phone = self.world.phone_with(name, &g711::PCMU, |options| {
            options.web = true;
            options.headers = vec![(header.to_owned(), value.to_owned())];
        });
        self.world.register(phone);
        phone
    }

    fn join(&mut self, user: u8, room: u8) {
        if self.is_full(1) {
            return;
        }
        let name = USERS[usize::from(user)];
        let phone = self.page(name, "X-Conference-Id", PINS[usize::from(room)]);
        let now = self.world.elapsed();
        self.model.add(now, phone, Kind::Page { user, room });
        self.world.dial(phone, "joinconf");
    }

    fn direct(&mut self) {
        if self.is_full(2) {
            return;
        }
        let caller = self.model.calls.len();
        let names = [caller, caller + 1].map(|index| format!("user{index}"));
        let pages = [0, 1].map(|side| self.page(&names[side], "X-DirectCall", "true"));
        let now = self.world.elapsed();
        for (page, other) in pages.into_iter().zip([caller + 1, caller]) {
            self.model.add(now, page, Kind::Direct { other });
        }
        self.world.dial(pages[0], &names[1]);
    }

    /// Whose end or coming would leave open what becomes of others is waited for.
    fn make_certain(&mut self, index: usize) -> Found {
        if self.model.rivals(index).next().is_some() {
            self.check()?;
        }
        Ok(())
    }

    fn hang_up(&mut self, index: usize) -> Found {
        self.make_certain(index)?;
        let now = self.world.elapsed();
        let (call, state) = (&self.model.calls[index], self.state(index));
        let (phone, kind) = (call.phone, call.kind);
        let (over, dying) = (call.is_gone(), matches!(call.life, Life::Dying(_)));
        if over || dying || state == PhoneState::Idle {
            return Ok(());
        }
        if self.is_away(index) {
            // Its BYE would go nowhere.
            return self.kill(index);
        }
        match state {
            PhoneState::Connected => self.world.hang_up(phone),
            PhoneState::Calling | PhoneState::Ringing => self.world.cancel(phone),
            PhoneState::Idle | PhoneState::Ended(_) => {}
        }
        self.model.calls[index].left = true;
        let settles = self.model.has_pair(&self.model.calls[index]);
        self.model.end(index, now);
        if let Kind::Direct { other } = kind {
            // The other one is told, if it is there.
            self.model.end(other, now);
        }
        if settles {
            self.pass(self.latency * 3);
        }
        Ok(())
    }

    fn kill(&mut self, index: usize) -> Found {
        self.make_certain(index)?;
        let phone = self.model.calls[index].phone;
        if self.model.calls[index].is_gone() {
            return Ok(());
        }
        let now = self.world.elapsed();
        if self.model.calls[index].away.is_none() {
            self.world.lose_flow(phone);
        }
        self.world.lose_media(phone);
        let dying = Life::Dying(now + SURELY_GONE);
        self.model.calls[index].life = dying;
        if let Kind::Direct { other } = self.model.calls[index].kind {
            self.model.calls[other].life = dying;
        }
        Ok(())
    }

    fn lose(&mut self, index: usize) -> Found {
        self.world.lose_flow(self.model.calls[index].phone);
        self.model.calls[index].away = Some(self.world.elapsed());
        Ok(())
    }

    fn come_back(&mut self, index: usize) -> Found {
        self.leave_the_edge();
        let call = &mut self.model.calls[index];
        if !call.is_gone() {
            call.away = None;
        }
        self.world.come_back(call.phone);
        Ok(())
    }

    fn fall_asleep(&mut self, index: usize) -> Found {
        self.model.calls[index].busy = Some(self.world.elapsed());
        self.world.set_busy(self.model.calls[index].phone, true);
        Ok(())
    }

    fn wake(&mut self, index: usize) {
        self.model.calls[index].busy = None;
        self.world.set_busy(self.model.calls[index].phone, false);
    }

    fn say(&mut self, index: usize) -> Found {
        self.said += 1;
        let message = json!({"type": "chat", "data": self.said});
        let phone = self.model.calls[index].phone;
        self.world.message(phone, &message.to_string());
        let replaced = self.model.rivals(index).next().is_some();
        if self.model.calls[index].is_in() && !replaced {
            self.model.owe(index, self.said);
        }
        Ok(())
    }

    fn report(&mut self, index: usize, other: u8, failed: bool) -> Found {
        let now = self.world.elapsed();
        let Some((user, room)) = self.model.calls[index].page() else {
            return Ok(());
        };
        let there = |at: &usize| {
            let call = &self.model.calls[*at];
            let here = call
                .page()
                .is_some_and(|page| page.1 == room && page.0 != user);
            here && call.is_in() && self.model.rivals(*at).next().is_none()
        };
        let others: Vec<usize> = (0..self.model.calls.len()).filter(there).collect();
        let Some(at) = usize::from(other).checked_rem(others.len()) else {
            return Ok(());
        };
        let Some((other, _)) = self.model.calls[others[at]].page() else {
            return Ok(());
        };
        if failed && !self.model.counts_report(now, (room, user, other)) {
            return Ok(());
        }
        let kind = if failed {
            "ICE_FAILED"
        } else {
            "ICE_CONNECTED"
        };
        let address = |user: u8| format!("sip:{}@example.org", USERS[usize::from(user)]);
        let message = json!({"type": kind, "caller": address(user), "callee": address(other)});
        let phone = self.model.calls[index].phone;
        self.world.message(phone, &message.to_string());
        self.model.report(now, (room, user, other), failed);
        self.pass(self.latency * 3);
        Ok(())
    }

    // --- time ---

    /// Lets time pass; who is asked for a PIN meanwhile keys it in, and who slept enough wakes.
    fn pass(&mut self, length: Duration) {
        let end = self.world.elapsed() + length;
        loop {
            let now = self.world.elapsed();
            if now >= end {
                break;
            }
            self.world
                .advance((end - now).min(Duration::from_millis(500)));
            self.key_in();
            let now = self.world.elapsed();
            for index in 0..self.model.calls.len() {
                let busy = self.model.calls[index].busy;
                if busy.is_some_and(|since| now > since + BUSY) {
                    self.wake(index);
                }
            }
            self.bury();
        }
    }

    fn key_in(&mut self) {
        for index in 0..self.model.calls.len() {
            let call = &self.model.calls[index];
            let text = match call.kind {
                Kind::Phone { room } => format!("{}#", PINS[usize::from(room)]),
                Kind::Stray => "7#".to_owned(),
                Kind::Commander | Kind::Page { .. } | Kind::Direct { .. } => continue,
            };
            let phone = self.world.at(call.phone);
            let asked = phone.said.iter().any(|it| it.contains("conference PIN"));
            if call.keyed || !asked || phone.state != PhoneState::Connected {
                continue;
            }
            // A phone that was hung up on meanwhile has no keys.
            let _pressed = self.world.press(call.phone, &text);
            let now = self.world.elapsed();
            let call = &mut self.model.calls[index];
            call.keyed = true;
            if let Life::Coming(since) = &mut call.life {
                *since = now;
            }
        }
    }

    /// Who has been away for too long is gone, and whom it spoke with.
    fn bury(&mut self) {
        let now = self.world.elapsed();
        for index in 0..self.model.calls.len() {
            let call = &self.model.calls[index];
            if call.left && self.state(index) == PhoneState::Connected {
                // The answer crossed the CANCEL.
                self.world.hang_up(call.phone);
            }
            let lost = call.away.is_some_and(|since| now > since + SURELY_GONE);
            let dead = matches!(call.life, Life::Dying(until) if now > until);
            if call.is_gone() || !lost && !dead {
                continue;
            }
            let kind = call.kind;
            self.model.end(index, now);
            if let Kind::Direct { other } = kind {
                self.model.end(other, now);
            }
        }
    }

    /// Whoever is about to be given up is given up.
    fn leave_the_edge(&mut self) {
        loop {
            let now = self.world.elapsed();
            let on_edge = |since: Duration| now > since + SURELY_HERE && now < since + SURELY_GONE;
            let calls = self.model.calls.iter().filter(|call| !call.is_gone());
            if !calls.filter_map(|call| call.away).any(on_edge) {
                return;
            }
            self.pass(Duration::from_secs(1));
        }
    }

    fn come_to_rest(&mut self) {
        for index in 0..self.model.calls.len() {
            if self.model.calls[index].busy.is_some() {
                self.wake(index);
            }
        }
        self.pass(self.latency * 8 + Duration::from_millis(100));
        loop {
            self.leave_the_edge();
            let now = self.world.elapsed();
            let calls = self.model.calls.iter();
            let known = calls.filter_map(|call| call.known_at()).max();
            match known.filter(|at| *at > now) {
                Some(at) => self.pass((at - now).min(Duration::from_secs(1))),
                None => break,
            }
        }
        self.bury();
    }

    // --- what is found ---

    fn check(&mut self) -> Found {
        self.come_to_rest();
        self.adopt()?;
        self.check_present()?;
        self.check_messages()?;
        self.check_sound()
    }

    /// Sees what has become of those who came.
    fn adopt(&mut self) -> Found {
        let now = self.world.elapsed();
        let mut replaced = Vec::new();
        for index in 0..self.model.calls.len() {
            let Life::Coming(since) = self.model.calls[index].life else {
                continue;
            };
            let call = &self.model.calls[index];
            let (kind, begun) = (call.kind, call.begun);
            let phone = self.world.at(call.phone);
            let arrived = call.keyed || !matches!(kind, Kind::Phone { .. });
            let what = || format!("{kind:?} since {since:?} is {:?}", phone.state);
            if phone.state == PhoneState::Connected && arrived {
                if self.model.drained.is_some_and(|at| begun > at) {
                    return Err(format!("{} in spite of the drain", what()));
                }
                let came_again = !replaced.contains(&index);
                self.model.calls[index].life = Life::In;
                replaced.extend(self.model.rivals(index).filter(|_| came_again));
            } else if phone.hung_up_why.contains("replaced") {
                replaced.push(index);
            } else if kind == Kind::Stray || self.model.may_fail(index) {
                self.give_up(index);
            } else {
                return Err(what());
            }
        }
        self.replace(now, replaced)
    }

    /// A call that came to nothing goes home.
    fn give_up(&mut self, index: usize) {
        let now = self.world.elapsed();
        let phone = self.model.calls[index].phone;
        match self.world.at(phone).state {
            PhoneState::Connected => self.world.hang_up(phone),
            PhoneState::Calling | PhoneState::Ringing => self.world.cancel(phone),
            PhoneState::Idle | PhoneState::Ended(_) => {}
        }
        self.model.end(index, now);
    }

    /// Of several calls of one user in a room one is left.
    fn replace(&mut self, now: Duration, replaced: Vec<usize>) -> Found {
        for index in replaced {
            let call = &self.model.calls[index];
            if call.is_gone() || self.model.rivals(index).next().is_none() {
                continue;
            }
            let alive = self.state(index) == PhoneState::Connected;
            if alive && call.away.is_none() && call.is_in() {
                continue;
            }
            if let Some(page) = call.page() {
                self.model.part(page);
            }
            self.model.end(index, now);
        }
        for index in 0..self.model.calls.len() {
            let call = &self.model.calls[index];
            let rivals = self.model.rivals(index);
            let twice = rivals.filter(|at| self.model.calls[*at].is_in()).count() > 0;
            if call.is_in() && twice {
                return Err(format!("{:?} is there twice", call.kind));
            }
        }
        Ok(())
    }

    /// Who is in and heard from is still connected, and each room knows who that is.
    fn check_present(&mut self) -> Found {
        for call in self.model.calls.iter().filter(|call| call.is_present()) {
            let phone = self.world.at(call.phone);
            if phone.state != PhoneState::Connected && call.kind != Kind::Stray {
                return Err(format!("{:?} is {:?}", call.kind, phone.state));
            }
            let (Some(room), true) = (call.room(), call.is_web()) else {
                continue;
            };
            let (users, phones) = self.model.roster(room);
            if users.len() > WEB_MAX {
                return Err(format!("room {room} has {users:?}"));
            }
            let names = users.iter().map(|user| USERS[usize::from(*user)]);
            let expected = (names.map(str::to_owned).collect(), phones);
            let told = roster(&phone.messages);
            if told.as_ref() != Some(&expected) {
                return Err(format!("{:?} sees {told:?}, not {expected:?}", call.kind));
            }
        }
        Ok(())
    }

    /// Nothing that is owed is missing, and what each one said comes once and in order.
    fn check_messages(&self) -> Found {
        for call in &self.model.calls {
            let heard = chats(&self.world.at(call.phone).messages);
            for (at, (from, number)) in heard.iter().enumerate() {
                let later = &heard[at + 1..];
                if later.iter().any(|it| it.0 == *from && it.1 <= *number) {
                    return Err(format!("{:?} heard {heard:?}", call.kind));
                }
            }
            let numbers: BTreeSet<u32> = heard.iter().map(|it| it.1).collect();
            let missing = call.owed.iter().find(|number| !numbers.contains(number));
            if let (Some(number), true) = (missing, call.is_present()) {
                return Err(format!("{:?} misses {number} of {heard:?}", call.kind));
            }
        }
        Ok(())
    }

    /// Who hears whom.
    fn check_sound(&mut self) -> Found {
        self.world.forget_sound();
        self.world.advance(Duration::from_millis(700));
        let inside = |call: &&super::reference::Call| call.is_in() && call.kind != Kind::Stray;
        let calls: Vec<_> = self.model.calls.iter().filter(inside).collect();
        for listener in &calls {
            for talker in &calls {
                let expected = self.model.hears(listener, talker);
                let heard = self.world.hears(listener.phone, talker.phone);
                if heard != expected {
                    let (listener, talker) = (listener.phone, talker.phone);
                    return Err(format!("{listener:?} hears {talker:?}: {heard}"));
                }
            }
        }
        Ok(())
    }
}

/// The last that a page was told of who is in its room: names, and how many telephones.
fn roster(messages: &[String]) -> Option<(BTreeSet<String>, usize)> {
    let all = messages.iter().rev();
    let mut rosters = all.filter_map(|text| {
        let value: Value = serde_json::from_str(text).ok()?;
        let peers = value["peers"].as_array()?;
        let names = peers.iter().filter_map(|peer| peer["callerid"].as_str());
        let phones = value["pstnCalls"].as_array()?.len();
        Some((names.map(str::to_owned).collect(), phones))
    });
    rosters.next()
}

/// Who said what, as a page has heard it.
fn chats(messages: &[String]) -> Vec<(String, u32)> {
    let parse = |text: &String| {
        let value: Value = serde_json::from_str(text).ok()?;
        let from = value["from"].as_str().unwrap_or_default().to_owned();
        let number = u32::try_from(value["data"].as_u64()?).ok()?;
        (value["type"] == "chat").then_some((from, number))
    };
    messages.iter().filter_map(parse).collect()
}
