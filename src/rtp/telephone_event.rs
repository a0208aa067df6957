//! Digits as telephone-events (RFC 4733): the sender makes packets of a digit string, the receiver
//! makes one press of all the packets of one event.
//!
//! ```text
//!   tick (20 ms)   0    1    2    3    4    5    6    7    8
//!   key           down ─────────────────── up             down
//!   packet        [M]  [ ]  [ ]  [ ]  [E]  [E]  [E]       [M]
//!   duration ms    20   40   60   80  100  100  100        20
//!   timestamp      t0   t0   t0   t0   t0   t0   t0       t0 + 160 ms
//!   receiver      Pressed              Released
//! ```
//!
//! An event is named by its SSRC and RTP timestamp, so any one of its packets is enough for a
//! press, and repeated ends add nothing. A key held longer than the 16 bits of the duration field
//! goes on as a further segment whose timestamp is where the last one stopped, without marker
//! (§2.5.1.3); it is the same press. Only the first event of a payload is read. Codes above 15
//! (flash, tones) are ignored. Does not write RTP headers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{RtpPacket, RtpTimestamp, SeqNo, Ssrc};

/// Without a packet for this long the key is taken to be up (RFC 4733 §2.5.2.2).
const RELEASE_AFTER: Duration = Duration::from_millis(200);
/// Events kept in mind, so that late repetitions of the last ones are not presses.
const EVENTS_REMEMBERED: usize = 8;
/// Digits that wait to be sent; more are refused.
const DIGITS_MAX: usize = 256;
/// The tick of the sender.
const TICK_MS: u32 = 20;
/// Length of a `p`.
const PAUSE_MS: u32 = 500;
/// Packets with the end bit (RFC 4733 §2.5.1.4).
const END_PACKETS: u32 = 3;
/// Level of the tones that stand behind the events: −10 dBm0.
const VOLUME: u8 = 10;
/// Longest tone that fits into the duration field at 48 kHz.
const TONE_MS_MAX: u32 = 1_300;

/// Digit of an event code; nothing above 15.
pub fn digit_of(code: u8) -> Option<char> {
    b"0123456789*#ABCD"
        .get(usize::from(code))
        .map(|&digit| char::from(digit))
}

/// Event code of a digit (letters in any case); nothing for other characters.
pub fn code_of(digit: char) -> Option<u8> {
    let upper = digit.to_ascii_uppercase();
    (0..16).find(|&code| digit_of(code) == Some(upper))
}

/// What the packets of an event say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A key went down.
    Pressed {
        /// `0-9*#A-D`.
        digit: char,
    },
    /// That key went up, or nothing more was heard of it.
    Released {
        /// `0-9*#A-D`.
        digit: char,
        /// How long it was down, as the sender says.
        duration_ms: u32,
    },
}

#[derive(Clone, Copy, Debug)]
struct Press {
    ssrc: Ssrc,
    /// Start of the current segment.
    timestamp: RtpTimestamp,
    code: u8,
    digit: char,
    /// Of the segments before this one, in units of the clock.
    before_units: u64,
    /// Of this segment.
    units: u16,
    heard_at: Instant,
}

/// Makes presses of received packets.
#[derive(Debug)]
pub struct Receiver {
    clock_rate_hz: u32,
    held: Option<Press>,
    /// The newest events, the last one at the back; each is never reported again.
    known: VecDeque<(Ssrc, RtpTimestamp, u8)>,
    newest: Option<(Ssrc, SeqNo)>,
    heard: VecDeque<Heard>,
}

impl Receiver {
    /// A receiver for events whose durations count in units of `clock_rate_hz`.
    pub fn new(clock_rate_hz: u32) -> Self {
        Receiver {
            clock_rate_hz: clock_rate_hz.max(1),
            held: None,
            known: VecDeque::new(),
            newest: None,
            heard: VecDeque::new(),
        }
    }

    /// Takes a packet of the telephone-event payload type. What is not an event of a digit is
    /// ignored.
    pub fn handle_packet(&mut self, now: Instant, packet: &RtpPacket<'_>) {
        let &[code, flags, d0, d1, ..] = packet.payload else {
            return;
        };
        let Some(digit) = digit_of(code) else { return };
        let units = u16::from_be_bytes([d0, d1]);
        if !self.continues(packet, code) && !self.begin(now, packet, (code, digit)) {
            return;
        }
        let Some(press) = &mut self.held else { return };
        press.units = press.units.max(units);
        press.heard_at = now;
        if flags & 0x80 != 0 {
            self.release();
        }
    }

