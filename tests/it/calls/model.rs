//! Chance against a model: browsers in one room lose their WebSockets, are busy, come back and
//! chat, while visitors come and go and everything outside the engine takes its time.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use talkpath::sim::{Latency, PhoneId, PhoneState, World};

use super::reconnect::{chat, chats, page};
use super::{ACCESS_NUMBER, assert_hears, expect, shipped_setup};

const STEPS: usize = 40;
/// A browser that is away or busy comes back before it is given up.
const AWAY_MAX: Duration = Duration::from_secs(45);

/// What the model knows of a browser that stays in the room.
struct Member {
    phone: PhoneId,
    away_since: Option<Duration>,
    busy_since: Option<Duration>,
}

struct Model {
    world: super::Tested,
    random: ChaCha8Rng,
    members: Vec<Member>,
    visitors: Vec<PhoneId>,
    said: Vec<String>,
}

impl Model {
    fn new(seed: u64) -> Model {
        let mut setup = shipped_setup();
        setup.seed = seed;
        setup.latency = Latency::of(Duration::from_millis(150));
        let mut world = super::tested(setup);
        let members = ["alice", "bob", "carol"].map(|name| Member {
            phone: enter(&mut world, name),
            away_since: None,
            busy_since: None,
        });
        Model {
            world,
            random: ChaCha8Rng::seed_from_u64(seed),
            members: members.into(),
            visitors: Vec::new(),
            said: Vec::new(),
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.next_u32() as usize % end
    }

    fn step(&mut self) {
        let which = self.below(self.members.len());
        let world = &mut self.world;
        let now = world.elapsed();
        let member = &mut self.members[which];
        match self.random.next_u32() % 8 {
            0 if member.away_since.is_none() => {
                world.lose_flow(member.phone);
                member.away_since = Some(now);
            }
            1 | 2 => member.come_back(world),
            3 if member.away_since.is_none() => {
                member.busy_since = match member.busy_since {
                    None => Some(now),
                    Some(_) => None,
                };
                world.set_busy(member.phone, member.busy_since.is_some());
            }
            4 | 5 if member.away_since.or(member.busy_since).is_none() => {
                let text = format!("{}", self.said.len());
                chat(world, member.phone, &text);
                self.said.push(text);
            }
            6 if self.visitors.len() < 3 => {
                let phone = world.phone(&format!("+1555{}", now.as_millis()));
                world.dial(phone, ACCESS_NUMBER);
                self.visitors.push(phone);
            }
            7 => {
                if let Some(phone) = self.visitors.pop() {
                    leave(world, phone);
                }
            }
            _ => {}
        }
        let pause = self.below(4000) as u64;
        self.world.advance(Duration::from_millis(pause));
        for member in &mut self.members {
            let away = member.away_since.map(|since| self.world.elapsed() - since);
            if away.is_some_and(|away| away > AWAY_MAX) {
                member.come_back(&mut self.world);
            }
            let busy = member.busy_since.map(|since| self.world.elapsed() - since);
            if busy.is_some_and(|busy| busy > AWAY_MAX) {
                member.busy_since = None;
                self.world.set_busy(member.phone, false);
            }
        }
    }

    fn check(mut self) {
        while let Some(phone) = self.visitors.pop() {
            leave(&mut self.world, phone);
        }
        for member in &mut self.members {
            member.come_back(&mut self.world);
            self.world.set_busy(member.phone, false);
        }
        self.world.advance(Duration::from_secs(5));
        let phones: Vec<PhoneId> = self.members.iter().map(|member| member.phone).collect();
        for phone in &phones {
            let timeline = self.world.timeline();
            assert_eq!(
                self.world.at(*phone).state,
                PhoneState::Connected,
                "{timeline}"
            );
            assert_eq!(
                chats(&self.world, *phone),
                self.said,
                "{phone:?}\n{timeline}"
            );
        }
        // Browsers hear each other directly, and not through here.
        let nobody: &[bool] = &[false; 3];
        assert_hears(&mut self.world, &phones, &[nobody; 3]);
    }
}

impl Member {
    fn come_back(&mut self, world: &mut World) {
        if self.away_since.take().is_some() {
            world.come_back(self.phone);
        }
    }
}

fn enter(world: &mut World, name: &str) -> PhoneId {
    let phone = page(world, name);
    world.dial(phone, "joinconf");
    expect(world.expect_state(phone, PhoneState::Connected));
    world.advance(Duration::from_secs(8));
    phone
}

fn leave(world: &mut World, phone: PhoneId) {
    match world.at(phone).state {
        PhoneState::Connected => world.hang_up(phone),
        PhoneState::Calling | PhoneState::Ringing => world.cancel(phone),
        PhoneState::Idle | PhoneState::Ended(_) => {}
    }
}

#[test]
fn whatever_happens_every_message_arrives_once_and_in_order() {
    for seed in 0..4 {
        let mut model = Model::new(seed);
        for _ in 0..STEPS {
            model.step();
        }
        model.check();
    }
}
