//! The arithmetic of a mixer: sum in 32 bits, take the listener's own voice out again, clip once at
//! the end. 65,536 speakers at full scale fit. Who hears whom is not decided here.

/// A factor on samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gain(f32);

impl Gain {
    /// Leaves samples as they are.
    pub const UNITY: Gain = Gain(1.0);
    /// Makes silence.
    pub const SILENCE: Gain = Gain(0.0);

    /// From decibels; −100 and below, and what is no number, is silence. At most +40.
    pub fn from_db(db: f32) -> Gain {
        if db > -100.0 {
            Gain(10f32.powf(db.min(40.0) / 20.0))
        } else {
            Gain::SILENCE
        }
    }

    /// The factor, 0 to 100.
    pub fn factor(self) -> f32 {
        self.0
    }

    /// One after the other; at most +40 dB in all.
    pub fn then(self, other: Gain) -> Gain {
        Gain((self.0 * other.0).min(100.0))
    }

    /// One sample, which may be louder than 16 bits hold.
    pub fn of(self, sample: i16) -> i32 {
        if self == Gain::UNITY {
            return i32::from(sample);
        }
        (f32::from(sample) * self.0) as i32
    }

    /// Multiplies samples in place, with saturation.
    pub fn apply(self, frame: &mut [i16]) {
        if self == Gain::UNITY {
            return;
        }
        for sample in frame {
            // A cast from f32 saturates.
            *sample = (f32::from(*sample) * self.0) as i16;
        }
    }

    /// Multiplies samples in place by a factor that moves evenly from `from` to this one over the
    /// frame, so that a change makes no click.
    pub fn apply_from(self, from: Gain, frame: &mut [i16]) {
        if self == from {
            return self.apply(frame);
        }
        let step = (self.0 - from.0) / frame.len().max(1) as f32;
        for (index, sample) in frame.iter_mut().enumerate() {
            let factor = from.0 + step * (index + 1) as f32;
            *sample = (f32::from(*sample) * factor) as i16;
        }
    }
}

/// Adds a frame with a gain to a sum; the shorter of the two decides how many samples.
pub fn add_with(gain: Gain, sum: &mut [i32], frame: &[i16]) {
    if gain == Gain::UNITY {
        return add(sum, frame);
    }
    for (total, &sample) in sum.iter_mut().zip(frame) {
        *total = total.wrapping_add(gain.of(sample));
    }
}

/// Takes away exactly what [`add_with`] added.
pub fn take_with(gain: Gain, sum: &mut [i32], frame: &[i16]) {
    for (total, &sample) in sum.iter_mut().zip(frame) {
        *total = total.wrapping_sub(gain.of(sample));
    }
}

/// Adds a frame to a sum; the shorter of the two decides how many samples.
pub fn add(sum: &mut [i32], frame: &[i16]) {
    for (total, &sample) in sum.iter_mut().zip(frame) {
        *total = total.wrapping_add(i32::from(sample));
    }
}

/// Appends the sum, clipped to 16 bits, to `out`.
pub fn clip(sum: &[i32], out: &mut Vec<i16>) {
    out.extend(sum.iter().map(|&total| saturate(total)));
}

/// Appends the sum without the listener's own frame, clipped to 16 bits, to `out`. `own` is exactly
/// what was added; the shorter of the two decides how many samples.
pub fn clip_without(sum: &[i32], own: &[i16], out: &mut Vec<i16>) {
    let others = sum
        .iter()
        .zip(own)
        .map(|(&total, &own)| total.wrapping_sub(i32::from(own)));
    out.extend(others.map(saturate));
}

fn saturate(total: i32) -> i16 {
    total.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sum_is_clipped_once_at_the_end() {
        let mut sum = vec![0; 3];
        for frame in [
            [30_000, -30_000, 5],
            [30_000, -30_000, 6],
            [-30_000, 30_000, 7],
        ] {
            add(&mut sum, &frame);
        }
        let (mut all, mut others) = (Vec::new(), Vec::new());
        clip(&sum, &mut all);
        clip_without(&sum, &[-30_000, 30_000, 7], &mut others);
        assert_eq!(all, [30_000, -30_000, 18]);
        assert_eq!(others, [32_767, -32_768, 11]);
    }

    #[test]
    fn gain_is_in_decibels_and_saturates() {
        let rows = [
            (0.0, 1_000, 1_000),
            (-6.0206, 1_000, 500),
            (20.0, 1_000, 10_000),
        ];
        for (db, before, after) in rows {
            let mut frame = [before];
            Gain::from_db(db).apply(&mut frame);
            assert!((frame[0] - after).abs() <= 1, "{db} dB: {}", frame[0]);
        }
        let mut frame = [20_000, -20_000];
        Gain::from_db(40.0).apply(&mut frame);
        assert_eq!(frame, [32_767, -32_768]);
        for silent in [f32::NEG_INFINITY, f32::NAN, -100.0] {
            assert_eq!(Gain::from_db(silent), Gain::SILENCE);
        }
    }

    #[test]
    fn a_change_of_gain_is_even() {
        let mut frame = [1_000i16; 100];
        Gain::SILENCE.apply_from(Gain::UNITY, &mut frame);
        assert_eq!((frame[0], frame[49], frame[99]), (990, 500, 0));
        assert!(frame.windows(2).all(|pair| pair[0] - pair[1] <= 11));
    }

    proptest! {
        #[test]
        fn nobody_hears_themselves(
            frames in proptest::collection::vec(any::<[i8; 8]>(), 1..9)
        ) {
            let frames: Vec<_> = frames.into_iter().map(|row| row.map(i16::from)).collect();
            let mut sum = vec![0; 8];
            frames.iter().for_each(|frame| add(&mut sum, frame));
            for (own, frame) in frames.iter().enumerate() {
                let mut without = Vec::new();
                clip_without(&sum, frame, &mut without);
                let mut expected = vec![0i32; 8];
                for (index, other) in frames.iter().enumerate() {
                    if index != own {
                        add(&mut expected, other);
                    }
                }
                prop_assert_eq!(without, expected.iter().map(|&s| s as i16).collect::<Vec<_>>());
            }
        }
    }
}
