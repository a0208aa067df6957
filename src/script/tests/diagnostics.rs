//! What the writer of a faulty program reads, to the letter.

use super::{faults, source};

fn fault(text: &str) -> String {
    faults(&[source(
        "a.rhai",
        &format!("fn on_incoming(e) {{}}\n{text}\n"),
    )])
    .join("\n")
}

/// The second line of a program, where its fault is, what is said of it, and the hint.
const ROWS: &[(&str, usize, &str, &str)] = &[
    (
        "fn f(call) {}",
        6,
        "`call` cannot be used here",
        "`call` is a word of the language; the word for a call is `leg`",
    ),
    (
        "fn f(e) { e.call.answer(); }",
        13,
        "`call` cannot be used here",
        "`call` is a word of the language; the word for a call is `leg`",
    ),
    (
        "fn f() { let c = new Conference(); }",
        18,
        "`new` cannot be used here",
        "there is no `new`; host functions such as `create_conference()` make things",
    ),
    (
        "fn f() { var x = 1; }",
        10,
        "`var` cannot be used here",
        "write `let` instead of `var`",
    ),
    (
        "fn f() { return null; }",
        17,
        "`null` cannot be used here",
        "write `()` for a value that is not there",
    ),
    (
        "function f() {}",
        10,
        "`function` is not a word of this language",
        "a function is written `fn name(e) { … }` at the top of the file, a closure `|e| …`",
    ),
    (
        "fn f(l) { l.on(\"message\", function(e) { }); }",
        39,
        "`function` is not a word of this language",
        "a function is written `fn name(e) { … }` at the top of the file, a closure `|e| …`",
    ),
    (
        "fn f(x) { if x === 1 {} }",
        16,
        "`===` cannot be used here",
        "write `==`; it never converts: 1 == \"1\" is false",
    ),
    (
        "fn f(x) { if x !== 1 {} }",
        16,
        "`!==` cannot be used here",
        "write `!=`; it never converts: 1 != \"1\" is true",
    ),
    (
        "fn f(x) { let y = x ? 1 : 2; }",
        21,
        "there is no operator `?`",
        "write `if a { b } else { c }`, which has a value",
    ),
    (
        "fn f(i) { i++; }",
        12,
        "there is no operator `++`",
        "write `x += 1`",
    ),
    (
        "fn f(i) { ++i; }",
        11,
        "`++` cannot be used here",
        "write `x += 1`",
    ),
    (
        "fn f(l) { l.on(\"message\", (e) => { log(e); }); }",
        31,
        "`=>` does not make a function here",
        "a closure is written `|e| …`",
    ),
    (
        "fn f(l) { l.on(\"message\", m => log(m)); }",
        29,
        "`=>` does not make a function here",
        "a closure is written `|m| …`",
    ),
    (
        "fn f() { let a = 1 let b = 2; }",
        20,
        "a `;` is missing before this",
        "every statement ends with `;`",
    ),
    (
        "fn f() { let a = { b: 1 }; }",
        21,
        "`:` cannot be used here",
        "a map is written `#{name: value}`, with a `#` before the brace",
    ),
    (
        "fn f() { let a = 'text'; }",
        18,
        "text in single quotes is one character",
        "write text in double quotes: \"…\"",
    ),
    (
        "fn f() { for (let i = 0; i < 3; i += 1) {} }",
        15,
        "this kind of `for` does not exist",
        "write `for i in 0..10 { … }` or `for x in list { … }`",
    ),
    (
        "fn f(a) { for x of a {} }",
        17,
        "`of` is not a word of this language",
        "write `for x in list { … }`",
    ),
    (
        "fn f(a) { if (a) terminate(); }",
        18,
        "a `{` is missing here",
        "`if`, `while`, `for` and `loop` need braces",
    ),
    (
        "fn f(a) { switch (a) { case 1: log(a); } }",
        24,
        "`case` cannot be used here",
        "write `switch x { 1 => …, _ => … }`",
    ),
    (
        "fn f(a = 1) {}",
        8,
        "a parameter has no default value",
        "leave out `= …` and set it in the function",
    ),
    (
        "fn f() { fn g() {} }",
        10,
        "a function cannot stand inside another",
        "move it to the top of the file, or write a closure: `|e| …`",
    ),
    (
        "fn f() { eval(\"1\"); }",
        10,
        "`eval` cannot be used here",
        "text cannot be run as a script",
    ),
    (
        "fn f() { import \"x\" as y; }",
        10,
        "`import` cannot be used here",
        "list all files of a program in its rule; they share their functions",
    ),
    (
        "let state = 1;",
        1,
        "only constants and functions stand at the top of a file",
        "state of a session lives in `this`: set it in `fn on_started(e)`",
    ),
    (
        "terminate();",
        1,
        "only constants and functions stand at the top of a file",
        "state of a session lives in `this`: set it in `fn on_started(e)`",
    ),
    (
        "const NOW = now();",
        7,
        "the value of `NOW` must be written out",
        "constants are data; compute other values in `fn on_started(e)`",
    ),
    (
        "const F = |x| x;",
        7,
        "the value of `F` must be written out",
        "constants are data; compute other values in `fn on_started(e)`",
    ),
    (
        "fn f() { call_phone(\"1\"); }",
        10,
        "there is no function `call_phone`",
        "`call_phone` is not available",
    ),
    (
        "fn f() { http(\"GET\"); }",
        10,
        "there is no function `http`",
        "`http` is not available",
    ),
    (
        "fn f() { store.get(\"a\"); }",
        10,
        "there is no variable `store`",
        "`store` is not available",
    ),
    (
        "fn f() { sleep(1); }",
        10,
        "there is no function `sleep`",
        "nothing waits here: write `after(ms, handler)`",
    ),
    (
        "fn f() { timestamp(); }",
        10,
        "there is no function `timestamp`",
        "write `now()`, milliseconds since 1970",
    ),
    (
        "fn f() { setTimeout(1); }",
        10,
        "there is no function `setTimeout`",
        "write `after(ms, handler)`",
    ),
    (
        "fn f(e) { e.leg.sendMessage(\"x\"); }",
        17,
        "there is no function `sendMessage`",
        "did you mean `send_message`?",
    ),
    (
        "fn f(e) { e.leg.anser(); }",
        17,
        "there is no function `anser`",
        "did you mean `answer`?",
    ),
    (
        "fn f(e) { e.leg.say(); }",
        17,
        "`say` takes 1 or 2 arguments, not 0",
        "",
    ),
    (
        "fn f(e) { terminate(e); }",
        11,
        "`terminate` takes 0 arguments, not 1",
        "",
    ),
    (
        "fn f(e) { e.leg.on(\"conected\", \"f\"); }",
        20,
        "there is no event \"conected\"",
        "did you mean \"connected\"?",
    ),
    (
        "fn f(e) { e.leg.on(\"ToneReceived\", \"f\"); }",
        20,
        "there is no event \"ToneReceived\"",
        "the event is called \"digit\"",
    ),
    (
        "fn f(e) { e.leg.off(\"x\"); }",
        21,
        "there is no event \"x\"",
        "",
    ),
    (
        "fn f(e) { e.leg.on(\"digit\", \"g\"); }",
        29,
        "there is no function `g` for this handler",
        "",
    ),
    (
        "fn greet(e) { after(5, \"gret\"); }",
        24,
        "there is no function `gret` for this handler",
        "did you mean \"greet\"?",
    ),
    (
        "fn f(e) { every(50, \"g\"); }",
        21,
        "there is no function `g` for this handler",
        "",
    ),
    (
        "fn f(e) { digits(e.leg, #{}, \"g\"); }",
        30,
        "there is no function `g` for this handler",
        "",
    ),
    (
        "fn f(e) { e.leg.on(\"digit\", Fn(\"g\")); }",
        32,
        "there is no function `g` for this handler",
        "",
    ),
    (
        "fn f(a, e) { e.leg.on(\"digit\", \"f\"); }",
        32,
        "the handler `f` gets one value, the event",
        "carry the others: `Fn(\"f\").curry(…)`",
    ),
    (
        "fn f(e) { log(count); }",
        15,
        "there is no variable `count`",
        "a local is made with `let count = …;`, state is `this.count`",
    ),
    (
        "fn f(e) { let x = undefined; }",
        19,
        "there is no variable `undefined`",
        "write `()` for a value that is not there",
    ),
    (
        "fn f(e) { log(global::A); }",
        23,
        "there is no constant `A`",
        "",
    ),
    (
        "fn f(e) { a::b(); }",
        14,
        "there is no module `a`",
        "functions are called by their name",
    ),
    (
        "fn f() { this.x = 1; } fn g() { f(); }",
        33,
        "`f` uses `this`, which it does not get here",
        "write `this.f(…)`",
    ),
    (
        "fn f(t) { let x = t.trim(); }",
        21,
        "`trim` changes its object and has no value",
        "write `let x = …; x.trim(…);` and use x",
    ),
    (
        "fn play(e) {}",
        4,
        "`play` is a function of the host and would be hidden by this one",
        "give it another name, such as `do_play`",
    ),
    (
        "fn on_error(a, b) {}",
        4,
        "`on_error` gets one value, the event: `fn on_error(e)`",
        "",
    ),
    (
        "fn on_startet(e) {}",
        4,
        "nothing calls `on_startet`",
        "did you mean `on_started`?",
    ),
    ("fn on_http(e) {}", 4, "`on_http` is not available", ""),
];

