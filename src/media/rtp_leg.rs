//! One RTP leg, plain or within WebRTC: what was negotiated, where its packets come from and
//! go to, and the parts that take them. This file owns its packets in; what it says is made in
//! `decode.rs`, what it is sent in `encode.rs`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::command::{LegStats, StreamParams};
use super::digits::Digits;
use super::latch::Latch;
use super::outbox::Channel;
use super::playback::{Player, Ramp};
use super::receiver::Receiver;
use super::reports::{Reports, WallClock};
use super::sender::Sender;
use super::signal::Signal;
use super::source::Source;
use super::webrtc::Protected;
use super::webrtc_leg::WebRtcLeg;
use crate::audio::{Gain, Rate, TalkDetector};
use crate::id::UnitId;
use crate::rtp::{self, PushOutcome, RtpPacket};

/// Comfort noise (RFC 3389) is not played; its packets are silence that is not missed.
const COMFORT_NOISE: u8 = 13;

/// The level below which a packet that tells it (RFC 6464) is heard by nobody: a little lower than
/// the gate of the mix, which judges the decoded frame.
const SILENT_DBOV: i8 = -65;
/// How long a leg is decoded after its last packet that may be heard: the longest wait in the
/// jitter buffer, and the hangover of the gate.
const AUDIBLE_FOR: Duration = Duration::from_millis(800);

/// The level of no sound.
pub(super) const SILENCE_DBOV: i8 = -127;

/// What carries the packets of a leg.
pub(super) enum Transport {
    /// Sockets of its own.
    Plain {
        latch: Latch,
        rtcp_source: Option<SocketAddr>,
    },
    /// ICE, DTLS and SRTP on the shared socket.
    WebRtc(Box<WebRtcLeg>),
}

impl Transport {
    /// Plain RTP whose peer has not been heard.
    pub(super) fn plain() -> Transport {
        Transport::Plain {
            latch: Latch::default(),
            rtcp_source: None,
        }
    }

    /// Protects a packet that was appended to `packet` at `start`, where that is called for.
    pub(super) fn protect(&mut self, kind: Protected, packet: &mut Vec<u8>, start: usize) {
        match self {
            Transport::Plain { .. } => {}
            Transport::WebRtc(webrtc) => webrtc.protect(kind, packet, start),
        }
    }
}

/// Where the leg stands in the plan of the graph.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seat {
    /// The bus that it hears.
    pub(super) bus: Option<u32>,
    /// The gain with which it is among the sources of that bus, where it is.
    pub(super) in_bus: Option<Gain>,
    /// Somebody hears it.
    pub(super) heard: bool,
    /// Nobody may hear it.
    pub(super) muted: bool,
    /// It takes part in the tick that runs.
    pub(super) due: bool,
}

/// Gains of a leg.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gains {
    /// On what it says.
    pub(super) input: Gain,
    /// On what it hears.
    pub(super) output: Gain,
    /// On what it hears beside its prompt.
    pub(super) duck: Ramp,
}

/// What a recorder takes from the leg in a tick, at the rate of its codec.
#[derive(Debug, Default)]
pub(super) struct Tap {
    pub(super) said: Vec<i16>,
    pub(super) heard: Vec<i16>,
}

/// What exists once a stream has been negotiated.
pub(super) struct Stream {
    pub(super) params: StreamParams,
    pub(super) receiver: Receiver,
    pub(super) sender: Sender,
    pub(super) reports: Reports,
}

/// An RTP leg.
pub(super) struct RtpLeg {
    pub(super) unit: UnitId,
    /// How loud it is in this tick, whatever its gain.
    pub(super) level_dbov: i8,
    pub(super) stream: Option<Box<Stream>>,
    pub(super) signal: Signal,
    pub(super) digits: Digits,
    pub(super) talk: Option<TalkDetector>,
    pub(super) prompt: Option<Box<Player>>,
    pub(super) gains: Gains,
    pub(super) seat: Seat,
    pub(super) tap: Option<Box<Tap>>,
    pub(super) stats: LegStats,
    pub(super) transport: Transport,
    /// Until when a peer that tells its level may be heard.
    audible_until: Option<Instant>,
    source: Source,
}

/// Random numbers for a new stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamSeed {
    pub(super) ssrc: u32,
    pub(super) seq: u16,
    pub(super) timestamp: u32,
    pub(super) report: u32,
}

