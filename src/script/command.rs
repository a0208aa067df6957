//! What a scenario asks for, and what it is told. Host functions only append [`Command`]s; the
//! engine checks each against the state, in order, and carries it out or answers with
//! [`Event::Refused`].

#![allow(
    missing_docs,
    reason = "a variant's sentence speaks of its fields, whose names carry the units"
)]

use std::collections::BTreeMap;

use crate::id::{LegId, TimerId, UnitId};

/// Name-value pairs of SIP headers, as given or received.
pub type Headers = Vec<(String, String)>;

/// Where in a script something was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// File name below `scripts_dir`.
    pub file: String,
    /// Line, from 1; 0 when it is not known.
    pub line: usize,
    /// Column, from 1; 0 when it is not known.
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A command with the place that gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// What is asked for.
    pub command: Command,
    /// Where it stands in the script.
    pub place: Place,
}

/// Something a scenario asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Ends the session and every leg in it.
    Terminate,
    /// A line for the session's log.
    Log { warn: bool, text: String },
    /// An internal call; `leg` is this session's end of it.
    CallConference {
        leg: LegId,
        name: String,
        options: CallOptions,
    },
    /// Forwards a waiting leg to the user that it dialled, media between the two.
    ForwardDirect { leg: LegId },
    /// A guest is gone for good: its user record is deleted.
    RemoveUser { name: String },
    /// Something on one leg.
    Leg { leg: LegId, command: LegCommand },
    /// A new conference mixer.
    CreateConference { unit: UnitId, label: String },
    /// A new player of a source.
    CreatePlayer {
        unit: UnitId,
        sound: Sound,
        looped: bool,
        gain_db: f32,
    },
    /// A new recorder.
    CreateRecorder {
        unit: UnitId,
        options: RecordOptions,
    },
    /// Something on a conference, player or recorder.
    Unit { unit: UnitId, command: UnitCommand },
    /// Sends what `from` says to `to`; legs by their unit.
    Connect { from: UnitId, to: UnitId },
    /// Undoes [`Command::Connect`].
    Disconnect { from: UnitId, to: UnitId },
    /// Fires [`Event::Timer`] after `after_ms`, once or again and again.
    SetTimer {
        timer: TimerId,
        after_ms: u64,
        repeat: bool,
    },
    /// The timer fires no more.
    CancelTimer { timer: TimerId },
    /// Sets the session's `custom_data`.
    SetCustomData { text: String },
}

/// Options of an outgoing or internal call.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CallOptions {
    /// Caller id shown to the other side; empty: the session's own.
    pub caller_id: String,
    /// Display name shown to the other side.
    pub display_name: String,
    /// Extra headers; only `X-…` names pass.
    pub headers: Headers,
}

