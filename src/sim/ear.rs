//! Mouth and ear of a simulated phone: a marker tone out, what arrives in, digits by
//! telephone-event.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::{Rate, tone_level_dbov};
use crate::codec::{CodecInfo, Decoder, Encoder};
use crate::rtp::{Header, PayloadType, RtpPacket, RtpTimestamp, SeqNo, Ssrc, telephone_event};

use crate::rtp::telephone_event::Tick;

use super::PhoneId;

/// Seconds of sound that are kept.
const KEPT_S: usize = 2;
/// Marker tones go out at this amplitude, which is −16 dBov.
const AMPLITUDE: f32 = 7_300.0;
/// A marker tone louder than this is heard.
const HEARD_DBOV: f32 = -36.0;
/// The telephone-event payload type of simulated phones.
pub(super) const EVENT_PAYLOAD_TYPE: u8 = 101;

const FRAME: Duration = Duration::from_millis(20);

/// Marker tones below 3400 Hz that are apart enough for half a second of sound to tell them. The
/// phones of a greater world share them.
pub(super) const TONES: usize = 22;

/// The marker tone of a phone.
pub fn tone_of(phone: PhoneId) -> f32 {
    425.0 + 130.0 * (phone.0 % TONES) as f32
}

/// Whether the tone is in the sound.
pub fn hears_tone(samples: &[i16], rate: Rate, hz: f32) -> bool {
    tone_level_dbov(samples, rate, hz) > HEARD_DBOV
}

pub(super) struct Ear {
    codec: &'static CodecInfo,
    payload_type: u8,
    encoder: Box<dyn Encoder>,
    decoder: Box<dyn Decoder>,
    digits: telephone_event::Sender,
    tone_hz: f32,
    pub(super) speaks: bool,
    phase: usize,
    ssrc: Ssrc,
    seq: u16,
    timestamp: u32,
    next_tick: Instant,
    heard: VecDeque<i16>,
    pub(super) packets_in: u64,
}

impl Ear {
    pub(super) fn new(
        codec: &'static CodecInfo,
        payload_type: u8,
        phone: PhoneId,
        now: Instant,
    ) -> Ear {
        Ear {
            codec,
            payload_type,
            encoder: (codec.encoder)(),
            decoder: (codec.decoder)(),
            digits: telephone_event::Sender::new(8000),
            tone_hz: tone_of(phone),
            speaks: true,
            phase: 0,
            ssrc: Ssrc(0x5100_0000 + phone.0 as u32),
            seq: 1000,
            timestamp: 160_000,
            next_tick: now,
            heard: VecDeque::new(),
            packets_in: 0,
        }
    }

    pub(super) fn press(&mut self, digits: &str) -> Result<(), String> {
        self.digits.push(digits).map_err(|error| error.to_string())
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.next_tick
    }

    /// The packets of one tick.
    pub(super) fn tick(&mut self) -> Vec<Vec<u8>> {
        self.next_tick += FRAME;
        let step = self.codec.clock_rate_hz / 50;
        let timestamp = RtpTimestamp(self.timestamp);
        let mut packets = Vec::new();
        match self.digits.poll_tick(timestamp) {
            Tick::Idle | Tick::Gap | Tick::Finished => {
                let pcm = self.next_frame();
                let mut payload = Vec::new();
                self.encoder.encode(&pcm, &mut payload);
                packets.push(self.packet(self.payload_type, false, timestamp, &payload));
            }
            Tick::Packet(event) => {
                let kind = EVENT_PAYLOAD_TYPE;
                packets.push(self.packet(kind, event.marker, event.timestamp, &event.payload));
            }
        }
        self.timestamp = self.timestamp.wrapping_add(step);
        packets
    }

    fn next_frame(&mut self) -> Vec<i16> {
        let rate = self.codec.audio_rate;
        let length = rate.frame_samples();
        let start = self.phase;
        self.phase += length;
        if !self.speaks {
            return vec![0; length];
        }
        let step = std::f64::consts::TAU * f64::from(self.tone_hz) / f64::from(rate.hz());
        (start..start + length)
            .map(|n| ((n as f64 * step).sin() * f64::from(AMPLITUDE)) as i16)
            .collect()
    }

    fn packet(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: RtpTimestamp,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + payload.len());
        let header = Header {
            payload_type: PayloadType(payload_type),
            marker,
            seq: SeqNo(self.seq),
            timestamp,
            ssrc: self.ssrc,
        };
        header.write(&mut out);
        out.extend_from_slice(payload);
        self.seq = self.seq.wrapping_add(1);
        out
    }

    pub(super) fn handle_packet(&mut self, bytes: &[u8]) {
        let Ok(packet) = RtpPacket::parse(bytes) else {
            return;
        };
        if packet.payload_type.0 != self.payload_type {
            return;
        }
        self.packets_in += 1;
        let mut samples = Vec::new();
        if self.decoder.decode(packet.payload, &mut samples).is_ok() {
            self.heard.extend(samples);
        }
        let kept = KEPT_S * self.codec.audio_rate.hz() as usize;
        let excess = self.heard.len().saturating_sub(kept);
        self.heard.drain(..excess);
    }

    /// The last `length` of sound, or what there is of it.
    pub(super) fn last(&self, length: Duration) -> (Rate, Vec<i16>) {
        let rate = self.codec.audio_rate;
        let wanted = (length.as_secs_f64() * f64::from(rate.hz())) as usize;
        let skip = self.heard.len().saturating_sub(wanted);
        (rate, self.heard.iter().skip(skip).copied().collect())
    }

    pub(super) fn forget(&mut self) {
        self.heard.clear();
    }
}
