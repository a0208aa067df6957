//! What `check` knows of the fields of events and of sounds, and where it holds its tongue.

use super::super::{Event, Host, LegEvent, Limits, Program};
use super::{World, faults, incoming, source};

/// The faults of a program without the lines that they stand in, one in a row.
fn said(text: &str) -> String {
    let text = match text.contains("fn on_incoming") {
        true => text.to_owned(),
        false => format!("fn on_incoming(e) {{}}\n{text}"),
    };
    let all = faults(&[source("a.rhai", &text)]);
    let line = |fault: &String| {
        let (_, first) = fault.split_once(": ").unwrap_or_default();
        let (_, hint) = fault.split_once("hint: ").unwrap_or_default();
        format!("{} | {hint}", first.lines().next().unwrap_or_default())
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn fields_that_an_event_does_not_have_are_named() {
    // tidy: table
    let rows = [
        (
            "fn f(l) { l.digits(#{max: 4}, |e| log(e.digit)); }",
            "the event of `digits` has no `digit` | did you mean `digits`? It has `digits`, \
             `leg`, `reason`",
        ),
        (
            "fn f(l) { digits(l, #{max: 4}, \"typed\"); } fn typed(e) { log(e.digitss); }",
            "the event of `digits` has no `digitss` | did you mean `digits`? It has `digits`, \
             `leg`, `reason`",
        ),
        (
            "fn f(l) { l.on(\"digit\", \"key\"); } fn key(e) { if e.tone == \"1\" { log(1); } }",
            "the event of `digit` has no `tone` | it has `digit`, `duration_ms`, `kind`, `leg`",
        ),
        (
            "fn on_incoming(e) { log(e.callerid); }",
            "the event of `on_incoming` has no `callerid` | did you mean `caller_id`? It has \
             `caller_id`, `destination`, `display_name`, `headers`, `leg`, `source`",
        ),
        (
            "fn on_incoming(e) { log(e.leg.callerid); }",
            "a leg has no property `callerid` | did you mean `caller_id`?",
        ),
        (
            "fn on_incoming(e) { let leg = e.leg; log(leg.callerid); }",
            "a leg has no property `callerid` | did you mean `caller_id`?",
        ),
        (
            "fn on_incoming(e) { if e.leg.answer { log(1); } }",
            "a leg has no property `answer` | it is written `answer(#{headers})`",
        ),
        (
            "fn on_incoming(e) { this.second(e); } fn second(e) { third(e); } \
             fn third(event) { log(event.number); }",
            "the event of `on_incoming` has no `number` | it has `caller_id`, `destination`, \
             `display_name`, `headers`, `leg`, `source`",
        ),
        (
            "fn on_terminating(e) { log(e.leg); }",
            "the event of `on_terminating` has no `leg` | it has `reason`",
        ),
        (
            "fn f(l) { l.on(\"connected\", Fn(\"to\").curry(1)); } fn to(n, e) { log(e.text); }",
            "the event of `connected` has no `text` | it has `code`, `headers`, `leg`",
        ),
        (
            "fn f(l) { let n = 1; l.on(\"hold\", |e| log(e.reason + n)); }",
            "the event of `hold` has no `reason` | it has `leg`",
        ),
        (
            "fn on_incoming(e) { e.leg.on(\"hold\", |h| log(e.nothing)); log(e.leg); }",
            "the event of `on_incoming` has no `nothing` | it has `caller_id`, `destination`, \
             `display_name`, `headers`, `leg`, `source`",
        ),
        (
            "fn f(l) { after(100, |e| log(e.leg)); every(100, \"tick\"); } \
             fn tick(e) { e.timer.cancel(); log(e.n); }",
            "the event of `after` has no `leg` | it has `timer`\n\
             the event of `every` has no `n` | it has `timer`",
        ),
        (
            "fn f(l) { l.on(\"connected\", \"both\"); l.on(\"failed\", \"both\"); } \
             fn both(e) { log(e.class); log(e.nothing); }",
            "the event of `connected`, `failed` has no `nothing` | it has `class`, `code`, \
             `headers`, `leg`, `reason`, `text`",
        ),
        (
            "fn f(c) { c.on(\"member_joined\", |e| log(e.conference.name + e.member)); }",
            "a conference has no property `name` | \n\
             the event of `member_joined` has no `member` | it has `conference`, `leg`",
        ),
        (
            "fn on_error(e) { log(e.message); }",
            "the event of `on_error` has no `message` | it has `code`, `column`, `file`, \
             `function`, `kind`, `leg`, `line`, `text`",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn fields_are_let_pass_when_in_doubt() {
    // tidy: table
    let rows = [
        // The function asks whether the field is there.
        "fn on_incoming(e) { if \"digit\" in e { log(e.digit); } }",
        "fn on_incoming(e) { log(e.digit ?? \"none\"); }",
        "fn on_incoming(e) { log(e?.digit); }",
        "fn on_incoming(e) { if e.digit != () { log(e.digit); } }",
        "fn on_incoming(e) { if type_of(e.digit) == \"()\" { log(1); } }",
        "fn on_incoming(e) { if e.contains(\"digit\") { log(e.digit); } }",
        "fn on_incoming(e) { log(e[\"digit\"]); }",
        // It is another value by then, or has other fields.
        "fn on_incoming(e) { e.step = 1; log(e.step); }",
        "fn on_incoming(e) { e.step = 1; next(e); } fn next(e) { log(e.step); }",
        "fn on_incoming(e) { let e = #{step: 1}; log(e.step); }",
        "fn on_incoming(e) { for e in [#{step: 1}] { log(e.step); } }",
        "fn on_incoming(e) { try { log(1); } catch (e) { log(e.message); } }",
        "fn on_incoming(e) { e += #{step: 1}; log(e.step); }",
        "fn on_incoming(e) { e.mixin(#{step: 1}); log(e.step); }",
        "fn on_incoming(e) { set(e, \"step\", 1); log(e.step); }",
        "fn on_incoming(e) { let leg = e.leg; leg = #{name: 1}; log(leg.name); }",
        "fn on_incoming(e) { let leg = #{name: 1}; if true { let leg = e.leg; } log(leg.name); }",
        "fn on_incoming(e) { [1].for_each(|x| { e.step = x; }); log(e.step); }",
        // Others give it something else.
        "fn on_incoming(e) { this.walk(#{step: 1}); this.walk(e); } fn walk(e) { log(e.step); }",
        "fn f(l) { l.on(\"hold\", \"walk\"); walk(#{step: 1}); } fn walk(e) { log(e.step); }",
        "fn f(l) { l.on(\"hold\", \"w\"); let f = \"w\"; after(9, f); } fn w(e) { log(e.n); }",
        "fn f(l, w) { l.on(\"hold\", \"walk\"); l.on(w, \"walk\"); } fn walk(e) { log(e.n); }",
        "fn f(l) { this.then = |e| log(e.digit); l.on(\"hold\", this.then); }",
        "fn f(l) { [#{n: 1}].for_each(|e| log(e.n)); l.on(\"hold\", |e| log(e.leg)); }",
        "fn f(l) { l.on(\"hold\", Fn(\"walk\").curry(#{n: 1})); } fn walk(e) { log(e.n); }",
        "fn f(l) { l.on(\"message\", \"b\"); l.on(\"failed\", \"b\"); } fn b(e) { log(e.class); }",
        "fn f(c) { c.on(\"playback_finished\", |e| log(`${e.conference} ${e.player} ${e.leg}`)); }",
        // Nobody calls it.
        "fn f(e) { log(e.anything); }",
        // A word of an event that is the name of a function, too.
        "fn f(l) { l.on(\"hold\", \"hold\"); } fn hold(e) { log(e.leg.id); }",
        "fn on_incoming(e) { log(e.leg.headers[\"X-A\"] + e.headers[\"X-B\"] + e.leg.user); }",
        "fn on_incoming(e) { let leg = e.leg; leg.on(\"hold\", |h| h.leg.hangup()); }",
    ];
    for text in rows {
        assert_eq!(said(text), "", "{text}");
    }
}

#[test]
fn event_may_come_from_another_file() {
    let library = source("lib.rhai", "fn show(e) { log(e.nothing); }");
    let main = source("main.rhai", "fn on_incoming(e) { this.show(e); }");
    let found = faults(&[library, main]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("lib.rhai:1:20: "), "{found:?}");
}

#[test]
fn handlers_of_digits_timers_and_errors_get_the_fields_of_the_table() {
    let fields = |name: &str| {
        let mut calls = super::super::event::CALLS.iter();
        let call = calls.find(|call| call.name == name).expect("a row");
        let mut fields: Vec<&str> = call.fields.split(", ").collect();
        fields.sort_unstable();
        format!("log {}", fields.join(","))
    };
    let mut world = World::new(
        "fn on_incoming(e) {
             show(e); e.leg.digits(#{max: 1}, |e| show(e)); after(1, |e| show(e));
         }
         fn on_error(e) { show(e); }
         fn show(e) {
             let text = \"\";
             for name in e.keys() { if text != \"\" { text += \",\"; } text += name; }
             log(text);
         }",
    );
    let told = world.incoming(incoming(1, "phone", "a", &[]));
    assert_eq!(told.first(), Some(&fields("on_incoming")));
    assert!(world.press(1, '1').contains(&fields("digits")));
    assert_eq!(world.timer(super::FIRST_ID + 1), [fields("after")]);
    let refused = Event::Refused {
        code: "a".into(),
        text: "b".into(),
        leg: None,
        place: Default::default(),
    };
    assert_eq!(world.tell(&refused), [fields("on_error")]);
    assert_eq!(world.leg(1, LegEvent::Hold), [""; 0]);
}

#[test]
fn sounds_that_cannot_be_are_faults() {
    let rows = [
        (
            "fn f(l) { l.play(\"tone:bussy\"); }",
            "there is no tone `bussy`; known: ringback, busy, congestion, dial, beep, hold",
        ),
        (
            "const S = \"https://a/b.wav\"; fn f() { create_player(global::S); }",
            "URLs are not played: put the file into the prompts folder and give its name",
        ),
        (
            "fn f(l) { l.digits(#{prompt: \"tone:x\"}, |e| log(e.digits)); }",
            "there is no tone `x`; known: ringback, busy, congestion, dial, beep, hold",
        ),
    ];
    for (text, expected) in rows {
        let found = said(text);
        assert!(found.starts_with(expected), "{text}: {found}");
    }
    let passes = "fn f(l) { l.play(\"a.wav\"); l.play(`${l.id}.wav`); l.play(\"recording:a.wav\"); \
                  l.digits(#{prompt: \"Your number, please\"}, |e| log(e.digits)); }";
    assert_eq!(said(passes), "");
}

#[test]
fn program_knows_the_sound_files_that_it_names() {
    let host = Host::new(Limits::default(), || false);
    let text = "const HELLO = \"hello.wav\";\nfn on_incoming(e) {\n  e.leg.play(global::HELLO);\n  \
                e.leg.play(\"tone:busy\"); e.leg.play(\"sub/a.mp3\", #{loop: true});\n  \
                this.p = create_player(\"b.ogg\");\n  \
                e.leg.digits(#{prompt: \"c.flac\"}, |e| e.leg.say(\"d.wav\"));\n}";
    let program = Program::compile(&host, &[source("a.rhai", text)]).expect("no fault");
    let mut files: Vec<String> = program
        .sound_files()
        .iter()
        .map(|(path, place)| format!("{} {path}", place.line))
        .collect();
    files.sort();
    assert_eq!(files, ["3 hello.wav", "4 sub/a.mp3", "5 b.ogg", "6 c.flac"]);
}

/// Every example of the documents.
#[test]
fn examples_of_the_documents_pass() {
    let documents = [
        ("README.md", include_str!("../../../README.md")),
        ("api.md", include_str!("../../../docs/api.md")),
        ("deploy.md", include_str!("../../../docs/deploy.md")),
        ("rules.md", include_str!("../../../docs/rules.md")),
        ("scripting.md", include_str!("../../../docs/scripting.md")),
        ("media.md", include_str!("../../../docs/media.md")),
    ];
    let mut examples = 0;
    for (name, text) in documents {
        for block in text.split("```rhai\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            examples += 1;
            let found = faults(&[source(name, block)]);
            assert!(found.is_empty(), "{}\n{block}", found.join("\n"));
        }
    }
    assert!(examples > 0, "the documents have examples");
}

/// What stands in the left column of the reference as code, and the lines for people who come from
/// elsewhere: each piece that is a whole call passes.
#[test]
fn calls_in_the_reference_pass() {
    let text = include_str!("../../../docs/scripting.md");
    let mut calls = 0;
    for piece in text.split('`').skip(1).step_by(2) {
        let whole = piece.contains("(\"") && piece.ends_with(')') && !piece.contains('…');
        if !whole || piece.contains("fn ") || piece.contains("Event") {
            continue;
        }
        calls += 1;
        let body = piece
            .strip_prefix("play(")
            .map_or(piece.to_owned(), |rest| format!("leg.play({rest}"));
        let body = body
            .strip_prefix("say(")
            .map_or(body.clone(), |rest| format!("leg.say({rest}"));
        let program = format!(
            "fn on_incoming(e) {{ let leg = e.leg; let x = 1; let ms = 1; let b = leg; {body}; }}\n\
             fn greet(a, e) {{}} fn greet(e) {{}} fn name(x) {{}} fn f(e) {{}}"
        );
        let found = faults(&[source("scripting.md", &program)]);
        assert!(found.is_empty(), "{piece}\n{}", found.join("\n"));
    }
    assert!(calls > 5, "{calls}");
}
