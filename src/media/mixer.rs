//! A bus: the sum of what its sinks hear, and the payloads that several of them share. Sums are
//! `i32` and are clipped once; nothing is divided by the number of speakers. Does not know who is
//! connected to whom (`graph.rs`) nor what a leg adds for itself alone (`encode.rs`).

use super::graph::{BusKey, BusPlan, Input};
use super::output::Counters;
use super::playback::{Player, Ramp};
use super::rtp_leg::RtpLeg;
use super::slab::Slab;
use super::tail::TAIL_TICKS;
use crate::audio::{Gain, Rate, Resampler, mix};
use crate::codec::{CodecInfo, Encoder};

/// Room for a payload, larger than 20 ms of any codec here.
const PAYLOAD_BYTES: usize = 512;

/// What all silent listeners of one codec get.
struct Shared {
    codec: &'static CodecInfo,
    encoder: Box<dyn Encoder>,
    resampler: Option<Resampler>,
    pcm: Vec<i16>,
    payload: Vec<u8>,
    period: Option<u64>,
    /// The largest loss that the listeners reported, in percent: seen in this tick, and told.
    loss_seen: u8,
    loss_told: u8,
}

/// What one group of sinks hears.
pub(super) struct Bus {
    key: BusKey,
    rate: Rate,
    legs: Vec<Input>,
    players: Vec<Input>,
    /// Ends of wires with a clip, under which the others are lowered.
    announcers: Vec<Input>,
    total: Vec<i32>,
    announced: Vec<i32>,
    duck: Ramp,
    duck_before: Ramp,
    duck_target: Gain,
    active: u32,
    announcing: bool,
    tail: u8,
    /// The sum for those who say nothing, clipped; made at its first use in a tick.
    pcm: Vec<i16>,
    pcm_fresh: bool,
    shared: Vec<Shared>,
}

/// The sources of a bus by kind.
#[derive(Default)]
pub(super) struct Members {
    pub(super) legs: Vec<Input>,
    pub(super) players: Vec<Input>,
    pub(super) announcers: Vec<Input>,
}

impl Bus {
    /// An idle bus.
    pub(super) fn new(plan: &BusPlan) -> Bus {
        Bus {
            key: plan.key.clone(),
            rate: Rate::Hz8000,
            legs: Vec::new(),
            players: Vec::new(),
            announcers: Vec::new(),
            total: Vec::new(),
            announced: Vec::new(),
            duck: Ramp::UNITY,
            duck_before: Ramp::UNITY,
            duck_target: Gain::UNITY,
            active: 0,
            announcing: false,
            tail: 0,
            pcm: Vec::new(),
            pcm_fresh: false,
            shared: Vec::new(),
        }
    }

    /// What the bus is known by from plan to plan.
    pub(super) fn key(&self) -> &BusKey {
        &self.key
    }

    /// Changes who speaks, and the rate; what the encoders remember stays.
    pub(super) fn set_members(&mut self, members: Members, rate: Rate) {
        Members {
            legs: self.legs,
            players: self.players,
            announcers: self.announcers,
        } = members;
        if rate != self.rate {
            self.rate = rate;
            self.shared
                .iter_mut()
                .for_each(|shared| shared.resampler = None);
        }
    }

    /// The rate of the sum: the highest that a sink needs.
    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// How many sources are heard in this tick, those of `leg` left out when it speaks here.
    pub(super) fn others(&self, own: bool) -> u32 {
        self.active - u32::from(own) + u32::from(self.announcing)
    }

    /// Sound, or silence shortly after it, that encoders should get.
    pub(super) fn sounds(&self) -> bool {
        self.active > 0 || self.announcing || self.tail > 0
    }

    /// Sums the active sources.
    pub(super) fn mix(
        &mut self,
        legs: &mut Slab<RtpLeg>,
        players: &mut Slab<Player>,
        ducking: Gain,
        counters: &mut Counters,
    ) {
        self.pcm_fresh = false;
        self.active = 0;
        self.announcing = false;
        let length = self.rate.frame_samples();
        for Input { node, gain } in &self.legs {
            let Some(leg) = legs.get_mut(*node).filter(|leg| leg.signal.active()) else {
                continue;
            };
            add(
                &mut self.total,
                self.active == 0,
                length,
                (leg.signal.at(self.rate), *gain),
            );
            self.active += 1;
        }
        self.add_clips(players);
        if self.active > 0 || self.announcing {
            self.tail = TAIL_TICKS;
            counters.mixes += 1;
        } else {
            self.tail = self.tail.saturating_sub(1);
        }
        if self.active == 0 {
            self.total.clear();
            self.total.resize(length, 0);
        }
        self.duck_before = self.duck;
        self.duck_target = if self.announcing {
            ducking
        } else {
            Gain::UNITY
        };
    }

