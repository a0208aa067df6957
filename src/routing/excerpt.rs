//! An error in a text file: where it is, the line itself and a caret under the place.
//!
//! Knows offsets, lines and columns; it does not know TOML or rules.

use std::fmt;
use std::ops::Range;

/// Longest line, in characters, that is quoted under an error.
const QUOTED_CHARACTERS_MAX: usize = 400;

/// What is wrong in a text file, and where. `Display` gives
/// `file:line:column: message`, the quoted line and a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SourceError {
    /// The name of the file as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, without the place.
    pub message: String,
    quoted: String,
    width: usize,
}

impl SourceError {
    /// Describes the error at the byte offsets `span` of `text`. Offsets beyond the text mean its
    /// end.
    pub fn at(file: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let start = floor_boundary(text, span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let quoted = text
            .get(line_start..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let end = floor_boundary(text, span.end.max(start));
        let marked = text.get(start..end).unwrap_or_default();
        let width = marked
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            .max(1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column,
            message: message.into(),
            quoted: quoted.to_owned(),
            width,
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )?;
        if self.quoted.chars().count() > QUOTED_CHARACTERS_MAX {
            return Ok(());
        }
        let number = self.line.to_string();
        let indent: String = self
            .quoted
            .chars()
            .take(self.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        write!(f, "\n{number} | {}", self.quoted)?;
        let gutter = " ".repeat(number.len());
        write!(f, "\n{gutter} | {indent}{}", "^".repeat(self.width))
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::SourceError;

    #[test]
    fn the_caret_stands_under_the_place() {
        for (text, span, shown) in [
            ("a = 1\nb = x\n", 10..11, "f:2:5: bad\n2 | b = x\n  |     ^"),
            ("é = 'é'", 5..9, "f:1:5: bad\n1 | é = 'é'\n  |     ^^^"),
            ("\tkey = 1", 1..4, "f:1:2: bad\n1 | \tkey = 1\n  | \t^^^"),
            (
                "a = \"\"\"x\ny\"\"\"",
                4..13,
                "f:1:5: bad\n1 | a = \"\"\"x\n  |     ^^^^",
            ),
            ("a\r\nb", 99..99, "f:2:2: bad\n2 | b\n  |  ^"),
            ("é", 1..1, "f:1:1: bad\n1 | é\n  | ^"),
            ("", 0..0, "f:1:1: bad\n1 | \n  | ^"),
        ] {
            assert_eq!(
                SourceError::at("f", text, span, "bad").to_string(),
                shown,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_very_long_line_is_not_quoted() {
        let text = "x".repeat(500);
        assert_eq!(
            SourceError::at("f", &text, 450..451, "bad").to_string(),
            "f:1:451: bad"
        );
    }
}
