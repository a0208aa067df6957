//! Two endpoints over a network that loses one message in ten each way: every call is set up and
//! torn down, and nothing is left behind.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

use super::bench::{SDP, flow};
use crate::sip::endpoint::{Body, CallKey, Endpoint, Event, ExtraHeaders, Output, Settings};
use crate::sip::flow::Transport;
use crate::sip::invite::uac::InviteParams;
use crate::sip::name_addr::NameAddr;
use crate::sip::uri::Uri;

const CALLS: usize = 1000;
const LOST_OF_100: u32 = 10;
const TALK: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Caller,
    Callee,
}

enum Due {
    Arrive(Side, Bytes),
    HangUp(Side, CallKey),
    Place,
}

struct World {
    now: Instant,
    rng: ChaCha12Rng,
    caller: Endpoint,
    callee: Endpoint,
    due: BTreeMap<(Instant, u64), Due>,
    order: u64,
    set_up: [usize; 2],
    torn_down: [usize; 2],
    lost: usize,
    wrong: Vec<String>,
}

fn sdp() -> Option<Body> {
    Some(Body {
        content_type: "application/sdp".into(),
        bytes: Bytes::from(SDP),
    })
}

impl World {
    fn plan(&mut self, after: Duration, due: Due) {
        self.order += 1;
        self.due.insert((self.now + after, self.order), due);
    }

    fn endpoint(&mut self, side: Side) -> &mut Endpoint {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    fn drain(&mut self, side: Side) {
        while let Some(output) = self.endpoint(side).poll_output() {
            match output {
                Output::Send { bytes, .. } => {
                    if self.rng.next_u32() % 100 < LOST_OF_100 {
                        self.lost += 1;
                        continue;
                    }
                    let other = if side == Side::Caller {
                        Side::Callee
                    } else {
                        Side::Caller
                    };
                    let delay = Duration::from_millis(u64::from(10 + self.rng.next_u32() % 30));
                    self.plan(delay, Due::Arrive(other, bytes));
                }
                Output::Event(event) => self.hear(side, event),
            }
        }
    }

    fn hear(&mut self, side: Side, event: Event) {
        let now = self.now;
        let wish = match event {
            Event::Invite { call, .. } => self.callee.accept(now, call, ExtraHeaders::new(), sdp()),
            Event::Answered { call, .. } => {
                self.set_up[0] += 1;
                // The other calls are hung up by the other side.
                if call.0 % 2 == 0 {
                    self.plan(TALK, Due::HangUp(side, call));
                }
                self.caller.ack(now, call, None)
            }
            Event::Acked { call, .. } => {
                self.set_up[1] += 1;
                self.plan(TALK * 2, Due::HangUp(side, call));
                Ok(())
            }
            Event::Bye { .. } => {
                self.torn_down[side as usize] += 1;
                Ok(())
            }
            other @ (Event::Cancelled { .. }
            | Event::NoAck { .. }
            | Event::Reinvite { .. }
            | Event::ReinviteCancelled { .. }
            | Event::Info { .. }
            | Event::FlowLost { .. }
            | Event::FlowBack { .. }
            | Event::Provisional { .. }
            | Event::Failed { .. }
            | Event::RequestAnswered { .. }
            | Event::Ended { .. }) => {
                self.wrong.push(format!("{other:?}"));
                Ok(())
            }
        };
        wish.expect("a wish in the right state");
    }

    fn meet(&mut self, due: Due) {
        let now = self.now;
        match due {
            Due::Arrive(side, bytes) => {
                self.endpoint(side)
                    .handle_message(now, flow(Transport::Udp, 1), bytes);
                self.drain(side);
            }
            Due::HangUp(side, call) => {
                // The other side may have been faster.
                if self
                    .endpoint(side)
                    .bye(now, call, ExtraHeaders::new())
                    .is_ok()
                {
                    self.torn_down[side as usize] += 1;
                }
                self.drain(side);
            }
            Due::Place => {
                let target = Uri::parse("sip:room@192.0.2.9").expect("a URI");
                let from = NameAddr::new(Uri::parse("sip:me@192.0.2.1").expect("a URI"));
                let to = NameAddr::new(target.clone());
                let params = InviteParams {
                    from,
                    to,
                    routes: Vec::new(),
                    extra: ExtraHeaders::new(),
                    body: sdp(),
                };
                let placed = self
                    .caller
                    .invite(now, flow(Transport::Udp, 1), target, params);
                placed.expect("a call");
                self.drain(Side::Caller);
            }
        }
    }

    fn run(&mut self) {
        loop {
            let arrival = self.due.keys().next().map(|(at, _)| *at);
            let timers = [self.caller.poll_timeout(), self.callee.poll_timeout()];
            let timer = timers.into_iter().flatten().min();
            match (arrival, timer) {
                (Some(at), timer) if timer.is_none_or(|timer| at <= timer) => {
                    self.now = at;
                    let (_, due) = self.due.pop_first().expect("it is there");
                    self.meet(due);
                }
                (_, Some(timer)) => {
                    self.now = timer;
                    for side in [Side::Caller, Side::Callee] {
                        self.endpoint(side).handle_timeout(timer);
                        self.drain(side);
                    }
                }
                (_, None) => break,
            }
        }
    }
}

#[test]
fn every_call_survives_a_loss_of_one_in_ten_each_way() {
    let start = Instant::now();
    let mut world = World {
        now: start,
        rng: ChaCha12Rng::seed_from_u64(4711),
        caller: Endpoint::new(Settings::default(), [1; 32]),
        callee: Endpoint::new(Settings::default(), [2; 32]),
        due: BTreeMap::new(),
        order: 0,
        set_up: [0; 2],
        torn_down: [0; 2],
        lost: 0,
        wrong: Vec::new(),
    };
    for call in 0..CALLS {
        world.plan(Duration::from_millis(50 * call as u64), Due::Place);
    }
    world.run();
    assert_eq!(world.wrong, Vec::<String>::new());
    assert!(
        world.lost > CALLS / 2,
        "the network loses, {} lost",
        world.lost
    );
    assert_eq!((world.set_up, world.torn_down), ([CALLS; 2], [CALLS; 2]));
    for endpoint in [&world.caller, &world.callee] {
        assert_eq!(
            (
                endpoint.transactions(),
                endpoint.calls(),
                endpoint.dialogs()
            ),
            (0, 0, 0)
        );
        assert!(endpoint.requests.is_empty());
    }
}
