//! Rust text made easy to judge: comments and the insides of strings blanked, byte offsets kept.
//!
//! It is a scanner and no parser: it knows comments, literals, brackets, `use` trees and paths.

use std::ops::Range;

/// One Rust file.
pub struct Source<'a> {
    /// Path from the root of the repository, with `/`.
    pub path: &'a str,
    /// The text as it is.
    pub text: &'a str,
    /// The text with blanks in place of comments and of what strings and characters hold.
    pub code: String,
    /// `code` without the items under `#[cfg(test)]`.
    pub live: String,
    /// Lines of the items under `#[cfg(test)]`.
    pub test_lines: usize,
    /// Whether the whole file is test code.
    pub is_test: bool,
}

/// A path such as `crate::media::Event`, from a `use` or from the middle of code.
pub struct CodePath {
    pub offset: usize,
    pub segments: Vec<String>,
    pub imported: bool,
}

impl<'a> Source<'a> {
    pub fn new(path: &'a str, text: &'a str) -> Self {
        let code = blank_comments_and_literals(text);
        let items = test_items(&code);
        let test_lines = items
            .iter()
            .map(|item| newlines(&code[item.clone()]) + 1)
            .sum();
        let mut live = code.clone();
        for item in items {
            let blank: String = code[item.clone()]
                .chars()
                .map(|c| if c == '\n' { '\n' } else { ' ' })
                .collect();
            // Characters that are longer than a byte shorten the blank; offsets must stay.
            let padding = " ".repeat(item.len() - blank.len());
            live.replace_range(item, &(blank + padding.as_str()));
        }
        let is_test = ["tests/", "benches/"]
            .iter()
            .any(|folder| path.starts_with(folder))
            || path.ends_with("/tests.rs")
            || path.contains("/tests/");
        Self {
            path,
            text,
            code,
            live,
            test_lines,
            is_test,
        }
    }

    /// The line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        newlines(&self.code[..offset]) + 1
    }

    /// The modules that this file includes for tests only, as paths without `.rs`.
    pub fn test_modules(&self) -> Vec<String> {
        let folder = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        let folder = folder.strip_suffix("/lib").unwrap_or(folder);
        test_items(&self.code)
            .into_iter()
            .filter(|item| self.code[item.clone()].ends_with(';'))
            .filter_map(|item| {
                let words = words(&self.code[item]);
                let name = words.iter().skip_while(|(_, word)| *word != "mod").nth(1);
                name.map(|(_, name)| format!("{folder}/{name}"))
            })
            .collect()
    }

    /// The names of the modules down to this file, empty for the root and outside `src`.
    pub fn modules(&self) -> Vec<&str> {
        let Some(inside) = self
            .path
            .strip_prefix("src/")
            .and_then(|p| p.strip_suffix(".rs"))
        else {
            return Vec::new();
        };
        let inside = inside.strip_suffix("/mod").unwrap_or(inside);
        if inside == "lib" {
            Vec::new()
        } else {
            inside.split('/').collect()
        }
    }
}

pub fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

pub fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The words of `code` with their offsets.
pub fn words(code: &str) -> Vec<(usize, &str)> {
    let bytes = code.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..]
            .iter()
            .take_while(|byte| is_word_byte(**byte))
            .count();
        if length > 0 {
            words.push((at, &code[at..at + length]));
        }
        at += length.max(1);
    }
    words
}

/// The first byte after `from` that is not a blank, with its offset.
pub fn next_byte(code: &str, from: usize) -> Option<(usize, u8)> {
    let rest = code.as_bytes().iter().enumerate().skip(from);
    rest.map(|(at, byte)| (at, *byte))
        .find(|(_, byte)| !byte.is_ascii_whitespace())
}