/// A line, what is wrong at which column, and the hint; nothing where nothing is wrong.
const KINDS: &[(&str, &str)] = &[
    (
        "fn f(e) { e.leg.say(5); }",
        "2:21: `say` takes a string here, not a number",
    ),
    (
        "fn f(e) { e.leg.hangup(\"bye\"); }",
        "2:24: `hangup` takes a map here, not a string",
    ),
    (
        "fn f(e) { e.leg.mute(1); }",
        "2:22: `mute` takes true or false here, not a number",
    ),
    (
        "fn f(e) { e.leg.reject(\"busy\"); }",
        "2:24: `reject` takes a number here, not a string",
    ),
    (
        "fn f(e) { after(\"1\", |e| log(\"\")); }",
        "2:17: `after` takes a number here, not a string",
    ),
    (
        "fn f(e) { e.leg.say(\"a\", #{vioce: \"b\"}); }",
        "2:28: `say` has no option `vioce`",
    ),
    (
        "fn f(e) { e.leg.play(\"a\", #{loop: 1}); }",
        "2:35: `loop` of `play` is true or false, not a",
    ),
    (
        "fn f(e) { e.leg.play(\"a\", #{loop: true, gain_db: -3}); e.leg.hangup(#{}); }",
        "",
    ),
    (
        "fn f(e) { e.leg.detect_digits([\"info\"]); e.leg.detect_digits(true); }",
        "",
    ),
    (
        "fn f(e) { this = 5; }",
        "2:11: `this` is the session's state, a map, and not a number",
    ),
    ("fn f(e) { this = #{}; }", ""),
    (
        "fn f(e) { log(session.rul); }",
        "2:23: `session` has no property `rul`",
    ),
    (
        "fn f(e) { log(session.rule.len()); log(session.variables.anything); }",
        "",
    ),
    ("fn f(e) { let x = [3]; x.remove(0); log(5); }", ""),
];

