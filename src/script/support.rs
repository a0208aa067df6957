//! Where the commands of a leg work: the table behind the columns of the reference, and what the
//! test over all commands and all kinds of legs expects.

/// One command of a leg.
#[derive(Debug)]
pub struct Support {
    /// Its name, as written after `leg.`.
    pub command: &'static str,
    /// For each column of [`COLUMNS`] the code of its refusal, `""` where it is carried out.
    pub codes: [&'static str; 8],
}

/// A kind of leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegKind {
    /// A telephone, over RTP.
    Phone,
    /// A browser, over WebRTC.
    Browser,
    /// The end of an internal call.
    Internal,
    /// Forwarded to a user: its media go past the engine.
    Forwarded,
}

/// Kinds of legs, and whether the command comes before the answer.
pub const COLUMNS: [(LegKind, bool); 8] = [
    (LegKind::Phone, true),
    (LegKind::Phone, false),
    (LegKind::Browser, true),
    (LegKind::Browser, false),
    (LegKind::Internal, true),
    (LegKind::Internal, false),
    (LegKind::Forwarded, true),
    (LegKind::Forwarded, false),
];

const DIRECT: &str = "direct-leg";
const INTERNAL: &str = "internal-leg";
const ANSWERED: &str = "already-answered";
const WAITS: &str = "not-alerting";
const MEDIA: &str = "no-media";
const CALL: &str = "not-connected";

const ALWAYS: [&str; 8] = [""; 8];
const NOT_FORWARDED: [&str; 8] = ["", "", "", "", "", "", DIRECT, DIRECT];
const WITH_MEDIA: [&str; 8] = [MEDIA, "", MEDIA, "", "", "", DIRECT, DIRECT];
const IN_THE_CALL: [&str; 8] = [CALL, "", CALL, "", "", "", CALL, ""];
const BEFORE: [&str; 8] = ["", WAITS, "", WAITS, "", WAITS, "", WAITS];

/// All commands of a leg, in the order of the reference.
pub const SUPPORT: &[Support] = &[
    row(
        "answer",
        ["", ANSWERED, "", ANSWERED, "", ANSWERED, DIRECT, DIRECT],
    ),
    row("ring", BEFORE),
    row("reject", BEFORE),
    row("hangup", ALWAYS),
    row(
        "start_early_media",
        ["", WAITS, "", WAITS, INTERNAL, WAITS, DIRECT, WAITS],
    ),
    row("play", WITH_MEDIA),
    row("say", WITH_MEDIA),
    row("stop_playback", ALWAYS),
    row("detect_digits", NOT_FORWARDED),
    row("send_digits", WITH_MEDIA),
    row("send_message", IN_THE_CALL),
    row("send_info", IN_THE_CALL),
    row("send_media_to", NOT_FORWARDED),
    row("stop_media_to", NOT_FORWARDED),
    row("record", NOT_FORWARDED),
    row("mute", NOT_FORWARDED),
    row("deafen", NOT_FORWARDED),
    row("gain", NOT_FORWARDED),
    row("on", ALWAYS),
    row("off", ALWAYS),
    row("digits", NOT_FORWARDED),
];

const fn row(command: &'static str, codes: [&'static str; 8]) -> Support {
    Support { command, codes }
}

/// The row of a command; none for what is no command of a leg.
pub fn support(command: &str) -> Option<&'static Support> {
    SUPPORT.iter().find(|row| row.command == command)
}
