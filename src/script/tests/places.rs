//! The place that an error names: the statement that ran into a limit, its function, the handler.

use super::super::{Host, Instance, LegEvent, Limits, Place, Turn};
use super::{Event, World, about, compile, incoming};

/// What the log says of a program whose calls go wrong: `on_incoming` adds the handlers, then the
/// leg is put on hold, then the first timer fires.
fn failure(lines: &[&str]) -> String {
    let limits = Limits {
        operations: 200_000,
        map_entries: 1_000,
        ..Limits::default()
    };
    let mut world = World::with(limits, &lines.join("\n"), about());
    world.start();
    if world.error().is_empty() {
        world.incoming(incoming(1, "phone", "a", &[]));
    }
    if world.error().is_empty() {
        world.leg(1, LegEvent::Hold);
    }
    if world.error().is_empty() {
        world.timer(super::FIRST_ID);
    }
    // A statement has several columns at which operations are counted.
    let line = |place: &Place| place.line;
    let error = world.last.and_then(|outcome| outcome.error);
    error.map_or_else(String::new, |error| {
        let called = error.called.as_ref();
        let called = called.map(|(handler, place)| format!(", {handler}:{}", line(place)));
        let (function, line) = (&error.function, line(&error.place));
        format!(
            "{function}:{line}{}: {}",
            called.unwrap_or_default(),
            error.message
        )
    })
}

const OPERATIONS: &str = "more than 200000 operations in one handler";