#[test]
fn wrong_kinds_of_values_are_named() {
    for (line, wanted) in KINDS {
        let found = fault(line);
        let first = found.lines().next().unwrap_or_default();
        let wanted = if wanted.is_empty() {
            String::new()
        } else {
            format!("a.rhai:{wanted}")
        };
        let fits = first.starts_with(&wanted) && wanted.is_empty() == found.is_empty();
        assert!(fits, "{line}\n{found}\nexpected {wanted}");
    }
    let near = fault("fn f(e) { e.leg.say(\"a\", #{vioce: \"b\"}); }");
    assert!(near.ends_with(" hint: did you mean `voice`?"), "{near}");
}

#[test]
fn each_fault_is_named_with_its_place_and_a_hint() {
    for (line, column, message, hint) in ROWS {
        let caret = " ".repeat(column - 1);
        let mut wanted = format!("a.rhai:2:{column}: {message}\n 2 | {line}\n   | {caret}^");
        if !hint.is_empty() {
            wanted += &format!("\n hint: {hint}");
        }
        assert_eq!(fault(line), wanted, "\n{}\n", fault(line));
    }
}

#[test]
fn constants_are_read_through_global() {
    assert_eq!(
        fault("const LIMIT = 3; fn f() { log(LIMIT); log(global::LIMTI); }"),
        "a.rhai:2:31: the constant `LIMIT` is not seen inside a function\n \
         2 | const LIMIT = 3; fn f() { log(LIMIT); log(global::LIMTI); }\n   \
         |                               ^\n hint: write `global::LIMIT`\n\
         a.rhai:2:51: there is no constant `LIMTI`\n \
         2 | const LIMIT = 3; fn f() { log(LIMIT); log(global::LIMTI); }\n   \
         |                                                   ^\n \
         hint: did you mean `global::LIMIT`?"
    );
}

