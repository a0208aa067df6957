//! Sound as numbers: frames, rates, resampling, mixing, levels, tones, in-band digits, concealment,
//! clips. Mono, 16-bit, 20 ms. Nothing here knows packets or calls.

mod clip;
pub mod conceal;
pub mod dtmf;
pub mod level;
pub mod mix;
mod rate;
pub mod resample;
pub mod tone;

pub use clip::Clip;
pub use conceal::Concealer;
pub use level::{ActivityGate, Talk, TalkDetector, level_dbov};
pub use mix::Gain;
pub use rate::Rate;
pub use resample::Resampler;
pub use tone::{Tone, ToneSource, ToneStep, tone_level_dbov};
