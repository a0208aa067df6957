//! What the payload type numbers of a media line mean: rtpmap lines, the static types of RFC 3551,
//! and the numbers that a session has given away already (RFC 3264 §8.3.2).

use std::collections::BTreeMap;

use super::description::{Attribute, Media};
use crate::codec::{self, CodecInfo};

/// The encoding name of RFC 4733.
const TELEPHONE_EVENT: &str = "telephone-event";
/// The clock that every device has; Firefox and many phones offer no other, also beside Opus.
pub(super) const TELEPHONE_EVENT_CLOCK_RATE_HZ: u32 = 8_000;
/// The events that we send and understand: the sixteen keys.
const TELEPHONE_EVENT_FMTP: &str = "0-15";
/// The numbers that we propose, as most devices do.
const TELEPHONE_EVENT_8000_PAYLOAD_TYPE: u8 = 101;
const TELEPHONE_EVENT_OTHER_PAYLOAD_TYPE: u8 = 110;
/// Dynamic payload types (RFC 3551 §6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

/// What one payload type number stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning {
    Codec(&'static CodecInfo),
    /// With its clock rate in Hz.
    TelephoneEvent(u32),
    /// Something of the peer's that we do not have.
    Foreign,
}

impl Meaning {
    fn is(&self, other: &Meaning) -> bool {
        match (self, other) {
            (Meaning::Codec(one), Meaning::Codec(two)) => std::ptr::eq(*one, *two),
            (Meaning::TelephoneEvent(one), Meaning::TelephoneEvent(two)) => one == two,
            (Meaning::Codec(_) | Meaning::TelephoneEvent(_) | Meaning::Foreign, _) => false,
        }
    }

    fn proposed_payload_type(&self) -> u8 {
        match self {
            Meaning::Codec(codec) => codec.payload_type,
            Meaning::TelephoneEvent(TELEPHONE_EVENT_CLOCK_RATE_HZ) => {
                TELEPHONE_EVENT_8000_PAYLOAD_TYPE
            }
            Meaning::TelephoneEvent(_) | Meaning::Foreign => TELEPHONE_EVENT_OTHER_PAYLOAD_TYPE,
        }
    }
}

/// A payload type and what it stands for.
pub(super) type Format = (u8, Meaning);

/// The formats of a media line in its order.
#[derive(Clone, Debug)]
pub(super) struct Formats(pub Vec<Format>);

impl Formats {
    /// Reads a line of the peer's. `offered` tells what a dynamic number means that has no rtpmap,
    /// because it answers ours; it is empty for an offer.
    pub fn of(media: &Media, codecs: &[&'static CodecInfo], offered: &[Format]) -> Self {
        let mut rtpmaps = BTreeMap::new();
        for attribute in media
            .attributes
            .iter()
            .filter(|attribute| attribute.name == "rtpmap")
        {
            if let Some((number, rtpmap)) = RtpMap::parse(&attribute.value) {
                rtpmaps.entry(number).or_insert(rtpmap);
            }
        }
        let meaning = |number: u8| {
            let found = match rtpmaps.get(&number) {
                Some(rtpmap) => rtpmap.meaning(number),
                None => codec::by_static_payload_type(number)
                    .map(Meaning::Codec)
                    .or_else(|| find(offered, number)),
            };
            let is_ours = |meaning: &Meaning| match meaning {
                Meaning::Codec(codec) => codecs.iter().any(|ours| std::ptr::eq(*ours, *codec)),
                Meaning::TelephoneEvent(_) | Meaning::Foreign => true,
            };
            found.filter(is_ours).unwrap_or(Meaning::Foreign)
        };
        let numbers = media
            .formats
            .iter()
            .filter_map(|format| format.parse::<u8>().ok());
        let numbers = numbers.filter(|number| number <= DYNAMIC.end());
        Self(numbers.map(|number| (number, meaning(number))).collect())
    }

    /// The first codec of the line that we have. The offerer's order is its preference (RFC 3264
    /// §5.1); to follow it keeps both directions on one codec.
    pub fn first_codec(&self) -> Option<(u8, &'static CodecInfo)> {
        self.0.iter().find_map(|&(number, meaning)| match meaning {
            Meaning::Codec(codec) => Some((number, codec)),
            Meaning::TelephoneEvent(_) | Meaning::Foreign => None,
        })
    }

    /// The telephone-event with the clock of the codec (RFC 4733 §2.1), else the one of 8000 Hz;
    /// with its clock rate.
    pub fn telephone_event(&self, clock_rate_hz: u32) -> Option<(u8, u32)> {
        let with_clock = |wanted: u32| {
            let number = self.number_of(&Meaning::TelephoneEvent(wanted))?;
            Some((number, wanted))
        };
        with_clock(clock_rate_hz).or_else(|| with_clock(TELEPHONE_EVENT_CLOCK_RATE_HZ))
    }

    /// The first number that stands for `meaning`.
    pub fn number_of(&self, meaning: &Meaning) -> Option<u8> {
        self.0
            .iter()
            .find(|(_, found)| found.is(meaning))
            .map(|&(number, _)| number)
    }

    /// The numbers as the m= line writes them.
    pub fn numbers(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(number, _)| number.to_string())
            .collect()
    }

