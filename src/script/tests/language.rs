//! What a script may write: state, handlers, closures, files; what it cannot reach; and where its
//! errors are.

use super::super::{Event, Host, Instance, LegEvent, Limits, Place, Program};
use super::{World, about, connected, incoming, source};

/// Runs the body of a handler; gives what it logged, without the word `log`, and its failure.
fn run(body: &str) -> (Vec<String>, String) {
    let mut world = World::new(&format!("fn on_started(e) {{ {body} }}"));
    let lines = world.start();
    (
        lines
            .iter()
            .map(|line| line.replacen("log ", "", 1))
            .collect(),
        world.error(),
    )
}

#[test]
fn state_lives_in_this_from_one_event_to_the_next() {
    let mut world = World::new(
        "fn on_started(e) { this.count = 0; this.list = []; }
         fn on_incoming(e) { this.add(e.leg); log(this.count + \" \" + this.list[0].id); }
         fn add(leg) { this.count += 1; this.list.push(leg); }",
    );
    world.start();
    assert_eq!(world.incoming(incoming(1, "phone", "a", &[])), ["log 1 l1"]);
    assert_eq!(world.incoming(incoming(2, "phone", "b", &[])), ["log 2 l1"]);
}

#[test]
fn two_sessions_of_one_program_share_nothing() {
    let host = Host::new(Limits::default(), || false);
    let program = super::compile(
        &host,
        "fn on_incoming(e) { this.n = (this.n ?? 0) + 1; log(this.n); }",
    );
    let mut sessions = [
        Instance::new(program.clone(), about()),
        Instance::new(program, about()),
    ];
    let mut logged = Vec::new();
    for session in [0, 0, 1] {
        let event = Event::Incoming {
            leg: incoming(1, "phone", "a", &[]),
        };
        let turn = super::Turn {
            now_ms: 0,
            ids: 10..20,
        };
        let outcome = host.handle(&mut sessions[session], &event, turn);
        logged.extend(
            outcome
                .commands
                .iter()
                .map(|placed| super::show(&placed.command)),
        );
    }
    assert_eq!(logged, ["log 1", "log 2", "log 1"]);
}

/// A handler for `hold` in each form, beside a function `f(a, e)`, `g(e)` and `h()`.
const HANDLERS: &[(&str, &[&str])] = &[
    ("\"g\"", &["log g l1 s"]),
    ("\"h\"", &["log h s"]),
    ("Fn(\"g\")", &["log g l1 s"]),
    ("Fn(\"f\").curry(5)", &["log f 5 l1 s"]),
    ("Fn(\"f\").curry(e.leg)", &["log f leg l1 l1 s"]),
    ("Fn(\"g\").curry(e)", &["log g l1 s"]),
    ("|e| log(e.leg.id + this.name)", &["log l1s"]),
    ("|| log(this.name)", &["log s"]),
    (
        "|e| { let x = 1; this.name = \"t\"; this.h(); }",
        &["log h t"],
    ),
    ("|e| log(local)", &["log captured"]),
    ("|e| this.g(e)", &["log g l1 s"]),
    ("\"terminate\"", &["terminate"]),
    ("Fn(\"hangup\").curry(e.leg)", &["l1 hangup"]),
    ("Fn(\"log\").curry(\"carried\")", &["log carried"]),
    (
        "Fn(\"send_message\").curry(e.leg).curry(\"bye\")",
        &["l1 message bye"],
    ),
];

#[test]
fn handlers_are_names_pointers_closures_and_host_functions() {
    for (handler, told) in HANDLERS {
        let mut world = World::new(&format!(
            "fn on_started(e) {{ this.name = \"s\"; }}
             fn on_incoming(e) {{ let local = \"captured\"; e.leg.on(\"hold\", {handler}); }}
             fn f(a, e) {{ log(`f ${{a}} ${{e.leg.id}} ${{this.name}}`); }}
             fn g(e) {{ log(`g ${{e.leg.id}} ${{this.name}}`); }}
             fn h() {{ log(`h ${{this.name}}`); }}"
        ));
        world.start();
        world.incoming(incoming(1, "phone", "a", &[]));
        assert_eq!(world.error(), "", "{handler}");
        assert_eq!(
            world.leg(1, LegEvent::Hold),
            *told,
            "{handler}: {}",
            world.error()
        );
        assert_eq!(
            world.leg(1, LegEvent::Hold),
            *told,
            "{handler}, again: {}",
            world.error()
        );
    }
}

#[test]
fn handlers_of_one_event_run_in_order_and_changes_count_from_the_next_event() {
    let mut world = World::new(
        "fn on_incoming(e) { e.leg.on(\"hold\", \"a\"); e.leg.on(\"hold\", \"b\"); }
         fn a(e) { log(\"a\"); e.leg.on(\"hold\", \"c\"); e.leg.off(\"unhold\"); }
         fn b(e) { log(\"b\"); }
         fn c(e) { log(\"c\"); e.leg.off(\"hold\"); }",
    );
    world.incoming(incoming(1, "phone", "a", &[]));
    assert_eq!(world.leg(1, LegEvent::Hold), ["log a", "log b"]);
    assert_eq!(world.leg(1, LegEvent::Hold), ["log a", "log b", "log c"]);
    assert_eq!(world.leg(1, LegEvent::Hold), [""; 0]);
}

#[test]
fn words_that_rhai_gives_a_script_work_as_the_reference_says() {
    let rows: &[(&str, &[&str])] = &[
        ("let a = [1]; let b = a; b.push(2); log(a.len());", &["1"]),
        (
            "let m = #{}; log(m.x == ()); log(m?.x?.y ?? 5);",
            &["true", "5"],
        ),
        ("log(1 == \"1\");", &["false"]),
        ("let t = \" A \"; t.trim(); t.make_lower(); log(t);", &["a"]),
        (
            "log(\"a,b\".split(\",\").len()); log(\"abc\".sub_string(1, 1));",
            &["2", "b"],
        ),
        (
            "log([3, 1].filter(|x| x > 1)); log([1, 2].map(|x| x * 2));",
            &["[3]", "[2, 4]"],
        ),
        ("let s = 0; for i in 0..4 { s += i; } log(s);", &["6"]),
        (
            "log(if true { 1 } else { 2 }); log(floor(2.7)); log(7 & 3);",
            &["1", "2.0", "3"],
        ),
        (
            "let m = #{a: 1, \"X-B\": 2}; log(m.keys()); log(\"a\" in m);",
            &["[\"X-B\", \"a\"]", "true"],
        ),
        ("try { throw \"x\"; } catch (fault) { log(fault); }", &["x"]),
        (
            "log(type_of(#{})); log(parse_int(\"12\") + 1);",
            &["map", "13"],
        ),
    ];
    for (body, logged) in rows {
        assert_eq!(
            run(body),
            (
                logged.iter().map(|l| (*l).to_owned()).collect(),
                String::new()
            ),
            "{body}"
        );
    }
}

#[test]
fn nothing_that_waits_or_reads_files_or_clocks_is_registered() {
    let host = Host::new(Limits::default(), || false);
    let all = &host.functions.all;
    for name in [
        "sleep",
        "timestamp",
        "elapsed",
        "eval",
        "import",
        "exit",
        "open_file",
        "take",
    ] {
        assert!(!all.contains_key(name), "{name}");
    }
    for text in [
        "eval(\"1\")",
        "import \"x\" as x",
        "sleep(1)",
        "timestamp()",
    ] {
        let program = [source("a.rhai", &format!("fn on_started(e) {{ {text}; }}"))];
        assert!(Program::compile(&host, &program).is_err(), "{text}");
    }
    // A name that is made up at run time is not found either.
    for name in ["sleep", "eval", "timestamp"] {
        let (_, error) = run(&format!("let f = Fn(\"\" + \"{name}\"); f.call(1);"));
        assert!(!error.is_empty(), "{name}");
    }
}

#[test]
fn error_has_file_line_column_and_innermost_function() {
    let library = source("lib.rhai", "\n\nfn half(x) {\n    2 / (x - x)\n}");
    let main = source(
        "main.rhai",
        "fn on_started(e) {\n    this.begin(e);\n}\nfn begin(e) { half(1); }",
    );
    let host = Host::new(Limits::default(), || false);
    let program = Program::compile(&host, &[library, main]).expect("a sound program");
    let mut instance = Instance::new(program, about());
    let outcome = host.handle(
        &mut instance,
        &Event::Started,
        super::Turn {
            now_ms: 0,
            ids: 0..1,
        },
    );
    let error = outcome.error.expect("a failure");
    assert_eq!(
        error.place,
        Place {
            file: "lib.rhai".into(),
            line: 4,
            column: 7
        }
    );
    assert_eq!(error.function, "half");
    assert_eq!(
        error.to_string(),
        "lib.rhai:4:7: Division by zero: 2 / 0 (in `half`, called by `on_started` at \
         main.rhai:2:10)"
    );
    assert!(outcome.fatal);
}

#[test]
fn command_knows_where_it_was_given() {
    let library = source("lib.rhai", "fn end(leg) {\n    leg.hangup();\n}");
    let main = source(
        "main.rhai",
        "\nfn on_incoming(e) { end(e.leg); e.leg\n      .ring(); }",
    );
    let host = Host::new(Limits::default(), || false);
    let program = Program::compile(&host, &[library, main]).expect("a sound program");
    let mut instance = Instance::new(program, about());
    let event = Event::Incoming {
        leg: incoming(1, "phone", "a", &[]),
    };
    let outcome = host.handle(
        &mut instance,
        &event,
        super::Turn {
            now_ms: 0,
            ids: 0..1,
        },
    );
    let places: Vec<String> = outcome
        .commands
        .iter()
        .map(|c| c.place.to_string())
        .collect();
    assert_eq!(places, ["lib.rhai:2:9", "main.rhai:3:8"]);
}

#[test]
fn failures_are_said_in_words() {
    // tidy: table
    let rows = [
        ("throw \"mine\";", "test.rhai:1:20: mine (in `on_started`)"),
        (
            "throw #{a: 1};",
            "test.rhai:1:20: the script threw #{\"a\": 1} (in `on_started`)",
        ),
        (
            "throw;",
            "test.rhai:1:20: the script threw an error (in `on_started`)",
        ),
        (
            "let x = 1; if x {}",
            "test.rhai:1:34: a boolean (true or false) is needed here, not a \
             whole number (in `on_started`)",
        ),
        (
            "let x = (); x.say(\"a\");",
            "test.rhai:1:34: there is no function say ((), string); perhaps a value has another \
             type, or is `()` (in `on_started`)",
        ),
        (
            "let x = 1; x.on(\"hold\", |e| 1);",
            "test.rhai:1:33: there is no function on (number, string, Fn); perhaps a value has \
             another type, or is `()` (in `on_started`)",
        ),
        (
            "let a = [1]; a[5] = 1;",
            "test.rhai:1:35: Array index 5 out of bounds: only 1 element in \
             array (in `on_started`)",
        ),
        (
            "let x = 20; let f = |a| { this += x + a; }; x.call(f, 2);",
            "test.rhai:1:18: a local is used by a closure and by the code around it at \
             once; copy it into another variable for the closure (in `on_started`)",
        ),
        (
            "let t = after(1, || 1); log(t.foo);",
            "test.rhai:1:50: a Timer has no property `foo` (in `on_started`)",
        ),
        (
            "let t = after(1, || 1); t.foo = 1;",
            "test.rhai:1:46: a Timer has no property `foo` that can be set (in \
             `on_started`)",
        ),
        (
            "let h = (); h.x = 1;",
            "test.rhai:1:34: a value that is not there (`()`) has no property `x` that \
             can be set (in `on_started`)",
        ),
        (
            "let x = 5; x.y.z = 1;",
            "test.rhai:1:33: a whole number has no property `y` (in `on_started`)",
        ),
        (
            "this.leg.say(\"x\");",
            "test.rhai:1:29: there is no function say ((), string); perhaps a value has \
             another type, or is `()` (in `on_started`)",
        ),
        (
            "session.id = \"x\";",
            "test.rhai:1:28: a Session has no property `id` that can be set (in \
             `on_started`)",
        ),
        (
            "let a = 1 + \"x\" - 2;",
            "test.rhai:1:36: there is no function - (string, number); perhaps a value \
             has another type, or is `()` (in `on_started`)",
        ),
        (
            "let a = [1]; log(a[\"x\"]);",
            "test.rhai:1:39: a whole number is needed here, not a string (in \
             `on_started`)",
        ),
        (
            "[1].map(|x| x / 0);",
            "test.rhai:1:34: Division by zero: 1 / 0 (in `closure`, called by `on_started` at \
             test.rhai:1:24)",
        ),
    ];
    for (body, error) in rows {
        if run(body).1 != error {
            println!("{body}\n  {}", run(body).1);
        }
        assert_eq!(run(body).1, error, "{body}");
    }
}

#[test]
fn captured_values_become_data_of_the_handler() {
    let mut world = World::new(
        "fn on_incoming(e) {
             let n = 1;
             e.leg.on(\"hold\", || log(n));
             n = 2;
             log(n);
             for i in 0..2 { e.leg.on(\"unhold\", Fn(\"show\").curry(i)); }
         }
         fn show(i) { log(i); }",
    );
    assert_eq!(world.incoming(incoming(1, "phone", "a", &[])), ["log 2"]);
    assert_eq!(world.leg(1, LegEvent::Hold), ["log 1"]);
    assert_eq!(world.leg(1, LegEvent::Unhold), ["log 0", "log 1"]);
}

/// Both threads are in a handler at once: each waits for the other in the look at the time.
#[test]
fn handlers_on_two_threads_share_nothing() {
    use std::sync::{Barrier, LazyLock};
    static MEET: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(2));
    let limits = Limits {
        operations: 1_000,
        ..Limits::default()
    };
    let host = Host::new(limits, || {
        MEET.wait();
        false
    });
    let text = "fn on_incoming(e) {
             this.leg = e.leg; let n = 0;
             while n < 100 { n += 1; }
             log(n + session.id);
             this.leg.ring();
             loop {}
         }";
    let program = super::compile(&host, text);
    let run = |id: u64| {
        let mut about = about();
        about.id = crate::id::SessionId(id);
        let mut instance = Instance::new(program.clone(), about);
        let event = Event::Incoming {
            leg: incoming(id, "phone", "a", &[]),
        };
        let turn = super::Turn {
            now_ms: 0,
            ids: 10..20,
        };
        let outcome = host.handle(&mut instance, &event, turn);
        let commands = outcome.commands.iter();
        let commands: Vec<String> = commands.map(|c| super::show(&c.command)).collect();
        (commands, outcome.error.map(|error| error.to_string()))
    };
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| run(1));
        let two = scope.spawn(|| run(2));
        (one.join().expect("no panic"), two.join().expect("no panic"))
    });
    let error = "test.rhai:6:19: more than 1000 operations in one handler (in `on_incoming`)";
    for (id, (commands, failed)) in [(1, one), (2, two)] {
        assert_eq!(commands, [format!("log 100s{id}"), format!("l{id} ring")]);
        assert_eq!(failed.as_deref(), Some(error));
    }
}

#[test]
fn host_and_program_are_shared_among_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Host>();
    shared::<std::sync::Arc<Program>>();
}

#[test]
fn instance_can_be_moved_to_another_thread_and_back() {
    let mut world = World::new(
        "fn on_incoming(e) { this.leg = e.leg; e.leg.on(\"connected\", |e| this.leg.ring()); }",
    );
    world.incoming(incoming(1, "phone", "a", &[]));
    let mut world = std::thread::spawn(move || {
        assert_eq!(world.leg(1, connected()), ["l1 ring"]);
        world
    })
    .join()
    .expect("no panic");
    assert_eq!(world.leg(1, connected()), ["l1 ring"]);
}