    /// When [`Receiver::handle_timeout`] wants to be called; nothing while no key is down.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.held.map(|press| press.heard_at + RELEASE_AFTER)
    }

    /// Releases a key of which nothing was heard for 200 ms.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.release();
        }
    }

    /// The next fact, in order; nothing when all have been told.
    pub fn poll_output(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    /// Whether the packet belongs to the key that is down; moves to its new segment.
    fn continues(&mut self, packet: &RtpPacket<'_>, code: u8) -> bool {
        let Some(press) = &mut self.held else {
            return false;
        };
        if press.ssrc != packet.ssrc || press.code != code {
            return false;
        }
        let passed = packet.timestamp.distance_from(press.timestamp);
        if passed == 0 {
            return true;
        }
        let is_segment = !packet.marker
            && u32::try_from(passed).is_ok_and(|passed| {
                passed == u32::from(u16::MAX) || passed <= u32::from(press.units)
            });
        if is_segment {
            press.before_units += u64::from(passed.unsigned_abs());
            press.units = 0;
            press.timestamp = packet.timestamp;
            remember(&mut self.known, (packet.ssrc, packet.timestamp, code));
        }
        is_segment
    }

    /// Begins a press unless the event is known or older than what has been heard.
    fn begin(&mut self, now: Instant, packet: &RtpPacket<'_>, (code, digit): (u8, char)) -> bool {
        let event = (packet.ssrc, packet.timestamp, code);
        let is_older = self.newest.is_some_and(|(ssrc, seq)| {
            ssrc == packet.ssrc && (-100..0).contains(&packet.seq.distance_from(seq))
        });
        if is_older || self.known.contains(&event) {
            return false;
        }
        self.newest = Some((packet.ssrc, packet.seq));
        self.release();
        remember(&mut self.known, event);
        self.held = Some(Press {
            ssrc: packet.ssrc,
            timestamp: packet.timestamp,
            code,
            digit,
            before_units: 0,
            units: 0,
            heard_at: now,
        });
        self.heard.push_back(Heard::Pressed { digit });
        true
    }

    fn release(&mut self) {
        if let Some(press) = self.held.take() {
            let units = press.before_units + u64::from(press.units);
            let duration_ms = units * 1_000 / u64::from(self.clock_rate_hz);
            self.heard.push_back(Heard::Released {
                digit: press.digit,
                duration_ms: u32::try_from(duration_ms).unwrap_or(u32::MAX),
            });
        }
    }
}

fn remember(known: &mut VecDeque<(Ssrc, RtpTimestamp, u8)>, event: (Ssrc, RtpTimestamp, u8)) {
    if known.len() >= EVENTS_REMEMBERED {
        known.pop_front();
    }
    known.push_back(event);
}

/// Why digits are not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigitError {
    /// A character that is no digit and no `p`.
    #[error("{0:?} is not one of 0-9 * # A-D p")]
    NotADigit(char),
    /// More digits wait than are kept.
    #[error("more than {0} digits wait to be sent")]
    TooMany(usize),
}

/// One packet of an event, without its RTP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The four bytes of the payload.
    pub payload: [u8; 4],
    /// Marker bit: set on the first packet of an event.
    pub marker: bool,
    /// Timestamp of the event, the same for all its packets.
    pub timestamp: RtpTimestamp,
}

/// What the sender does in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Nothing is being sent; audio goes out.
    Idle,
    /// This packet goes out in place of audio.
    Packet(EventPacket),
    /// Between two digits, or a pause: audio goes out.
    Gap,
    /// The last digit and its gap are over; told once. Audio goes out.
    Finished,
}

#[derive(Clone, Copy, Debug)]
enum Sending {
    Idle,
    Digit {
        code: u8,
        start: RtpTimestamp,
        sent: u32,
    },
    Gap {
        left_ms: u32,
    },
}

/// Makes the packets of digit strings: 100 ms of tone and 60 ms of gap unless told otherwise.
#[derive(Debug)]
pub struct Sender {
    clock_rate_hz: u32,
    tone_ms: u32,
    gap_ms: u32,
    waiting: VecDeque<char>,
    sending: Sending,
}

