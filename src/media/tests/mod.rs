//! Whole cores in virtual time. A [`World`] holds a core and its peers: telephones that say a tone,
//! each in its codec and packet length, and remember what they hear. It jumps from one deadline to
//! the next.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for the events that it is about"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::audio::{Clip, Rate, Tone, ToneSource};
use crate::codec::{CodecInfo, Decoder, Encoder, g711, g722, opus};
use crate::id::{PlaybackId, UnitId};
use crate::rtp::{self, Header, PayloadType, RtpPacket, RtpTimestamp, SeqNo, Ssrc};

mod conference;
mod digits;
mod network;
mod playback;
mod properties;
mod recording;
mod webrtc;
mod wires;

/// The level of each tone.
pub(super) const TONE_DBOV: f32 = -20.0;
/// How far below its level a tone counts as not heard, in dB. Codecs put products of the tones
/// that they are given, and noise, on other tones: with A-law and µ-law up to −48.4 dB in 4,000
/// random conferences. One frame of 20 ms that leaks into 600 ms of listening is at −29.5 dB.
const SILENT_DB: f32 = -42.0;
/// Tones of peers. The products of A-law and µ-law that are loudest are those of third order,
/// a ± b ± c: none of them lies within 29 Hz of another tone, and no tone within 29 Hz of a
/// frequency of DTMF.
pub(super) const TONES: [f32; 8] = [453.0, 605.0, 980.0, 1165.0, 1845.0, 2326.0, 2631.0, 2970.0];

/// A telephone.
pub(super) struct Peer {
    pub(super) unit: UnitId,
    pub(super) address: SocketAddr,
    pub(super) codec: &'static CodecInfo,
    encoder: Box<dyn Encoder>,
    decoder: Box<dyn Decoder>,
    pub(super) voice: Option<ToneSource>,
    pub(super) ptime_ms: u64,
    pub(super) sends: bool,
    pub(super) ssrc: Ssrc,
    pub(super) seq: SeqNo,
    pub(super) timestamp: RtpTimestamp,
    next_at: Instant,
    /// Samples heard, at the rate of the codec.
    pub(super) heard: Vec<i16>,
    /// Payloads heard.
    pub(super) payloads: Vec<Vec<u8>>,
    /// Headers heard, and when.
    pub(super) headers: Vec<(u64, Header)>,
    /// Telephone-event payloads heard.
    pub(super) events: Vec<(Header, Vec<u8>)>,
    /// RTCP datagrams heard.
    pub(super) rtcp: Vec<(u64, Channel, Vec<u8>)>,
    /// Where packets went that did not come to the peer.
    pub(super) strays: Vec<SocketAddr>,
    /// Decides the fate of packet n: delays in ms, one for each copy.
    pub(super) network: fn(u64) -> Vec<u64>,
    sent: u64,
}

/// A datagram for a leg, and where it comes from.
type Flying = (UnitId, Channel, SocketAddr, Vec<u8>);

/// A core and its peers.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) peers: BTreeMap<u64, Peer>,
    /// Packets on their way to the core.
    flying: BTreeMap<(Instant, u64), Flying>,
    flown: u64,
    /// Events and when, without [`Event::LegReady`].
    pub(super) events: Vec<(u64, Event)>,
    /// Recordings by unit.
    pub(super) records: BTreeMap<u64, (Rate, u8, Vec<i16>)>,
    pub(super) outputs: Vec<Output>,
    /// Datagrams from the shared socket, and where they go.
    pub(super) shared: Vec<(SocketAddr, Vec<u8>)>,
}

/// The address of the shared socket.
pub(super) const SHARED: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 5)),
    9000,
);

pub(super) fn codec(name: &str) -> &'static CodecInfo {
    match name {
        "PCMU" => &g711::PCMU,
        "PCMA" => &g711::PCMA,
        "G722" => &g722::G722,
        "opus" => &opus::OPUS,
        other => panic!("no codec {other}"),
    }
}

pub(super) fn unit(id: u64) -> UnitId {
    UnitId(id)
}

