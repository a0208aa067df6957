//! Two endpoints whose users wish at random over a network that loses, doubles and reorders, or
//! whose streams close: every call ends exactly once on each side, every request is answered at
//! most once, and nothing is left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

use super::bench::{SDP, flow};
use crate::id::FlowId;
use crate::sip::endpoint::{
    Body, CallKey, Endpoint, Event, ExtraHeaders, Output, Refused, RequestKey, Settings,
};
use crate::sip::flow::{Flow, Transport};
use crate::sip::invite::uac::InviteParams;
use crate::sip::name_addr::NameAddr;
use crate::sip::uri::Uri;

/// How long the users wish; then they end what is left.
const WISHING: Duration = Duration::from_secs(120);
/// Most steps of one walk.
const STEPS_MAX: usize = 200_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Incoming,
    Outgoing,
    Answered,
    Ended,
}

struct Walk {
    now: Instant,
    end: Instant,
    rng: ChaCha12Rng,
    sides: [Endpoint; 2],
    transport: Transport,
    /// Number of the stream in use; a closed one loses what is under way.
    stream: u64,
    due: BTreeMap<(Instant, u64), (usize, u64, Bytes)>,
    order: u64,
    calls: [BTreeMap<CallKey, View>; 2],
    owed: [BTreeSet<RequestKey>; 2],
    open: [BTreeSet<RequestKey>; 2],
    endings: BTreeMap<&'static str, usize>,
}

fn sdp() -> Option<Body> {
    Some(Body {
        content_type: "application/sdp".into(),
        bytes: Bytes::from(SDP),
    })
}

