//! How large things may be: functions, parameters, structs, files and lines.

use std::ops::Range;

use super::Finding;
use super::scan::{Source, behind_bracket, newlines, next_byte, split_at_commas, words};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 700;
const PARAMETERS_MAX: usize = 6;
const FIELDS_MAX: usize = 20;
const COLUMNS_MAX: usize = 100;

/// In or directly above a function that is one flat table.
const TABLE_MARK: &str = "// tidy: table";

pub fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (offset, word) in words(&source.code) {
        match word {
            "fn" => function(source, offset, &mut findings),
            "struct" => structure(source, offset, &mut findings),
            _ => {}
        }
    }
    for (index, line) in source.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS_MAX {
            let reason = format!("{columns} columns, at most {COLUMNS_MAX}");
            findings.push(Finding {
                line: index + 1,
                rule: "line-length",
                reason,
            });
        }
    }
    let lines = source
        .text
        .lines()
        .count()
        .saturating_sub(source.test_lines);
    if lines > FILE_LINES_MAX && !source.is_test {
        let reason =
            format!("{lines} lines without tests, at most {FILE_LINES_MAX}: split it by act");
        findings.push(Finding {
            line: FILE_LINES_MAX,
            rule: "file-size",
            reason,
        });
    }
    findings
}

fn function(source: &Source<'_>, start: usize, findings: &mut Vec<Finding>) {
    let code = &source.code;
    let Some((_, name)) = words(&code[start + 2..]).first().copied() else {
        return;
    };
    let is_item = next_byte(code, start + 2).is_some_and(|(_, b)| b != b'(' && b != b'$');
    let Some(open) = parameters_open(code, start).filter(|_| is_item) else {
        return;
    };
    let close = behind_bracket(code, open);
    let line = source.line(start);
    let parameters = split_at_commas(code, open + 1..close.saturating_sub(1).max(open + 1))
        .into_iter()
        .filter(|part| !is_receiver(&code[part.clone()]))
        .map(|part| values(code, part))
        .sum::<usize>();
    if parameters > PARAMETERS_MAX {
        let reason = format!("{name} has {parameters} parameters, at most {PARAMETERS_MAX}");
        findings.push(Finding {
            line,
            rule: "parameters",
            reason,
        });
    }
    let Some(body) = body_open(code, close) else {
        return;
    };
    let end = behind_bracket(code, body);
    let lines = newlines(&code[start..end]) + 1;
    if lines > FUNCTION_LINES_MAX && !is_table(source, line, lines) {
        let reason = format!(
            "{name} has {lines} lines, at most {FUNCTION_LINES_MAX}; one flat table may carry \
             {TABLE_MARK}"
        );
        findings.push(Finding {
            line,
            rule: "function-size",
            reason,
        });
    }
}

/// The bracket that opens the parameters, behind the generics.
fn parameters_open(code: &str, start: usize) -> Option<usize> {
    let bytes = code.as_bytes();
    let mut angles = 0usize;
    for at in start..bytes.len() {
        match bytes[at] {
            b'<' => angles += 1,
            b'>' if bytes[at - 1] != b'-' => angles = angles.saturating_sub(1),
            b'(' if angles == 0 => return Some(at),
            b'{' | b';' if angles == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The brace that opens the body, unless the function has none.
fn body_open(code: &str, mut at: usize) -> Option<usize> {
    loop {
        match next_byte(code, at)? {
            (open, b'{') => return Some(open),
            (_, b';' | b'}') => return None,
            (open, b'(' | b'[') => at = behind_bracket(code, open),
            (other, _) => at = other + 1,
        }
    }
}

/// How many values a parameter hands over: a tuple as many as it has parts.
fn values(code: &str, parameter: Range<usize>) -> usize {
    let colon = code[parameter.clone()].find(':');
    let of_type = colon.and_then(|colon| next_byte(code, parameter.start + colon + 1));
    match of_type {
        Some((open, b'(')) => {
            let close = behind_bracket(code, open).saturating_sub(1);
            split_at_commas(code, open + 1..close.max(open + 1)).len()
        }
        _ => 1,
    }
}

fn is_receiver(parameter: &str) -> bool {
    let first = words(parameter).into_iter().find(|(at, word)| {
        *word != "mut" && parameter.as_bytes().get(at.wrapping_sub(1)) != Some(&b'\'')
    });
    first.is_some_and(|(_, word)| word == "self")
}

fn is_table(source: &Source<'_>, line: usize, lines: usize) -> bool {
    let texts: Vec<&str> = source.text.lines().map(str::trim).collect();
    let inside = texts.iter().skip(line - 1).take(lines);
    let above = texts.iter().take(line - 1).rev().take_while(|text| {
        text.starts_with("//") || text.starts_with("#[") || text.starts_with(')')
    });
    inside.chain(above).any(|text| text.starts_with(TABLE_MARK))
}

fn structure(source: &Source<'_>, start: usize, findings: &mut Vec<Finding>) {
    let code = &source.code;
    let behind = start + "struct".len();
    let Some((_, name)) = words(&code[behind..]).first().copied() else {
        return;
    };
    let Some(open) = fields_open(code, behind) else {
        return;
    };
    let close = behind_bracket(code, open).saturating_sub(1).max(open + 1);
    let fields = split_at_commas(code, open + 1..close).len();
    if fields > FIELDS_MAX {
        let reason = format!("{name} has {fields} fields, at most {FIELDS_MAX}");
        findings.push(Finding {
            line: source.line(start),
            rule: "struct-fields",
            reason,
        });
    }
}

/// The bracket that opens the fields: the first brace, or the round one directly behind the name.
fn fields_open(code: &str, start: usize) -> Option<usize> {
    let bytes = code.as_bytes();
    let mut angles = 0usize;
    let mut bounded = false;
    for at in start..bytes.len() {
        match bytes[at] {
            b'<' => angles += 1,
            b'>' if bytes[at - 1] != b'-' => angles = angles.saturating_sub(1),
            b':' if angles == 0 => bounded = true,
            b'{' if angles == 0 => return Some(at),
            b'(' if angles == 0 && !bounded => return Some(at),
            b';' if angles == 0 => return None,
            _ => {}
        }
    }
    None
}
