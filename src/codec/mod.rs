//! Audio codecs: one table, one file per codec. SDP, RTP, mixer and documents read [`CODECS`]; adding a
//! codec is its file and one line here.

use crate::audio::Rate;

pub mod g711;
pub mod g722;
pub mod opus;

/// What the rest of the engine needs to know about a codec.
#[derive(Debug)]
pub struct CodecInfo {
    /// Encoding name of the rtpmap line, in the case that is usually written.
    pub name: &'static str,
    /// RTP clock in Hz. G.722 says 8000 though its audio is 16 kHz (RFC 3551 §4.5.2).
    pub clock_rate_hz: u32,
    /// The rate of the samples that encoder and decoder work on.
    pub audio_rate: Rate,
    /// Channels of the rtpmap line; 1 is not written. Audio inside talkpath is always mono.
    pub channels: u8,
    /// Payload type of RFC 3551, or the one we propose when it is dynamic (96 and up).
    pub payload_type: u8,
    /// The fmtp parameters that we offer and answer.
    pub fmtp: Option<&'static str>,
    /// Bits per second, for plans and documents.
    pub bitrate_bps: u32,
    /// Makes an encoder in its initial state.
    pub encoder: fn() -> Box<dyn Encoder>,
    /// Makes a decoder in its initial state.
    pub decoder: fn() -> Box<dyn Decoder>,
}

/// Every codec, the preferred first.
pub static CODECS: &[&CodecInfo] = &[];

/// Finds a codec by its rtpmap name (any case), clock rate and channels.
pub fn by_rtpmap(name: &str, clock_rate_hz: u32, channels: u8) -> Option<&'static CodecInfo> {
    CODECS.iter().copied().find(|codec| {
        codec.name.eq_ignore_ascii_case(name)
            && codec.clock_rate_hz == clock_rate_hz
            && codec.channels == channels
    })
}

/// Finds a codec by a payload type of RFC 3551 table 4; dynamic ones (96 and up) have none.
pub fn by_static_payload_type(payload_type: u8) -> Option<&'static CodecInfo> {
    CODECS.iter().copied().find(|codec| codec.payload_type == payload_type && payload_type < 96)
}

/// Turns 20 ms frames into payloads. One value serves one stream; it may keep state from frame to frame.
pub trait Encoder: Send {
    /// Appends the payload of `pcm`, which is 20 ms of mono at the codec's audio rate, to `out`.
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>);

    /// Tells the encoder the loss that receivers report, in percent, so that it may add redundancy.
    fn set_expected_loss(&mut self, _percent: u8) {}
}

/// Turns payloads into samples. One value serves one stream; it may keep state from packet to packet.
pub trait Decoder: Send {
    /// Appends the samples of `payload` (whatever its length in time, 2.5 to 120 ms) to `out`.
    ///
    /// # Errors
    /// [`DecodeError`] when the payload is not of this codec; nothing is appended then.
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), DecodeError>;

    /// Appends the 20 ms that the lost predecessor of `next` held, from redundancy in `next`. Returns false,
    /// and appends nothing, when the codec has none.
    fn recover(&mut self, _next: &[u8], _out: &mut Vec<i16>) -> bool {
        false
    }

    /// Appends 20 ms of the codec's own concealment. Returns false, and appends nothing, when the codec has
    /// none and the caller must conceal from the waveform.
    fn conceal(&mut self, _out: &mut Vec<i16>) -> bool {
        false
    }
}

/// A payload that is not of the codec it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("payload of {length} bytes is not {codec}")]
pub struct DecodeError {
    /// Name of the codec.
    pub codec: &'static str,
    /// Length of the payload in bytes.
    pub length: usize,
}