/// The offset behind the bracket that closes the one at `open`, or the end of the code.
pub fn behind_bracket(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// Every path in `code`: the leaves of `use` trees, and the paths elsewhere.
pub fn paths(code: &str) -> Vec<CodePath> {
    let mut paths = Vec::new();
    let mut behind = 0;
    for (at, word) in words(code) {
        if at < behind {
            continue;
        }
        if word == "use" {
            behind = code[at..]
                .find(';')
                .map_or(code.len(), |length| at + length);
            use_tree(code, at + word.len()..behind, &[], &mut paths);
            continue;
        }
        let mut segments = vec![word.to_owned()];
        behind = at + word.len();
        while let Some((next, word)) = segment_behind(code, behind) {
            segments.push(word.to_owned());
            behind = next + word.len();
        }
        paths.push(CodePath {
            offset: at,
            segments,
            imported: false,
        });
    }
    paths
}

/// The word behind `::` at `from`.
fn segment_behind(code: &str, from: usize) -> Option<(usize, &str)> {
    let (colon, _) = next_byte(code, from).filter(|_| code.is_char_boundary(from))?;
    code[colon..].starts_with("::").then_some(())?;
    let (start, _) = next_byte(code, colon + 2)?;
    let length = code.as_bytes()[start..]
        .iter()
        .take_while(|byte| is_word_byte(**byte))
        .count();
    (length > 0).then(|| (start, &code[start..start + length]))
}

fn use_tree(code: &str, tree: Range<usize>, outer: &[String], paths: &mut Vec<CodePath>) {
    for branch in split_at_commas(code, tree) {
        let mut segments = outer.to_vec();
        let text = &code[branch.clone()];
        let group = text.find('{').map(|brace| branch.start + brace);
        let names = branch.start..group.unwrap_or(branch.end);
        for (_, word) in words(&code[names.clone()]) {
            match word {
                "as" => break,
                "self" if group.is_none() && !outer.is_empty() => {}
                word => segments.push(word.to_owned()),
            }
        }
        match group {
            Some(open) => {
                let inner = open + 1..behind_bracket(code, open).saturating_sub(1).max(open + 1);
                use_tree(code, inner, &segments, paths);
            }
            None if segments.is_empty() => {}
            None => {
                let blanks = text.len() - text.trim_start().len();
                paths.push(CodePath {
                    offset: branch.start + blanks,
                    segments,
                    imported: true,
                });
            }
        }
    }
}

/// The parts of `range` between its commas; those inside brackets or `<…>` do not count, blank
/// parts are left out.
pub fn split_at_commas(code: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut depth = 0usize;
    let mut start = range.start;
    let bytes = code.as_bytes();
    for at in range.clone() {
        let arrow = at > 0 && matches!(bytes[at - 1], b'-' | b'=');
        match bytes[at] {
            b'(' | b'[' | b'{' | b'<' => depth += 1,
            b'>' if arrow => {}
            b')' | b']' | b'}' | b'>' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(start..range.end);
    parts.retain(|part| !code[part.clone()].trim().is_empty());
    parts
}

/// The items under `#[cfg(test)]`, attribute included.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    for (start, attribute) in code.match_indices("#[cfg(test)]") {
        if items.last().is_some_and(|item| start < item.end) {
            continue;
        }
        let mut at = start + attribute.len();
        let end = loop {
            match next_byte(code, at) {
                None => break code.len(),
                Some((next, b'#')) => at = behind_bracket(code, next + 1),
                Some((next, b'{')) => break behind_bracket(code, next),
                Some((next, b';')) => break next + 1,
                Some((next, b'(' | b'[')) => at = behind_bracket(code, next),
                Some((next, _)) => at = next + 1,
            }
        };
        items.push(start..end);
    }
    items
}

fn blank_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    while code.len() < bytes.len() {
        let at = code.len();
        let (visible, end) = literal_or_comment(bytes, at);
        for (offset, byte) in bytes[at..end].iter().enumerate() {
            let kept = visible.contains(&offset) || *byte == b'\n';
            code.push(if kept { *byte } else { b' ' });
        }
    }
    String::from_utf8(code).expect("only whole characters are blanked")
}

/// What stands at `at`: the offsets from there that stay visible, and where it ends. One character
/// of code is its own, all visible.
fn literal_or_comment(bytes: &[u8], at: usize) -> (Vec<usize>, usize) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len());
        return (Vec::new(), at + length);
    }
    if rest.starts_with(b"/*") {
        return (Vec::new(), at + block_comment(rest));
    }
    let in_word = at > 0 && is_word_byte(bytes[at - 1]);
    if rest[0] == b'r' && (!in_word || bytes[at - 1] == b'b') {
        let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(hashes + 1) == Some(&b'"') {
            let length = raw_string(rest, hashes);
            let visible = (0..hashes + 2)
                .chain(length.saturating_sub(hashes + 1)..length)
                .collect();
            return (visible, at + length);
        }
    }
    if rest[0] == b'"' {
        let length = quoted(rest, b'"');
        return (vec![0, closing(rest, length, b'"')], at + length);
    }
    // A lifetime has no quote behind its first character.
    let character = rest[0] == b'\''
        && (rest.get(1) == Some(&b'\\')
            || rest
                .iter()
                .skip(2)
                .take(4)
                .position(|b| *b == b'\'')
                .is_some_and(|gap| {
                    std::str::from_utf8(&rest[1..gap + 2])
                        .is_ok_and(|text| text.chars().count() == 1)
                }));
    if character {
        let length = quoted(rest, b'\'');
        return (vec![0, closing(rest, length, b'\'')], at + length);
    }
    (vec![0], at + 1)
}

/// The offset of the closing quote, or 0 when the text ends before it.
fn closing(rest: &[u8], length: usize, quote: u8) -> usize {
    if length > 1 && rest[length - 1] == quote {
        length - 1
    } else {
        0
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" if depth == 1 => return at + 2,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    rest.len()
}

fn raw_string(rest: &[u8], hashes: usize) -> usize {
    let end: Vec<u8> = std::iter::once(b'"')
        .chain(std::iter::repeat_n(b'#', hashes))
        .collect();
    let inside = hashes + 2;
    let found = rest[inside..]
        .windows(end.len())
        .position(|window| window == end.as_slice());
    found.map_or(rest.len(), |length| inside + length + end.len())
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}
