//! One session's script state: the map `this` and the tables behind its handles. All of it is plain
//! data, so that a session can be written down, restored and replayed. Nothing here runs a script.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{Dynamic, FnPtr, Map};

use super::collector::Collector;
use super::command::{LegInfo, Sound};
use super::handle::HeaderMap;
use super::program::Program;
use super::random::Random;
use crate::id::{LegId, Run, SessionId, TimerId, UnitId};

/// Ended legs whose properties can still be read; beyond it the oldest is forgotten.
const ENDED_LEGS_KEPT: usize = 100;

/// What a session is told about itself when it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionInfo {
    /// What the names of all ids end with.
    pub run: Run,
    /// Its id.
    pub id: SessionId,
    /// The name of the rule that made it.
    pub rule: String,
    /// The application of the rule.
    pub application: String,
    /// The name that was called with `call_conference`; empty in other sessions.
    pub conference_name: String,
    /// Text given by whoever started it; empty when there is none.
    pub custom_data: String,
    /// Variables of the rule.
    pub variables: BTreeMap<String, serde_json::Value>,
    /// Source of `random` and `uuid`.
    pub seed: u64,
}

/// One session's script state. It is moved to a script thread for each event and back.
#[derive(Debug)]
pub struct Instance {
    pub(super) program: Arc<Program>,
    pub(super) state: Dynamic,
    /// `None` only while an event of this session is handled.
    pub(super) tables: Option<Box<Tables>>,
    pub(super) turns: u32,
}

impl Instance {
    /// A session that has not seen an event.
    pub fn new(program: Arc<Program>, about: SessionInfo) -> Self {
        let tables = Tables {
            random: Random::new(about.seed),
            custom_data: about.custom_data.clone(),
            about,
            terminating: false,
            legs: BTreeMap::new(),
            units: BTreeMap::new(),
            timers: BTreeMap::new(),
            collectors: BTreeMap::new(),
        };
        Instance {
            program,
            state: Dynamic::from_map(Map::new()),
            tables: Some(Box::new(tables)),
            turns: 0,
        }
    }

    /// The program that this session runs, for its whole life.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }
}

/// Handlers by event word, in the order in which they were added.
pub(super) type Handlers = BTreeMap<&'static str, Vec<FnPtr>>;

/// Everything of a session but `this`.
#[derive(Debug)]
pub(super) struct Tables {
    pub about: SessionInfo,
    pub random: Random,
    pub custom_data: String,
    /// `on_terminating` runs: no timers any more.
    pub terminating: bool,
    pub legs: BTreeMap<LegId, LegRecord>,
    pub units: BTreeMap<UnitId, UnitRecord>,
    pub timers: BTreeMap<TimerId, TimerRecord>,
    pub collectors: BTreeMap<LegId, Collector>,
}

/// Where a leg stands, as far as the script was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LegState {
    Alerting,
    Early,
    Connected,
    Ended,
}

impl LegState {
    /// The word in `leg.state`.
    pub(super) fn word(self) -> &'static str {
        match self {
            LegState::Alerting => "alerting",
            LegState::Early => "early",
            LegState::Connected => "connected",
            LegState::Ended => "ended",
        }
    }
}

#[derive(Debug)]
pub(super) struct LegRecord {
    pub info: LegInfo,
    pub headers: HeaderMap,
    pub state: LegState,
    /// The script itself asked for digits.
    pub detects_digits: bool,
    pub handlers: Handlers,
}

impl LegRecord {
    pub(super) fn new(info: LegInfo) -> Self {
        let headers = info
            .headers
            .iter()
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        LegRecord {
            headers: HeaderMap(Arc::new(headers)),
            info,
            state: LegState::Alerting,
            detects_digits: false,
            handlers: Handlers::new(),
        }
    }
}

/// What kind of unit it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum UnitKind {
    Conference {
        label: String,
        members: Vec<LegId>,
    },
    Player {
        sound: Sound,
        looped: bool,
        gain_db: f32,
    },
    Recorder,
}

#[derive(Debug)]
pub(super) struct UnitRecord {
    pub kind: UnitKind,
    pub handlers: Handlers,
}

impl UnitRecord {
    pub(super) fn new(kind: UnitKind) -> Self {
        UnitRecord {
            kind,
            handlers: Handlers::new(),
        }
    }
}

/// What a timer does when it fires.
#[derive(Debug)]
pub(super) enum TimerRecord {
    Script {
        handler: FnPtr,
        repeat: bool,
        /// How often the handler failed since it last did not.
        failures: u32,
    },
    /// The pause after which `digits` gives up on this leg.
    Digits { leg: LegId },
}

impl Tables {
    /// The leg, unless it is unknown or has ended: such a leg takes no commands.
    pub(super) fn live_leg(&mut self, leg: LegId) -> Option<&mut LegRecord> {
        self.legs
            .get_mut(&leg)
            .filter(|record| record.state != LegState::Ended)
    }

    pub(super) fn live_legs(&self) -> usize {
        self.legs
            .values()
            .filter(|record| record.state != LegState::Ended)
            .count()
    }

    /// Adds a leg; a leg made by this session is known already.
    pub(super) fn add_leg(&mut self, info: LegInfo) {
        self.legs.insert(info.id, LegRecord::new(info));
        let ended = self
            .legs
            .iter()
            .filter(|(_, record)| record.state == LegState::Ended);
        let ended: Vec<LegId> = ended.map(|(id, _)| *id).collect();
        for id in ended
            .iter()
            .take(ended.len().saturating_sub(ENDED_LEGS_KEPT))
        {
            self.legs.remove(id);
        }
    }

    /// Estimated bytes of what handlers carry.
    pub(super) fn handler_bytes(&self) -> usize {
        let of = |handlers: &Handlers| {
            handlers
                .values()
                .flatten()
                .map(handler_bytes)
                .sum::<usize>()
        };
        let timers = self.timers.values().map(|record| match record {
            TimerRecord::Script { handler, .. } => handler_bytes(handler),
            TimerRecord::Digits { .. } => 0,
        });
        self.legs
            .values()
            .map(|record| of(&record.handlers))
            .sum::<usize>()
            + self
                .units
                .values()
                .map(|record| of(&record.handlers))
                .sum::<usize>()
            + timers.sum::<usize>()
            + self
                .collectors
                .values()
                .map(|c| handler_bytes(&c.handler))
                .sum::<usize>()
    }
}

fn handler_bytes(handler: &FnPtr) -> usize {
    size_of::<FnPtr>() + handler.curry().iter().map(estimate_bytes).sum::<usize>()
}

/// Estimated bytes of a value. Its depth is bounded by the limits on arrays and maps.
pub(super) fn estimate_bytes(value: &Dynamic) -> usize {
    let inside = if let Ok(text) = value.as_immutable_string_ref() {
        text.len()
    } else if let Ok(items) = value.as_array_ref() {
        items.iter().map(estimate_bytes).sum()
    } else if let Ok(entries) = value.as_map_ref() {
        entries
            .iter()
            .map(|(name, value)| 24 + name.len() + estimate_bytes(value))
            .sum()
    } else {
        0
    };
    size_of::<Dynamic>() + inside
}