/// Something a scenario asks of one leg.
#[derive(Clone, Debug, PartialEq)]
pub enum LegCommand {
    /// 200 OK.
    Answer { headers: Headers },
    /// 180 Ringing.
    Ring,
    /// A final refusal.
    Reject { code: u16, reason: String },
    /// BYE, CANCEL or a refusal, as the state needs.
    Hangup { headers: Headers, reason: String },
    /// 183 with media before the answer.
    StartEarlyMedia,
    /// Plays a sound to this leg, replacing what plays.
    Play {
        sound: Sound,
        looped: bool,
        gain_db: f32,
    },
    /// Stops playing; no event follows.
    StopPlayback,
    /// Which kinds of digits become events; all false: none.
    DetectDigits {
        telephone_event: bool,
        in_band: bool,
        info: bool,
    },
    /// Sends digits.
    SendDigits { digits: String },
    /// An in-dialog text message: INFO with text/plain, or application/json when the text is JSON.
    SendMessage { text: String },
    /// A raw INFO.
    SendInfo {
        mime: String,
        body: String,
        headers: Headers,
    },
    /// Records this leg.
    Record {
        recorder: UnitId,
        options: RecordOptions,
    },
    /// Nobody hears the leg.
    Mute { on: bool },
    /// The leg hears nobody.
    Deafen { on: bool },
    /// Gains in dB.
    Gain { in_db: f32, out_db: f32 },
    /// Reports of talk.
    DetectTalk { on: bool },
    /// A handler waits for an event that not every kind of leg has.
    Expect { event: &'static str },
}

/// Something a scenario asks of a conference, player or recorder.
#[derive(Clone, Debug, PartialEq)]
pub enum UnitCommand {
    /// Plays a sound.
    Play {
        sound: Sound,
        looped: bool,
        gain_db: f32,
    },
    /// Stops playing; no event follows.
    StopPlayback,
    /// Pauses or resumes.
    Pause { on: bool },
    /// Records what the conference hears.
    Record {
        recorder: UnitId,
        options: RecordOptions,
    },
    /// Nobody may be added.
    Lock { on: bool },
    /// The greatest number of members; 0: no limit.
    MaxMembers { members: u32 },
    /// Reports of who speaks most in a conference.
    WatchSpeakers { on: bool },
    /// Removes the unit.
    Stop,
}

/// Something that can be heard.
#[derive(Clone, Debug, PartialEq)]
pub enum Sound {
    /// A file below the prompts folder, or the URL of a recording.
    File { path: String },
    /// Text to be spoken.
    Speech { text: String, voice: VoiceChoice },
    /// A progress tone: `ringback`, `busy`, `congestion`, `dial`, `beep`, with a country, or
    /// `hold`, which is music.
    Tone { name: String, country: String },
}

/// Which voice speaks. Empty fields leave the choice to the configuration.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct VoiceChoice {
    /// Language tag such as `en-GB`.
    pub language: String,
    /// `female`, `male` or the engine's own name of a voice.
    pub voice: String,
    /// Speed relative to normal, 0.5 to 2.
    pub rate: f32,
}

/// Options of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RecordOptions {
    /// File name below the recordings folder; empty: made from session and unit.
    pub name: String,
    /// Leg: what it says left, what it hears right.
    pub stereo: bool,
}

/// Something a scenario is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Once, first.
    Started,
    /// A call came in.
    Incoming { leg: LegInfo },
    /// Something about one leg.
    Leg { leg: LegId, event: LegEvent },
    /// Something about a conference, player or recorder.
    Unit { unit: UnitId, event: UnitEvent },
    /// A timer fired.
    Timer { timer: TimerId },
    /// A command could not be carried out.
    Refused {
        code: String,
        text: String,
        /// The leg that the command was for, where there is one.
        leg: Option<LegId>,
        place: Place,
    },
    /// Once, last.
    Terminating { reason: String },
}

impl Event {
    /// Whether it tells how a recording begins or ends.
    pub fn is_of_recording(&self) -> bool {
        use {LegEvent as L, UnitEvent as U};
        match self {
            Event::Leg { event, .. } => matches!(
                event,
                L::RecordStarted { .. } | L::RecordStopped { .. } | L::RecordFailed { .. }
            ),
            Event::Unit { event, .. } => matches!(
                event,
                U::RecordStarted { .. } | U::RecordStopped { .. } | U::RecordFailed { .. }
            ),
            Event::Started
            | Event::Incoming { .. }
            | Event::Timer { .. }
            | Event::Refused { .. }
            | Event::Terminating { .. } => false,
        }
    }
}

/// What is known of a leg when it comes into being.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegInfo {
    /// Its id.
    pub id: LegId,
    /// It came in, rather than being made by the session.
    pub incoming: bool,
    /// `phone`, `web` or `internal`.
    pub source: String,
    /// Who calls.
    pub caller_id: String,
    /// The name that the caller gives.
    pub display_name: String,
    /// What was dialled.
    pub destination: String,
    /// The other party's number.
    pub number: String,
    /// Headers of the INVITE, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The logged-in user, empty when there is none.
    pub user: String,
}