pub(super) fn tone(rate: Rate, hz: f32) -> ToneSource {
    ToneSource::steady(rate, Tone::single(hz, TONE_DBOV))
}

/// Level in dBov of a tone in any number of samples; a Hann window keeps the others out.
pub(super) fn tone_level(samples: &[i16], rate: Rate, hz: f32) -> f32 {
    let step = std::f64::consts::TAU * f64::from(hz) / f64::from(rate.hz());
    let around = std::f64::consts::TAU / samples.len() as f64;
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        let at = index as f64;
        let weighted = f64::from(*sample) * (1.0 - (around * at).cos());
        real += weighted * (step * at).cos();
        imaginary += weighted * (step * at).sin();
    }
    let amplitude = 2.0 * real.hypot(imaginary) / samples.len().max(1) as f64 / 32_768.0;
    (10.0 * (amplitude * amplitude / 2.0).log10()).max(-127.0) as f32
}

pub(super) fn tone_clip(rate: Rate, hz: f32, ms: usize) -> Arc<Clip> {
    let mut samples = vec![0; rate.hz() as usize * ms / 1000];
    tone(rate, hz).fill(&mut samples);
    Arc::new(Clip {
        name: format!("{hz} Hz"),
        rate,
        samples,
    })
}

impl World {
    pub(super) fn new() -> World {
        Self::with(MediaSettings::default())
    }

    pub(super) fn with(settings: MediaSettings) -> World {
        let start = Instant::now();
        World {
            core: Core::new(settings, start, [7; 32]),
            start,
            now: start,
            peers: BTreeMap::new(),
            flying: BTreeMap::new(),
            flown: 0,
            events: Vec::new(),
            records: BTreeMap::new(),
            outputs: Vec::new(),
            shared: Vec::new(),
        }
    }

    pub(super) fn ms(&self) -> u64 {
        (self.now - self.start).as_millis() as u64
    }

    pub(super) fn tell(&mut self, command: Command) {
        self.core.handle_command(self.now, command);
        self.collect();
    }

    pub(super) fn params(id: u64, codec: &'static CodecInfo) -> StreamParams {
        StreamParams {
            codec,
            payload_type_out: codec.payload_type,
            payload_type_in: codec.payload_type,
            telephone_event: None,
            remote_rtp: address(id),
            remote_rtcp: address(id),
            send: true,
            receive: true,
            relatch: false,
            webrtc: None,
        }
    }

    /// A leg with a peer that says `TONES[voice]`, or nothing.
    pub(super) fn phone(&mut self, id: u64, name: &str, voice: Option<usize>) {
        self.phone_with(Self::params(id, codec(name)), id, voice);
    }

    pub(super) fn phone_with(&mut self, params: StreamParams, id: u64, voice: Option<usize>) {
        self.tell(Command::OpenLeg {
            unit: unit(id),
            kind: LegKind::Rtp,
        });
        self.negotiate(params, id, voice);
    }

    /// A leg that has been opened agrees with its phone.
    pub(super) fn negotiate(&mut self, params: StreamParams, id: u64, voice: Option<usize>) {
        let codec = params.codec;
        self.tell(Command::UpdateLeg {
            unit: unit(id),
            stream: Box::new(params),
        });
        self.peers.insert(id, Peer::new(id, codec, voice, self.now));
    }

    pub(super) fn connect(&mut self, pairs: &[(u64, u64)]) {
        for (from, to) in pairs {
            self.tell(Command::Connect {
                from: unit(*from),
                to: unit(*to),
            });
        }
    }

    pub(super) fn join(&mut self, pairs: &[(u64, u64)]) {
        for (a, b) in pairs {
            self.connect(&[(*a, *b), (*b, *a)]);
        }
    }

    pub(super) fn mixer(&mut self, id: u64) {
        self.tell(Command::AddMixer { unit: unit(id) });
    }

    pub(super) fn play(&mut self, id: u64, playback: u64, clip: Arc<Clip>, looped: bool) {
        let playback = PlaybackId(playback);
        self.tell(Command::Play {
            unit: unit(id),
            playback,
            clip,
            looped,
            gain_db: 0.0,
        });
    }

