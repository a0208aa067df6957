//! Personal data in logs: numbers, URIs and digits are masked unless the reader asks for the value
//! itself.

use std::fmt;

/// Wraps a value that names a person. `Display` and `Debug` keep the last two characters of a value
/// longer than four and print `*` for the rest; the value itself is the public field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pii<T>(pub T);

impl<T: AsRef<str>> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_ref();
        let length = text.chars().count();
        let shown = if length > 4 { 2 } else { 0 };
        for (index, c) in text.chars().enumerate() {
            let visible = index + shown >= length || matches!(c, '@' | ':' | '+');
            fmt::Write::write_char(f, if visible { c } else { '*' })?;
        }
        Ok(())
    }
}

impl<T: AsRef<str>> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Pii;

    #[test]
    fn keeps_the_last_two_characters_and_the_shape() {
        for (value, shown) in [
            ("+15550100", "+******00"),
            ("sip:alice@example.org", "***:*****@*********rg"),
            ("1234", "****"),
            ("", ""),
        ] {
            assert_eq!(Pii(value).to_string(), shown);
        }
    }
}
