//! One row for each way to write each function and property, and the reference made of them.

use std::collections::BTreeSet;

use super::super::api;
use super::super::handle;
use super::super::parser;
use super::super::support;
use super::{Host, Limits, World, connected, disconnected, incoming};

/// What a handler does with leg 1 (`l`, connected), an internal leg (`o`, 100), a conference (`c`,
/// 101), a player (`p`, 102) and a recorder (`r`, 103); and the commands of that.
const ROWS: &[(&str, &[&str])] = &[
    ("terminate();", &["terminate"]),
    (
        "call_conference(\"conf_1\");",
        &["l104 call conf_1 from  \"\""],
    ),
    (
        "call_conference(\"c\", #{caller_id: \"7\", display_name: \"D\", \
         headers: #{\"X-A\": \"1\"}});",
        &["l104 call c from 7 \"D\" X-A=1"],
    ),
    (
        "call_conference(\"c\", #{headers: l.headers});",
        &["l104 call c from  \"\" x-clienttype=web"],
    ),
    ("users.remove(\"guest-1\");", &["remove user guest-1"]),
    ("forward_to_user_direct(l);", &["l1 forward direct"]),
    ("create_conference();", &["u104 conference "]),
    ("create_conference(\"main\");", &["u104 conference main"]),
    (
        "create_player(\"music.mp3\");",
        &["u104 player file music.mp3 false 0"],
    ),
    (
        "create_player(\"tone:busy:DE\", #{loop: true, gain_db: -6});",
        &["u104 player tone busy de true -6"],
    ),
    (
        "create_player(#{say: \"hi\", language: \"de-DE\", voice: \"male\", rate: 1.5}, \
         #{loop: true});",
        &["u104 player \"hi\" de-DE male 1.5 true 0"],
    ),
    ("create_recorder();", &["u104 recorder \"\" false"]),
    (
        "create_recorder(#{name: \"a\", stereo: true});",
        &["u104 recorder \"a\" true"],
    ),
    ("send_media_between(l, c);", &["u1 -> u101", "u101 -> u1"]),
    ("stop_media_between(l, o);", &["u1 -x u100", "u100 -x u1"]),
    (
        "log(session.id + session.rule + session.application);",
        &["log s7phonesdemo"],
    ),
    (
        "log(session.conference_name + session.custom_data);",
        &["log from-api"],
    ),
    ("log(session.variables.size);", &["log 3"]),
    (
        "session.custom_data = \"x\"; log(session.custom_data);",
        &["custom_data x", "log x"],
    ),
    (
        "log(l.id + l.incoming + l.source + l.state);",
        &["log l1trueinternalconnected"],
    ),
    (
        "log(o.id + o.incoming + o.source + o.state);",
        &["log l100falseinternalalerting"],
    ),
    (
        "log(l.caller_id + l.display_name);",
        &["log aliceName of alice"],
    ),
    (
        "log(l.destination + l.number + l.user);",
        &["log conf_123alice"],
    ),
    (
        "log(l.headers[\"X-clientTYPE\"]); log(l.headers[\"X-No\"] == ());",
        &["log web", "log true"],
    ),
    ("l.answer();", &["l1 answer"]),
    ("l.answer(#{headers: #{\"X-B\": 2}});", &["l1 answer X-B=2"]),
    ("l.ring();", &["l1 ring"]),
    ("l.reject();", &["l1 reject 603 "]),
    ("l.reject(486);", &["l1 reject 486 "]),
    ("l.reject(403, \"No\");", &["l1 reject 403 No"]),
    ("l.hangup();", &["l1 hangup"]),
    (
        "l.hangup(#{headers: #{\"X-B\": \"2\"}});",
        &["l1 hangup X-B=2"],
    ),
    ("l.start_early_media();", &["l1 early media"]),
    ("l.play(\"a.wav\");", &["l1 play file a.wav false 0"]),
    (
        "l.play(\"tone:ringback\", #{loop: true});",
        &["l1 play tone ringback  true 0"],
    ),
    ("l.say(\"hello\");", &["l1 say \"hello\""]),
    (
        "l.say(\"hello\", #{voice: \"female\"});",
        &["l1 say \"hello\"  female 1"],
    ),
    ("l.stop_playback();", &["l1 stop playback"]),
    ("l.detect_digits(true);", &["l1 detect true true true"]),
    (
        "l.detect_digits([\"in_band\", \"info\"]);",
        &["l1 detect false true true"],
    ),
    ("l.detect_digits(false);", &["l1 detect false false false"]),
    ("l.send_digits(\"12#p\");", &["l1 digits 12#p"]),
    ("l.send_message(\"hi\");", &["l1 message hi"]),
    (
        "l.send_info(\"text/plain\", \"b\");",
        &["l1 info text/plain b"],
    ),
    (
        "l.send_info(\"text/plain\", \"b\", #{\"X-C\": \"3\"});",
        &["l1 info text/plain b X-C=3"],
    ),
    ("l.send_media_to(c);", &["u1 -> u101"]),
    ("l.stop_media_to(r);", &["u1 -x u103"]),
    (
        "let r = l.record(); r.stop();",
        &["l1 record u104 \"\" false", "u104 stop"],
    ),
    (
        "l.record(#{name: \"n\", stereo: true});",
        &["l1 record u104 \"n\" true"],
    ),
    ("l.mute(true);", &["l1 mute true"]),
    ("l.deafen(false);", &["l1 deafen false"]),
    ("l.gain(-3, 1.5);", &["l1 gain -3 1.5"]),
    (
        "l.on(\"talk_started\", \"noop\"); l.off(\"talk_started\");",
        &["l1 detect talk true", "l1 detect talk false"],
    ),
    (
        "log(c.id + c.label); c.stop();",
        &["log u101room", "u101 stop"],
    ),
    (
        "c.send_media_to(l); c.stop_media_to(l);",
        &["u101 -> u1", "u101 -x u1"],
    ),
    ("c.play(\"a.wav\");", &["u101 play file a.wav false 0"]),
    (
        "c.play(\"a.wav\", #{gain_db: 2});",
        &["u101 play file a.wav false 2"],
    ),
    ("c.say(\"all\");", &["u101 play \"all\" false 0"]),
    (
        "c.say(\"all\", #{language: \"fr\"});",
        &["u101 play \"all\" fr  1 false 0"],
    ),
    ("c.stop_playback();", &["u101 stop playback"]),
    (
        "c.record(); c.record(#{name: \"n\"});",
        &[
            "u101 record u104 \"\" false",
            "u101 record u105 \"n\" false",
        ],
    ),
    ("log(c.members().len());", &["log 0"]),
    (
        "c.lock(true); c.max_members(5);",
        &["u101 lock true", "u101 max 5"],
    ),
    (
        "c.on(\"member_joined\", \"noop\"); c.off(\"member_joined\");",
        &[],
    ),
    (
        "log(p.id); p.start(); p.pause();",
        &[
            "log u102",
            "u102 play file music.mp3 false 0",
            "u102 pause true",
        ],
    ),
    (
        "p.resume(); p.send_media_to(l); p.stop_media_to(l); p.stop();",
        &["u102 pause false", "u102 -> u1", "u102 -x u1", "u102 stop"],
    ),
    (
        "p.on(\"playback_finished\", \"noop\"); p.off(\"playback_finished\");",
        &[],
    ),
    (
        "log(r.id); r.pause(); r.resume(); r.stop();",
        &[
            "log u103",
            "u103 pause true",
            "u103 pause false",
            "u103 stop",
        ],
    ),
    (
        "r.on(\"record_stopped\", \"noop\"); r.off(\"record_stopped\");",
        &[],
    ),
    (
        "let t = after(500, \"noop\"); t.cancel(); t.cancel();",
        &["t104 after 500", "t104 cancel"],
    ),
    ("every(20, \"noop\");", &["t104 every 20"]),
    (
        "log(parse_json(\"[1, 2.5, null, \\\"a\\\"]\"));",
        &["log [1, 2.5, (), \"a\"]"],
    ),
    (
        "log(to_json([1, 2.0, (), true, 'c', #{b: 1, a: []}]));",
        &["log [1,2.0,null,true,\"c\",{\"a\":[],\"b\":1}]"],
    ),
    (
        "log(to_json(#{a: #{h: l.headers}}));",
        &["log {\"a\":{\"h\":{\"x-clienttype\":\"web\"}}}"],
    ),
    (
        "log(to_json(()) + to_json(\"q\\\"\"));",
        &["log null\"q\\\"\""],
    ),
    (
        "log(1); log_warn(\"w\"); print(\"p\"); debug(\"d\");",
        &["log 1", "warn w", "log p", "log \"d\""],
    ),
    ("log(now());", &["log 1700000000000"]),
    (
        "log(uuid().len() + \" \" + uuid()[14] + (uuid() == uuid()));",
        &["log 36 4false"],
    ),
    (
        "let x = random(1, 6); log(x >= 1 && x <= 6);",
        &["log true"],
    ),
    ("log(random(3, 3));", &["log 3"]),
    (
        "for number in [\"+31612345678\", \"020 123 4567\", \"1234567\", \"1234\", \"anonymous\"] {
            log(phone.mask(number)); }",
        &[
            "log +316****678",
            "log 020****567",
            "log ****567",
            "log **34",
            "log anonymous",
        ],
    ),
    (
        "log(phone.normalize(\"030 123456\", \"DE\"));",
        &["log +4930123456"],
    ),
    (
        "log(phone.normalize(\"+1 (555) 010-0199\") == \"+15550100199\");",
        &["log true"],
    ),
    (
        "digits(l, #{max: 4}, \"noop\");",
        &["l1 detect true true true", "t104 after 10000"],
    ),
    (
        "l.digits(#{prompt: \"tone:dial\", first_timeout_s: 2.5}, \"noop\");",
        &["l1 detect true true true", "l1 play tone dial  false 0"],
    ),
    (
        "log(l == this.l); log(l != o); log([o, l].index_of(l)); log(l in [o]); log(c == this.c);",
        &["log true", "log true", "log 1", "log false", "log true"],
    ),
    (
        "log(l); log(`${c} ${p} ${r}`);",
        &[
            "log leg l1",
            "log conference u101 player u102 recorder u103",
        ],
    ),
];

