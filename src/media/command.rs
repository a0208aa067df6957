//! What `engine` tells `media`, and what `media` tells `engine`. The two never call each other;
//! these values are all that passes between them.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audio::Clip;
use crate::codec::CodecInfo;
use crate::id::{PlaybackId, UnitId};

/// An order to the media core. Orders for a unit that does not exist are ignored.
#[derive(Clone, Debug)]
pub enum Command {
    /// Creates a leg, which can be connected, silenced and recorded at once, and asks for its
    /// sockets; answered by [`Event::LegReady`] or [`Event::LegFailed`].
    OpenLeg {
        /// The unit.
        unit: UnitId,
        /// What carries it.
        kind: LegKind,
    },
    /// Sets or changes what has been negotiated for a leg.
    UpdateLeg {
        /// The unit.
        unit: UnitId,
        /// What was negotiated.
        stream: Box<StreamParams>,
    },
    /// Creates a conference mixer.
    AddMixer {
        /// The unit.
        unit: UnitId,
    },
    /// Creates a player: a source that plays what [`Command::Play`] gives it to whoever it is
    /// connected to.
    AddPlayer {
        /// The unit.
        unit: UnitId,
    },
    /// Creates both ends of an internal call. What is sent to one end comes out of the other.
    AddWire {
        /// One end.
        a: UnitId,
        /// The other end.
        b: UnitId,
    },
    /// Creates a recorder; what it takes is written by the shell under `unit`.
    AddRecorder {
        /// The unit.
        unit: UnitId,
        /// What it takes.
        source: RecordSource,
        /// Two channels instead of their sum.
        stereo: bool,
    },
    /// Stops or resumes a recorder, or what plays on a player or a mixer.
    Pause {
        /// The unit.
        unit: UnitId,
        /// Stop, or resume.
        paused: bool,
    },
    /// Removes a unit of any kind with its edges. A leg reports [`Event::LegClosed`], and so does
    /// a unit that is not there, so that nobody waits for it in vain.
    Close {
        /// The unit.
        unit: UnitId,
    },
    /// Sends what `from` says to `to`.
    Connect {
        /// Who is heard.
        from: UnitId,
        /// Who hears.
        to: UnitId,
    },
    /// Undoes [`Command::Connect`].
    Disconnect {
        /// Who is heard.
        from: UnitId,
        /// Who hears.
        to: UnitId,
    },
    /// Plays on a leg (heard by it alone, the rest of what it hears is lowered), on a mixer (heard
    /// by all who hear it), on a player, or on an end of a wire (heard at the other end, like a
    /// prompt). Replaces what is playing there.
    Play {
        /// The unit.
        unit: UnitId,
        /// Names the playback in its events.
        playback: PlaybackId,
        /// The sound.
        clip: Arc<Clip>,
        /// From the beginning again at its end.
        looped: bool,
        /// Change of its level in dB, at most +40; −100 and below is silence.
        gain_db: f32,
    },
    /// Stops what is playing on the unit; no [`Event::PlaybackFinished`] follows.
    StopPlay {
        /// The unit.
        unit: UnitId,
    },
    /// Which kinds of digits a leg reports: RFC 4733, in-band tones.
    DetectDigits {
        /// The unit.
        unit: UnitId,
        /// RFC 4733, where it was negotiated: on until told otherwise.
        telephone_event: bool,
        /// Tones, where RFC 4733 was not negotiated: off until told otherwise.
        in_band: bool,
    },
    /// Sends digits (`0-9*#A-D`, `p` is a pause of 500 ms) as RFC 4733, or as tones where it was
    /// not negotiated.
    SendDigits {
        /// The unit.
        unit: UnitId,
        /// `0-9*#A-Dp`, at most 256 that wait.
        digits: String,
    },
    /// A digit came by SIP INFO. Answered by [`Event::Digit`] unless the same press has come as
    /// telephone-event or tone, or does within a second.
    NoteDigit {
        /// The unit.
        unit: UnitId,
        /// `0-9*#A-D`.
        digit: char,
        /// Milliseconds that the key was down, as the message says.
        duration_ms: u32,
    },
    /// Reports talk on a leg. On an end of a wire: of the legs that are heard through it.
    DetectTalk {
        /// The unit.
        unit: UnitId,
        /// Whether to report.
        on: bool,
    },
    /// Muted: nobody hears the unit. Deafened: it hears nothing but its own prompts. For legs,
    /// mixers and ends of wires.
    Silence {
        /// The unit.
        unit: UnitId,
        /// Nobody hears the unit.
        muted: bool,
        /// The unit hears nothing.
        deafened: bool,
    },
    /// Reports by [`Event::ActiveSpeaker`] who speaks most in a mixer.
    WatchSpeakers {
        /// The mixer.
        unit: UnitId,
        /// Whether to report.
        on: bool,
    },
    /// Gain on what comes from a leg or an end of a wire and on what goes to it, in dB.
    Gain {
        /// The unit.
        unit: UnitId,
        /// On what comes from the leg, at most +40; −100 and below is silence.
        in_db: f32,
        /// On what goes to the leg, likewise.
        out_db: f32,
    },
}

