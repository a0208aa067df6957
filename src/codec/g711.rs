//! G.711: µ-law ([`PCMU`]) and A-law ([`PCMA`]), 64 kbit/s (ITU-T G.711; RFC 3551 §4.5.14).
//!
//! Owns the tables of both laws, computed at compile time from the recommendation. Negative samples
//! are folded by one's complement as in the reference code of ITU-T G.191, so that the decision
//! values are those of tables 1b and 2b of G.711; a fold by negation is off by one step at every
//! negative boundary. Concealment is not done here: G.711 has none of its own.

use super::{CodecInfo, DecodeError, Decoder, Encoder, PACKET_MS_MAX};
use crate::audio::Rate;

/// µ-law, static payload type 0.
pub static PCMU: CodecInfo = CodecInfo {
    name: "PCMU",
    clock_rate_hz: 8_000,
    audio_rate: Rate::Hz8000,
    channels: 1,
    payload_type: 0,
    fmtp: None,
    bitrate_bps: 64_000,
    encoder: || Box::new(MuLawEncoder),
    decoder: || {
        Box::new(G711Decoder {
            codec: "PCMU",
            expand: &MU_LAW_EXPAND,
        })
    },
};

/// A-law, static payload type 8.
pub static PCMA: CodecInfo = CodecInfo {
    name: "PCMA",
    clock_rate_hz: 8_000,
    audio_rate: Rate::Hz8000,
    channels: 1,
    payload_type: 8,
    fmtp: None,
    bitrate_bps: 64_000,
    encoder: || Box::new(ALawEncoder),
    decoder: || {
        Box::new(G711Decoder {
            codec: "PCMA",
            expand: &A_LAW_EXPAND,
        })
    },
};

/// One byte is one sample of the 8 kHz clock.
const PAYLOAD_BYTES_MAX: usize = 8 * PACKET_MS_MAX;

/// µ-law distinguishes 14-bit samples, so the table is indexed by the upper 14 bits.
const MU_LAW_SHIFT: u32 = 2;
/// A-law distinguishes 12 bits of sign and magnitude.
const A_LAW_SHIFT: u32 = 4;

static MU_LAW_COMPRESS: [u8; 1 << (16 - MU_LAW_SHIFT)] = mu_law_compress_table();
static A_LAW_COMPRESS: [u8; 1 << (16 - A_LAW_SHIFT)] = a_law_compress_table();
static MU_LAW_EXPAND: [i16; 256] = mu_law_expand_table();
static A_LAW_EXPAND: [i16; 256] = a_law_expand_table();

struct MuLawEncoder;

impl Encoder for MuLawEncoder {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        let code = |&sample: &i16| MU_LAW_COMPRESS[usize::from(sample as u16 >> MU_LAW_SHIFT)];
        out.extend(pcm.iter().map(code));
    }
}

struct ALawEncoder;

impl Encoder for ALawEncoder {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        let code = |&sample: &i16| A_LAW_COMPRESS[usize::from(sample as u16 >> A_LAW_SHIFT)];
        out.extend(pcm.iter().map(code));
    }
}

struct G711Decoder {
    codec: &'static str,
    expand: &'static [i16; 256],
}

impl Decoder for G711Decoder {
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), DecodeError> {
        if payload.is_empty() || payload.len() > PAYLOAD_BYTES_MAX {
            return Err(DecodeError {
                codec: self.codec,
                length: payload.len(),
            });
        }
        out.extend(payload.iter().map(|&code| self.expand[usize::from(code)]));
        Ok(())
    }
}

const fn mu_law_compress_table() -> [u8; 1 << (16 - MU_LAW_SHIFT)] {
    let mut table = [0; 1 << (16 - MU_LAW_SHIFT)];
    let mut index = 0;
    while index < table.len() {
        let sample = ((index as u16) << MU_LAW_SHIFT) as i16;
        let folded = if sample < 0 { !sample } else { sample };
        // 33 is the bias of table 2 of G.711 in 14-bit units; 8191 its overload value.
        let biased = (folded >> MU_LAW_SHIFT) as u16 + 33;
        let magnitude = if biased > 8191 { 8191 } else { biased };
        let segment = 10 - magnitude.leading_zeros();
        let step = (magnitude >> (segment + 1)) & 0x0F;
        let sign = if sample < 0 { 0x80 } else { 0 };
        table[index] = !(sign | (segment as u8) << 4 | step as u8);
        index += 1;
    }
    table
}

const fn mu_law_expand_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8);
        let segment = (bits >> 4) & 0x07;
        let step = (bits & 0x0F) as i32;
        let magnitude = (((step << 1) + 33) << segment) - 33;
        let value = (magnitude << MU_LAW_SHIFT) as i16;
        table[code] = if bits & 0x80 != 0 { -value } else { value };
        code += 1;
    }
    table
}

const fn a_law_compress_table() -> [u8; 1 << (16 - A_LAW_SHIFT)] {
    let mut table = [0; 1 << (16 - A_LAW_SHIFT)];
    let mut index = 0;
    while index < table.len() {
        let sample = ((index as u16) << A_LAW_SHIFT) as i16;
        let folded = if sample < 0 { !sample } else { sample };
        let magnitude = (folded >> A_LAW_SHIFT) as u16;
        let code = if magnitude < 32 {
            magnitude as u8
        } else {
            let segment = 12 - magnitude.leading_zeros();
            (segment as u8) << 4 | ((magnitude >> (segment - 1)) & 0x0F) as u8
        };
        let sign = if sample < 0 { 0 } else { 0x80 };
        // Every other bit is inverted on the line (G.711 §3.2).
        table[index] = (sign | code) ^ 0x55;
        index += 1;
    }
    table
}

