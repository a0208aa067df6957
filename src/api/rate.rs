//! How often an address may do something: a count per window of time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::network::Network;

/// Addresses that are remembered. When they are as many, those whose window is over are forgotten,
/// then the one whose window began first.
const ADDRESSES_MAX: usize = 10_000;

struct Window {
    began_unix_s: u64,
    count: u32,
}

/// Counts per address.
pub(super) struct RateLimit {
    most: u32,
    window_s: u64,
    windows: Mutex<BTreeMap<Network, Window>>,
}

impl RateLimit {
    /// Allows `most` per `window_s` seconds and address.
    pub fn new(most: u32, window_s: u64) -> Self {
        let windows = Mutex::new(BTreeMap::new());
        Self {
            most,
            window_s,
            windows,
        }
    }

    /// The seconds until the address may go on; nothing when it may now.
    pub fn wait(&self, address: IpAddr, now: u64) -> Option<u64> {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&Network::of(address))?;
        let left = self.left(window, now)?;
        (window.count >= self.most).then_some(left)
    }

    /// Counts one.
    pub fn count(&self, address: IpAddr, now: u64) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Network::of(address);
        if windows.len() >= ADDRESSES_MAX && !windows.contains_key(&key) {
            windows.retain(|_, window| self.left(window, now).is_some());
            let oldest = windows.iter().min_by_key(|(_, window)| window.began_unix_s);
            let oldest = oldest.map(|(address, _)| *address);
            if let Some(oldest) = oldest.filter(|_| windows.len() >= ADDRESSES_MAX) {
                windows.remove(&oldest);
            }
        }
        let fresh = Window {
            began_unix_s: now,
            count: 0,
        };
        let window = windows.entry(key).or_insert(fresh);
        if self.left(window, now).is_none() {
            window.began_unix_s = now;
            window.count = 0;
        }
        window.count = window.count.saturating_add(1);
    }

    /// Counts one unless there have been enough.
    ///
    /// # Errors
    /// The seconds to wait.
    pub fn take(&self, address: IpAddr, now: u64) -> Result<(), u64> {
        match self.wait(address, now) {
            Some(seconds) => Err(seconds),
            None => {
                self.count(address, now);
                Ok(())
            }
        }
    }

    /// Seconds that the window goes on. A window that seems to begin in the future is over: the
    /// clock was set back.
    fn left(&self, window: &Window, now: u64) -> Option<u64> {
        let age = now.checked_sub(window.began_unix_s)?;
        self.window_s.checked_sub(age).filter(|left| *left > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_held_to_its_count_per_window() {
        let limit = RateLimit::new(2, 60);
        for (address, now, result) in [
            ("192.0.2.1", 100, Ok(())),
            ("192.0.2.1", 130, Ok(())),
            ("::ffff:192.0.2.1", 130, Err(30)),
            ("192.0.2.2", 130, Ok(())),
            ("192.0.2.1", 159, Err(1)),
            ("192.0.2.1", 160, Ok(())),
            ("2001:db8::1", 160, Ok(())),
            ("2001:db8::2", 160, Ok(())),
            ("2001:db8::3", 160, Err(60)),
            ("2001:db8:0:1::3", 160, Ok(())),
            // The clock was set back.
            ("2001:db8::3", 50, Ok(())),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(limit.take(address, now), result, "{address} at {now}");
        }
    }

    #[test]
    fn no_more_addresses_are_remembered_than_the_limit() {
        let limit = RateLimit::new(1, 60);
        for n in 0..ADDRESSES_MAX as u32 + 5 {
            limit.count(IpAddr::V4(n.into()), 100 + u64::from(n / 5_000));
        }
        let kept = limit.windows.lock().expect("not poisoned").len();
        assert_eq!(kept, ADDRESSES_MAX);
        // The oldest were forgotten, the newest are known.
        assert_eq!(limit.wait(IpAddr::V4(0.into()), 102), None);
        let newest = IpAddr::V4((ADDRESSES_MAX as u32 + 4).into());
        assert_eq!(limit.wait(newest, 102), Some(60));
    }
}
