//! Each limit, reached.

use std::time::Instant;

use super::super::{Host, Instance, LegEvent, Limits, Turn};
use super::{Event, World, about, compile, disconnected, incoming};

/// The failure of a handler with this body.
fn failure(body: &str) -> String {
    let mut world = World::new(&format!("fn on_started(e) {{ {body} }} fn noop(e) {{}}"));
    world.start();
    assert!(world.fatal(), "{body}");
    let error = world.error();
    error.split_once(": ").map_or(error.clone(), |(_, text)| {
        text.replace(" (in `on_started`)", "")
    })
}

#[test]
fn each_limit_ends_the_handler_with_words() {
    // tidy: table
    let rows = [
        ("loop {}", "more than 1000000 operations in one handler"),
        (
            "while true { let x = 1; }",
            "more than 1000000 operations in one handler",
        ),
        (
            "let a = []; a.pad(1000, 0); loop { a.for_each(|x| { let y = x; y += 1; }); }",
            "more than 1000000 operations in one handler",
        ),
        (
            "let s = \"x\"; loop { s += s; }",
            "more than 1048576 bytes of text in one value",
        ),
        (
            "let a = []; loop { a.push(0); }",
            "more than 10000 items in one array",
        ),
        (
            "this.a = []; loop { this.a.push(0); }",
            "more than 10000 items in one array",
        ),
        (
            "let a = [0]; loop { a += a; }",
            "more than 10000 items in one array",
        ),
        (
            "let a = []; a.pad(20000, 0);",
            "more than 10000 items in one array",
        ),
        (
            "let m = #{}; for i in 0..30000 { m.set(\"k\" + i, i); }",
            "more than 20000 entries in one map",
        ),
        // Rhai measures the map when it is used as a whole.
        (
            "let m = #{}; for i in 0..30000 { m[\"k\" + i] = i; } m.len();",
            "more than 20000 entries in one map",
        ),
        (
            "let m = #{}; let i = 0; loop { i += 1; m[\"k\" + i] = i; }",
            "more than 1000000 operations in one handler",
        ),
        (
            "let s = \"[\"; for i in 0..11000 { s += \"1,\"; } s += \"1]\"; parse_json(s);",
            "more than 10000 items in one array",
        ),
        (
            "for i in 0..101 { after(1000, \"noop\"); }",
            "more than 100 timers in one session",
        ),
        (
            "for i in 0..11 { create_player(\"a\"); }",
            "more than 10 players in one session",
        ),
        (
            "for i in 0..101 { create_conference(); }",
            "more than 100 conferences and recorders in one session",
        ),
        (
            "for i in 0..101 { call_conference(\"c\"); }",
            "more than 100 legs in one session",
        ),
        (
            "for i in 0..10001 { log(i); }",
            "more than 10000 commands in one event",
        ),
        (
            "let l = call_conference(\"c\"); for i in 0..101 { l.on(\"hold\", \"noop\"); }",
            "more than 100 handlers of \"hold\"",
        ),
        (
            "let l = call_conference(\"c\"); for j in 0..100 { \
             for e in [\"hold\", \"unhold\", \"message\", \"info\", \"digit\", \"failed\"] { \
             l.on(e, \"noop\"); } }",
            "more than 500 handlers of one leg or unit",
        ),
        (
            "let s = \"x\"; s.pad(8193, \"x\"); call_conference(\"c\").send_message(s);",
            "a message has at most 8192 bytes",
        ),
        (
            "let s = \"x\"; s.pad(8193, \"x\"); call_conference(\"c\").send_info(\"a/b\", s);",
            "a message has at most 8192 bytes",
        ),
        (
            "let s = \"x\"; s.pad(8193, \"x\"); session.custom_data = s;",
            "`custom_data` has at most 8192 bytes",
        ),
        (
            "let s = \"x\"; s.pad(1501, \"x\"); call_conference(\"c\").say(s);",
            "a spoken text has at most 1500 characters",
        ),
        (
            "let m = #{}; for i in 0..51 { m[\"X-\" + i] = 1; } \
             call_conference(\"c\", #{headers: m});",
            "more than 50 headers",
        ),
    ];
    for (body, message) in rows {
        assert_eq!(failure(body), message, "{body}");
    }
}

#[test]
fn functions_call_each_other_64_deep() {
    let text = |depth: usize| {
        format!(
            "fn on_started(e) {{ down({depth}); }} fn down(n) {{ if n > 1 {{ down(n - 1); }} }}"
        )
    };
    let mut world = World::new(&text(64));
    world.start();
    assert_eq!(world.error(), "");
    let mut world = World::new(&text(65));
    world.start();
    assert!(
        world
            .error()
            .contains("functions call each other more than 64 deep"),
        "{}",
        world.error()
    );
}

