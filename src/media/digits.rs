//! The digits of one leg: those that come, by telephone-event (RFC 4733), in-band or SIP INFO, one
//! event per press; and those that we send, as telephone-events or as tones where these were not
//! negotiated.

use std::collections::VecDeque;
use std::time::Instant;

use super::command::TelephoneEventParams;
use crate::audio::{Rate, Resampler, ToneSource, dtmf};
use crate::rtp::telephone_event::{self, EventPacket, Heard, Tick};
use crate::rtp::{DigitMerger, DigitSource, PayloadType, RtpPacket, RtpTimestamp};

/// Digit strings that wait behind the one that is sent as tones; more are refused.
const STRINGS_MAX: usize = 16;

/// What a tick sends in place of the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// Nothing: audio goes out.
    Audio,
    /// The packet of an event.
    Event {
        payload_type: PayloadType,
        packet: EventPacket,
    },
    /// The frame of a tone, which has been written.
    Tone,
}

/// What the digits go out as.
enum Sending {
    Events {
        sender: telephone_event::Sender,
        payload_type: PayloadType,
    },
    Tones {
        source: ToneSource,
        waiting: VecDeque<String>,
    },
}

/// A key at the peer that is to be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// It went down.
    Pressed(char),
    /// It went up, after so many milliseconds.
    Released(char, u32),
}

/// Looks for tones in audio of any rate.
struct ToneListener {
    detector: dtmf::Detector,
    resampler: Option<(Rate, Resampler)>,
    frame: Vec<i16>,
}

/// Why digits are not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendDigitsError {
    #[error(transparent)]
    Digit(#[from] telephone_event::DigitError),
    #[error("more than {STRINGS_MAX} digit strings wait")]
    TooMany,
}

/// Digits of one leg in both directions.
pub(super) struct Digits {
    report_events: bool,
    in_band_asked: bool,
    in_band: Option<Box<ToneListener>>,
    negotiated: Option<TelephoneEventParams>,
    receiver: Option<telephone_event::Receiver>,
    merger: DigitMerger,
    /// The presses whose end is to be reported: by telephone-event, and as a tone.
    reported: [Option<char>; 2],
    sending: Option<Sending>,
}

impl Digits {
    /// Reports telephone-events; in-band detection must be asked for.
    pub(super) fn new() -> Digits {
        Digits {
            report_events: true,
            in_band_asked: false,
            in_band: None,
            negotiated: None,
            receiver: None,
            merger: DigitMerger::default(),
            reported: [None; 2],
            sending: None,
        }
    }

    /// Which kinds are reported.
    pub(super) fn detect(&mut self, telephone_event: bool, in_band: bool) {
        self.report_events = telephone_event;
        self.in_band_asked = in_band;
        self.choose_detector();
    }

    /// What was agreed about telephone-event.
    pub(super) fn renegotiate(&mut self, negotiated: Option<TelephoneEventParams>) {
        if negotiated != self.negotiated {
            self.negotiated = negotiated;
            self.receiver = negotiated.map(|e| telephone_event::Receiver::new(e.clock_rate_hz));
        }
        self.choose_detector();
    }

    /// The payload type on which telephone-events come.
    pub(super) fn payload_type_in(&self) -> Option<u8> {
        self.negotiated.map(|event| event.payload_type_in)
    }

    /// Takes a packet of that payload type.
    pub(super) fn handle_packet(&mut self, now: Instant, packet: &RtpPacket<'_>) {
        if let Some(receiver) = &mut self.receiver {
            receiver.handle_packet(now, packet);
        }
    }

    /// The next press or release by telephone-event that is to be reported.
    pub(super) fn poll_event(&mut self, now: Instant) -> Option<Noted> {
        let receiver = self.receiver.as_mut()?;
        receiver.handle_timeout(now);
        while let Some(heard) = receiver.poll_output() {
            match heard {
                Heard::Pressed { digit } => {
                    let new = self.merger.decide(now, digit, DigitSource::TelephoneEvent);
                    self.reported[0] = (new && self.report_events).then_some(digit);
                    if self.reported[0].is_some() {
                        return Some(Noted::Pressed(digit));
                    }
                }
                Heard::Released { digit, duration_ms } => {
                    if self.reported[0].take() == Some(digit) {
                        return Some(Noted::Released(digit, duration_ms));
                    }
                }
            }
        }
        None
    }

    /// A key is down at the peer: its audio, which may hold the tone as well, is not for others.
    pub(super) fn pressed(&self) -> bool {
        self.receiver
            .as_ref()
            .is_some_and(|receiver| receiver.poll_timeout().is_some())
    }

    /// Tones in the audio are looked for.
    pub(super) fn wants_audio(&self) -> bool {
        self.in_band.is_some()
    }

    /// Looks for tones in 20 ms of audio, as loud as it came.
    pub(super) fn push_audio(&mut self, rate: Rate, frame: &[i16]) {
        if let Some(listener) = &mut self.in_band {
            listener.push(rate, frame);
        }
    }

