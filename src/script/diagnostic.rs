//! What is wrong with a program, said to the person who writes it: place, line, caret, and what to
//! write instead. Most hints are for people who come from JavaScript.

use std::fmt;

use rhai::{LexError, ParseError, ParseErrorType};

use super::command::Place;

/// One fault of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub place: Place,
    /// The text of that line; empty when there is none.
    pub line_text: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if self.place.line > 0 {
            let number = self.place.line.to_string();
            let before = self.place.column.saturating_sub(1);
            // Tabs are kept, so that the caret stands right whatever their width.
            let indent: String = self
                .line_text
                .chars()
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .chain(std::iter::repeat(' '))
                .take(before)
                .collect();
            write!(f, "\n {number} | {}", self.line_text)?;
            write!(f, "\n {:1$} | {indent}^", "", number.len())?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n hint: {hint}")?;
        }
        Ok(())
    }
}

/// A fault in words: what is wrong, what to do.
pub(super) struct Words {
    pub message: String,
    pub hint: Option<String>,
}

fn words(message: impl Into<String>, hint: &str) -> Words {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    Words {
        message: message.into(),
        hint,
    }
}

/// Words for reserved names and symbols: Rhai keeps these for itself.
const RESERVED: &[(&str, &str)] = &[
    (
        "call",
        "`call` is a word of the language; the word for a call is `leg`",
    ),
    (
        "new",
        "there is no `new`; host functions such as `create_conference()` make things",
    ),
    ("var", "write `let` instead of `var`"),
    ("null", "write `()` for a value that is not there"),
    ("void", "write `()` for a value that is not there"),
    ("++", "write `x += 1`"),
    ("--", "write `x -= 1`"),
    ("===", "write `==`; it never converts: 1 == \"1\" is false"),
    ("!==", "write `!=`; it never converts: 1 != \"1\" is true"),
    ("=>", "a closure is written `|e| …`"),
    ("async", "nothing waits here: results come back as events"),
    ("await", "nothing waits here: results come back as events"),
    ("case", "write `switch x { 1 => …, _ => … }`"),
    ("default", "write `switch x { 1 => …, _ => … }`"),
    ("eval", "text cannot be run as a script"),
    (
        "import",
        "list all files of a program in its rule; they share their functions",
    ),
    (
        "export",
        "list all files of a program in its rule; they share their functions",
    ),
    ("sync", "choose another name"),
    ("thread", "nothing waits here: results come back as events"),
    ("?", "write `if a { b } else { c }`, which has a value"),
];

/// Words of JavaScript that Rhai reads as names, so that the fault shows only after them.
const FOREIGN: &[(&str, &str)] = &[
    (
        "function",
        "a function is written `fn name(e) { … }` at the top of the file, a closure `|e| …`",
    ),
    ("typeof", "write `type_of(x)`"),
    ("delete", "write `map.remove(\"name\")`"),
    (
        "class",
        "there are no classes; keep data in maps: `#{name: \"x\"}`",
    ),
    ("finally", "there is no `finally`"),
    ("of", "write `for x in list { … }`"),
    ("instanceof", "write `type_of(x) == \"…\"`"),
];

fn reserved(symbol: &str) -> Option<&'static str> {
    RESERVED
        .iter()
        .find(|(word, _)| *word == symbol)
        .map(|(_, hint)| *hint)
}

/// The fault that a parse error is about, from the error and the text of its line before and from
/// its place.
pub(super) fn parse_error(error: &ParseError, before: &str, from: &str) -> Words {
    // tidy: table
    let previous = before
        .trim_end()
        .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
        .next();
    let foreign = FOREIGN.iter().find(|(word, _)| {
        previous == Some(*word)
            || from
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                == Some(*word)
            || before.trim_end().ends_with(')') && last_word_before_paren(before) == Some(*word)
    });
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "Rhai's own sentence will do for the rest"
    )]
    match error.err_type() {
        ParseErrorType::Reserved(symbol) => words(
            format!("`{symbol}` cannot be used here"),
            reserved(symbol).unwrap_or("it is a word that the language keeps for itself"),
        ),
        ParseErrorType::BadInput(LexError::ImproperSymbol(symbol, _)) => words(
            format!("`{symbol}` cannot be used here"),
            reserved(symbol).unwrap_or_default(),
        ),
        ParseErrorType::UnknownOperator(symbol) => words(
            format!("there is no operator `{symbol}`"),
            reserved(symbol).unwrap_or_default(),
        ),
        ParseErrorType::BadInput(LexError::MalformedChar(_)) => words(
            "text in single quotes is one character",
            "write text in double quotes: \"…\"",
        ),
        ParseErrorType::BadInput(LexError::UnterminatedString) => words(
            "the text that begins here has no end",
            "close it with the quote it began with",
        ),
        ParseErrorType::MissingToken(..) if from.starts_with("=>") => arrow(before),
        ParseErrorType::MissingToken(..) if foreign.is_some() => {
            let (word, hint) = foreign.copied().unwrap_or_default();
            words(format!("`{word}` is not a word of this language"), hint)
        }
        ParseErrorType::MissingToken(token, _) if token == ";" => semicolon(from),
        ParseErrorType::MissingToken(token, _) if token == "," && from.starts_with("=") => words(
            "a parameter has no default value",
            "leave out `= …` and set it in the function",
        ),
        ParseErrorType::MissingToken(token, _) if token == "{" => words(
            "a `{` is missing here",
            "`if`, `while`, `for` and `loop` need braces",
        ),
        ParseErrorType::MissingToken(token, purpose) if token == "}" => {
            words(format!("a `}}` is missing {purpose}"), "")
        }
        ParseErrorType::MissingToken(token, purpose) => {
            words(format!("a `{token}` is missing {purpose}"), "")
        }
        ParseErrorType::VariableExpected if before.contains("for") => words(
            "this kind of `for` does not exist",
            "write `for i in 0..10 { … }` or `for x in list { … }`",
        ),
        ParseErrorType::VariableExpected => words(
            "a name is expected here",
            "take values out one by one: `let a = list[0];`",
        ),
        ParseErrorType::ExprExpected(_) if from.starts_with("case") => words(
            "`case` cannot be used here",
            reserved("case").unwrap_or_default(),
        ),
        ParseErrorType::WrongFnDefinition => words(
            "a function cannot stand inside another",
            "move it to the top of the file, or write a closure: `|e| …`",
        ),
        ParseErrorType::FnDuplicatedDefinition(name, _) => words(
            format!("the function `{name}` is defined twice in this file"),
            "give one of them another name",
        ),
        ParseErrorType::ExprTooDeep => words(
            "this expression is nested too deep",
            "use local variables for its parts",
        ),
        ParseErrorType::UnexpectedEOF => words("the file ends too early", ""),
        other => words(other.to_string(), ""),
    }
}

fn last_word_before_paren(before: &str) -> Option<&str> {
    let open = before.rfind('(')?;
    before
        .get(..open)?
        .trim_end()
        .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
}

/// `(e) => …`, `e => …` or a stray `=>`.
fn arrow(before: &str) -> Words {
    let parameter = before.trim_end().trim_end_matches(')');
    let name = parameter
        .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
        .next();
    let name = name.filter(|name| !name.is_empty()).unwrap_or("e");
    words(
        "`=>` does not make a function here",
        &format!("a closure is written `|{name}| …`"),
    )
}

fn semicolon(from: &str) -> Words {
    if from.starts_with(':') {
        return words(
            "`:` cannot be used here",
            "a map is written `#{name: value}`, with a `#` before the brace",
        );
    }
    words(
        "a `;` is missing before this",
        "every statement ends with `;`",
    )
}