#[test]
fn limit_names_the_statement_that_reached_it() {
    // tidy: table
    let rows: &[(&str, &[&str], &str)] = &[
        (
            "a loop with nothing in it, in a handler",
            &["fn on_started(e) {", "  log(1);", "  loop {}", "}"],
            "on_started:3: {operations}",
        ),
        (
            "a loop in a handler",
            &[
                "fn on_incoming(e) {",
                "  let n = 0;",
                "  while true {",
                "    n += 1;",
                "  }",
                "}",
            ],
            "on_incoming:4: {operations}",
        ),
        (
            "a loop in a function that a handler calls",
            &[
                "fn on_incoming(e) {",
                "  e.leg.answer();",
                "  spin(1);",
                "}",
                "fn spin(n) {",
                "  loop {",
                "    n += 1; n -= 1; n += 1;",
                "  }",
                "}",
            ],
            "spin:7, on_incoming:3: {operations}",
        ),
        (
            "two functions down, as a method",
            &[
                "fn on_started(e) { this.first(); }",
                "fn first() {",
                "  this.second();",
                "}",
                "fn second() {",
                "  this.n = 0;",
                "  for i in 0..9000000 { this.n = i; }",
                "}",
            ],
            "second:7, on_started:1: {operations}",
        ),
        (
            "a handler of an event, by name",
            &[
                "fn on_incoming(e) { e.leg.on(\"hold\", \"held\"); }",
                "fn held(e) {",
                "  loop { }",
                "}",
            ],
            "held:3: {operations}",
        ),
        (
            "a handler of an event, as a closure",
            &[
                "fn on_incoming(e) {",
                "  e.leg.on(\"hold\", |e| {",
                "    let n = 0;",
                "    loop { n = 1; }",
                "  });",
                "}",
            ],
            "closure:4: {operations}",
        ),
        (
            "a handler of a timer",
            &[
                "fn on_incoming(e) { after(10, \"late\"); }",
                "fn late(e) {",
                "  log(1);",
                "  spin();",
                "}",
                "fn spin() {",
                "  loop {",
                "  }",
                "}",
            ],
            "spin:7, late:4: {operations}",
        ),
        (
            "a closure that a function of arrays calls",
            &[
                "fn on_started(e) {",
                "  let list = [1, 2, 3];",
                "  list.for_each(|x| {",
                "    let y = x;",
                "    while true { y += 1; }",
                "  });",
                "}",
            ],
            "closure:5, on_started:3: {operations}",
        ),
        (
            "functions that call each other without end",
            &[
                "fn on_started(e) {",
                "  down(1);",
                "}",
                "fn down(n) {",
                "  let m = n + 1;",
                "  down(m);",
                "}",
            ],
            "down:6, on_started:2: functions call each other more than 64 deep",
        ),
        (
            "text that grows",
            &[
                "fn on_started(e) {",
                "  grow(\"x\");",
                "}",
                "fn grow(text) {",
                "  loop {",
                "    log(1);",
                "    text += text;",
                "  }",
                "}",
            ],
            "grow:7, on_started:2: more than 1048576 bytes of text in one value",
        ),
        (
            "an array that grows",
            &[
                "fn on_started(e) {",
                "  this.list = [];",
                "  this.fill();",
                "}",
                "fn fill() {",
                "  loop {",
                "    this.list.push(1);",
                "  }",
                "}",
            ],
            "fill:7, on_started:3: more than 10000 items in one array",
        ),
        (
            "a map that grows",
            &[
                "fn on_started(e) {",
                "  fill();",
                "}",
                "fn fill() {",
                "  let m = #{};",
                "  for i in 0..30000 {",
                "    m.set(\"k\" + i, i);",
                "  }",
                "}",
            ],
            "fill:7, on_started:2: more than 1000 entries in one map",
        ),
        (
            "a value that is written out and too large",
            &[
                "fn on_started(e) {",
                "  fill([]);",
                "}",
                "fn fill(a) {",
                "  loop {",
                "    a = [a, a];",
                "  }",
                "}",
            ],
            "fill:6, on_started:2: more than 10000 items in one array",
        ),
        (
            "a limit of the host",
            &[
                "fn on_started(e) {",
                "  fill();",
                "}",
                "fn fill() {",
                "  for i in 0..101 {",
                "    after(1000, || 1);",
                "  }",
                "}",
            ],
            "fill:6, on_started:2: more than 100 timers in one session",
        ),
        (
            "after a comparison whose error `sort` dropped",
            &[
                "fn on_started(e) {",
                "  let list = [3, 1, 2];",
                "  list.sort(|a, b| { loop {} });",
                "  after();",
                "}",
                "fn after() { log(1); }",
            ],
            "on_started:4: {operations}",
        ),
    ];
    let wrong = rows.iter().filter_map(|(name, lines, expected)| {
        let expected = expected.replace("{operations}", OPERATIONS);
        let error = failure(lines);
        (error != expected).then(|| format!("{name}:\n  {error}\n  {expected}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn other_errors_name_their_statement_and_the_handler() {
    let rows: &[(&[&str], &str)] = &[
        (
            &[
                "fn on_started(e) {",
                "  first(0);",
                "}",
                "fn first(n) {",
                "  second(n);",
                "}",
                "fn second(n) {",
                "  log(1 / n);",
                "}",
            ],
            "second:8, on_started:2: Division by zero: 1 / 0",
        ),
        (
            &["fn on_started(e) {", "  [0].map(|n| 1 / n);", "}"],
            "closure:2, on_started:2: Division by zero: 1 / 0",
        ),
        (
            &["fn on_started(e) {", "  throw \"mine\";", "}"],
            "on_started:2: mine",
        ),
    ];
    for (lines, expected) in rows {
        assert_eq!(failure(lines), *expected);
    }
}

#[test]
fn handler_over_its_time_names_the_statement() {
    let host = Host::new(Limits::default(), || true);
    let text = "fn on_started(e) {\n  spin();\n}\nfn spin() {\n  let i = 0;\n  \
                while i < 5000 {\n    i += 1;\n  }\n}";
    let mut instance = Instance::new(compile(&host, text), about());
    let turn = Turn {
        now_ms: 0,
        ids: 0..9,
    };
    let outcome = host.handle(&mut instance, &Event::Started, turn);
    let error = outcome.error.expect("it takes too long");
    assert!((6..=7).contains(&error.place.line), "{error}");
    assert_eq!(error.function, "spin");
    let (handler, place) = error.called.expect("a handler called it");
    assert_eq!((handler.as_str(), place.line), ("on_started", 2));
}

#[test]
fn on_error_is_told_the_line_and_the_function_of_a_limit() {
    let mut world = World::new(
        "fn on_started(e) {\n  spin();\n}\nfn spin() {\n  loop {}\n}\n\
         fn on_error(e) { log(`${e.line} ${e.function}`); }",
    );
    assert_eq!(world.start(), ["log 5 spin"]);
}
