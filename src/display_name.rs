//! Names that people give themselves and others see: which characters they may not hold, and what
//! is left of one that comes by telephone and cannot be refused.

/// Longest name, in characters.
pub const CHARS_MAX: usize = 255;

/// Whether a character may not be in a name: it ends a line, moves a cursor, or turns the reading
/// direction of what follows, so that a name could rewrite the text around it.
pub fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The name without forbidden characters, cut where it is too long.
pub fn cleaned(name: &str) -> String {
    let allowed = name.chars().filter(|c| !is_forbidden(*c));
    allowed.take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_letters_and_loses_what_others_would_suffer_from() {
        let long = "é".repeat(CHARS_MAX + 1);
        for (name, left) in [
            ("Zoë 👩‍🚀", "Zoë 👩‍🚀"),
            ("דנה", "דנה"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
            ("a\r\nX-Evil: 1\0\t\u{85}\u{2028}b", "aX-Evil: 1b"),
            ("Zoe\u{202e}eoZ\u{2066}", "ZoeeoZ"),
            (&long, &long[..2 * CHARS_MAX]),
        ] {
            assert_eq!(cleaned(name), left, "{name:?}");
        }
    }
}
