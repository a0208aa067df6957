//! How often an address may do something: a count per window of time.

use std::net::IpAddr;

use dashmap::DashMap;

use crate::network::Network;

/// Addresses that are remembered. When they are as many, those whose window is over are forgotten,
/// then the one whose window began first. Requests that come at the same time may each add one.
const ADDRESSES_MAX: usize = 10_000;

struct Window {
    began_unix_s: u64,
    count: u32,
}

/// Counts per address. Requests of one address wait for each other, those of others hardly do.
pub(super) struct RateLimit {
    most: u32,
    window_s: u64,
    windows: DashMap<Network, Window>,
}

impl RateLimit {
    /// Allows `most` per `window_s` seconds and address.
    pub fn new(most: u32, window_s: u64) -> Self {
        Self {
            most,
            window_s,
            windows: DashMap::new(),
        }
    }

    /// The seconds until the address may go on; nothing when it may now.
    pub fn wait(&self, address: IpAddr, now: u64) -> Option<u64> {
        let window = self.windows.get(&Network::of(address))?;
        self.wait_for(&window, now)
    }

    /// Counts one.
    pub fn count(&self, address: IpAddr, now: u64) {
        self.update(address, now, |window| {
            window.count = window.count.saturating_add(1);
        });
    }

    /// Counts one unless there have been enough.
    ///
    /// # Errors
    /// The seconds to wait.
    pub fn take(&self, address: IpAddr, now: u64) -> Result<(), u64> {
        self.update(address, now, |window| match self.wait_for(window, now) {
            Some(seconds) => Err(seconds),
            None => {
                window.count = window.count.saturating_add(1);
                Ok(())
            }
        })
    }

    /// Changes the window of an address, which begins now if it has none. Nobody sees it between.
    fn update<T>(&self, address: IpAddr, now: u64, change: impl FnOnce(&mut Window) -> T) -> T {
        let key = Network::of(address);
        if self.windows.len() >= ADDRESSES_MAX && !self.windows.contains_key(&key) {
            self.forget_some(now);
        }
        let fresh = || Window {
            began_unix_s: now,
            count: 0,
        };
        let mut window = self.windows.entry(key).or_insert_with(fresh);
        if self.left(&window, now).is_none() {
            *window = fresh();
        }
        change(&mut window)
    }

    fn forget_some(&self, now: u64) {
        self.windows
            .retain(|_, window| self.left(window, now).is_some());
        if self.windows.len() < ADDRESSES_MAX {
            return;
        }
        let rows = self.windows.iter();
        let oldest = rows.map(|row| (row.began_unix_s, *row.key())).min();
        if let Some((_, oldest)) = oldest {
            self.windows.remove(&oldest);
        }
    }

    fn wait_for(&self, window: &Window, now: u64) -> Option<u64> {
        let left = self.left(window, now)?;
        (window.count >= self.most).then_some(left)
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
    fn requests_at_the_same_time_are_counted_one_by_one() {
        const MOST: u32 = 500;
        let limit = RateLimit::new(MOST, 60);
        let allowed = std::thread::scope(|scope| {
            let take_all = || {
                let address = IpAddr::V4(1.into());
                let taken = (0..MOST).filter(|_| limit.take(address, 100).is_ok());
                taken.count()
            };
            let threads = [(); 4].map(|()| scope.spawn(take_all));
            let counts = threads.map(|thread| thread.join().expect("no panic"));
            counts.iter().sum::<usize>()
        });
        assert_eq!(allowed, MOST as usize);
    }

    #[test]
    fn no_more_addresses_are_remembered_than_the_limit() {
        let limit = RateLimit::new(1, 60);
        for n in 0..ADDRESSES_MAX as u32 + 5 {
            limit.count(IpAddr::V4(n.into()), 100 + u64::from(n / 5_000));
        }
        assert_eq!(limit.windows.len(), ADDRESSES_MAX);
        // The oldest were forgotten, the newest are known.
        assert_eq!(limit.wait(IpAddr::V4(0.into()), 102), None);
        let newest = IpAddr::V4((ADDRESSES_MAX as u32 + 4).into());
        assert_eq!(limit.wait(newest, 102), Some(60));
    }
}