    /// The next press or release of a tone that is to be reported.
    pub(super) fn poll_tone(&mut self, now: Instant) -> Option<Noted> {
        let listener = self.in_band.as_mut()?;
        while let Some(heard) = listener.detector.poll_output() {
            match heard {
                dtmf::Heard::Pressed { digit } => {
                    let new = self.merger.decide(now, digit, DigitSource::InBand);
                    self.reported[1] = new.then_some(digit);
                    if new {
                        return Some(Noted::Pressed(digit));
                    }
                }
                dtmf::Heard::Released { digit, duration_ms } => {
                    if self.reported[1].take() == Some(digit) {
                        return Some(Noted::Released(digit, duration_ms));
                    }
                }
            }
        }
        None
    }

    /// A digit came by SIP INFO; whether it is a new press.
    pub(super) fn note_info(&mut self, now: Instant, digit: char) -> bool {
        self.merger.decide(now, digit, DigitSource::Info)
    }

    /// Appends digits to those that are sent; tones are of `rate`.
    ///
    /// # Errors
    /// [`SendDigitsError`] when a character is no digit or too many wait.
    pub(super) fn send(&mut self, digits: &str, rate: Rate) -> Result<(), SendDigitsError> {
        match (&mut self.sending, self.negotiated) {
            (Some(Sending::Events { sender, .. }), _) => sender.push(digits)?,
            (Some(Sending::Tones { waiting, .. }), _) => {
                if waiting.len() >= STRINGS_MAX {
                    return Err(SendDigitsError::TooMany);
                }
                check(digits)?;
                waiting.push_back(digits.to_owned());
            }
            (None, Some(event)) => {
                let mut sender = telephone_event::Sender::new(event.clock_rate_hz);
                sender.push(digits)?;
                let payload_type = PayloadType(event.payload_type_out);
                self.sending = Some(Sending::Events {
                    sender,
                    payload_type,
                });
            }
            (None, None) => {
                check(digits)?;
                let source = dtmf::generate(rate, digits);
                self.sending = Some(Sending::Tones {
                    source,
                    waiting: VecDeque::new(),
                });
            }
        }
        Ok(())
    }

    /// What the tick with this timestamp sends, and whether the last digit is over. A tone is
    /// written into `frame`, 20 ms at `rate`.
    pub(super) fn poll_send(
        &mut self,
        timestamp: RtpTimestamp,
        rate: Rate,
        frame: &mut Vec<i16>,
    ) -> (Outgoing, bool) {
        let outgoing = match &mut self.sending {
            None => return (Outgoing::Audio, false),
            Some(Sending::Events {
                sender,
                payload_type,
            }) => match sender.poll_tick(timestamp) {
                Tick::Packet(packet) => Outgoing::Event {
                    payload_type: *payload_type,
                    packet,
                },
                Tick::Gap => Outgoing::Audio,
                Tick::Idle | Tick::Finished => {
                    self.sending = None;
                    return (Outgoing::Audio, true);
                }
            },
            Some(Sending::Tones { source, waiting }) => {
                frame.clear();
                frame.resize(rate.frame_samples(), 0);
                if source.fill(frame) == 0 {
                    let Some(digits) = waiting.pop_front() else {
                        self.sending = None;
                        return (Outgoing::Audio, true);
                    };
                    *source = dtmf::generate(rate, &digits);
                    source.fill(frame);
                }
                Outgoing::Tone
            }
        };
        (outgoing, false)
    }

    fn choose_detector(&mut self) {
        let wanted = self.in_band_asked && self.negotiated.is_none();
        if wanted && self.in_band.is_none() {
            self.in_band = Some(Box::new(ToneListener::new()));
        } else if !wanted {
            self.in_band = None;
        }
    }
}

impl ToneListener {
    fn new() -> ToneListener {
        ToneListener {
            detector: dtmf::Detector::new(),
            resampler: None,
            frame: Vec::new(),
        }
    }

    fn push(&mut self, rate: Rate, frame: &[i16]) {
        if rate == Rate::Hz8000 {
            return self.detector.handle_samples(frame);
        }
        // Its own, because the leg's signal is resampled after its gain.
        let (_, resampler) = match self.resampler.take() {
            Some((of, resampler)) if of == rate => self.resampler.insert((rate, resampler)),
            Some(_) | None => {
                let resampler = Resampler::new(rate, Rate::Hz8000);
                self.resampler.insert((rate, resampler))
            }
        };
        self.frame.clear();
        resampler.resample(frame, &mut self.frame);
        self.detector.handle_samples(&self.frame);
    }
}

/// Refuses what is not digits.
fn check(digits: &str) -> Result<(), SendDigitsError> {
    Ok(telephone_event::Sender::new(Rate::Hz8000.hz()).push(digits)?)
}
