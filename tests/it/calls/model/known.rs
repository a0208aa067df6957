//! Cases that have found something, as they were shrunk.

use std::time::Duration;

use super::step::Case;
use super::step::Step::{self, Dial, Direct, Join, Lose};

/// What each one found.
pub fn cases() -> Vec<(&'static str, Case)> {
    let join = |user, room| Join { user, room };
    let lose = Lose { who: 0 };
    let twice = vec![
        join(3, 0),
        join(1, 0),
        wait(2915),
        lose.clone(),
        lose.clone(),
        Direct,
        Dial { room: 0 },
        join(0, 0),
        join(0, 1),
        lose,
        join(1, 0),
    ];
    vec![(
        "a user who came again was counted twice, and the room was full for others",
        case(400, 902, twice),
    )]
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
