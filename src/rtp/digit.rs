//! One press is one digit, whatever mixture of transports the peer uses: telephone-event (RFC
//! 4733), tones in the audio, SIP INFO. Decides only; detects nothing.
//!
//! | heard | before | outcome |
//! |---|---|---|
//! | in-band | any telephone-event on this leg | ignored |
//! | any kind | the same digit by another kind within 1 s, not paired with this yet | a repeat |
//! | any kind | anything else | a press |

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far apart the reports of one press may be: an INFO waits for the signalling path.
const PAIRING_WINDOW: Duration = Duration::from_secs(1);
/// Presses kept in mind; the oldest is forgotten.
const PRESSES_MAX: usize = 32;

/// How a digit was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigitSource {
    /// RFC 4733.
    TelephoneEvent,
    /// Tones in the audio.
    InBand,
    /// SIP INFO.
    Info,
}

impl DigitSource {
    const fn bit(self) -> u8 {
        match self {
            DigitSource::TelephoneEvent => 1,
            DigitSource::InBand => 2,
            DigitSource::Info => 4,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Press {
    digit: char,
    at: Instant,
    /// Bits of the sources that have reported it.
    sources: u8,
}

/// Merges the reports of one leg into presses.
#[derive(Debug, Default)]
pub struct DigitMerger {
    presses: VecDeque<Press>,
    telephone_event_seen: bool,
}

impl DigitMerger {
    /// Whether this report is a new press. False when it only repeats one by another way.
    pub fn decide(&mut self, now: Instant, digit: char, source: DigitSource) -> bool {
        if source == DigitSource::InBand && self.telephone_event_seen {
            return false;
        }
        self.telephone_event_seen |= source == DigitSource::TelephoneEvent;
        self.presses
            .retain(|press| now.saturating_duration_since(press.at) <= PAIRING_WINDOW);
        let twin = self
            .presses
            .iter_mut()
            .find(|press| press.digit == digit && press.sources & source.bit() == 0);
        if let Some(press) = twin {
            press.sources |= source.bit();
            return false;
        }
        if self.presses.len() >= PRESSES_MAX {
            self.presses.pop_front();
        }
        self.presses.push_back(Press {
            digit,
            at: now,
            sources: source.bit(),
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::DigitSource::{InBand, Info, TelephoneEvent};
    use super::*;

    /// (milliseconds, digit, how) in, presses out.
    type Row<'a> = (&'a str, &'a [(u64, char, DigitSource)], &'a str);

    #[test]
    fn one_press_is_one_digit_whatever_the_mixture() {
        // tidy: table
        let rows: [Row<'_>; 12] = [
            ("event only", &[(0, '1', TelephoneEvent)], "1"),
            (
                "event, then INFO",
                &[(0, '1', TelephoneEvent), (80, '1', Info)],
                "1",
            ),
            (
                "INFO, then event",
                &[(0, '1', Info), (80, '1', TelephoneEvent)],
                "1",
            ),
            (
                "event, then tone",
                &[(0, '1', TelephoneEvent), (45, '1', InBand)],
                "1",
            ),
            (
                "tone, then event",
                &[(0, '1', InBand), (20, '1', TelephoneEvent)],
                "1",
            ),
            (
                "all three",
                &[
                    (0, '1', InBand),
                    (20, '1', TelephoneEvent),
                    (400, '1', Info),
                ],
                "1",
            ),
            (
                "the same digit twice by events",
                &[(0, '1', TelephoneEvent), (160, '1', TelephoneEvent)],
                "11",
            ),
            (
                "twice by both",
                &[
                    (0, '1', TelephoneEvent),
                    (50, '1', Info),
                    (160, '1', TelephoneEvent),
                    (210, '1', Info),
                ],
                "11",
            ),
            (
                "twice, the INFOs late and together",
                &[
                    (0, '1', TelephoneEvent),
                    (160, '1', TelephoneEvent),
                    (500, '1', Info),
                    (510, '1', Info),
                ],
                "11",
            ),
            (
                "different digits never pair",
                &[(0, '1', TelephoneEvent), (50, '2', Info), (60, '1', Info)],
                "12",
            ),
            (
                "tones are ignored for good after an event",
                &[(0, '1', TelephoneEvent), (5_000, '7', InBand)],
                "1",
            ),
            (
                "far apart are two presses",
                &[(0, '1', TelephoneEvent), (1_500, '1', Info)],
                "11",
            ),
        ];
        for (name, reports, pressed) in rows {
            let (start, mut merger) = (Instant::now(), DigitMerger::default());
            let accepted: String = reports
                .iter()
                .filter(|&&(ms, digit, source)| {
                    merger.decide(start + Duration::from_millis(ms), digit, source)
                })
                .map(|&(_, digit, _)| digit)
                .collect();
            assert_eq!(accepted, pressed, "{name}");
        }
    }
}