impl RtpLeg {
    /// A leg without sockets and stream.
    pub(super) fn new(unit: UnitId) -> RtpLeg {
        RtpLeg {
            unit,
            level_dbov: SILENCE_DBOV,
            stream: None,
            signal: Signal::new(Rate::Hz8000),
            digits: Digits::new(),
            talk: None,
            prompt: None,
            gains: Gains {
                input: Gain::UNITY,
                output: Gain::UNITY,
                duck: Ramp::UNITY,
            },
            seat: Seat::default(),
            tap: None,
            stats: LegStats::default(),
            transport: Transport::plain(),
            audible_until: None,
            source: Source::default(),
        }
    }

    /// Sets or changes what was negotiated.
    pub(super) fn update(
        &mut self,
        now: Instant,
        period: u64,
        params: StreamParams,
        seed: StreamSeed,
    ) {
        if params.relatch && matches!(self.transport, Transport::Plain { .. }) {
            self.transport = Transport::plain();
        }
        self.digits.renegotiate(params.telephone_event);
        self.signal.set_rate(params.codec.audio_rate);
        let codec = params.codec;
        let Some(stream) = &mut self.stream else {
            let numbers = (seed.ssrc, seed.seq, seed.timestamp);
            self.stream = Some(Box::new(Stream {
                receiver: Receiver::new(codec),
                sender: Sender::new(codec, params.payload_type_out, period, numbers),
                reports: Reports::new(codec.clock_rate_hz, now, seed.report),
                params,
            }));
            return;
        };
        if !std::ptr::eq(stream.receiver.codec(), codec) {
            self.stats.late += stream.receiver.late();
            self.stats.concealed += stream.receiver.concealed;
            stream.receiver = Receiver::new(codec);
        }
        if stream.params.codec.clock_rate_hz != codec.clock_rate_hz {
            stream.reports.renegotiate(codec.clock_rate_hz);
        }
        stream.reports.expect_media(now);
        stream
            .sender
            .renegotiate(codec, params.payload_type_out, period);
        if params.send && !stream.params.send {
            stream.sender.mark();
        }
        stream.params = params;
    }

    /// Where RTP goes, and from which socket; nothing while nothing usable is known.
    pub(super) fn rtp_target(&self) -> Option<(Channel, SocketAddr)> {
        let signalled = self.stream.as_ref()?.params.remote_rtp;
        match &self.transport {
            Transport::Plain { latch, .. } => {
                let to = latch.source().or_else(|| reachable(signalled))?;
                Some((Channel::Rtp, to))
            }
            Transport::WebRtc(webrtc) => Some((Channel::Shared, webrtc.target()?)),
        }
    }

    /// Where RTCP goes, and from which socket.
    pub(super) fn rtcp_target(&self) -> Option<(Channel, SocketAddr)> {
        let params = &self.stream.as_ref()?.params;
        match &self.transport {
            Transport::Plain { rtcp_source, .. } if params.remote_rtcp != params.remote_rtp => {
                let to = rtcp_source.or_else(|| reachable(params.remote_rtcp))?;
                Some((Channel::Rtcp, to))
            }
            Transport::Plain { .. } | Transport::WebRtc(_) => self.rtp_target(),
        }
    }

    /// Packets can go out: always over plain RTP, after DTLS within WebRTC.
    pub(super) fn is_open(&self) -> bool {
        match &self.transport {
            Transport::Plain { .. } => true,
            Transport::WebRtc(webrtc) => webrtc.target().is_some(),
        }
    }

    /// Somebody may hear what comes next: false only when the peer says itself that it is silent.
    pub(super) fn is_audible(&self, now: Instant) -> bool {
        self.audio_level_extension().is_none()
            || self.audible_until.is_some_and(|until| now < until)
    }

    /// The ICE, DTLS and SRTP of a WebRTC leg.
    pub(super) fn webrtc(&mut self) -> Option<&mut WebRtcLeg> {
        match &mut self.transport {
            Transport::Plain { .. } => None,
            Transport::WebRtc(webrtc) => Some(webrtc),
        }
    }

    fn audio_level_extension(&self) -> Option<u8> {
        let webrtc = self.stream.as_ref()?.params.webrtc.as_ref()?;
        webrtc.audio_level_extension
    }

