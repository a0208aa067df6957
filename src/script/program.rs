//! A compiled program, and the files that it was made of. Each file is compiled behind as many
//! empty lines as the files before it have, so that a line number of the program names file and
//! line at once.

use std::collections::BTreeMap;

use rhai::{AST, Position};

use super::command::Place;
use super::diagnostic::Diagnostic;

/// One file in the lines of the whole program.
#[derive(Debug)]
pub(super) struct File {
    pub name: String,
    pub first_line: usize,
    pub lines: Vec<String>,
}

/// A compiled program.
#[derive(Debug)]
pub struct Program {
    pub(super) ast: AST,
    pub(super) files: Files,
    /// Numbers of parameters by function name.
    pub(super) functions: BTreeMap<String, Vec<usize>>,
    /// Where the bodies of functions begin, by name; those in `ast` are made.
    pub(super) definitions: BTreeMap<String, Position>,
    pub(super) sounds: Vec<(String, Place)>,
}

/// The files of a program, in order.
#[derive(Debug, Default)]
pub(super) struct Files(pub Vec<File>);

impl Files {
    fn file_at(&self, line: usize) -> Option<&File> {
        self.0.iter().rev().find(|file| file.first_line <= line)
    }

    /// The file, line and column of a position.
    pub(super) fn place(&self, position: Position) -> Place {
        let line = position.line().unwrap_or(0);
        let Some(file) = self.file_at(line) else {
            return Place::default();
        };
        Place {
            file: file.name.clone(),
            line: line + 1 - file.first_line,
            column: position.position().unwrap_or(1),
        }
    }

    /// The text of the line of a position.
    pub(super) fn line_text(&self, position: Position) -> &str {
        let line = position.line().unwrap_or(0);
        self.file_at(line)
            .and_then(|file| file.lines.get(line - file.first_line))
            .map_or("", String::as_str)
    }

    /// A fault at a position.
    pub(super) fn diagnostic(
        &self,
        position: Position,
        message: String,
        hint: Option<String>,
    ) -> Diagnostic {
        Diagnostic {
            place: self.place(position),
            line_text: self.line_text(position).to_owned(),
            message,
            hint,
        }
    }
}

impl Program {
    /// The sound files that the program names, as they are written, and where. Those whose names
    /// it puts together when it runs are not known.
    pub fn sound_files(&self) -> &[(String, Place)] {
        &self.sounds
    }

    /// The file, line and column of a position.
    pub(super) fn place(&self, position: Position) -> Place {
        self.files.place(position)
    }

    /// Where the body of a function begins.
    pub(super) fn definition(&self, name: &str) -> Position {
        let found = self.definitions.get(name).copied();
        found.unwrap_or(Position::NONE)
    }

    /// Whether the program has a function `name`.
    pub(super) fn defines(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// Whether the program has a function `name` with so many parameters.
    pub(super) fn has_function(&self, name: &str, parameters: usize) -> bool {
        self.functions
            .get(name)
            .is_some_and(|counts| counts.contains(&parameters))
    }
}