    pub(super) fn peer(&mut self, id: u64) -> &mut Peer {
        self.peers.get_mut(&id).expect("a peer")
    }

    /// Lets a datagram reach a leg after `delay_ms`.
    pub(super) fn send(&mut self, id: u64, from: SocketAddr, delay_ms: u64, bytes: Vec<u8>) {
        let at = self.now + Duration::from_millis(delay_ms);
        self.flown += 1;
        self.flying
            .insert((at, self.flown), (unit(id), Channel::Rtp, from, bytes));
    }

    /// Runs for `ms` and remembers only what is heard in that time.
    pub(super) fn listen(&mut self, ms: u64) {
        for peer in self.peers.values_mut() {
            peer.heard.clear();
            peer.payloads.clear();
            peer.headers.clear();
        }
        self.run(ms);
    }

    pub(super) fn run(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        loop {
            let peers = self.peers.values().map(|peer| peer.next_at).min();
            let flying = self.flying.keys().next().map(|(at, _)| *at);
            let next = [self.core.poll_timeout(), peers, flying]
                .into_iter()
                .flatten()
                .min();
            let Some(next) = next.filter(|next| *next < end) else {
                break;
            };
            self.now = self.now.max(next);
            self.speak();
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= self.now) {
                let (unit, channel, from, bytes) = entry.remove();
                self.core
                    .handle_packet(self.now, unit, channel, from, &bytes);
            }
            if self.core.poll_timeout().is_some_and(|at| at <= self.now) {
                self.core.handle_timeout(self.now);
            }
            self.collect();
        }
        self.now = end;
    }

    /// Lets the peers that are due send a packet.
    fn speak(&mut self) {
        let now = self.now;
        let mut packets = Vec::new();
        for peer in self.peers.values_mut().filter(|peer| peer.next_at <= now) {
            peer.next_at = now + Duration::from_millis(peer.ptime_ms);
            if let Some(bytes) = peer.packet() {
                for delay_ms in (peer.network)(peer.sent) {
                    packets.push((peer.unit.0, peer.address, delay_ms, bytes.clone()));
                }
                peer.sent += 1;
            }
        }
        for (id, from, delay_ms, bytes) in packets {
            self.send(id, from, delay_ms, bytes);
        }
    }

    pub(super) fn collect(&mut self) {
        let ms = self.ms();
        let (peers, shared) = (&mut self.peers, &mut self.shared);
        self.core.drain_packets(|unit, channel, to, bytes| {
            if channel == Channel::Shared {
                shared.push((to, bytes.to_vec()));
            }
            if let Some(peer) = peers.get_mut(&unit.0) {
                peer.hear(ms, channel, to, bytes);
            }
        });
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Bind { unit, shared } => {
                    let bound = Ok(match shared {
                        true => (SHARED, SHARED),
                        false => (address(unit.0 + 5000), address(unit.0 + 6000)),
                    });
                    self.core.handle_bound(self.now, unit, bound);
                }
                Output::Event(Event::LegReady { .. }) => {}
                Output::Event(event) => self.events.push((ms, event)),
                Output::Record {
                    unit,
                    rate,
                    samples,
                    channels,
                } => {
                    let record = self
                        .records
                        .entry(unit.0)
                        .or_insert((rate, channels, Vec::new()));
                    assert_eq!(
                        (record.0, record.1),
                        (rate, channels),
                        "a recording changed"
                    );
                    record.2.extend(samples);
                }
                Output::Unbind { .. } | Output::RecordEnd { .. } => self.outputs.push(output),
            }
        }
    }

    /// Level of a tone in what the peer has heard.
    pub(super) fn level(&self, id: u64, hz: f32) -> f32 {
        let peer = &self.peers[&id];
        tone_level(&peer.heard, peer.codec.audio_rate, hz)
    }

    /// Asserts that the peer hears just these tones of all that are in use, in the last listening.
    pub(super) fn assert_hears(&self, id: u64, expected: &[usize], about: &str) {
        for (tone, hz) in TONES.iter().enumerate() {
            let level = self.level(id, *hz);
            if expected.contains(&tone) {
                let off = (level - TONE_DBOV).abs();
                assert!(
                    off <= 2.0,
                    "{about}: {id} hears tone {tone} at {level} dBov"
                );
            } else {
                assert!(
                    level - TONE_DBOV <= SILENT_DB,
                    "{about}: {id} hears tone {tone} at {level} dBov"
                );
            }
        }
    }

    /// The digits that were reported.
    pub(super) fn digits(&self) -> String {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Digit { digit, .. } => Some(*digit),
                _ => None,
            })
            .collect()
    }
}

