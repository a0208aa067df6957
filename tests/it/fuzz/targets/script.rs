//! Scenarios: any text as one, and anything said to those that ship.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use talkpath::id::{LegId, Run, SessionId};
use talkpath::script::{
    Command, Event, Host, Instance, LegEvent, LegInfo, Limits, Place, Program, SessionInfo, Source,
    Turn, check_syntax,
};

use super::files::{check_place, once};

/// Stack of the threads that run scenarios.
const STACK_BYTES: usize = 64 << 20;
const COMMANDS_MAX: usize = 100;

static SMALL: OnceLock<Host> = OnceLock::new();
static SHIPPED: OnceLock<Shipped> = OnceLock::new();

/// A host whose scenarios come to an end soon.
fn small() -> Host {
    let limits = Limits {
        operations: 3_000,
        commands: COMMANDS_MAX,
        ..Limits::default()
    };
    Host::new(limits, || false)
}

/// A text is a program or has faults, each with its place in the text; a program that runs ends
/// within its limits, and an error of it has a place in the text too.
pub fn scenario(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let host = once(&SMALL, small);
    let source = Source {
        file: "fuzz.rhai".to_owned(),
        text: text.to_owned(),
    };
    let syntax = check_syntax(host, &source);
    match Program::compile(host, std::slice::from_ref(&source)) {
        Ok(program) => {
            assert!(syntax.is_empty(), "{}", syntax[0]);
            // As in the program: values may nest deeply, and scenarios have threads of their own.
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            std::thread::scope(|scope| {
                let turns = || turns(host, program, text);
                let running = thread.spawn_scoped(scope, turns).expect("a thread");
                running
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            });
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                check(text, &fault.place);
                let _ = fault.to_string();
            }
        }
    }
}

fn check(text: &str, place: &Place) {
    if place.line == 0 {
        // Of the whole program.
        return;
    }
    assert_eq!(place.file, "fuzz.rhai");
    check_place(text, place.line, place.column.max(1));
}

fn turns(host: &Host, program: Arc<Program>, text: &str) {
    let mut instance = Instance::new(program, about("fuzz"));
    let mut ids = 100;
    let mut timers = Vec::new();
    let mut events = story();
    events.reverse();
    while let Some(event) = timers.pop().or_else(|| events.pop()) {
        if instance.absorb(&event) {
            continue;
        }
        let turn = Turn {
            now_ms: 1_700_000_000_000,
            ids: ids..ids + 1024,
        };
        let outcome = host.handle(&mut instance, &event, turn);
        assert!(outcome.commands.len() <= COMMANDS_MAX);
        assert!((ids..=ids + 1024).contains(&outcome.next_id));
        ids = outcome.next_id;
        if let Some(error) = &outcome.error {
            check(text, &error.place);
            assert!(!error.message.is_empty());
            let _ = error.to_string();
        }
        for placed in outcome.commands {
            check(text, &placed.place);
            if let Command::SetTimer { timer, .. } = placed.command
                && ids < 200
            {
                timers.push(Event::Timer { timer });
            }
        }
        if outcome.fatal {
            return;
        }
    }
}

/// What a session is told of a call.
fn story() -> Vec<Event> {
    vec![
        Event::Started,
        Event::Incoming {
            leg: leg(1, "phone"),
        },
        told(
            1,
            LegEvent::Connected {
                code: 200,
                headers: Vec::new(),
            },
        ),
        told(
            1,
            LegEvent::Message {
                text: "{\"type\":\"x\"}".to_owned(),
            },
        ),
        told(
            1,
            LegEvent::Digit {
                digit: '5',
                kind: "info".to_owned(),
                duration_ms: None,
            },
        ),
        told(
            1,
            LegEvent::PlaybackFinished {
                source: "a.wav".to_owned(),
                error: None,
            },
        ),
        Event::Terminating {
            reason: "fuzz".to_owned(),
        },
    ]
}

fn about(conference: &str) -> SessionInfo {
    SessionInfo {
        run: Run::default(),
        id: SessionId(7),
        rule: "fuzz".to_owned(),
        application: "fuzz".to_owned(),
        conference_name: conference.to_owned(),
        custom_data: String::new(),
        variables: BTreeMap::new(),
        seed: 1,
    }
}

