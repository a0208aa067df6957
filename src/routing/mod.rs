//! Which rule takes a call: rules as ordered data, the decision with its trace, and the lint.
//!
//! Owns the grammar of `rules/<application>.toml` ([`Ruleset::parse`]), the choice of one rule for
//! one call ([`Router::decide`]) and the search for rules that cannot work as meant ([`lint()`]).
//! It reads no files, compiles no scripts, takes no permits and counts no sessions: the caller
//! brings the text and the time, and keeps the limits that a rule carries.

mod cover;
mod excerpt;
mod language;
mod lint;
mod pattern;
mod reader;
mod router;
mod rule;
mod schedule;

pub use excerpt::SourceError;
pub use lint::{Finding, ScenarioFiles, Severity, lint};
pub use pattern::{PATTERN_BYTES_MAX, Pattern, PatternError};
pub use router::{CallInfo, DESTINATION_BYTES_MAX, Mismatch, Router, Step, Trace};
pub use rule::{
    Limits, RULES_MAX, RULESET_BYTES_MAX, Rule, Ruleset, SCENARIOS_MAX, Source, Variable,
};
pub use schedule::{Schedule, Zone, moment};

#[cfg(test)]
mod tests;