impl Command {
    /// The unit that it is for, and a word for what it asks.
    // tidy: table
    pub fn about(&self) -> (UnitId, &'static str) {
        match self {
            Command::OpenLeg { unit, .. } => (*unit, "open"),
            Command::UpdateLeg { unit, .. } => (*unit, "update"),
            Command::AddMixer { unit } => (*unit, "conference"),
            Command::AddPlayer { unit } => (*unit, "player"),
            Command::AddWire { a, .. } => (*a, "call"),
            Command::AddRecorder { unit, .. } => (*unit, "record"),
            Command::Pause { unit, .. } => (*unit, "pause"),
            Command::Close { unit } => (*unit, "close"),
            Command::Connect { from, .. } => (*from, "send_media_to"),
            Command::Disconnect { from, .. } => (*from, "stop_media_to"),
            Command::Play { unit, .. } => (*unit, "play"),
            Command::StopPlay { unit } => (*unit, "stop_playback"),
            Command::DetectDigits { unit, .. } => (*unit, "detect_digits"),
            Command::SendDigits { unit, .. } => (*unit, "send_digits"),
            Command::NoteDigit { unit, .. } => (*unit, "digit"),
            Command::DetectTalk { unit, .. } => (*unit, "talk_started"),
            Command::WatchSpeakers { unit, .. } => (*unit, "active_speaker"),
            Command::Silence { unit, .. } => (*unit, "mute"),
            Command::Gain { unit, .. } => (*unit, "gain"),
        }
    }
}

/// What carries a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegKind {
    /// Plain RTP on sockets of its own.
    Rtp,
    /// ICE, DTLS and SRTP on the socket that all such legs share. The fragment must be no other
    /// leg's.
    WebRtc {
        /// What the peer is told.
        ice: IceCredentials,
    },
}

/// User name fragment and password of ICE (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// The fragment.
    pub ufrag: String,
    /// The password.
    pub pwd: String,
}

impl std::fmt::Debug for IceCredentials {
    /// Leaves the password out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IceCredentials({})", self.ufrag)
    }
}

/// What a recorder takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordSource {
    /// The sum of what is connected to the recorder.
    Connected,
    /// One leg or end of a wire: what it says (left) and what it hears (right), or their sum in
    /// mono.
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
    /// ICE and DTLS, for a leg of [`LegKind::WebRtc`] and only for it.
    pub webrtc: Option<Box<WebRtcParams>>,
}

/// What offer and answer agreed for ICE and DTLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebRtcParams {
    /// Ours that the peer was told last; others than before are an ICE restart.
    pub local: IceCredentials,
    /// The peer's.
    pub remote: IceCredentials,
    /// SHA-256 of the peer's certificate.
    pub fingerprint_sha256: [u8; 32],
    /// We open the DTLS association.
    pub dtls_client: bool,
    /// Id of the header extension with the level of the audio (RFC 6464).
    pub audio_level_extension: Option<u8>,
}

/// What the peer of a WebRTC leg must be told beside addresses and credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebRtcReady {
    /// Hash and value of our certificate: `sha-256 AA:BB…`.
    pub fingerprint: String,
}