    /// Takes a datagram from the RTP socket; false when it was refused.
    pub(super) fn handle_packet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &[u8],
        wall: WallClock,
    ) -> bool {
        let taken = if rtp::is_rtcp(bytes) {
            self.handle_rtcp(now, from, bytes, wall)
        } else {
            self.handle_rtp(now, from, bytes)
        };
        self.stats.refused += u64::from(!taken);
        taken
    }

    /// Takes a datagram from the RTCP socket; false when it was refused.
    pub(super) fn handle_rtcp_socket(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &[u8],
        wall: WallClock,
    ) -> bool {
        let taken = self.handle_rtcp(now, from, bytes, wall);
        self.stats.refused += u64::from(!taken);
        taken
    }

    fn handle_rtp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let Ok(packet) = RtpPacket::parse(bytes) else {
            return false;
        };
        let level_id = stream
            .params
            .webrtc
            .as_ref()
            .and_then(|webrtc| webrtc.audio_level_extension);
        let is_audio = packet.payload_type.0 == stream.params.payload_type_in;
        let is_event = self.digits.payload_type_in() == Some(packet.payload_type.0);
        if !(is_audio || is_event || packet.payload_type.0 == COMFORT_NOISE) {
            return false;
        }
        // A stranger must not become the source, so the latch is asked first.
        let is_the_peer = match &mut self.transport {
            Transport::Plain { latch, .. } => latch.accept(now, from, stream.params.remote_rtp),
            Transport::WebRtc(_) => true,
        };
        if !is_the_peer || !self.source.accept(now, &packet) {
            return false;
        }
        if level_id.is_some_and(|id| may_be_heard(&packet, id)) {
            self.audible_until = Some(now + AUDIBLE_FOR);
        }
        self.stats.packets_in += 1;
        stream.reports.handle_packet(now, &packet, is_event);
        if !stream.params.receive {
            return true;
        }
        if is_audio {
            return !matches!(stream.receiver.push(now, &packet), PushOutcome::Oversized);
        }
        stream.receiver.push_other(packet.seq);
        if is_event {
            self.digits.handle_packet(now, &packet);
        }
        true
    }

    fn handle_rtcp(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &[u8],
        wall: WallClock,
    ) -> bool {
        let rtp_target = self.rtp_target();
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let known = match &self.transport {
            Transport::Plain { .. } => {
                rtp_target.is_some_and(|(_, source)| source.ip() == from.ip())
                    || stream.params.remote_rtcp.ip() == from.ip()
            }
            Transport::WebRtc(_) => true,
        };
        if !known {
            return false;
        }
        let read = stream
            .reports
            .handle_rtcp(now, bytes, wall, Some(&mut stream.sender));
        if let (Ok(()), Transport::Plain { rtcp_source, .. }) = (&read, &mut self.transport) {
            *rtcp_source = Some(from);
        }
        read.is_ok()
    }

    /// Totals.
    pub(super) fn totals(&self) -> LegStats {
        let mut stats = self.stats;
        if let Some(stream) = &self.stream {
            stats.packets_out = stream.sender.packets;
            stats.lost = stream.reports.lost();
            stats.late += stream.receiver.late();
            stats.concealed += stream.receiver.concealed;
            stats.jitter_ms_max = stream.reports.jitter_ms_max();
        }
        stats
    }

    /// RTP goes out.
    pub(super) fn sends(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(|stream| stream.params.send)
    }

    /// The rate of its codec.
    pub(super) fn rate(&self) -> Option<Rate> {
        self.stream
            .as_ref()
            .map(|stream| stream.params.codec.audio_rate)
    }
}

/// Whether a packet that tells its level, 0 to 127 below full scale, is loud enough; one that does
/// not is taken to be.
fn may_be_heard(packet: &RtpPacket<'_>, id: u8) -> bool {
    let element = packet.extension.and_then(|extension| extension.element(id));
    let level = element.and_then(<[u8]>::first).map(|byte| byte & 0x7f);
    level.is_none_or(|below| -i16::from(below) >= i16::from(SILENT_DBOV))
}

fn reachable(address: SocketAddr) -> Option<SocketAddr> {
    (address.port() != 0 && !address.ip().is_unspecified()).then_some(address)
}
