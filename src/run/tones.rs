//! Progress tones by country as clips: one turn of the cadence, to be played in a loop. The table
//! follows ITU-T E.180 Supplement 2; a country that is not named in it uses 425 Hz with the
//! cadences E.180 recommends.

use std::sync::Arc;

use crate::audio::tone::{Tone, ToneSource, ToneStep};
use crate::audio::{Clip, Rate};

/// Level of each sine.
const LEVEL_DBOV: f32 = -16.0;
/// Level of each of the two notes of hold music.
const HOLD_LEVEL_DBOV: f32 = -26.0;
/// A steady tone: whole periods of every frequency in whole Hz, so that its loop has no click.
const STEADY: &[u32] = &[1000];

/// Why there is no such tone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToneError {
    /// Not one of the names.
    #[error("there is no tone {0:?}; there are ringback, busy, congestion, dial, beep and hold")]
    Name(String),
    /// Not a country code.
    #[error("{0:?} is not a country code of two letters")]
    Country(String),
}

/// What one country plays: frequencies in Hz (0: no second one), and times on, off, on, … in
/// milliseconds.
struct Country {
    code: &'static str,
    ringback: (f32, f32, &'static [u32]),
    busy: (f32, f32, &'static [u32]),
    congestion: (f32, f32, &'static [u32]),
    dial: (f32, f32, &'static [u32]),
}

macro_rules! countries {
    ($($code:literal: $r:expr, $b:expr, $c:expr, $d:expr;)*) => {
        &[$(Country { code: $code, ringback: $r, busy: $b, congestion: $c, dial: $d },)*]
    };
}

#[rustfmt::skip]
const COUNTRIES: &[Country] = countries! {
    "at": (420., 0., &[1000, 5000]), (420., 0., &[400, 400]),
        (420., 0., &[200, 200]), (420., 0., STEADY);
    "au": (400., 450., &[400, 200, 400, 2000]), (425., 0., &[375, 375]),
        (425., 0., &[375, 375]), (413., 438., STEADY);
    "be": (425., 0., &[1000, 3000]), (425., 0., &[500, 500]),
        (425., 0., &[167, 167]), (425., 0., STEADY);
    "ch": (425., 0., &[1000, 4000]), (425., 0., &[500, 500]),
        (425., 0., &[200, 200]), (425., 0., STEADY);
    "de": (425., 0., &[1000, 4000]), (425., 0., &[480, 480]),
        (425., 0., &[240, 240]), (425., 0., STEADY);
    "es": (425., 0., &[1500, 3000]), (425., 0., &[200, 200]),
        (425., 0., &[200, 200, 200, 200, 200, 600]), (425., 0., STEADY);
    "fr": (440., 0., &[1500, 3500]), (440., 0., &[500, 500]),
        (440., 0., &[250, 250]), (440., 0., STEADY);
    "gb": (400., 450., &[400, 200, 400, 2000]), (400., 0., &[375, 375]),
        (400., 0., &[400, 350, 225, 525]), (350., 440., STEADY);
    "it": (425., 0., &[1000, 4000]), (425., 0., &[500, 500]),
        (425., 0., &[200, 200]), (425., 0., &[200, 200, 600, 1000]);
    "jp": (384., 416., &[1000, 2000]), (400., 0., &[500, 500]),
        (400., 0., &[500, 500]), (400., 0., STEADY);
    "nl": (425., 0., &[1000, 4000]), (425., 0., &[500, 500]),
        (425., 0., &[250, 250]), (425., 0., STEADY);
    "pl": (425., 0., &[1000, 4000]), (425., 0., &[500, 500]),
        (425., 0., &[500, 500]), (425., 0., STEADY);
    "se": (425., 0., &[1000, 5000]), (425., 0., &[250, 250]),
        (425., 0., &[250, 750]), (425., 0., STEADY);
    "us": (440., 480., &[2000, 4000]), (480., 620., &[500, 500]),
        (480., 620., &[250, 250]), (350., 440., STEADY);
};

const OTHER: Country = Country {
    code: "",
    ringback: (425., 0., &[1000, 4000]),
    busy: (425., 0., &[500, 500]),
    congestion: (425., 0., &[250, 250]),
    dial: (425., 0., STEADY),
};

/// The clip of `ringback`, `busy`, `congestion`, `dial` or `beep`, at 8 kHz. The country is a code
/// of two letters in either case, `uk` included; empty or unknown ones get the tones of E.180.
/// Canada has those of `us`, New Zealand and Ireland those of `gb`.
///
/// # Errors
/// [`ToneError`] for another name, or a country that is no code.
pub fn tone(name: &str, country: &str) -> Result<Arc<Clip>, ToneError> {
    let code = country.to_ascii_lowercase();
    if !code.is_empty() && (code.len() != 2 || !code.bytes().all(|b| b.is_ascii_lowercase())) {
        return Err(ToneError::Country(country.to_owned()));
    }
    let code = match code.as_str() {
        "uk" | "ie" | "nz" => "gb",
        "ca" => "us",
        code => code,
    };
    let country = COUNTRIES
        .iter()
        .find(|country| country.code == code)
        .unwrap_or(&OTHER);
    if name == "hold" {
        return Ok(hold_music());
    }
    let (hz, second_hz, cadence) = match name {
        "ringback" => country.ringback,
        "busy" => country.busy,
        "congestion" => country.congestion,
        "dial" => country.dial,
        "beep" => (1000., 0., [200].as_slice()),
        other => return Err(ToneError::Name(other.to_owned())),
    };
    let tone = Tone {
        hz,
        second_hz,
        level_dbov: LEVEL_DBOV,
    };
    let steps = cadence
        .iter()
        .enumerate()
        .map(|(index, duration_ms)| ToneStep {
            tone: (index % 2 == 0).then_some(tone),
            duration_ms: *duration_ms,
        });
    let duration_ms: u32 = cadence.iter().sum();
    let mut samples = vec![0; (duration_ms * (Rate::Hz8000.hz() / 1000)) as usize];
    ToneSource::new(Rate::Hz8000, steps.collect(), false).fill(&mut samples);
    Ok(Arc::new(Clip {
        name: name.to_owned(),
        rate: Rate::Hz8000,
        samples,
    }))
}

/// Something to wait by: broken chords of C, A minor, F and G, softly, eight seconds.
fn hold_music() -> Arc<Clip> {
    const CHORDS: [[f32; 4]; 4] = [
        [261.63, 329.63, 392.00, 523.25],
        [220.00, 329.63, 440.00, 523.25],
        [174.61, 349.23, 440.00, 523.25],
        [196.00, 392.00, 493.88, 587.33],
    ];
    let note = |hz, second_hz| ToneStep {
        tone: Some(Tone {
            hz,
            second_hz,
            level_dbov: HOLD_LEVEL_DBOV,
        }),
        duration_ms: 240,
    };
    let rest = ToneStep {
        tone: None,
        duration_ms: 10,
    };
    let steps = CHORDS.iter().flat_map(|[bass, low, middle, high]| {
        [low, middle, high, middle, low, middle, high, middle]
            .into_iter()
            .flat_map(move |hz| [note(*hz, *bass), rest])
    });
    let steps: Vec<ToneStep> = steps.collect();
    let duration_ms: u32 = steps.iter().map(|step| step.duration_ms).sum();
    let mut samples = vec![0; (duration_ms * (Rate::Hz8000.hz() / 1000)) as usize];
    ToneSource::new(Rate::Hz8000, steps, false).fill(&mut samples);
    Arc::new(Clip {
        name: "hold".to_owned(),
        rate: Rate::Hz8000,
        samples,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tone_has_its_cadence_and_its_sound() {
        for (name, country, duration_ms, silent_at_ms) in [
            ("ringback", "us", 6000, Some(3000)),
            ("ringback", "UK", 3000, Some(500)),
            ("ringback", "", 5000, Some(2000)),
            ("ringback", "zz", 5000, Some(2000)),
            ("busy", "de", 960, Some(700)),
            ("congestion", "es", 1600, Some(1300)),
            ("dial", "nl", 1000, None),
            ("beep", "fr", 200, None),
            ("hold", "", 8000, None),
        ] {
            let clip = tone(name, country).expect(name);
            assert_eq!(
                (clip.duration_ms(), clip.name.as_str()),
                (duration_ms, name),
                "{country}"
            );
            let loudest = |from: usize| {
                let part = clip.samples.iter().skip(from * 8).take(800);
                part.map(|sample| sample.unsigned_abs())
                    .max()
                    .unwrap_or_default()
            };
            assert!(loudest(50) > 900, "{name} {country}: {}", loudest(50));
            if let Some(at) = silent_at_ms {
                assert_eq!(loudest(at), 0, "{name} {country}");
            }
        }
    }

    #[test]
    fn every_country_in_the_table_plays_every_tone() {
        for country in COUNTRIES {
            for name in ["ringback", "busy", "congestion", "dial", "beep"] {
                let clip = tone(name, country.code).expect(name);
                assert!(
                    clip.samples.iter().any(|sample| *sample != 0),
                    "{name} {}",
                    country.code
                );
            }
        }
    }

    #[test]
    fn other_names_are_refused() {
        let error = tone("music", "us").expect_err("no such tone").to_string();
        assert!(error.starts_with("there is no tone \"music\""), "{error}");
        assert_eq!(
            tone("busy", "usa"),
            Err(ToneError::Country("usa".to_owned()))
        );
    }
}