#[test]
fn expressions_are_nested_128_deep() {
    let host = Host::new(Limits::default(), || false);
    let program = |depth: usize| {
        let text = format!(
            "fn on_started(e) {{ let x = {}1{}; }}",
            "(".repeat(depth),
            ")".repeat(depth)
        );
        super::super::Program::compile(&host, &[super::source("a.rhai", &text)])
    };
    assert!(program(60).is_ok());
    let faults = program(70).expect_err("too deep");
    assert_eq!(faults[0].message, "this expression is nested too deep");
}

#[test]
fn handler_over_its_time_is_stopped() {
    let host = Host::new(Limits::default(), || true);
    let program = compile(
        &host,
        "fn on_started(e) { log(1); let i = 0; while i < 5000 { i += 1; } }",
    );
    let mut instance = Instance::new(program, about());
    let outcome = host.handle(
        &mut instance,
        &Event::Started,
        Turn {
            now_ms: 0,
            ids: 0..9,
        },
    );
    assert_eq!(
        outcome.error.map(|error| error.message),
        Some("the handler took too long".to_owned())
    );
    assert!(outcome.fatal);
    assert_eq!(outcome.commands.len(), 1, "what was asked for before stays");
}

#[test]
fn limits_cannot_be_caught_by_the_script() {
    let mut world = World::new("fn on_started(e) { try { loop {} } catch { log(\"caught\"); } }");
    assert_eq!(world.start(), [""; 0]);
    assert!(world.fatal());
}

#[test]
fn state_that_grows_beyond_its_size_ends_the_session() {
    let limits = Limits {
        state_bytes: 1 << 20,
        ..Limits::default()
    };
    let mut world = World::with(
        limits,
        "fn on_incoming(e) { this.n = 0; e.leg.on(\"hold\", \"grow\"); }
         fn grow(e) {
             let s = \"x\"; s.pad(200000, \"x\"); this.n += 1; this[\"k\" + this.n] = s;
         }",
        about(),
    );
    world.incoming(incoming(1, "phone", "a", &[]));
    let ended = (0..40).find(|_| {
        world.leg(1, LegEvent::Hold);
        world.fatal()
    });
    assert!(ended.is_some_and(|events| events < 20), "{ended:?}");
    assert!(
        world
            .error()
            .contains("the state of the session is larger than 1 MiB")
            || world.error().contains("more than 1048576 bytes of text"),
        "{}",
        world.error()
    );
}

#[test]
fn what_handlers_carry_counts_as_state() {
    let mut world = World::new(
        "fn on_incoming(e) { e.leg.on(\"hold\", \"grow\"); }
         fn grow(e) {
             for i in 0..5 {
                 let s = \"x\"; s.pad(900000 + i, \"x\"); after(1000, Fn(\"noop\").curry(s));
             }
         }
         fn noop(s) {}",
    );
    world.incoming(incoming(1, "phone", "a", &[]));
    let ended = (0..40).find(|_| {
        world.leg(1, LegEvent::Hold);
        world.fatal()
    });
    assert!(ended.is_some_and(|events| events <= 16), "{ended:?}");
    assert!(
        world
            .error()
            .contains("the state of the session is larger than 16 MiB")
    );
}

#[test]
fn log_line_is_cut_with_a_mark() {
    let mut world = World::new(
        "fn on_started(e) { let s = \"ä\"; s.pad(15001, \"ä\"); log(s); s.pop(); log(s); }",
    );
    let lines = world.start();
    assert_eq!(lines[0], format!("log {} […cut]", "ä".repeat(15_000)));
    assert_eq!(lines[1], format!("log {}", "ä".repeat(15_000)));
}

#[test]
fn named_conference_has_as_many_legs_as_come() {
    let mut about = about();
    about.conference_name = "conf_1".into();
    let mut world = World::with(
        Limits::default(),
        "fn on_started(e) { for i in 0..150 { call_conference(\"c\"); } }",
        about,
    );
    assert_eq!(world.start().len(), 150);
    assert_eq!(world.error(), "");
}

#[test]
fn ended_legs_are_forgotten_in_the_end() {
    let mut world = World::new(
        "fn on_incoming(e) { this.first = this.first ?? e.leg; log(this.first.state); }",
    );
    for leg in 1..1_000 {
        assert_eq!(world.incoming(incoming(leg, "phone", "a", &[])).len(), 1);
        world.leg(leg, disconnected());
    }
    let tables = world.instance.tables.as_ref().expect("no event is handled");
    assert!(tables.legs.len() <= 101, "{}", tables.legs.len());
    assert_eq!(world.error(), "");
}

