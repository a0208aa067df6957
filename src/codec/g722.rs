//! G.722 at 64 kbit/s (ITU-T G.722 mode 1; RFC 3551 §4.5.2): audio of 16 kHz, an RTP clock of 8
//! kHz.
//!
//! The only file that names `audio_codec`. One byte of payload is two samples, and every byte is
//! valid, so only the length of a payload can be wrong. Concealment is not done here.

use audio_codec::g722::{G722Decoder, G722Encoder};

use super::{CodecInfo, DecodeError, Decoder, Encoder, PACKET_MS_MAX};
use crate::audio::Rate;

/// G.722, static payload type 9.
pub static G722: CodecInfo = CodecInfo {
    name: "G722",
    clock_rate_hz: 8_000,
    audio_rate: Rate::Hz16000,
    channels: 1,
    payload_type: 9,
    fmtp: None,
    bitrate_bps: 64_000,
    encoder: || Box::new(G722Encode(G722Encoder::new())),
    decoder: || Box::new(G722Decode(G722Decoder::new())),
};

const PAYLOAD_BYTES_MAX: usize = 8 * PACKET_MS_MAX;

struct G722Encode(G722Encoder);

impl Encoder for G722Encode {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + pcm.len() / 2, 0);
        let written = audio_codec::Encoder::encode_into(&mut self.0, pcm, &mut out[start..])
            .expect("two samples make one byte");
        out.truncate(start + written);
    }
}

struct G722Decode(G722Decoder);

impl Decoder for G722Decode {
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), DecodeError> {
        if payload.is_empty() || payload.len() > PAYLOAD_BYTES_MAX {
            return Err(DecodeError {
                codec: G722.name,
                length: payload.len(),
            });
        }
        let start = out.len();
        out.resize(start + payload.len() * 2, 0);
        let written = self
            .0
            .decode_frame_into(payload, &mut out[start..])
            .expect("one byte makes two samples");
        out.truncate(start + written);
        Ok(())
    }
}
