//! What may happen, and in which world.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Union;

/// One thing that happens. A call is named by its place among those that it can happen to, so that
/// a list of steps means something also when some of them are left out.
#[derive(Clone, Debug)]
pub enum Step {
    /// A telephone calls and keys in the PIN of a room.
    Dial { room: u8 },
    /// A telephone calls and keys in something that is no PIN.
    Misdial,
    /// A page of a user joins a room; the same user may be there already.
    Join { user: u8, room: u8 },
    /// A user calls another one directly.
    Direct,
    /// Anybody hangs up, however far the call has come.
    HangUp { who: u8 },
    /// The WebSocket of a page closes.
    Lose { who: u8 },
    /// A page that lost its WebSocket opens another one.
    Return { who: u8 },
    /// A page is gone without a word: no WebSocket, no media, for good.
    Kill { who: u8 },
    /// A page takes nothing in for a while.
    Busy { who: u8 },
    /// A page says something to its room, or to the other side of a direct call.
    Say { who: u8 },
    /// A page reports that its direct way to another one of the room failed, or works.
    Report { who: u8, other: u8, failed: bool },
    /// The rules are loaded again.
    Reload,
    /// No new calls from here on.
    Drain,
    /// Time passes.
    Wait { ms: u16 },
    /// Everything comes to rest and is compared.
    Check,
}

/// A world and what happens in it.
#[derive(Clone, Debug)]
pub struct Case {
    /// See [`talkpath::sim::Setup`].
    pub seed: u64,
    /// The longest time that scripts, sounds, sockets and files take.
    pub latency: Duration,
    /// Legs that the media core takes.
    pub legs_max: usize,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
}

/// Any case.
pub fn cases() -> impl Strategy<Value = Case> {
    let latency = prop_oneof![Just(0), Just(150), Just(400)].prop_map(Duration::from_millis);
    let legs_max = prop_oneof![5 => Just(1000_usize), 1 => 1..4_usize];
    (vec(steps(), 1..24), legs_max, latency, 0..1000_u64).prop_map(
        |(steps, legs_max, latency, seed)| Case {
            seed,
            latency,
            legs_max,
            steps,
        },
    )
}

fn steps() -> Union<BoxedStrategy<Step>> {
    let who = 0..6_u8;
    let other = 0..3_u8;
    let room = prop_oneof![4 => Just(0_u8), 1 => Just(1)];
    Union::new_weighted(vec![
        (4, room.clone().prop_map(|room| Step::Dial { room }).boxed()),
        (1, Just(Step::Misdial).boxed()),
        (
            6,
            (0..4_u8, room)
                .prop_map(|(user, room)| Step::Join { user, room })
                .boxed(),
        ),
        (2, Just(Step::Direct).boxed()),
        (4, who.clone().prop_map(|who| Step::HangUp { who }).boxed()),
        (4, who.clone().prop_map(|who| Step::Lose { who }).boxed()),
        (4, who.clone().prop_map(|who| Step::Return { who }).boxed()),
        (2, who.clone().prop_map(|who| Step::Kill { who }).boxed()),
        (2, who.clone().prop_map(|who| Step::Busy { who }).boxed()),
        (6, who.clone().prop_map(|who| Step::Say { who }).boxed()),
        (
            4,
            (who, other, prop_oneof![3 => Just(true), 1 => Just(false)])
                .prop_map(|(who, other, failed)| Step::Report { who, other, failed })
                .boxed(),
        ),
        (1, Just(Step::Reload).boxed()),
        (1, Just(Step::Drain).boxed()),
        (3, (0..1500_u16).prop_map(|ms| Step::Wait { ms }).boxed()),
        (2, (1..40_000_u16).prop_map(|ms| Step::Wait { ms }).boxed()),
        (3, Just(Step::Check).boxed()),
    ])
}