#[test]
fn files_of_a_program_share_names_and_each_fault_names_its_file() {
    let library = source(
        "lib.rhai",
        "const A = 1;\nfn sum_up(x) {\n    x + global::A\n}",
    );
    let main = source(
        "main.rhai",
        "\nfn on_incoming(e) { log(sum_up(1) + global::B); }\nconst B = 2;",
    );
    assert_eq!(faults(&[library.clone(), main]), [""; 0]);

    let second = source(
        "main.rhai",
        "fn on_incoming(e) {}\n\nfn sum_up(y) {}\nconst A = 2;\n\tfn g() { nothing_like_it(); }",
    );
    assert_eq!(
        faults(&[library.clone(), second]),
        [
            "main.rhai:3:4: the function `sum_up` is defined twice; first at lib.rhai:2:4\n \
             3 | fn sum_up(y) {}\n   |    ^",
            "main.rhai:4:7: the constant `A` is defined twice; first at lib.rhai:1:7\n \
             4 | const A = 2;\n   |       ^",
            "main.rhai:5:11: there is no function `nothing_like_it`\n \
             5 | \tfn g() { nothing_like_it(); }\n   | \t         ^",
        ]
    );
    let broken = source(
        "main.rhai",
        "fn on_incoming(e) {\n    e.leg.answer()\n    e.leg.ring();\n}",
    );
    assert_eq!(
        faults(&[source("first.rhai", "fn x( {}"), library, broken]),
        [
            "first.rhai:1:7: a `)` is missing to close the parameters list of function 'x'\n \
             1 | fn x( {}\n   |       ^",
            "main.rhai:3:5: a `;` is missing before this\n 3 |     e.leg.ring();\n   |     ^\n \
             hint: every statement ends with `;`",
        ],
        "each file is read for itself"
    );
}

#[test]
fn function_of_the_same_name_in_one_file_is_defined_twice() {
    assert_eq!(
        fault("fn f() {} fn f() {}"),
        "a.rhai:2:11: the function `f` is defined twice in this file\n \
         2 | fn f() {} fn f() {}\n   |           ^\n hint: give one of them another name"
    );
    assert_eq!(
        fault("fn f() {} fn f(a) {}"),
        "",
        "another number of parameters is another function"
    );
}

#[test]
fn program_that_would_do_nothing_is_refused() {
    assert_eq!(
        faults(&[source("a.rhai", "fn f() {}")]),
        [
            "a.rhai:1:1: there is neither `on_started` nor `on_incoming`\n 1 | fn f() {}\n   | ^\n \
             hint: a scenario begins with `fn on_incoming(e) { e.leg.answer(); }`"
        ]
    );
    assert_eq!(faults(&[]).len(), 1);
}

#[test]
fn program_longer_than_lines_can_be_counted_is_refused() {
    let long = "\n".repeat(40_000);
    assert_eq!(
        faults(&[
            source("a.rhai", &format!("{long}fn on_started(e) {{}}")),
            source("b.rhai", &long)
        ]),
        ["b.rhai:0:0: a program has at most 65000 lines, and as many columns"]
    );
}

proptest::proptest! {
    #[test]
    fn any_text_gives_a_program_or_faults(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "fn", "f", "(", ")", "{", "}", "let", "x", "=", "1", ";", "\n", "\"", "'", "|", "e",
                ".", "on", "digits", "Fn", "#{", ":", ",", "this", "if", "else", "=>", "é", "/*",
                "//", "const", "global::", "[", "]", "loop", "`", "${", "?", "++", "for", "in",
                "\t", "\u{0}",
            ]),
            0..40,
        ),
        joint in proptest::sample::select(vec!["", " "]),
    ) {
        let text = words.join(joint);
        let files = [source("a.rhai", "fn on_started(e) {}"), source("b.rhai", &text)];
        for fault in faults(&files) {
            let named = fault.starts_with("a.rhai:") || fault.starts_with("b.rhai:");
            proptest::prop_assert!(named, "{}", fault);
        }
    }
}

