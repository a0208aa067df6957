//! What `engine` tells `media`, and what `media` tells `engine`. The two never call each other;
//! these values are all that passes between them.

#![allow(
    missing_docs,
    reason = "a variant's sentence speaks of its fields, whose names carry the units"
)]

use std::net::SocketAddr;
use std::sync::Arc;

use crate::audio::Clip;
use crate::codec::CodecInfo;
use crate::id::{PlaybackId, UnitId};

/// An order to the media core. Orders for a unit that does not exist are ignored.
#[derive(Clone, Debug)]
pub enum Command {
    /// Creates an RTP leg and asks for its sockets; answered by [`Event::LegReady`] or
    /// [`Event::LegFailed`].
    OpenLeg { unit: UnitId },
    /// Sets or changes what has been negotiated for a leg.
    UpdateLeg {
        unit: UnitId,
        stream: Box<StreamParams>,
    },
    /// Creates a conference mixer.
    AddMixer { unit: UnitId },
    /// Creates a player: a source that plays what [`Command::Play`] gives it to whoever it is
    /// connected to.
    AddPlayer { unit: UnitId },
    /// Creates both ends of an internal call. What is sent to one end comes out of the other.
    AddWire { a: UnitId, b: UnitId },
    /// Creates a recorder; what it takes is written by the shell under `unit`.
    AddRecorder {
        unit: UnitId,
        source: RecordSource,
        stereo: bool,
    },
    /// Stops or resumes a recorder or a player.
    Pause { unit: UnitId, paused: bool },
    /// Removes a unit of any kind with its edges; a leg reports [`Event::LegClosed`].
    Close { unit: UnitId },
    /// Sends what `from` says to `to`.
    Connect { from: UnitId, to: UnitId },
    /// Undoes [`Command::Connect`].
    Disconnect { from: UnitId, to: UnitId },
    /// Plays on a leg (heard by it alone, the rest of what it hears is lowered), on a mixer (heard
    /// by all who hear it), or on a player. Replaces what is playing there.
    Play {
        unit: UnitId,
        playback: PlaybackId,
        clip: Arc<Clip>,
        looped: bool,
        gain_db: f32,
    },
    /// Stops what is playing on the unit; no [`Event::PlaybackFinished`] follows.
    StopPlay { unit: UnitId },
    /// Which kinds of digits a leg reports: RFC 4733, in-band tones.
    DetectDigits {
        unit: UnitId,
        telephone_event: bool,
        in_band: bool,
    },
    /// Sends digits (`0-9*#A-D`, `p` is a pause of 500 ms) as RFC 4733, or as tones where it was
    /// not negotiated.
    SendDigits { unit: UnitId, digits: String },
    /// A digit came by SIP INFO. Answered by [`Event::Digit`] unless the same press has come as
    /// telephone-event or tone, or does within a second.
    NoteDigit {
        unit: UnitId,
        digit: char,
        duration_ms: u32,
    },
    /// Reports talk on this leg.
    DetectTalk { unit: UnitId, on: bool },
    /// Muted: nobody hears the leg. Deafened: the leg hears nothing but its own prompts.
    Silence {
        unit: UnitId,
        muted: bool,
        deafened: bool,
    },
    /// Gain on what comes from a leg and on what goes to it, in dB.
    Gain {
        unit: UnitId,
        in_db: f32,
        out_db: f32,
    },
}

/// What a recorder takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordSource {
    /// The sum of what is connected to the recorder.
    Connected,
    /// One leg: what it says (left) and what it hears (right), or their sum in mono.
    Leg(UnitId),
}

/// What offer and answer agreed for one audio stream.
#[derive(Clone, Debug)]
pub struct StreamParams {
    /// The codec in both directions.
    pub codec: &'static CodecInfo,
    /// Payload type in packets that we send.
    pub payload_type_out: u8,
    /// Payload type in packets that we receive.
    pub payload_type_in: u8,
    /// telephone-event, where it was agreed.
    pub telephone_event: Option<TelephoneEventParams>,
    /// Where the peer says it receives RTP. A source that is seen earlier wins (symmetric RTP, RFC
    /// 4961).
    pub remote_rtp: SocketAddr,
    /// Where the peer says it receives RTCP; the same as `remote_rtp` with rtcp-mux.
    pub remote_rtcp: SocketAddr,
    /// We send.
    pub send: bool,
    /// We receive.
    pub receive: bool,
    /// The remote address changed: latching starts anew.
    pub relatch: bool,
}

/// Payload types and clock of telephone-event (RFC 4733 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEventParams {
    /// In packets that we send.
    pub payload_type_out: u8,
    /// In packets that we receive.
    pub payload_type_in: u8,
    /// Units of the duration field, in Hz.
    pub clock_rate_hz: u32,
}

/// A fact from the media core.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The sockets of a leg are bound.
    LegReady {
        unit: UnitId,
        rtp: SocketAddr,
        rtcp: SocketAddr,
    },
    /// No socket could be bound.
    LegFailed { unit: UnitId, error: String },
    /// One press, when it began to be certain; one event whatever mixture of transports the peer
    /// uses.
    Digit {
        unit: UnitId,
        digit: char,
        kind: DigitKind,
        duration_ms: u32,
    },
    /// The last of [`Command::SendDigits`] has been sent.
    DigitsSent { unit: UnitId },
    /// Speech began.
    TalkStarted { unit: UnitId, level_dbov: i8 },
    /// Speech ended.
    TalkStopped { unit: UnitId, level_dbov: i8 },
    /// The first frame has gone out.
    PlaybackStarted { unit: UnitId, playback: PlaybackId },
    /// The clip came to its end.
    PlaybackFinished { unit: UnitId, playback: PlaybackId },
    /// No packet for the media timeout.
    MediaTimeout { unit: UnitId },
    /// Sent now and then while packets flow.
    Quality { unit: UnitId, quality: Quality },
    /// A leg has been closed; its totals.
    LegClosed { unit: UnitId, stats: LegStats },
}

/// How a digit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigitKind {
    /// RFC 4733.
    TelephoneEvent,
    /// Tones in the audio.
    InBand,
    /// SIP INFO.
    Info,
}

/// How well a leg is heard by us, over the last interval.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Quality {
    /// Lost packets, 0 to 1.
    pub loss: f32,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter_ms: f32,
    /// Round trip from RTCP, where the peer sends reports.
    pub rtt_ms: Option<f32>,
    /// Mean opinion score 1 to 4.5 from loss, jitter and delay (ITU-T G.107, simplified).
    pub mos: f32,
}

/// Totals of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LegStats {
    /// RTP packets received and accepted.
    pub packets_in: u64,
    /// RTP packets sent.
    pub packets_out: u64,
    /// Packets that never came, by sequence number.
    pub lost: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets refused: wrong source, SSRC, payload type, or not RTP.
    pub refused: u64,
    /// Frames concealed.
    pub concealed: u64,
    /// Largest interarrival jitter seen, in milliseconds.
    pub jitter_ms_max: u32,
}
