//! The samples of one leg's received stream: jitter buffer, decoder, concealment, and a store of
//! samples that makes 20 ms frames of packets of any length. Does not judge sources or payload
//! types.

use std::time::Instant;

use crate::audio::{Concealer, level_dbov};
use crate::codec::{CodecInfo, Decoder};
use crate::rtp::{JitterBuffer, JitterConfig, Popped, PushOutcome, RtpPacket, SeqNo};

/// Frames that are concealed one after the other; after 200 ms there is silence.
const CONCEALED_RUN_MAX: u32 = 10;
/// Packets taken in one tick: 20 ms of packets of 2.5 ms, and as many again to shorten the delay.
const POPS_MAX: usize = 16;
/// Samples kept, in frames; one packet may hold 120 ms. The oldest go.
const STORE_FRAMES_MAX: usize = 12;
/// Delay that is given up even within speech; less only where it is silent.
const EXCESS_MS_MAX: u32 = 80;
/// Below this nobody misses 20 ms.
const SILENT_DBOV: i8 = -50;
/// The tick.
const TICK_MS: u32 = 20;

/// The receiving side of one RTP stream.
pub(super) struct Receiver {
    codec: &'static CodecInfo,
    jitter: JitterBuffer,
    decoder: Box<dyn Decoder>,
    concealer: Concealer,
    store: Vec<i16>,
    /// Milliseconds that were popped beyond the ticks while nobody listened.
    ahead_ms: u32,
    concealed_run: u32,
    /// Decoding has not seen the packets before the next one.
    stale: bool,
    /// Frames concealed since the start.
    pub(super) concealed: u64,
}

impl Receiver {
    /// An empty receiver.
    pub(super) fn new(codec: &'static CodecInfo) -> Receiver {
        Receiver {
            codec,
            jitter: JitterBuffer::new(JitterConfig::new(codec.clock_rate_hz)),
            decoder: (codec.decoder)(),
            concealer: Concealer::new(codec.audio_rate),
            store: Vec::with_capacity(codec.audio_rate.frame_samples() * 2),
            ahead_ms: 0,
            concealed_run: 0,
            stale: false,
            concealed: 0,
        }
    }

    /// The codec that is decoded.
    pub(super) fn codec(&self) -> &'static CodecInfo {
        self.codec
    }

    /// Packets that came after their turn.
    pub(super) fn late(&self) -> u64 {
        self.jitter.counters().late
    }

    /// Milliseconds that the quickest packets wait.
    pub(super) fn delay_ms(&self) -> u32 {
        self.jitter.delay_ms()
    }

    /// Takes an audio packet.
    pub(super) fn push(&mut self, now: Instant, packet: &RtpPacket<'_>) -> PushOutcome {
        let outcome = self.jitter.push(now, packet);
        if outcome == PushOutcome::Restarted {
            self.stale = true;
        }
        outcome
    }

    /// Takes note of a packet without audio.
    pub(super) fn push_other(&mut self, seq: SeqNo) {
        self.jitter.push_other(seq);
    }

    /// Passes 20 ms without decoding.
    pub(super) fn skip(&mut self, now: Instant) {
        self.store.clear();
        self.stale = true;
        if self.ahead_ms >= TICK_MS {
            self.ahead_ms -= TICK_MS;
            return;
        }
        for _ in 0..POPS_MAX {
            match self.jitter.pop(now) {
                Popped::Packet(_) => self.ahead_ms += self.jitter.packet_ms(),
                Popped::Lost { duration_ms, .. } => self.ahead_ms += duration_ms,
                Popped::Waiting | Popped::Empty => return,
            }
            if self.ahead_ms >= TICK_MS {
                self.ahead_ms -= TICK_MS;
                return;
            }
        }
    }

    /// Appends the 20 ms of this tick to `out`, less when the stream pauses. False when there is
    /// nothing.
    pub(super) fn frame(&mut self, now: Instant, out: &mut Vec<i16>) -> bool {
        if std::mem::take(&mut self.stale) {
            self.decoder = (self.codec.decoder)();
            self.concealer = Concealer::new(self.codec.audio_rate);
            self.store.clear();
            self.ahead_ms = 0;
        }
        self.fill(now);
        if self.store.is_empty() {
            return false;
        }
        self.shorten(now);
        let length = self.codec.audio_rate.frame_samples().min(self.store.len());
        out.extend(self.store.drain(..length));
        true
    }

    /// Decodes until there is a frame.
    fn fill(&mut self, now: Instant) {
        let length = self.codec.audio_rate.frame_samples();
        for _ in 0..POPS_MAX {
            if self.store.len() >= length || !self.pop(now) {
                break;
            }
        }
        let surplus = self.store.len().saturating_sub(length * STORE_FRAMES_MAX);
        self.store.drain(..surplus);
    }

    /// Decodes or conceals one packet; false when there is nothing to do.
    fn pop(&mut self, now: Instant) -> bool {
        let start = self.store.len();
        match self.jitter.pop(now) {
            Popped::Packet(packet) => {
                if self
                    .decoder
                    .decode(packet.payload, &mut self.store)
                    .is_err()
                {
                    return self.conceal(TICK_MS);
                }
                self.concealed_run = 0;
                self.concealer
                    .handle_samples(self.store.get_mut(start..).unwrap_or_default());
                true
            }
            Popped::Lost { next, duration_ms } => {
                if let Some(next) = next
                    && self.decoder.recover(next, &mut self.store)
                {
                    self.concealer
                        .handle_samples(self.store.get_mut(start..).unwrap_or_default());
                    return true;
                }
                self.conceal(duration_ms)
            }
            Popped::Empty => self.conceal(TICK_MS),
            Popped::Waiting => false,
        }
    }

    /// Makes up for what is missing; false when that has gone on for too long.
    fn conceal(&mut self, duration_ms: u32) -> bool {
        if self.concealed_run >= CONCEALED_RUN_MAX {
            return false;
        }
        let frames = duration_ms.div_ceil(TICK_MS).max(1);
        self.concealed_run += frames;
        self.concealed += u64::from(frames);
        let samples = (self.codec.audio_rate.hz() / 1000 * duration_ms) as usize;
        let end = self.store.len() + samples;
        while self.store.len() < end && self.decoder.conceal(&mut self.store) {}
        if self.store.len() < end {
            self.concealer
                .conceal(end - self.store.len(), &mut self.store);
        }
        self.store.truncate(end);
        true
    }

    /// Gives up 20 ms when packets wait longer than they must: where it is silent, or when it is
    /// far too much.
    fn shorten(&mut self, now: Instant) {
        let excess_ms = self.jitter.excess_ms(now);
        if excess_ms < TICK_MS {
            return;
        }
        let length = self.codec.audio_rate.frame_samples().min(self.store.len());
        let silent = self
            .store
            .get(..length)
            .is_some_and(|frame| level_dbov(frame) < SILENT_DBOV);
        if silent || excess_ms >= EXCESS_MS_MAX {
            self.store.drain(..length);
            self.fill(now);
        }
    }
}