fn leg(id: u64, kind: &str) -> LegInfo {
    let headers = [("x-clienttype", kind), ("x-conference-id", "123")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    LegInfo {
        id: LegId(id),
        incoming: true,
        source: "internal".to_owned(),
        caller_id: format!("+3161234567{id}"),
        display_name: format!("Caller {id}"),
        destination: "conf_123".to_owned(),
        number: format!("+3161234567{id}"),
        headers: headers.into(),
        user: String::new(),
    }
}

fn told(leg: u64, event: LegEvent) -> Event {
    Event::Leg {
        leg: LegId(leg),
        event,
    }
}

/// The scenarios that ship, each in a program of its own.
struct Shipped {
    host: Host,
    programs: Vec<Arc<Program>>,
}

fn shipped() -> Shipped {
    let host = Host::new(Limits::default(), || false);
    let texts = [
        (
            "conference.rhai",
            include_str!("../../../../scripts/conference.rhai"),
        ),
        (
            "gatekeeper.rhai",
            include_str!("../../../../scripts/gatekeeper.rhai"),
        ),
        (
            "pstn_gatekeeper.rhai",
            include_str!("../../../../scripts/pstn_gatekeeper.rhai"),
        ),
    ];
    let compile = |(file, text): (&str, &str)| {
        let source = Source {
            file: file.to_owned(),
            text: text.to_owned(),
        };
        Program::compile(&host, &[source]).expect("it ships")
    };
    let programs = texts.map(compile).into();
    Shipped { host, programs }
}

/// Participants of the conference by what they call with.
const CALLERS: &[(u64, &str)] = &[(1, "web"), (2, "web"), (3, "pstn_inbound")];

/// Messages, one in each line, from the participants of a conference in turns, and from callers of
/// the gatekeepers. None of them is an error of the scenario, and what is passed on is bounded.
pub fn message(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Shipped { host, programs } = once(&SHIPPED, shipped);
    for (index, program) in programs.iter().enumerate() {
        // Gatekeepers have one caller each.
        let callers = if index == 0 { CALLERS } else { &CALLERS[..1] };
        let mut instance = Instance::new(Arc::clone(program), about("conf_123"));
        let mut ids = 100;
        let mut tell = |event: Event| {
            if instance.absorb(&event) {
                return;
            }
            let turn = Turn {
                now_ms: 1_700_000_000_000,
                ids: ids..ids + 1024,
            };
            let outcome = host.handle(&mut instance, &event, turn);
            ids = outcome.next_id;
            if let Some(error) = outcome.error {
                panic!("{error}");
            }
            assert!(outcome.commands.len() <= 64, "{}", outcome.commands.len());
        };
        said(text, callers).for_each(&mut tell);
    }
}

/// Callers come, say the lines in turns, and one of them leaves.
fn said(text: &str, callers: &'static [(u64, &str)]) -> impl Iterator<Item = Event> {
    let connected = || LegEvent::Connected {
        code: 200,
        headers: Vec::new(),
    };
    let greeted = || LegEvent::PlaybackFinished {
        source: String::new(),
        error: None,
    };
    let came = callers.iter().flat_map(move |&(id, kind)| {
        let leg = leg(id, kind);
        let came = Event::Incoming { leg };
        [came, told(id, connected()), told(id, greeted())]
    });
    let lines = text.split('\n').take(20).enumerate();
    let lines = lines.map(|(index, line)| {
        let from = callers[index % callers.len()].0;
        let text = line.to_owned();
        told(from, LegEvent::Message { text })
    });
    let left = LegEvent::Disconnected {
        reason: "caller".to_owned(),
        code: 200,
        duration_ms: 1,
        text: String::new(),
        headers: Vec::new(),
    };
    let reason = "fuzz".to_owned();
    let end = [told(1, left), Event::Terminating { reason }];
    let begin = std::iter::once(Event::Started);
    begin.chain(came).chain(lines).chain(end)
}
