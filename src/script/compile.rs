//! Makes a program of the scenario files of one rule, which all its sessions share, and checks
//! files that no rule runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{AST, ASTFlags, Module, Position, Stmt};

use super::check;
use super::command::Place;
use super::diagnostic::{self, Diagnostic};
use super::host::Host;
use super::limits::Limits;
use super::parser::parser;
use super::program::{File, Files, Program};
use super::trace;

/// Lines of all files of a program: Rhai counts lines in 16 bits.
const PROGRAM_LINES_MAX: usize = 65_000;
/// Columns that Rhai can count.
const COLUMNS_MAX: usize = 65_000;

/// One scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name below `scripts_dir`.
    pub file: String,
    /// What stands in it.
    pub text: String,
}

impl Files {
    fn push(&mut self, source: &Source, first_line: usize) {
        self.0.push(File {
            name: source.file.clone(),
            first_line,
            lines: source.text.lines().map(str::to_owned).collect(),
        });
    }

    /// The fault of the last file, when Rhai cannot count its lines or columns.
    fn too_long(&self) -> Option<Diagnostic> {
        let file = self.0.last()?;
        let next_line = file.first_line + file.lines.len().max(1);
        let mut lines = file.lines.iter();
        let wide = lines.any(|line| line.chars().count() > COLUMNS_MAX);
        if next_line <= PROGRAM_LINES_MAX && !wide {
            return None;
        }
        let place = Place {
            file: file.name.clone(),
            line: 0,
            column: 0,
        };
        let message =
            format!("a program has at most {PROGRAM_LINES_MAX} lines, and as many columns");
        Some(Diagnostic {
            place,
            line_text: String::new(),
            message,
            hint: None,
        })
    }
}