    /// The rtpmap and fmtp lines of our own formats. Static payload types get their rtpmap too: it
    /// costs a line and spares doubts.
    pub fn attributes(&self) -> Vec<Attribute> {
        let mut lines = Vec::new();
        for (number, meaning) in &self.0 {
            let (rtpmap, fmtp) = match meaning {
                Meaning::Codec(codec) => {
                    let channels = match codec.channels {
                        1 => String::new(),
                        channels => format!("/{channels}"),
                    };
                    (
                        format!("{}/{}{channels}", codec.name, codec.clock_rate_hz),
                        codec.fmtp,
                    )
                }
                Meaning::TelephoneEvent(clock_rate_hz) => (
                    format!("{TELEPHONE_EVENT}/{clock_rate_hz}"),
                    Some(TELEPHONE_EVENT_FMTP),
                ),
                Meaning::Foreign => continue,
            };
            lines.push(Attribute::new("rtpmap", format!("{number} {rtpmap}")));
            lines.extend(fmtp.map(|fmtp| Attribute::new("fmtp", format!("{number} {fmtp}"))));
        }
        lines
    }
}

/// The numbers that a session has given away. They keep their meaning until it ends (RFC 3264
/// §8.3.2).
#[derive(Clone, Debug, Default)]
pub(super) struct GivenNumbers(BTreeMap<u8, Meaning>);

impl GivenNumbers {
    /// Remembers what `formats` say. What was said before stays, except that a foreign format may
    /// turn out to be known.
    pub fn learn(&mut self, formats: &Formats) {
        for &(number, meaning) in &formats.0 {
            let known = self.0.entry(number).or_insert(meaning);
            if matches!(known, Meaning::Foreign) {
                *known = meaning;
            }
        }
    }

    /// Our formats for an offer: `codecs` in their order, then telephone-event in each of their
    /// clocks. A format is left out when no number is free for it.
    pub fn formats(&self, codecs: &[&'static CodecInfo]) -> Formats {
        let mut clocks: Vec<u32> = codecs.iter().map(|codec| codec.clock_rate_hz).collect();
        clocks.push(TELEPHONE_EVENT_CLOCK_RATE_HZ);
        clocks.sort_unstable_by(|one, two| two.cmp(one));
        clocks.dedup();
        let codecs = codecs.iter().map(|codec| Meaning::Codec(codec));
        let wanted = codecs.chain(clocks.into_iter().map(Meaning::TelephoneEvent));
        let mut given = self.clone();
        let mut formats = Vec::new();
        for meaning in wanted {
            if let Some(number) = given.number_for(meaning) {
                given.0.insert(number, meaning);
                formats.push((number, meaning));
            }
        }
        Formats(formats)
    }

    fn number_for(&self, meaning: Meaning) -> Option<u8> {
        let given = self
            .0
            .iter()
            .find(|(_, found)| found.is(&meaning))
            .map(|(&number, _)| number);
        let proposed = Some(meaning.proposed_payload_type());
        let is_free = |number: &u8| !self.0.contains_key(number);
        given
            .or(proposed.filter(is_free))
            .or_else(|| DYNAMIC.rev().find(is_free))
    }
}

fn find(formats: &[Format], number: u8) -> Option<Meaning> {
    formats
        .iter()
        .find(|(found, _)| *found == number)
        .map(|&(_, meaning)| meaning)
}

/// The value of `a=rtpmap` after the number (RFC 4566 §6).
struct RtpMap<'a> {
    name: &'a str,
    clock_rate_hz: u32,
    channels: u8,
}

impl<'a> RtpMap<'a> {
    fn parse(value: &'a str) -> Option<(u8, Self)> {
        let (number, encoding) = value.trim_start().split_once([' ', '\t'])?;
        let mut parts = encoding.trim().split('/');
        let rtpmap = Self {
            name: parts.next()?,
            clock_rate_hz: parts.next()?.parse().ok()?,
            channels: parts
                .next()
                .map_or(Some(1), |channels| channels.parse().ok())?,
        };
        Some((number.parse().ok()?, rtpmap))
    }

    fn meaning(&self, number: u8) -> Option<Meaning> {
        if self.name.eq_ignore_ascii_case(TELEPHONE_EVENT) {
            return Some(Meaning::TelephoneEvent(self.clock_rate_hz));
        }
        // Some devices write G722/16000, against RFC 3551 §4.5.2; the static number says what they
        // mean.
        let by_number = || {
            codec::by_static_payload_type(number)
                .filter(|codec| codec.name.eq_ignore_ascii_case(self.name))
        };
        codec::by_rtpmap(self.name, self.clock_rate_hz, self.channels)
            .or_else(by_number)
            .map(Meaning::Codec)
    }
}