const fn a_law_expand_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = code as u8 ^ 0x55;
        let segment = (bits >> 4) & 0x07;
        let step = (bits & 0x0F) as i32;
        // The middle of the quantizing interval, in 16-bit units.
        let value = if segment == 0 {
            (step << 4) + 8
        } else {
            ((step << 4) + 264) << (segment - 1)
        } as i16;
        table[code] = if bits & 0x80 != 0 { value } else { -value };
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mu(sample: i16) -> u8 {
        MU_LAW_COMPRESS[usize::from(sample as u16 >> MU_LAW_SHIFT)]
    }

    fn a(sample: i16) -> u8 {
        A_LAW_COMPRESS[usize::from(sample as u16 >> A_LAW_SHIFT)]
    }

    /// Decision values of G.711 table 2a (µ-law, 14-bit units): the sample from which on the next
    /// code holds.
    fn mu_law_decisions() -> Vec<i32> {
        let mut decisions = vec![1];
        for segment in 0..8 {
            let steps = if segment == 0 { 15 } else { 16 };
            for _ in 0..steps {
                decisions.push(decisions.last().expect("starts with 1") + (2 << segment));
            }
        }
        decisions
    }

    /// Decision values of table 1a (A-law), in 12-bit units.
    fn a_law_decisions() -> Vec<i32> {
        let mut decisions = vec![];
        let mut value = 0;
        for segment in 0..8 {
            for _ in 0..16 {
                value += 1 << (segment - 1).max(0);
                decisions.push(value);
            }
        }
        decisions
    }

    #[test]
    fn decision_values_end_where_the_recommendation_says() {
        let mu_law = mu_law_decisions();
        assert_eq!(mu_law[..3], [1, 3, 5]);
        assert_eq!((mu_law[15], mu_law[31], mu_law[127]), (31, 95, 8159));
        let a_law = a_law_decisions();
        assert_eq!(
            (a_law[15], a_law[31], a_law[47], a_law[127]),
            (16, 32, 64, 2048)
        );
    }

    #[test]
    fn every_sample_falls_into_the_interval_of_the_recommendation() {
        let (mu_law, a_law) = (mu_law_decisions(), a_law_decisions());
        for sample in i16::MIN..=i16::MAX {
            let folded = i32::from(if sample < 0 { !sample } else { sample });
            let interval = mu_law
                .iter()
                .filter(|&&from| folded >> 2 >= from)
                .count()
                .min(127);
            let sign = if sample < 0 { 0x80 } else { 0 };
            assert_eq!(mu(sample), !(sign | interval as u8), "µ-law of {sample}");
            let interval = a_law
                .iter()
                .filter(|&&from| folded >> 4 >= from)
                .count()
                .min(127);
            let sign = if sample < 0 { 0 } else { 0x80 };
            assert_eq!(
                a(sample),
                (sign | interval as u8) ^ 0x55,
                "A-law of {sample}"
            );
        }
    }

    #[test]
    fn boundaries_are_those_of_the_itu_reference() {
        // sample, µ-law, A-law
        let rows: [(i16, u8, u8); 20] = [
            (0, 0xFF, 0xD5),
            (-1, 0x7F, 0x55),
            (3, 0xFF, 0xD5),
            (4, 0xFE, 0xD5),
            (-4, 0x7F, 0x55),
            (-5, 0x7E, 0x55),
            (15, 0xFD, 0xD5),
            (16, 0xFD, 0xD4),
            (-16, 0x7D, 0x55),
            (-17, 0x7D, 0x54),
            (123, 0xF0, 0xD2),
            (124, 0xEF, 0xD2),
            (-124, 0x70, 0x52),
            (-125, 0x6F, 0x52),
            (511, 0xDB, 0xCA),
            (512, 0xDB, 0xF5),
            (-512, 0x5B, 0x4A),
            (-513, 0x5B, 0x75),
            (i16::MAX, 0x80, 0xAA),
            (i16::MIN, 0x00, 0x2A),
        ];
        for (sample, mu_law, a_law) in rows {
            assert_eq!((mu(sample), a(sample)), (mu_law, a_law), "{sample}");
        }
    }

    #[test]
    fn decoded_values_are_those_of_the_itu_tables() {
        let rows = [
            (0x00, -32124, -5504),
            (0x80, 32124, 5504),
            (0x2A, -5372, -32256),
            (0xAA, 5372, 32256),
            (0x7F, 0, -848),
            (0xFF, 0, 848),
            (0x55, -716, -8),
            (0xD5, 716, 8),
            (0xFE, 8, 880),
            (0xEF, 132, 1696),
        ];
        for (code, mu_law, a_law) in rows {
            assert_eq!(MU_LAW_EXPAND[code], mu_law, "µ-law {code:#04x}");
            assert_eq!(A_LAW_EXPAND[code], a_law, "A-law {code:#04x}");
        }
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for code in 0..=255u8 {
            assert_eq!(a(A_LAW_EXPAND[usize::from(code)]), code);
            // µ-law has two zeros; the negative one comes back as the positive one.
            let expected = if code == 0x7F { 0xFF } else { code };
            assert_eq!(mu(MU_LAW_EXPAND[usize::from(code)]), expected);
        }
    }
}