/// What looks odd and is right.
#[test]
fn sound_programs_have_no_faults() {
    for text in [
        "fn f(e) { let leg = e.leg; e.leg.on(\"hold\", |x| leg.hangup()); }",
        "fn f(e) { this.done = |x| log(x); this.done.call(1); this.done(1); }",
        "fn f(e) { let m = #{ play: |x| x }; m.play(1); }",
        "fn f(e) { e.leg.on(\"failed\", \"terminate\"); \
         e.leg.on(\"hold\", Fn(\"log\").curry(\"x\")); }",
        "fn f(a, e) { e.leg.on(\"hold\", Fn(\"f\").curry(1)); }",
        "fn f(e) { let phone = e.leg; after(1, || phone.hangup()); }",
        "fn f(e) { let t = \" a \"; t.trim(); log(t.split(\",\")[0].len()); }",
        "fn f(e) { try { parse_json(\"x\"); } catch (fault) { log(fault); } }",
        "fn f(e) { for (x, i) in [1, 2] { log(x + i); } for y in 0..3 { log(y); } }",
        "fn f(e) { let r = if e.leg.incoming { 1 } else { 2 }; log(`${r} ${e.leg?.x ?? 3}`); }",
        "fn f(e) { switch e.leg.source { \"web\" => log(1), _ => log(2) } }",
        "fn f(e) { [1, 2].filter(|x| x > 1).map(|x| x * 2).for_each(|x| log(x)); }",
        "const A = #{ a: [1, -2, \"x\"], b: 2 * 3 }; fn f(e) { log(global::A.a[0]); }",
        "fn f() { this.x = 1; } fn g() { this.f(); let s = this; }",
    ] {
        assert_eq!(fault(text), "", "{text}");
    }
}

#[test]
fn a_source_that_breaks_off_does_not_change_how_the_next_one_is_read() {
    let next = || faults(&[source("b.rhai", "loop { f(); }")]);
    let alone = next();
    assert!(!faults(&[source("a.rhai", "fn f() { g(1,")]).is_empty());
    assert_eq!(next(), alone);
}

#[test]
fn loop_is_a_name_in_a_map_and_a_word_elsewhere() {
    for (text, sound) in [
        ("fn f(e) { e.leg.play(\"a\", #{loop: true}); }", true),
        ("fn f(e) { e.leg.play(\"a\", # {loop: true}); }", false),
        (
            "fn f(e) { e.leg.play(\"a,\", #{gain_db: 1, /* so, */ loop: true}); }",
            true,
        ),
        (
            "fn f() { #{a: [1, 2], loop: #{\nloop: `b,${1},`,\n// c,\nloop2: 1}} }",
            true,
        ),
        ("fn f() { let a = \",\"; loop { break; } }", true),
        ("fn f() { let a = `,${1},`; loop { break; } }", true),
        (
            "fn f() { let a = `,${loop { break 1; }},`; loop { break; } }",
            true,
        ),
        ("fn f() { let a = #{}; loop { break; } }", true),
        ("fn f() { g(1, loop { break 1; }); }\nfn g(a, b) {}", true),
        (
            "fn f() {\n let o = #{ // ä, /* \n  loop /* : { /* */\n // { */ // {\n : true };\n}",
            true,
        ),
        ("fn f() { #{a: 1, loop /* : */ }; }", false),
        ("fn f() { let a = 1; loop", false),
    ] {
        assert_eq!(fault(text).is_empty(), sound, "{text}: {}", fault(text));
    }
}

#[test]
fn carriage_returns_end_lines_only_before_a_line_feed() {
    let lone = "a carriage return without a line feed";
    for (text, expected) in [
        ("fn f(e) {}\r\nfn g(e) {}\r\n", ""),
        ("// f\rfn f(e) { g(); }", "b.rhai:1:5"),
        ("fn f(e) {}\r\n// x\r\r\n", "b.rhai:2:5"),
        ("fn f(e) { log(`é\r`); }", "b.rhai:1:17"),
        ("fn f(e) {}\r", "b.rhai:1:11"),
    ] {
        let files = [
            source("a.rhai", "fn on_started(e) {}"),
            source("b.rhai", text),
        ];
        let found = faults(&files).join("\n");
        let first = found.lines().next().unwrap_or_default();
        let expected = match expected {
            "" => String::new(),
            place => format!("{place}: {lone}"),
        };
        assert_eq!(first, expected, "{text:?}");
    }
}
