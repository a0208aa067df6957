//! Personal data in logs: numbers, names and addresses are masked, so that somebody who knows one
//! recognises it, unless the log is to show them in full. Digits that are keyed in are never
//! logged.

#![expect(clippy::disallowed_types, reason = "FULL is about texts of logs alone")]

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether all is shown; set once, before the first line. It concerns texts of logs alone, nothing
/// is decided by it.
static FULL: AtomicBool = AtomicBool::new(false);

/// Lets logs show personal data from here on.
pub fn show_in_full() {
    FULL.store(true, Ordering::Relaxed);
}

/// Fewest digits of what may be a number of the telephone network. Shorter ones may be PINs.
const NUMBER_DIGITS_MIN: usize = 7;
/// Digits of a number that are kept at its beginning and at its end.
const NUMBER_KEPT: (usize, usize) = (3, 2);
/// Letters of a longer word that are kept at its beginning.
const LETTERS_KEPT: usize = 2;

/// Wraps a value that names a person. `Display` and `Debug` mask each word of it: of a number the
/// first three digits and the last two are kept, of a word of four letters or more the first two.
/// The value itself is the public field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pii<T>(pub T);

impl<T: AsRef<str>> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_ref();
        if FULL.load(Ordering::Relaxed) {
            return f.write_str(text);
        }
        for word in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
            let end = word.find(|c: char| !c.is_alphanumeric());
            let (word, mark) = word.split_at(end.unwrap_or(word.len()));
            write_masked(f, word)?;
            f.write_str(mark)?;
        }
        Ok(())
    }
}

fn write_masked(f: &mut fmt::Formatter<'_>, word: &str) -> fmt::Result {
    let length = word.chars().count();
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    let (first, last) = match digits {
        true if length >= NUMBER_DIGITS_MIN => NUMBER_KEPT,
        false if length > LETTERS_KEPT + 1 => (LETTERS_KEPT, 0),
        true | false => (0, 0),
    };
    for (index, c) in word.chars().enumerate() {
        let shown = index < first || index + last >= length;
        fmt::Write::write_char(f, if shown { c } else { '*' })?;
    }
    Ok(())
}

impl<T: AsRef<str>> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Wraps the address of a client: `Display` gives its network of 24 bits, of 48 for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.0.to_canonical();
        if FULL.load(Ordering::Relaxed) {
            return address.fmt(f);
        }
        match address {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                write!(f, "{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(v6) => {
                let network = std::net::Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80);
                write!(f, "{network}/48")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_recognises_what_one_knows_and_learns_nothing_else() {
        for (value, shown) in [
            ("+15550100", "+155***00"),
            ("+31612345678", "+316******78"),
            ("sip:alice@example.org", "***:al***@ex*****.***"),
            ("1234", "****"),
            ("conf_1234", "co**_****"),
            ("Anna Maria de Boer", "An** Ma*** ** Bo**"),
            ("Zo\u{eb}", "***"),
            ("", ""),
        ] {
            assert_eq!(Pii(value).to_string(), shown);
        }
        for (address, shown) in [
            ("192.0.2.7", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(ClientAddress(address).to_string(), shown);
        }
    }
}
