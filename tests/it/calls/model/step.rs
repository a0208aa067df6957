//! What may happen, and in which world.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::strategy::Union;

/// One thing that happens. A call is named by its place among those that it can happen to, so that
/// a list of steps means something also when some of them are left out.
#[derive(Clone, Debug)]
pub enum Step {
    /// A telephone calls and keys in the PIN of a room.
    Dial { room: u8 },
    /// A telephone calls and keys in something that is no PIN.
    Misdial,
    /// A telephone calls a scenario that does what it is told.
    Command,
    /// It is told the next thing, one of [`ORDERS`].
    Order { who: u8, order: u8 },
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

/// What the scenario of [`Step::Command`] understands.
pub const ORDERS: [&str; 13] = [
    "record",
    "record room",
    "stop records",
    "play",
    "miss",
    "say",
    "silence",
    "stop room",
    "join",
    "lock",
    "answer",
    "call",
    "timer",
];

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

/// Any case: some calls to begin with, then steps of one theme. What takes several steps to show
/// is met far sooner than with all of them mixed.
pub fn cases() -> impl Strategy<Value = Case> {
    let latency = prop_oneof![Just(0), Just(150), Just(400)].prop_map(Duration::from_millis);
    let legs_max = prop_oneof![5 => Just(1000_usize), 1 => 1..4_usize];
    let join = |user| Step::Join { user, room: 0 };
    let pages = || std::vec![join(0), join(1)];
    let steps = prop_oneof![
        2 => theme(Vec::new(), all()),
        2 => theme(pages(), gaps()),
        2 => theme(pages(), pairs()),
        1 => theme(std::vec![Step::Command], orders()),
    ];
    let cases = (steps, legs_max, latency, 0..1000_u64);
    cases.prop_map(|(steps, legs_max, latency, seed)| Case {
        seed,
        latency,
        legs_max,
        steps,
    })
}

/// Calls that are there at the beginning, perhaps some more, and what happens then.
fn theme(scene: Vec<Step>, steps: Weighted) -> impl Strategy<Value = Vec<Step>> {
    let steps = vec(Union::new_weighted(steps), 1..24);
    (more(), steps).prop_map(move |(more, steps)| {
        let check = std::iter::once(Step::Check);
        let all = scene.iter().cloned().chain(more).chain(check);
        all.chain(steps).collect()
    })
}

fn more() -> impl Strategy<Value = Vec<Step>> {
    let calls = std::vec![
        Step::Join { user: 2, room: 0 },
        Step::Dial { room: 0 },
        Step::Dial { room: 0 },
        Step::Direct,
        Step::Command,
    ];
    subsequence(calls, 0..4)
}

type Weighted = Vec<(u32, BoxedStrategy<Step>)>;

fn someone() -> std::ops::Range<u8> {
    0..6
}

fn joins() -> BoxedStrategy<Step> {
    let room = prop_oneof![5 => Just(0_u8), 1 => Just(1)];
    let joins = (0..4_u8, room).prop_map(|(user, room)| Step::Join { user, room });
    joins.boxed()
}

fn reports() -> BoxedStrategy<Step> {
    let failed = prop_oneof![4 => Just(true), 1 => Just(false)];
    let reports = (someone(), someone(), failed);
    reports
        .prop_map(|(who, other, failed)| Step::Report { who, other, failed })
        .boxed()
}

fn told() -> BoxedStrategy<Step> {
    let orders = (0..2_u8, 0..ORDERS.len() as u8);
    orders
        .prop_map(|(who, order)| Step::Order { who, order })
        .boxed()
}

fn waits(ms: std::ops::Range<u16>) -> BoxedStrategy<Step> {
    ms.prop_map(|ms| Step::Wait { ms }).boxed()
}

/// A step for one of the calls.
fn of(step: fn(u8) -> Step) -> BoxedStrategy<Step> {
    someone().prop_map(step).boxed()
}

fn all() -> Weighted {
    let room = prop_oneof![5 => Just(0_u8), 1 => Just(1)];
    vec![
        (4, room.prop_map(|room| Step::Dial { room }).boxed()),
        (1, Just(Step::Misdial).boxed()),
        (6, joins()),
        (2, Just(Step::Direct).boxed()),
        (2, Just(Step::Command).boxed()),
        (4, told()),
        (4, of(|who| Step::HangUp { who })),
        (4, of(|who| Step::Lose { who })),
        (4, of(|who| Step::Return { who })),
        (2, of(|who| Step::Kill { who })),
        (2, of(|who| Step::Busy { who })),
        (6, of(|who| Step::Say { who })),
        (4, reports()),
        (1, Just(Step::Reload).boxed()),
        (1, Just(Step::Drain).boxed()),
        (3, waits(0..1500)),
        (2, waits(0..40_000)),
        (3, Just(Step::Check).boxed()),
    ]
}

/// Pages that are away or busy while others speak.
fn gaps() -> Weighted {
    vec![
        (1, joins()),
        (4, of(|who| Step::Lose { who })),
        (4, of(|who| Step::Return { who })),
        (2, of(|who| Step::Busy { who })),
        (6, of(|who| Step::Say { who })),
        (1, of(|who| Step::HangUp { who })),
        (2, waits(0..1500)),
        (1, waits(0..65_000)),
        (2, Just(Step::Check).boxed()),
    ]
}

/// Pages of a room that do not reach each other.
fn pairs() -> Weighted {
    let again = (0..3_u8).prop_map(|user| Step::Join { user, room: 0 });
    vec![
        (6, reports()),
        (2, again.boxed()),
        (1, of(|who| Step::HangUp { who })),
        (1, of(|who| Step::Kill { who })),
        (4, waits(5500..7000)),
        (3, Just(Step::Check).boxed()),
    ]
}

/// Commands of scenarios, also to what has ended.
fn orders() -> Weighted {
    vec![
        (1, Just(Step::Command).boxed()),
        (10, told()),
        (1, of(|who| Step::HangUp { who })),
        (2, waits(0..3000)),
        (2, Just(Step::Check).boxed()),
    ]
}