/// Why a WebRTC leg can carry nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loss {
    /// No valid check for 13 s, and so no connection.
    Consent,
    /// The DTLS association cannot be trusted or does not come about: it …
    Dtls(Cow<'static, str>),
    /// The peer has closed it.
    Closed,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The sockets of a leg are bound.
    LegReady {
        /// The unit.
        unit: UnitId,
        /// Address of the RTP socket.
        rtp: SocketAddr,
        /// Address of the RTCP socket.
        rtcp: SocketAddr,
        /// What the peer must be told beside, for [`LegKind::WebRtc`] and only for it.
        webrtc: Option<WebRtcReady>,
    },
    /// No socket could be bound.
    LegFailed {
        /// The unit.
        unit: UnitId,
        /// What went wrong.
        error: String,
    },
    /// A command was not carried out.
    Refused {
        /// The unit that it was for.
        unit: UnitId,
        /// What it asked for, in a word.
        what: Cow<'static, str>,
        /// Why not.
        error: String,
    },
    /// One press, when it began to be certain; one event whatever mixture of transports the peer
    /// uses.
    Digit {
        /// The unit.
        unit: UnitId,
        /// `0-9*#A-D`.
        digit: char,
        /// How it came.
        kind: DigitKind,
        /// Milliseconds that the key was down, where the message that brought it says so;
        /// otherwise [`Event::DigitReleased`] does.
        duration_ms: Option<u32>,
    },
    /// The key of the last [`Event::Digit`] that came as telephone-event or tone is up.
    DigitReleased {
        /// The unit.
        unit: UnitId,
        /// `0-9*#A-D`.
        digit: char,
        /// How it came.
        kind: DigitKind,
        /// Milliseconds that the key was down.
        duration_ms: u32,
    },
    /// The last of [`Command::SendDigits`] has been sent.
    DigitsSent {
        /// The unit.
        unit: UnitId,
    },
    /// Speech began.
    TalkStarted {
        /// The unit.
        unit: UnitId,
        /// Level in dBov, −127 to 0.
        level_dbov: i8,
    },
    /// Speech ended.
    TalkStopped {
        /// The unit.
        unit: UnitId,
        /// Level in dBov, −127 to 0.
        level_dbov: i8,
    },
    /// Who speaks most in a mixer has changed.
    ActiveSpeaker {
        /// The mixer.
        unit: UnitId,
        /// The leg or end of a wire that is sent to the mixer; absent when nobody speaks.
        speaker: Option<UnitId>,
    },
    /// The first frame has gone out.
    PlaybackStarted {
        /// The unit.
        unit: UnitId,
        /// Names the playback in its events.
        playback: PlaybackId,
    },
    /// The clip came to its end.
    PlaybackFinished {
        /// The unit.
        unit: UnitId,
        /// Names the playback in its events.
        playback: PlaybackId,
    },
    /// A WebRTC leg is connected: ICE has nominated, DTLS has found who the peer is.
    IceConnected {
        /// The unit.
        unit: UnitId,
    },
    /// A WebRTC leg is lost. It is told once; the leg is to be closed.
    LegLost {
        /// The unit.
        unit: UnitId,
        /// Why.
        loss: Loss,
    },
    /// No packet for the media timeout; for a WebRTC leg, no check and no packet for 13 s. It is
    /// told once until [`Event::MediaBack`].
    MediaTimeout {
        /// The unit.
        unit: UnitId,
    },
    /// Packets come again.
    MediaBack {
        /// The unit.
        unit: UnitId,
    },
    /// Sent now and then while packets flow.
    Quality {
        /// The unit.
        unit: UnitId,
        /// The measurement.
        quality: Quality,
    },
    /// A leg has been closed; its totals.
    LegClosed {
        /// The unit.
        unit: UnitId,
        /// The totals.
        stats: LegStats,
    },
}

impl Event {
    /// The unit that it is about.
    pub fn unit(&self) -> UnitId {
        match self {
            Event::LegReady { unit, .. }
            | Event::LegFailed { unit, .. }
            | Event::Refused { unit, .. }
            | Event::Digit { unit, .. }
            | Event::DigitReleased { unit, .. }
            | Event::DigitsSent { unit }
            | Event::TalkStarted { unit, .. }
            | Event::TalkStopped { unit, .. }
            | Event::ActiveSpeaker { unit, .. }
            | Event::PlaybackStarted { unit, .. }
            | Event::PlaybackFinished { unit, .. }
            | Event::IceConnected { unit }
            | Event::LegLost { unit, .. }
            | Event::MediaTimeout { unit }
            | Event::MediaBack { unit }
            | Event::Quality { unit, .. }
            | Event::LegClosed { unit, .. } => *unit,
        }
    }
}

/// How a digit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigitKind {
    /// RFC 4733.
    TelephoneEvent,
    /// Tones in the audio.
    InBand,
    /// SIP INFO.
    Info,
}

/// How well a leg is heard by us, over the last interval.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
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