pub(super) fn address(id: u64) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 10_000 + id as u16))
}

impl Peer {
    fn new(id: u64, codec: &'static CodecInfo, voice: Option<usize>, now: Instant) -> Peer {
        Peer {
            unit: unit(id),
            address: address(id),
            codec,
            encoder: (codec.encoder)(),
            decoder: (codec.decoder)(),
            voice: voice.map(|voice| tone(codec.audio_rate, TONES[voice])),
            ptime_ms: 20,
            sends: true,
            ssrc: Ssrc(id as u32 * 1000),
            seq: SeqNo(65_530),
            timestamp: RtpTimestamp(u32::MAX - 1000),
            // Peers are not in step with the core, nor with each other.
            next_at: now + Duration::from_millis(id * 7 % 20),
            heard: Vec::new(),
            payloads: Vec::new(),
            headers: Vec::new(),
            events: Vec::new(),
            rtcp: Vec::new(),
            strays: Vec::new(),
            network: |_| vec![0],
            sent: 0,
        }
    }

    /// Says the tone in another codec.
    pub(super) fn change_codec(&mut self, name: &str, voice: usize) {
        self.codec = codec(name);
        self.encoder = (self.codec.encoder)();
        self.decoder = (self.codec.decoder)();
        self.voice = Some(tone(self.codec.audio_rate, TONES[voice]));
        self.heard.clear();
    }

    /// The next packet; nothing when the peer does not send.
    fn packet(&mut self) -> Option<Vec<u8>> {
        let rate = self.codec.audio_rate;
        let mut payload = Vec::new();
        let mut pcm = vec![0; (u64::from(rate.hz()) * self.ptime_ms / 1000) as usize];
        if let Some(voice) = &mut self.voice {
            voice.fill(&mut pcm);
        }
        self.encoder.encode(&pcm, &mut payload);
        let bytes = self.packet_of(self.codec.payload_type, false, self.timestamp, &payload);
        let units = u64::from(self.codec.clock_rate_hz) * self.ptime_ms / 1000;
        self.timestamp = self.timestamp.add(units as u32);
        self.sends.then_some(bytes)
    }

    pub(super) fn packet_of(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: RtpTimestamp,
        payload: &[u8],
    ) -> Vec<u8> {
        let (payload_type, seq, ssrc) = (PayloadType(payload_type), self.seq, self.ssrc);
        let mut bytes = Vec::new();
        Header {
            payload_type,
            marker,
            seq,
            timestamp,
            ssrc,
        }
        .write(&mut bytes);
        bytes.extend_from_slice(payload);
        self.seq = seq.next();
        bytes
    }

    fn hear(&mut self, ms: u64, channel: Channel, to: SocketAddr, bytes: &[u8]) {
        if rtp::is_rtcp(bytes) {
            self.rtcp.push((ms, channel, bytes.to_vec()));
            return;
        }
        if to != self.address {
            self.strays.push(to);
            return;
        }
        let packet = RtpPacket::parse(bytes).expect("RTP");
        let RtpPacket {
            payload_type,
            marker,
            seq,
            timestamp,
            ssrc,
            ..
        } = packet;
        let header = Header {
            payload_type,
            marker,
            seq,
            timestamp,
            ssrc,
        };
        if payload_type.0 != self.codec.payload_type {
            self.events.push((header, packet.payload.to_vec()));
            return;
        }
        self.headers.push((ms, header));
        self.payloads.push(packet.payload.to_vec());
        self.decoder
            .decode(packet.payload, &mut self.heard)
            .expect("a payload of the codec");
    }
}