const SETTING: &str = "
    fn on_incoming(e) {
        this.l = e.leg; this.o = call_conference(\"o\"); this.c = create_conference(\"room\");
        this.p = create_player(\"music.mp3\"); this.r = create_recorder();
    }
    fn noop(e) {}
    fn on_error(e) {}
";

/// A session with one of each unit, whose next timer event runs `body`.
fn setting(body: &str) -> World {
    let text = format!(
        "{SETTING} fn on_started(e) {{ after(1, \"run\"); }}
         fn run(e) {{ let l = this.l; let o = this.o; let c = this.c;
           let p = this.p; let r = this.r; {body} }}"
    );
    let mut world = World::new(&text);
    world.start();
    world.next_id = 100;
    world.incoming(incoming(1, "internal", "alice", &[("X-ClientType", "web")]));
    world.leg(1, connected());
    world
}

/// The timer that `setting` has made.
fn run(body: &str) -> (Vec<String>, String) {
    let text = format!(
        "{SETTING} fn run(e) {{ let l = this.l; let o = this.o; let c = this.c; let p = this.p;
           let r = this.r; {body} }}"
    )
    .replace(
        "this.l = e.leg;",
        "this.l = e.leg; e.leg.on(\"hold\", \"run\");",
    );
    let mut about = super::about();
    about.variables.insert("size".into(), serde_json::json!(3));
    let mut world = World::with(Limits::default(), &text, about);
    world.incoming(incoming(1, "internal", "alice", &[("X-ClientType", "web")]));
    world.leg(1, connected());
    let commands = world.leg(1, super::LegEvent::Hold);
    (commands, world.error())
}