impl Sender {
    /// A sender for events whose durations count in units of `clock_rate_hz`.
    pub fn new(clock_rate_hz: u32) -> Self {
        Sender::with_lengths(clock_rate_hz, 100, 60)
    }

    /// A sender with other lengths of tone (40 to 1300 ms) and gap (40 ms and up), in steps of 20
    /// ms.
    pub fn with_lengths(clock_rate_hz: u32, tone_ms: u32, gap_ms: u32) -> Self {
        Sender {
            clock_rate_hz,
            tone_ms: tone_ms.clamp(2 * TICK_MS, TONE_MS_MAX),
            gap_ms: gap_ms.max(2 * TICK_MS),
            waiting: VecDeque::new(),
            sending: Sending::Idle,
        }
    }

    /// Appends digits: `0-9*#A-D`, letters in any case, `p` is a pause of 500 ms.
    ///
    /// # Errors
    /// [`DigitError::NotADigit`] for any other character, [`DigitError::TooMany`] when more than
    /// 256 would wait. None of `digits` is sent then.
    pub fn push(&mut self, digits: &str) -> Result<(), DigitError> {
        if let Some(wrong) = digits
            .chars()
            .find(|&c| !is_pause(c) && code_of(c).is_none())
        {
            return Err(DigitError::NotADigit(wrong));
        }
        if self.waiting.len() + digits.len() > DIGITS_MAX {
            return Err(DigitError::TooMany(DIGITS_MAX));
        }
        self.waiting.extend(digits.chars());
        Ok(())
    }

    /// Forgets what waits. The digit that is being sent is sent to its end.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Whether nothing is sent and nothing waits.
    pub fn is_idle(&self) -> bool {
        matches!(self.sending, Sending::Idle) && self.waiting.is_empty()
    }

    /// Called once per 20 ms with the RTP timestamp of that tick; says what to send.
    pub fn poll_tick(&mut self, timestamp: RtpTimestamp) -> Tick {
        if let Sending::Gap { left_ms } = &mut self.sending
            && *left_ms > 0
        {
            *left_ms = left_ms.saturating_sub(TICK_MS);
            return Tick::Gap;
        }
        if let Sending::Idle | Sending::Gap { .. } = self.sending {
            let was_sending = matches!(self.sending, Sending::Gap { .. });
            self.sending = match self.waiting.pop_front() {
                Some(digit) if is_pause(digit) => {
                    self.sending = Sending::Gap {
                        left_ms: PAUSE_MS - TICK_MS,
                    };
                    return Tick::Gap;
                }
                Some(digit) => match code_of(digit) {
                    Some(code) => Sending::Digit {
                        code,
                        start: timestamp,
                        sent: 0,
                    },
                    None => Sending::Idle,
                },
                None => Sending::Idle,
            };
            if was_sending && matches!(self.sending, Sending::Idle) {
                return Tick::Finished;
            }
        }
        match self.sending {
            Sending::Digit { code, start, sent } => {
                Tick::Packet(self.event_packet(code, start, sent))
            }
            Sending::Idle | Sending::Gap { .. } => Tick::Idle,
        }
    }

    fn event_packet(&mut self, code: u8, start: RtpTimestamp, sent: u32) -> EventPacket {
        let packets = self.tone_ms.div_ceil(TICK_MS);
        let duration_ms = ((sent + 1) * TICK_MS).min(self.tone_ms);
        let units = u64::from(duration_ms) * u64::from(self.clock_rate_hz) / 1_000;
        let [d0, d1] = u16::try_from(units).unwrap_or(u16::MAX).to_be_bytes();
        let is_end = sent + 1 >= packets;
        self.sending = if sent + 1 < packets + END_PACKETS - 1 {
            Sending::Digit {
                code,
                start,
                sent: sent + 1,
            }
        } else {
            // The repeated ends go out while the key is up: they are part of the gap.
            Sending::Gap {
                left_ms: self.gap_ms.saturating_sub((END_PACKETS - 1) * TICK_MS),
            }
        };
        EventPacket {
            payload: [code, if is_end { 0x80 | VOLUME } else { VOLUME }, d0, d1],
            marker: sent == 0,
            timestamp: start,
        }
    }
}

fn is_pause(character: char) -> bool {
    matches!(character, 'p' | 'P')
}

#[cfg(test)]
mod tests;
