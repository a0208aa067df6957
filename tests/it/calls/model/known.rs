//! Cases that have found something, as they were shrunk.

use std::time::Duration;

use super::step::Case;
use super::step::Step::{
    self, Check, Command, Dial, Direct, Join, Lose, Order, Report, Return, Say,
};

/// What each one found.
pub fn cases() -> Vec<(&'static str, Case)> {
    let join = |user, room| Join { user, room };
    let lose = || Lose { who: 0 };
    let twice = vec![
        join(3, 0),
        join(1, 0),
        wait(2915),
        lose(),
        lose(),
        Direct,
        Dial { room: 0 },
        join(0, 0),
        join(0, 1),
        lose(),
        join(1, 0),
    ];
    let who = 0;
    let report = || Report {
        who,
        other: 0,
        failed: true,
    };
    let relayed = vec![
        join(0, 0),
        join(1, 0),
        Check,
        report(),
        wait(6000),
        report(),
        Check,
        join(0, 0),
        Check,
        report(),
    ];
    let gap = vec![
        join(0, 0),
        join(1, 0),
        Check,
        lose(),
        Say { who: 1 },
        Return { who },
    ];
    let order = |order| Order { who, order };
    let ended = vec![Command, Check, order(0)];
    let stopped = vec![Command, Check, order(7)];
    vec![
        (
            "a user who came again was counted twice, and the room was full for others",
            case(400, 902, twice),
        ),
        (
            "a relayed pair was not relayed again after one of the two came again",
            case(0, 0, relayed),
        ),
        (
            "a message to a page without a WebSocket was lost",
            case(0, 0, gap),
        ),
        (
            "a command to what has ended ended the session",
            case(0, 0, ended),
        ),
        (
            "who was in a conference that was stopped was never told to have left it",
            case(0, 0, stopped),
        ),
    ]
}

fn wait(ms: u16) -> Step {
    Step::Wait { ms }
}

fn case(latency_ms: u64, seed: u64, steps: Vec<Step>) -> Case {
    Case {
        seed,
        latency: Duration::from_millis(latency_ms),
        legs_max: 1000,
        steps,
    }
}
