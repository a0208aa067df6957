//! A network that loses, delays and reorders, the same way for the same seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use crate::id::UnitId;
use crate::media::Channel;
use crate::sip::Flow;

use super::PhoneId;

/// What a network does to packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// Part of the packets that never arrive, 0 to 1, each way.
    pub loss: f64,
    /// Time that every packet takes.
    pub delay: Duration,
    /// Greatest further time, evenly spread; more than 20 ms reorders.
    pub jitter: Duration,
}

impl Faults {
    /// A wire: nothing is lost, everything takes a millisecond.
    pub const NONE: Faults = Faults {
        loss: 0.0,
        delay: Duration::from_millis(1),
        jitter: Duration::ZERO,
    };
}

/// Something on its way.
#[derive(Debug)]
pub(super) enum Parcel {
    SipToEngine {
        flow: Flow,
        bytes: Bytes,
    },
    SipToPhone {
        phone: PhoneId,
        bytes: Bytes,
    },
    RtpToCore {
        unit: UnitId,
        channel: Channel,
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    RtpToPhone {
        phone: PhoneId,
        bytes: Vec<u8>,
    },
}

/// Everything that is on its way.
pub(super) struct Network {
    faults: Faults,
    random: ChaCha8Rng,
    /// By time of arrival, then by order of sending.
    under_way: BTreeMap<(Instant, u64), Parcel>,
    sent: u64,
}

impl Network {
    pub(super) fn new(faults: Faults, seed: u64) -> Network {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Network {
            faults,
            random,
            under_way: BTreeMap::new(),
            sent: 0,
        }
    }

    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    pub(super) fn send(&mut self, now: Instant, parcel: Parcel) {
        if self.chance() < self.faults.loss {
            return;
        }
        let jitter = self.faults.jitter.mul_f64(self.chance());
        self.sent += 1;
        self.under_way
            .insert((now + self.faults.delay + jitter, self.sent), parcel);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn arrive(&mut self, now: Instant) -> Option<Parcel> {
        let entry = self.under_way.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    fn chance(&mut self) -> f64 {
        f64::from(self.random.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }
}
