//! The Rhai engine that reads the text of one file. Rhai asks about each token with its position
//! alone, so what stands behind a token is looked up in the text.

use rhai::{Engine, OptimizationLevel, Token};

use super::limits::Limits;

/// The name under which our `curry` is registered.
pub(super) const CURRY: &str = "carry";
/// Words of the language that a scenario has no use for.
const DISABLED: [&str; 3] = ["eval", "import", "export"];

/// An engine that reads the text of these lines, the first of which it knows as `first_line`.
pub(super) fn parser(limits: &Limits, lines: &[String], first_line: usize) -> Engine {
    let mut engine = Engine::new_raw();
    limits.set(&mut engine);
    for symbol in DISABLED {
        engine.disable_symbol(symbol);
    }
    // The tree stays as it was written, so that checks see all of it.
    engine.set_optimization_level(OptimizationLevel::None);
    map_tokens(&mut engine, lines.to_vec(), first_line);
    engine
}

/// Reads two words otherwise than Rhai does. `loop` is an option of `play`: it is a name where a
/// colon follows, as in `#{loop: true}`. `curry` is our own function, because Rhai's copies
/// whatever it carries without a limit.
fn map_tokens(engine: &mut Engine, lines: Vec<String>, first_line: usize) {
    #[allow(
        deprecated,
        reason = "marked volatile, not deprecated; the version is pinned"
    )]
    engine.on_parse_token(move |token, position, _| {
        let is_name = || {
            let line = position
                .line()
                .and_then(|line| line.checked_sub(first_line));
            let column = position.position().map(|column| column - 1);
            line.zip(column)
                .is_some_and(|(line, column)| colon_follows(&lines, line, column + "loop".len()))
        };
        if token == Token::Loop && is_name() {
            return Token::Identifier(Box::new("loop".into()));
        }
        let curry = matches!(
            &token,
            Token::Identifier(name) | Token::Reserved(name) if **name == "curry"
        );
        if curry {
            Token::Identifier(Box::new(CURRY.into()))
        } else {
            token
        }
    });
}

/// Whether the next character that is neither blank nor in a comment is a colon. `line` and
/// `column` count from 0.
fn colon_follows(lines: &[String], line: usize, column: usize) -> bool {
    let mut comments = 0;
    for (index, text) in lines.iter().enumerate().skip(line) {
        let skipped = if index == line { column } else { 0 };
        let mut rest = text.chars().skip(skipped).peekable();
        while let Some(first) = rest.next() {
            // Comments of several lines may stand inside one another.
            match (first, rest.peek()) {
                ('/', Some('*')) => comments += 1,
                ('*', Some('/')) if comments > 0 => comments -= 1,
                ('/', Some('/')) if comments == 0 => break,
                _ if comments > 0 || first.is_whitespace() => continue,
                _ => return first == ':',
            }
            rest.next();
        }
    }
    false
}