impl Program {
    /// Compiles the files of one rule, libraries first, and checks them.
    ///
    /// # Errors
    ///
    /// Every fault that was found, in the order of the files. Faults of syntax hide the others.
    pub fn compile(host: &Host, sources: &[Source]) -> Result<Arc<Program>, Vec<Diagnostic>> {
        let mut files = Files::default();
        let mut parsed = Vec::new();
        let mut faults = Vec::new();
        let mut first_line = 1;
        for source in sources {
            let next_line = first_line + source.text.lines().count().max(1);
            files.push(source, first_line);
            if let Some(fault) = files.too_long() {
                faults.push(fault);
                break;
            }
            match parse(&host.limits, &files, first_line, &source.text) {
                Ok(ast) => parsed.push(ast),
                Err(fault) => faults.push(fault),
            }
            first_line = next_line;
        }
        if faults.is_empty() {
            faults = check::check(&host.functions, &files, &parsed, check::Extent::Program);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let sounds = check::sound_files(&parsed).into_iter();
        let sounds = sounds.map(|(path, position)| (path, files.place(position)));
        let sounds = sounds.collect();
        let ast = parsed.into_iter().fold(AST::empty(), |mut whole, ast| {
            whole.combine(ast);
            whole
        });
        let mut functions = BTreeMap::<String, Vec<usize>>::new();
        let mut definitions = BTreeMap::new();
        let module: &Module = ast.as_ref();
        for function in ast.iter_functions() {
            let (name, parameters) = (function.name, function.params.len());
            functions
                .entry(name.to_owned())
                .or_default()
                .push(parameters);
            if let Some(found) = module.get_script_fn(name, parameters) {
                definitions
                    .entry(name.to_owned())
                    .or_insert(found.body.start_position());
            }
        }
        Ok(Arc::new(Program {
            ast: trace::wrap(&ast),
            files,
            functions,
            definitions,
            sounds,
        }))
    }
}

/// What was found in a file that no rule runs.
#[derive(Debug)]
pub struct Idle {
    /// Its name below `scripts_dir`.
    pub file: String,
    /// It has no entry point, so it is there to be listed beside others.
    pub is_library: bool,
    /// What is wrong with it. Functions of any other file count as known, because a rule may list
    /// that file too.
    pub faults: Vec<Diagnostic>,
}

/// Checks the files that no rule runs; those that rules do run lend their functions.
pub fn check_idle(host: &Host, idle: &[Source], used: &[Source]) -> Vec<Idle> {
    let mut files = Files::default();
    let mut parsed = Vec::new();
    let mut first_line = 1;
    let mut found: Vec<Idle> = Vec::new();
    for (index, source) in idle.iter().chain(used).enumerate() {
        let mut faults = check_syntax(host, source);
        let next_line = first_line + source.text.lines().count().max(1);
        if faults.is_empty() && next_line <= PROGRAM_LINES_MAX {
            files.push(source, first_line);
            match parse(&host.limits, &files, first_line, &source.text) {
                Ok(ast) => parsed.push(ast),
                Err(fault) => faults.push(fault),
            }
            first_line = next_line;
        }
        if index < idle.len() {
            found.push(Idle {
                file: source.file.clone(),
                is_library: false,
                faults,
            });
        }
    }
    let faults = check::check(&host.functions, &files, &parsed, check::Extent::Idle);
    for idle in &mut found {
        let own = |fault: &&Diagnostic| fault.place.file == idle.file;
        let own: Vec<Diagnostic> = faults.iter().filter(own).cloned().collect();
        idle.is_library = idle.faults.is_empty() && {
            let file = files.0.iter().position(|file| file.name == idle.file);
            file.and_then(|file| parsed.get(file)).is_some_and(|ast| {
                !ast.iter_functions()
                    .any(|f| check::begins_a_scenario(f.name))
            })
        };
        idle.faults.extend(own);
    }
    found
}

/// What is wrong with the syntax of one file.
pub fn check_syntax(host: &Host, source: &Source) -> Vec<Diagnostic> {
    let mut files = Files::default();
    files.push(source, 1);
    files.too_long().map_or_else(
        || {
            parse(&host.limits, &files, 1, &source.text)
                .err()
                .into_iter()
                .collect()
        },
        |fault| vec![fault],
    )
}

/// The tree of the last of `files`.
fn parse(limits: &Limits, files: &Files, first_line: usize, text: &str) -> Result<AST, Diagnostic> {
    if let Some(at) = lone_return(text) {
        let before = text.get(..at).unwrap_or_default();
        let line = first_line + before.matches('\n').count();
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let number = |number| u16::try_from(number).unwrap_or(u16::MAX);
        let position = Position::new(number(line), number(column));
        let message = "a carriage return without a line feed".to_owned();
        let hint = "save the file with line ends of one kind, LF or CR LF".to_owned();
        return Err(files.diagnostic(position, message, Some(hint)));
    }
    let padded = format!("{}{text}", "\n".repeat(first_line - 1));
    let lines = files.0.last().map_or(&[][..], |file| &file.lines);
    let ast = parser(limits, lines, first_line)
        .compile(padded)
        .map_err(|error| {
            let position = error.position();
            let line = files.line_text(position);
            let column = position.position().unwrap_or(1);
            let split = line
                .char_indices()
                .nth(column - 1)
                .map_or(line.len(), |(at, _)| at);
            let (before, from) = line.split_at(split);
            let words = diagnostic::parse_error(&error, before, from);
            files.diagnostic(position, words.message, words.hint)
        })?;
    for statement in ast.statements() {
        let is_constant = matches!(
            statement,
            Stmt::Var(_, flags, _) if flags.contains(ASTFlags::CONSTANT)
        );
        if !is_constant && !matches!(statement, Stmt::Noop(_)) {
            return Err(files.diagnostic(
                statement.position(),
                "only constants and functions stand at the top of a file".to_owned(),
                Some("state of a session lives in `this`: set it in `fn on_started(e)`".to_owned()),
            ));
        }
    }
    Ok(ast)
}

/// Where a carriage return stands that ends no line. Rhai takes it for the end of a comment and for
/// a blank elsewhere, so that what an editor shows as a comment would run, and every place behind
/// it would be wrong.
fn lone_return(text: &str) -> Option<usize> {
    let mut returns = text.match_indices('\r');
    let is_lone = |at: &usize| text.as_bytes().get(at + 1) != Some(&b'\n');
    returns.find_map(|(at, _)| Some(at).filter(is_lone))
}