impl Walk {
    fn new(seed: u64, transport: Transport) -> Self {
        let now = Instant::now();
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        let first = Endpoint::new(Settings::default(), key);
        rng.fill_bytes(&mut key);
        Self {
            now,
            end: now + WISHING,
            rng,
            sides: [first, Endpoint::new(Settings::default(), key)],
            transport,
            stream: 1,
            due: BTreeMap::new(),
            order: 0,
            calls: Default::default(),
            owed: Default::default(),
            open: Default::default(),
            endings: BTreeMap::new(),
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.next_u32() % 100 < percent
    }

    fn flow(&self) -> Flow {
        flow(self.transport, self.stream)
    }

    fn send(&mut self, to: usize, stream: u64, bytes: Bytes) {
        let copies = match self.transport.reliable() {
            true => 1,
            false => u32::from(!self.chance(10)) + u32::from(self.chance(5)),
        };
        for _ in 0..copies {
            let spread = if self.transport.reliable() { 1 } else { 300 };
            let delay = Duration::from_millis(u64::from(5 + self.rng.next_u32() % spread));
            self.order += 1;
            self.due
                .insert((self.now + delay, self.order), (to, stream, bytes.clone()));
        }
    }

    fn drain(&mut self, side: usize) {
        while let Some(output) = self.sides[side].poll_output() {
            match output {
                Output::Send { flow, bytes } => self.send(1 - side, flow.id.0, bytes),
                Output::Event(event) => self.hear(side, event),
            }
        }
    }

    fn ended(&mut self, side: usize, call: CallKey, how: &'static str) {
        let view = self.calls[side].insert(call, View::Ended);
        assert!(
            view.is_some_and(|view| view != View::Ended),
            "{call:?} ends again: {how}"
        );
        *self.endings.entry(how).or_default() += 1;
    }

    fn alive(&self, side: usize, call: CallKey) {
        let view = self.calls[side].get(&call);
        assert!(
            view.is_some_and(|view| *view != View::Ended),
            "news of {call:?} after its end"
        );
    }

    fn hear(&mut self, side: usize, event: Event) {
        let now = self.now;
        match event {
            Event::Invite { call, .. } => {
                self.calls[side].insert(call, View::Incoming);
            }
            Event::Provisional { call, .. } | Event::Acked { call, .. } => self.alive(side, call),
            Event::Answered { call, .. } => {
                self.alive(side, call);
                self.calls[side].insert(call, View::Answered);
                self.sides[side]
                    .ack(now, call, None)
                    .expect("a 2xx waits for its ACK");
            }
            Event::Reinvite { call, key, .. } | Event::Info { call, key, .. } => {
                self.alive(side, call);
                self.owed[side].insert(key);
            }
            Event::ReinviteCancelled { call, .. }
            | Event::FlowLost { call }
            | Event::FlowBack { call } => self.alive(side, call),
            Event::RequestAnswered { call, key, .. } => {
                self.alive(side, call);
                assert!(self.open[side].remove(&key), "{key:?} is answered again");
            }
            Event::Cancelled { call } => self.ended(side, call, "Cancelled"),
            Event::NoAck { call } => self.ended(side, call, "NoAck"),
            Event::Bye { call, .. } => self.ended(side, call, "Bye"),
            Event::Failed { call, .. } => self.ended(side, call, "Failed"),
            Event::Ended { call, .. } => self.ended(side, call, "Ended"),
        }
    }

    fn place(&mut self, side: usize) {
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
        let (now, flow) = (self.now, self.flow());
        let call = self.sides[side]
            .invite(now, flow, target, params)
            .expect("a call");
        self.calls[side].insert(call, View::Outgoing);
    }

    fn wish(&mut self) {
        let side = (self.rng.next_u32() % 2) as usize;
        let alive = self.calls[side]
            .iter()
            .filter(|(_, view)| **view != View::Ended);
        let alive: Vec<(CallKey, View)> = alive.map(|(call, view)| (*call, *view)).collect();
        if alive.len() < 6 && self.chance(30) {
            self.place(side);
        } else if let Some(key) = self.owed[side].first().copied()
            && self.chance(50)
        {
            self.answer(side, key);
        } else if !alive.is_empty() {
            let (call, view) = alive[self.rng.next_u32() as usize % alive.len()];
            self.wish_for(side, call, view);
        }
        self.drain(side);
    }

    fn answer(&mut self, side: usize, key: RequestKey) {
        let code = if self.chance(70) { 200 } else { 488 };
        self.owed[side].remove(&key);
        let now = self.now;
        let done = self.sides[side].respond(now, key, code, ExtraHeaders::new(), sdp());
        // Its call may have ended, or the request may have been taken back.
        if let Err(Refused { code, .. }) = done {
            assert_eq!(code, "unknown-request");
        }
    }

    fn wish_for(&mut self, side: usize, call: CallKey, view: View) {
        let now = self.now;
        let extra = ExtraHeaders::new();
        let endpoint = &mut self.sides[side];
        match (view, self.rng.next_u32() % 4) {
            (View::Incoming, 0) => {
                endpoint
                    .provisional(now, call, 180, extra, None)
                    .expect("an unanswered call");
            }
            (View::Incoming, 1 | 2) => {
                endpoint
                    .accept(now, call, extra, sdp())
                    .expect("an unanswered call");
                self.calls[side].insert(call, View::Answered);
            }
            (View::Incoming, _) => {
                endpoint
                    .reject(now, call, 486, None, extra)
                    .expect("an unanswered call");
                self.ended(side, call, "reject");
            }
            (View::Outgoing, 0) => endpoint.cancel(now, call),
            (View::Outgoing, _) | (View::Ended, _) => {}
            (View::Answered, 0) => {
                endpoint.bye(now, call, extra).expect("an answered call");
                self.ended(side, call, "bye");
            }
            (View::Answered, 1) => {
                let info = endpoint.info(now, call, extra, sdp().expect("a body"));
                self.asked(side, info);
            }
            (View::Answered, _) => {
                let reinvite = endpoint.reinvite(now, call, sdp());
                self.asked(side, reinvite);
            }
        }
    }

    fn asked(&mut self, side: usize, asked: Result<RequestKey, Refused>) {
        match asked {
            Ok(key) => {
                self.open[side].insert(key);
            }
            Err(Refused { code, .. }) => assert!(["request-pending", "flow-lost"].contains(&code)),
        }
    }

    /// Ends what is left, in the way that its state asks for.
    fn finish(&mut self, side: usize) {
        for (call, view) in self.calls[side].clone() {
            let now = self.now;
            let extra = ExtraHeaders::new();
            match view {
                View::Incoming => {
                    let done = self.sides[side].reject(now, call, 480, None, extra);
                    done.expect("an unanswered call");
                    self.ended(side, call, "reject");
                }
                View::Outgoing => self.sides[side].cancel(now, call),
                View::Answered => {
                    self.sides[side]
                        .bye(now, call, extra)
                        .expect("an answered call");
                    self.ended(side, call, "bye");
                }
                View::Ended => {}
            }
        }
        self.drain(side);
    }

    fn step(&mut self) -> bool {
        let arrival = self.due.keys().next().map(|(at, _)| *at);
        let timer = self.sides.iter().filter_map(Endpoint::poll_timeout).min();
        match (arrival, timer) {
            (Some(at), timer) if timer.is_none_or(|timer| at <= timer) => {
                self.now = at;
                let (_, (side, stream, bytes)) = self.due.pop_first().expect("it is there");
                if !self.transport.reliable() || stream == self.stream {
                    let flow = self.flow();
                    self.sides[side].handle_message(at, flow, bytes);
                }
            }
            (_, Some(timer)) => {
                self.now = timer;
                self.sides
                    .iter_mut()
                    .for_each(|side| side.handle_timeout(timer));
            }
            (_, None) => {
                self.now += Duration::from_millis(200);
                return false;
            }
        }
        self.drain(0);
        self.drain(1);
        true
    }

    fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            let busy = self.step();
            if self.now < self.end {
                if self.chance(40) || !busy {
                    self.wish();
                }
                if self.transport.reliable() && self.chance(1) {
                    let closed = FlowId(self.stream);
                    self.stream += 1;
                    for side in 0..2 {
                        self.sides[side].handle_flow_closed(self.now, closed);
                        self.drain(side);
                    }
                }
            } else if busy {
                self.finish(0);
                self.finish(1);
            } else {
                return;
            }
        }
        panic!("the walk does not end");
    }
}

#[test]
fn every_call_ends_once_on_each_side_and_leaves_nothing() {
    let mut endings: BTreeMap<&'static str, usize> = BTreeMap::new();
    for seed in 0..24 {
        let transport = if seed % 3 == 0 {
            Transport::Tcp
        } else {
            Transport::Udp
        };
        let mut walk = Walk::new(seed, transport);
        walk.run();
        for (side, endpoint) in walk.sides.iter().enumerate() {
            let left = (
                endpoint.transactions(),
                endpoint.calls(),
                endpoint.dialogs(),
            );
            assert_eq!(
                left,
                (0, 0, 0),
                "seed {seed}, side {side}: something is left"
            );
            assert!(
                endpoint.streams.is_empty(),
                "seed {seed}, side {side}: streams"
            );
            assert!(
                endpoint.requests.is_empty(),
                "seed {seed}, side {side}: requests are left"
            );
            let alive = walk.calls[side]
                .values()
                .filter(|view| **view != View::Ended)
                .count();
            assert_eq!(alive, 0, "seed {seed}, side {side}: calls without an end");
        }
        for (how, count) in walk.endings {
            *endings.entry(how).or_default() += count;
        }
    }
    for how in ["Cancelled", "Bye", "Failed", "Ended", "bye", "reject"] {
        assert!(
            endings.get(how).is_some_and(|count| *count >= 5),
            "{how} is rare: {endings:?}"
        );
    }
}