#[test]
fn every_function_gives_its_commands() {
    for (body, commands) in ROWS {
        let (given, error) = run(body);
        assert_eq!(error, "", "{body}");
        assert_eq!(given, *commands, "{body}");
    }
}

/// What is refused where it is written, as an error that a script may catch.
const REFUSED: &[(&str, &str)] = &[
    (
        "call_conference(\"\");",
        "the name of the conference is empty",
    ),
    (
        "let o = #{callerid: \"1\"}; call_conference(\"c\", o);",
        "there is no option `callerid`; known: caller_id, display_name, headers",
    ),
    (
        "let n = 1; call_conference(\"c\", #{caller_id: n});",
        "`caller_id` is a string, not a number",
    ),
    (
        "l.answer(#{headers: #{Via: \"x\"}});",
        "the header `Via` cannot be set; only names that begin with X-",
    ),
    (
        "l.answer(#{headers: #{\"X-A\": \"1\\r\\nVia: x\"}});",
        "the header `X-A` has a value of more than one line",
    ),
    (
        "let n = 1; l.answer(#{headers: n});",
        "`headers` is a map, not a number",
    ),
    (
        "l.reject(200);",
        "a call is rejected with a code from 400 to 699 and a reason of one line",
    ),
    (
        "let s = \"\"; l.play(s);",
        "the source of the sound is empty",
    ),
    (
        "let s = \"tone:moo\"; l.play(s);",
        "there is no tone `moo`; known: ringback, busy, congestion, dial, beep, hold",
    ),
    (
        "l.play(\"a\", #{gain_db: 99});",
        "`gain_db` is between -60 and 30 dB",
    ),
    (
        "let n = 1; l.play(\"a\", #{loop: n});",
        "`loop` is true or false, not a number",
    ),
    ("l.say(\" \");", "the text to be spoken is empty"),
    ("l.say(\"a\", #{rate: 9});", "`rate` is between 0.5 and 2"),
    (
        "let n = 1; l.detect_digits(n);",
        "`detect_digits` takes true, false or a list, not a number",
    ),
    (
        "l.detect_digits([\"x\"]);",
        "there is no kind of digits `x`; known: telephone_event, in_band, info",
    ),
    (
        "l.send_digits(\"1x\");",
        "digits are 0-9, *, #, A-D and p for a pause",
    ),
    (
        "l.send_digits(\"\");",
        "between 1 and 100 digits are sent at once",
    ),
    (
        "l.send_info(\"json\", \"\");",
        "`json` is not a type such as application/json",
    ),
    (
        "l.send_media_to(());",
        "a leg, conference, player or recorder is needed here, not () (a value that is not there)",
    ),
    (
        "l.record(#{name: \"../x\"});",
        "`name` is a file name without folders",
    ),
    (
        "let n = \"mssage\"; l.on(n, \"noop\");",
        "a leg has no event \"mssage\"",
    ),
    (
        "let n = \"x\"; c.on(n, \"noop\");",
        "conferences, players and recorders have no event \"x\"",
    ),
    (
        "let h = \"nop\"; l.on(\"hold\", h);",
        "there is no function `nop` for this handler",
    ),
    (
        "let n = 5; l.on(\"hold\", n);",
        "a handler is a function or its name, not a number",
    ),
    (
        "c.max_members(-1);",
        "`max_members` takes 0 or a positive number",
    ),
    (
        "create_player(#{voice: \"x\"});",
        "a map as source has the text as `say`",
    ),
    (
        "after(-1, \"noop\");",
        "a timer runs from 0 ms to a day, not -1 ms",
    ),
    (
        "every(9, \"noop\");",
        "a timer runs from 10 ms to a day, not 9 ms",
    ),
    (
        "parse_json(\"{\\n  x\");",
        "not JSON: key must be a string at line 2 column 3",
    ),
    (
        "to_json(l);",
        "a leg has no JSON; write its properties, such as `id`",
    ),
    (
        "to_json(1.0 / 0.0);",
        "a number that is not finite has no JSON",
    ),
    (
        "let f = Fn(\"noop\"); f.curry(f);",
        "a function carries data, not functions",
    ),
    (
        "let f = Fn(\"noop\"); f.curry(1, [#{f: || 1}]);",
        "a function carries data, not functions",
    ),
    (
        "let f = Fn(\"noop\"); for i in 0..9 { f = f.curry(i, i); }",
        "a function carries at most 16 values",
    ),
    (
        "let f = || 1; l.on(\"hold\", || f.call());",
        "a handler carries data, not functions",
    ),
    (
        "after(1.5, \"noop\");",
        "milliseconds are whole numbers, not 1.5",
    ),
    (
        "let n = \"10\"; every(n, \"noop\");",
        "milliseconds are a number, not a string",
    ),
    ("digits(l, #{max: 0}, \"noop\");", "`max` is from 1 to 128"),
    (
        "let n = \"1\"; digits(l, #{max: n}, \"noop\");",
        "digits of `max` are a number, not a string",
    ),
    (
        "digits(l, #{max: 2.5}, \"noop\");",
        "digits of `max` are whole numbers, not 2.5",
    ),
    (
        "let n = 2.5; c.max_members(n);",
        "members are whole numbers, not 2.5",
    ),
    (
        "let n = \"404\"; l.reject(n, \"no\");",
        "codes are a number, not a string",
    ),
    (
        "digits(l, #{terminator: \"##\"}, \"noop\");",
        "`terminator` is one key",
    ),
    (
        "digits(l, #{first_timeout_s: 0}, \"noop\");",
        "`first_timeout_s` is from 0.1 to 600 seconds",
    ),
];

