//! Nonces of the server: made from the clock and a secret key, so that none is stored, and a window
//! of nonce counts for those that a login has used (RFC 7616 §3.3, §5.8).
//!
//! ```text
//! milliseconds (16 digits) · serial (8) · HMAC-SHA-256 of both, cut to 128 bits (32)
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::hexadecimal;

/// How long a nonce is good for. Clients that come later are told `stale` and ask nobody.
pub const NONCE_LIFE: Duration = Duration::from_secs(300);
/// Nonces whose counts are remembered; when they are full, the oldest becomes stale.
const USED_MAX: usize = 8192;
/// Nonce counts below the highest that may still come.
const WINDOW: u32 = 64;
/// Digits of time and serial.
const STAMP_DIGITS: usize = 24;

/// What a nonce is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is ours, and in time.
    Fresh,
    /// It was ours and is too old.
    Stale,
    /// It is none of ours.
    Foreign,
}

/// A nonce by its time and serial number; ordered by age.
type Stamp = (u64, u32);

/// The counts that came with one nonce: the highest, and a bit for each of those below it.
#[derive(Clone, Copy, Debug)]
struct Counts {
    highest: u32,
    seen: u64,
}

/// Makes and judges nonces.
pub struct Nonces {
    key: [u8; 32],
    epoch: Option<Instant>,
    serial: u32,
    used: BTreeMap<Stamp, Counts>,
    /// Counts of nonces up to this one are forgotten.
    forgotten: Option<Stamp>,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let used = self.used.len();
        f.debug_struct("Nonces").field("used", &used).finish()
    }
}

impl Nonces {
    /// Nonces under a secret key.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            epoch: None,
            serial: 0,
            used: BTreeMap::new(),
            forgotten: None,
        }
    }

    /// A nonce that is like no other.
    pub fn issue(&mut self, now: Instant) -> String {
        self.serial = self.serial.wrapping_add(1);
        let stamp = format!("{:016x}{:08x}", self.clock(now), self.serial);
        let tag = self.tag(&stamp);
        format!("{stamp}{tag}")
    }

    /// Whether a nonce is ours and in time.
    pub fn judge(&mut self, now: Instant, nonce: &str) -> Freshness {
        let Some(stamp) = self.stamp(nonce) else {
            return Freshness::Foreign;
        };
        let oldest = self
            .clock(now)
            .saturating_sub(NONCE_LIFE.as_millis() as u64);
        let forgotten = self.forgotten.is_some_and(|forgotten| stamp <= forgotten);
        if stamp.0 < oldest || forgotten {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }

    /// Takes the count that came with a fresh nonce and a right response. False when it came
    /// before, or may have.
    pub fn take(&mut self, now: Instant, nonce: &str, count: u32) -> bool {
        let Some(stamp) = self.stamp(nonce) else {
            return false;
        };
        self.forget_old(now);
        let Some(counts) = self.used.get_mut(&stamp) else {
            let counts = Counts {
                highest: count,
                seen: 1,
            };
            self.used.insert(stamp, counts);
            if self.used.len() > USED_MAX {
                self.forgotten = self.used.pop_first().map(|(stamp, _)| stamp);
            }
            return true;
        };
        if count > counts.highest {
            let by = count - counts.highest;
            counts.seen = counts.seen.checked_shl(by).unwrap_or(0) | 1;
            counts.highest = count;
            return true;
        }
        let below = counts.highest - count;
        let bit = 1u64.checked_shl(below).unwrap_or(0);
        let new = below < WINDOW && counts.seen & bit == 0;
        counts.seen |= bit;
        new
    }

    fn forget_old(&mut self, now: Instant) {
        let oldest = self
            .clock(now)
            .saturating_sub(NONCE_LIFE.as_millis() as u64);
        while let Some(first) = self.used.first_entry()
            && first.key().0 < oldest
        {
            first.remove();
        }
    }

    /// Milliseconds since the first nonce.
    fn clock(&mut self, now: Instant) -> u64 {
        let epoch = *self.epoch.get_or_insert(now);
        now.saturating_duration_since(epoch).as_millis() as u64
    }

    fn stamp(&self, nonce: &str) -> Option<Stamp> {
        let (stamp, tag) = nonce.split_at_checked(STAMP_DIGITS)?;
        let expected = self.tag(stamp);
        let ours = subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), tag.as_bytes());
        if !bool::from(ours) {
            return None;
        }
        let (time, serial) = stamp.split_at_checked(16)?;
        let time = u64::from_str_radix(time, 16).ok()?;
        Some((time, u32::from_str_radix(serial, 16).ok()?))
    }

    fn tag(&self, stamp: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes any key");
        mac.update(stamp.as_bytes());
        let tag = mac.finalize().into_bytes();
        hexadecimal(tag.get(..16).unwrap_or_default())
    }
}