/// Something about a leg; the names in comments are its words in `leg.on(…)`.
#[derive(Clone, Debug, PartialEq)]
pub enum LegEvent {
    /// `ringing`
    Ringing { code: u16, headers: Headers },
    /// `early_media`
    EarlyMedia { code: u16, headers: Headers },
    /// `connected`
    Connected { code: u16, headers: Headers },
    /// `disconnected`, the last event of a leg that was connected
    Disconnected {
        reason: String,
        code: u16,
        duration_ms: u64,
        text: String,
        headers: Headers,
    },
    /// `failed`, the last event of a leg that was not
    Failed {
        code: u16,
        reason: String,
        class: String,
        text: String,
        headers: Headers,
    },
    /// `message`
    Message { text: String },
    /// `info`
    Info {
        mime: String,
        body: String,
        headers: Headers,
    },
    /// `digit`
    Digit {
        digit: char,
        kind: String,
        duration_ms: Option<u32>,
    },
    /// `digit_released`
    DigitReleased {
        digit: char,
        kind: String,
        duration_ms: u32,
    },
    /// `playback_started`
    PlaybackStarted { source: String },
    /// `playback_finished`
    PlaybackFinished {
        source: String,
        error: Option<String>,
    },
    /// `talk_started`
    TalkStarted { level_dbov: i8 },
    /// `talk_stopped`
    TalkStopped { level_dbov: i8 },
    /// `hold`
    Hold,
    /// `unhold`
    Unhold,
    /// `reconnecting`
    Reconnecting,
    /// `reconnected`
    Reconnected,
    /// `media_timeout`
    MediaTimeout,
    /// `quality`
    Quality {
        loss: f32,
        jitter_ms: f32,
        mos: f32,
        rtt_ms: Option<f32>,
    },
    /// `record_started`
    RecordStarted { url: String },
    /// `record_stopped`
    RecordStopped { url: String, duration_ms: u64 },
    /// `record_failed`
    RecordFailed { error: String },
}

impl LegEvent {
    /// Its word in `leg.on(…)`.
    pub(super) fn word(&self) -> &'static str {
        match self {
            LegEvent::Ringing { .. } => "ringing",
            LegEvent::EarlyMedia { .. } => "early_media",
            LegEvent::Connected { .. } => "connected",
            LegEvent::Disconnected { .. } => "disconnected",
            LegEvent::Failed { .. } => "failed",
            LegEvent::Message { .. } => "message",
            LegEvent::Info { .. } => "info",
            LegEvent::Digit { .. } => "digit",
            LegEvent::DigitReleased { .. } => "digit_released",
            LegEvent::PlaybackStarted { .. } => "playback_started",
            LegEvent::PlaybackFinished { .. } => "playback_finished",
            LegEvent::TalkStarted { .. } => "talk_started",
            LegEvent::TalkStopped { .. } => "talk_stopped",
            LegEvent::Hold => "hold",
            LegEvent::Unhold => "unhold",
            LegEvent::Reconnecting => "reconnecting",
            LegEvent::Reconnected => "reconnected",
            LegEvent::MediaTimeout => "media_timeout",
            LegEvent::Quality { .. } => "quality",
            LegEvent::RecordStarted { .. } => "record_started",
            LegEvent::RecordStopped { .. } => "record_stopped",
            LegEvent::RecordFailed { .. } => "record_failed",
        }
    }
}

/// Something about a conference, player or recorder.
#[derive(Clone, Debug, PartialEq)]
pub enum UnitEvent {
    /// `member_joined`
    MemberJoined { leg: LegId },
    /// `member_left`
    MemberLeft { leg: LegId },
    /// `active_speaker`
    ActiveSpeaker { leg: Option<LegId> },
    /// `playback_started`
    PlaybackStarted { source: String },
    /// `playback_finished`
    PlaybackFinished {
        source: String,
        error: Option<String>,
    },
    /// `record_started`
    RecordStarted { url: String },
    /// `record_stopped`
    RecordStopped { url: String, duration_ms: u64 },
    /// `record_failed`
    RecordFailed { error: String },
}

impl UnitEvent {
    /// Its word in `unit.on(…)`.
    pub(super) fn word(&self) -> &'static str {
        match self {
            UnitEvent::MemberJoined { .. } => "member_joined",
            UnitEvent::MemberLeft { .. } => "member_left",
            UnitEvent::ActiveSpeaker { .. } => "active_speaker",
            UnitEvent::PlaybackStarted { .. } => "playback_started",
            UnitEvent::PlaybackFinished { .. } => "playback_finished",
            UnitEvent::RecordStarted { .. } => "record_started",
            UnitEvent::RecordStopped { .. } => "record_stopped",
            UnitEvent::RecordFailed { .. } => "record_failed",
        }
    }
}
