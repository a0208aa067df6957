//! The limits of one session, each with its default and what happens when it is reached. Every
//! limit of Rhai is set from here, because Rhai's own defaults differ between debug and release
//! builds.

use rhai::Engine;

/// How much one session may use. Reaching a limit raises an error in the script that reached it;
/// other sessions do not notice.
///
/// Rhai measures a value when a function returns it or may have changed it, and at `m.name = x`.
/// At `m[name] = x` and `a[i] = x` it measures x alone: only `operations` and the time of the
/// handler stop a loop that makes a local map or array larger so, until the value is used as a
/// whole. What stays in `this` is measured after the event, against `state_bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Operations of one handler, callbacks of array functions included.
    pub operations: u64,
    /// Script functions inside one another.
    pub call_depth: usize,
    /// Nesting of one expression, checked when a program is compiled.
    pub expression_depth: usize,
    /// Bytes of one string, and of all strings in one array or map together.
    pub string_bytes: usize,
    /// Items of one array, nested ones included.
    pub array_items: usize,
    /// Entries of one map, nested ones included.
    pub map_entries: usize,
    /// Local variables alive at once.
    pub variables: usize,
    /// Estimated bytes of `this` and of the values that handlers carry.
    pub state_bytes: usize,
    /// Timers waiting at once.
    pub timers: usize,
    /// Failures in a row of one repeating timer, which is then cancelled: it would fill the log.
    pub timer_failures: u32,
    /// Players alive at once.
    pub players: usize,
    /// Conferences and recorders alive at once, together.
    pub units: usize,
    /// Legs alive at once in a session that is not a named conference.
    pub legs: usize,
    /// Commands of one event.
    pub commands: usize,
    /// Handlers of one event of one leg, conference, player or recorder.
    pub handlers_per_event: usize,
    /// Handlers of one leg, conference, player or recorder, over all events. A session has no limit
    /// of its own: a conference grows with its legs.
    pub handlers: usize,
    /// Characters of one log line; the rest is cut off and marked.
    pub log_chars: usize,
    /// Bytes of one message, INFO body, or of `custom_data`.
    pub message_bytes: usize,
    /// Characters of one spoken text.
    pub speech_chars: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            operations: 1_000_000,
            call_depth: 64,
            expression_depth: 128,
            string_bytes: 1 << 20,
            array_items: 10_000,
            map_entries: 20_000,
            variables: 1_000,
            state_bytes: 16 << 20,
            timers: 100,
            timer_failures: 10,
            players: 10,
            units: 100,
            legs: 100,
            commands: 10_000,
            handlers_per_event: 100,
            handlers: 500,
            log_chars: 15_000,
            message_bytes: 8_192,
            speech_chars: 1_500,
        }
    }
}

impl Limits {
    /// Sets those that Rhai keeps.
    pub(super) fn set(&self, engine: &mut Engine) {
        engine.set_max_operations(self.operations);
        engine.set_max_call_levels(self.call_depth);
        engine.set_max_expr_depths(self.expression_depth, self.expression_depth);
        engine.set_max_string_size(self.string_bytes);
        engine.set_max_array_size(self.array_items);
        engine.set_max_map_size(self.map_entries);
        engine.set_max_variables(self.variables);
        engine.set_max_modules(0);
        // The interner is a lock that all script threads would share.
        engine.set_max_strings_interned(0);
    }
}