    /// Adds what plays to the sums.
    fn add_clips(&mut self, players: &mut Slab<Player>) {
        let length = self.rate.frame_samples();
        for Input { node, gain } in &self.players {
            if let Some(player) = players.get_mut(*node).filter(|p| p.signal.active()) {
                add(
                    &mut self.total,
                    self.active == 0,
                    length,
                    (player.signal.at(self.rate), *gain),
                );
                self.active += 1;
            }
        }
        for Input { node, gain } in &self.announcers {
            if let Some(player) = players.get_mut(*node).filter(|p| p.signal.active()) {
                let frame = player.signal.at(self.rate);
                add(
                    &mut self.announced,
                    !self.announcing,
                    length,
                    (frame, *gain),
                );
                self.announcing = true;
            }
        }
    }

    /// Ends the tick.
    pub(super) fn settle(&mut self) {
        self.duck.arrive(self.duck_target);
    }

    /// The sum without `own` (nothing: the whole sum), which has been added with a gain, in `out`.
    pub(super) fn sum_without(&self, own: Option<(&[i16], Gain)>, out: &mut Vec<i32>) {
        out.clear();
        out.extend_from_slice(&self.total);
        if let Some((own, gain)) = own {
            mix::take_with(gain, out, own);
        }
        let mut duck = self.duck_before;
        duck.apply(self.duck_target, out);
        if self.announcing {
            for (sum, sample) in out.iter_mut().zip(&self.announced) {
                *sum += sample;
            }
        }
    }

    /// The clipped sum of all sources; `scratch` is overwritten when it is not there yet.
    pub(super) fn pcm(&mut self, scratch: &mut Vec<i32>) -> &[i16] {
        if !self.pcm_fresh {
            self.sum_without(None, scratch);
            self.pcm.clear();
            mix::clip(scratch, &mut self.pcm);
            self.pcm_fresh = true;
        }
        &self.pcm
    }

    /// The payload and the samples for those who hear the whole sum in `codec`, made at the first
    /// call of a tick. `loss_percent` is what the listener reported.
    pub(super) fn shared(
        &mut self,
        codec: &'static CodecInfo,
        loss_percent: u8,
        tick: (u64, &mut Vec<i32>, &mut Counters),
    ) -> (&[u8], &[i16]) {
        let (period, scratch, counters) = tick;
        self.pcm(scratch);
        let at = self
            .shared
            .iter()
            .position(|shared| std::ptr::eq(shared.codec, codec));
        let at = at.unwrap_or_else(|| {
            self.shared.push(Shared::new(codec));
            self.shared.len() - 1
        });
        let shared = self
            .shared
            .get_mut(at)
            .expect("found or pushed at this place");
        shared.loss_seen = shared.loss_seen.max(loss_percent);
        if shared.period == Some(period) {
            counters.shared += 1;
        } else {
            shared.period = Some(period);
            shared.encode(&self.pcm, self.rate);
            counters.encodes += 1;
        }
        (&shared.payload, &shared.pcm)
    }

    /// The resampler of the shared sum in `codec`, so that a leg that gets a sum of its own goes on
    /// where the shared one was.
    pub(super) fn resampler(&self, codec: &'static CodecInfo) -> Option<Resampler> {
        let shared = self
            .shared
            .iter()
            .find(|shared| std::ptr::eq(shared.codec, codec))?;
        shared.resampler.clone()
    }
}

impl Shared {
    fn new(codec: &'static CodecInfo) -> Shared {
        Shared {
            codec,
            encoder: (codec.encoder)(),
            resampler: None,
            pcm: Vec::with_capacity(codec.audio_rate.frame_samples()),
            payload: Vec::with_capacity(PAYLOAD_BYTES),
            period: None,
            loss_seen: 0,
            loss_told: 0,
        }
    }

    fn encode(&mut self, sum: &[i16], rate: Rate) {
        if self.loss_seen != self.loss_told {
            self.encoder.set_expected_loss(self.loss_seen);
            self.loss_told = self.loss_seen;
        }
        self.loss_seen = 0;
        self.pcm.clear();
        if rate == self.codec.audio_rate {
            self.pcm.extend_from_slice(sum);
        } else {
            self.resampler
                .get_or_insert_with(|| Resampler::new(rate, self.codec.audio_rate))
                .resample(sum, &mut self.pcm);
        }
        self.payload.clear();
        self.encoder.encode(&self.pcm, &mut self.payload);
    }
}

/// Adds a frame to a sum; the first one starts it.
fn add(sum: &mut Vec<i32>, first: bool, length: usize, (frame, gain): (&[i16], Gain)) {
    if first {
        sum.clear();
        sum.extend(frame.iter().map(|sample| gain.of(*sample)));
        sum.resize(length, 0);
    } else {
        mix::add_with(gain, sum, frame);
    }
}