#[test]
fn ids_that_run_out_are_an_error() {
    let host = Host::new(Limits::default(), || false);
    let program = compile(
        &host,
        "fn on_started(e) { create_conference(); create_conference(); }",
    );
    let mut instance = Instance::new(program, about());
    let outcome = host.handle(
        &mut instance,
        &Event::Started,
        Turn {
            now_ms: 0,
            ids: 5..6,
        },
    );
    assert_eq!((outcome.commands.len(), outcome.next_id), (1, 6));
    assert!(
        outcome
            .error
            .is_some_and(|e| e.message.starts_with("too many legs, units and timers"))
    );
}

/// Values are nested as deep as arrays have items; counting and dropping them takes stack, less
/// than 2 KiB a level without optimization: a script thread needs 32 MiB.
#[test]
fn deeply_nested_values_do_not_overflow_the_stack() {
    let run = || {
        let limits = Limits {
            array_items: 2_000,
            ..Limits::default()
        };
        let text = "fn on_started(e) { let a = []; loop { a = [a]; this.a = a; } }";
        let mut world = World::with(limits, text, about());
        world.start();
        world.error()
    };
    let thread = std::thread::Builder::new()
        .stack_size(4 << 20)
        .spawn(run)
        .expect("a thread");
    assert_eq!(
        thread.join().expect("no overflow"),
        "test.rhai:1:44: more than 2000 items in one array (in `on_started`)"
    );
}

#[test]
fn panic_of_a_handler_leaves_the_tables_in_their_place() {
    let host = Host::new(Limits::default(), || panic!("a fault of ours"));
    let program = compile(
        &host,
        "fn on_started(e) { after(1, || 1); loop {} } fn on_incoming(e) { log(1); }",
    );
    let mut instance = Instance::new(program, about());
    let turn = Turn {
        now_ms: 0,
        ids: 0..9,
    };
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        host.handle(&mut instance, &Event::Started, turn.clone())
    }));
    assert!(caught.is_err());
    assert_eq!(
        instance.tables.as_ref().map(|tables| tables.timers.len()),
        Some(1)
    );
    let event = Event::Incoming {
        leg: incoming(1, "phone", "a", &[]),
    };
    assert_eq!(host.handle(&mut instance, &event, turn).commands.len(), 1);
}

/// Prints the cost of an event and of an idle session; run with `--ignored --nocapture --release`.
#[test]
#[ignore = "measures"]
fn cost_of_a_trivial_handler_and_an_idle_session() {
    let mut world = World::new(
        "fn on_started(e) { this.n = 0; } fn on_incoming(e) { e.leg.on(\"hold\", \"count\"); }
         fn count(e) { this.n += 1; }",
    );
    world.start();
    world.incoming(incoming(1, "phone", "a", &[]));
    let event = Event::Leg {
        leg: crate::id::LegId(1),
        event: LegEvent::Hold,
    };
    let begin = Instant::now();
    for _ in 0..200_000 {
        let turn = Turn {
            now_ms: 0,
            ids: 0..10,
        };
        world.host.handle(&mut world.instance, &event, turn);
    }
    println!("{:?} per event", begin.elapsed() / 200_000);
    println!(
        "{} bytes of tables",
        size_of::<super::super::instance::Tables>()
    );
}

/// Values that double with each operation would fill the memory before anybody looks at the time.
#[test]
fn values_that_double_are_stopped_early() {
    let rows = [
        (
            "let a = []; loop { a = [a, a]; }",
            "more than 10000 items in one array",
        ),
        (
            "let a = [0, 0]; loop { let b = [0, 0]; b[0] = a; b[1] = a; a = b; }",
            "more than 10000 items in one array",
        ),
        (
            "let m = #{}; loop { m = #{a: m, b: m}; }",
            "more than 20000 entries in one map",
        ),
        (
            "let m = #{}; loop { let n = #{}; n.x = m; n.y = m; m = n; }",
            "more than 20000 entries in one map",
        ),
        (
            "loop { this.x = this; this.y = this.x; }",
            "more than 20000 entries in one map",
        ),
        (
            "let s = \"xxxx\"; loop { s = `${s}${s}`; }",
            "more than 1048576 bytes of text in one value",
        ),
        (
            "let f = Fn(\"noop\"); loop { f = f.curry(f); }",
            "a function carries data, not functions",
        ),
        (
            "let s = [1]; let f = Fn(\"noop\"); loop { f = f.curry(s); }",
            "a function carries at most 16 values",
        ),
    ];
    for (body, message) in rows {
        assert_eq!(failure(body), message, "{body}");
    }
}
