//! Sound as numbers: frames, rates, resampling, levels, tones, in-band digits, concealment, clips. Mono,
//! 16-bit, 20 ms. Nothing here knows packets or calls.

mod clip;
mod rate;

pub use clip::Clip;
pub use rate::Rate;