#[test]
fn refusals_say_why_and_can_be_caught() {
    for (body, message) in REFUSED {
        let (commands, error) = run(&format!("try {{ {body} }} catch (fault) {{ log(fault); }}"));
        assert_eq!(
            (commands, error),
            (vec![format!("log {message}")], String::new()),
            "{body}"
        );
        let (_, error) = run(body);
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn commands_to_what_has_ended_do_nothing() {
    let mut world = setting(
        "l.hangup(); l.say(\"x\"); l.send_message(\"m\"); l.send_media_to(c);
         l.on(\"hold\", \"noop\");
         digits(l, #{}, \"noop\"); p.stop(); p.start(); p.send_media_to(c);
         log(l.state + l.caller_id);",
    );
    world.leg(1, disconnected());
    assert_eq!(world.timer(100), ["u102 stop", "log endedalice"]);
    assert_eq!(world.error(), "");
}

#[test]
fn numbers_are_normalized_as_the_country_dials_them() {
    let rows = [
        ("+49 (0)30 / 12 34 56", "", Some("+4930123456")),
        ("0049 30 123456", "", Some("+4930123456")),
        ("030-123456", "de", Some("+4930123456")),
        ("030123456", "", None),
        ("(555) 010-0199", "US", Some("+15550100199")),
        ("1 555 010 0199", "US", Some("+15550100199")),
        ("011 44 20 7946 0000", "US", Some("+442079460000")),
        ("5550199", "US", None),
        ("020 7946 0000", "GB", Some("+442079460000")),
        ("06 12 34 56 78", "FR", Some("+33612345678")),
        ("06 1234 567", "IT", Some("+39061234567")),
        ("8 495 123-45-67", "RU", Some("+74951234567")),
        ("tel:+31201234567", "", Some("+31201234567")),
        (
            "sip:+31201234567@example.org;user=phone",
            "",
            Some("+31201234567"),
        ),
        ("anonymous", "DE", None),
        ("+0123456789", "", None),
        ("+1234", "", None),
        ("+1234567890123456", "", None),
        ("112", "DE", None),
        ("", "DE", None),
    ];
    for (number, country, normal) in rows {
        assert_eq!(
            api::normalize(number, country).as_deref(),
            normal,
            "{number} in {country}"
        );
    }
}

/// The name of an entry as it is registered.
fn registered(signature: &str) -> String {
    match signature.split_once('(') {
        Some((name, _)) => name.to_owned(),
        None if signature.contains('[') => "index$get$".to_owned(),
        None => format!("get${signature}"),
    }
}

#[test]
fn reference_names_what_is_registered_and_nothing_else() {
    let host = Host::new(Limits::default(), || false);
    let written: BTreeSet<String> = api::entries()
        .map(|entry| registered(entry.signature))
        .collect();
    let plain = [
        "==",
        "!=",
        "to_string",
        "to_debug",
        "set$custom_data",
        parser::CURRY,
    ];
    let functions: BTreeSet<String> = host
        .functions
        .host
        .into_keys()
        .filter(|name| !plain.contains(&name.as_str()))
        .collect();
    assert_eq!(written, functions);
    for entry in api::entries().filter(|entry| !entry.signature.contains('[')) {
        let name = entry.signature.split('(').next().unwrap_or_default();
        assert!(
            ROWS.iter().any(|(body, _)| body.contains(name)),
            "{name} has no row"
        );
    }
    assert!(handle::fixed_object("session").is_some());
}

#[test]
fn the_table_of_kinds_of_legs_has_each_command_of_a_leg() {
    let commands: Vec<&str> = api::entries()
        .filter(|entry| entry.of == "leg" && entry.signature.contains('('))
        .filter_map(|entry| entry.signature.split('(').next())
        .collect();
    let rows: Vec<&str> = support::SUPPORT.iter().map(|row| row.command).collect();
    assert_eq!(commands, rows);
}

#[test]
fn host_functions_that_may_be_handlers_are_registered() {
    let host = Host::new(Limits::default(), || false);
    let functions = host.functions.host;
    for (name, arguments) in api::HOST_HANDLERS {
        let known = functions.get(*name);
        assert!(
            known.is_some_and(|counts| counts.contains(arguments)),
            "{name}/{arguments}"
        );
    }
}

#[test]
fn scripting_reference_is_the_committed_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/scripting.md");
    let text = super::super::reference();
    if std::env::var_os("TALKPATH_UPDATE").is_some() {
        std::fs::write(path, &text).expect("docs/scripting.md can be written");
    }
    let committed = std::fs::read_to_string(path).expect("docs/scripting.md is there");
    assert_eq!(
        committed, text,
        "run TALKPATH_UPDATE=1 cargo test scripting_reference"
    );
}
