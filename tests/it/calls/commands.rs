//! Each command on each kind of leg, before and after the answer: it is carried out, so that it can
//! be heard or seen, or refused aloud. Nothing vanishes.

use std::time::Duration;

use talkpath::script::{COLUMNS, LegKind, SUPPORT, support};
use talkpath::sim::{PhoneId, PhoneState};

use super::{Tested, world_of};

/// What a caller and the listener in the room hear of each other, and what else came of a command.
struct Seen {
    world: Tested,
    caller: PhoneId,
    heard: bool,
    hears: bool,
}

impl Seen {
    fn logged(&self, part: &str) -> bool {
        self.world.logs.iter().any(|line| line.contains(part))
    }

    fn both(&self) -> bool {
        self.heard && self.hears
    }
}

/// A command of a leg, a use of it, and how that shows that it was carried out. On which kinds of
/// legs it is refused instead, and with which code, stands in the table from which the reference is
/// made.
type Row = (&'static str, &'static str, fn(&Seen) -> bool);

/// Uses of `on` whose event is refused on some legs.
const EVENTS: [(&str, [&str; 8]); 2] = [
    (
        "talk_started",
        ["", "", "", "", "", "", "direct-leg", "direct-leg"],
    ),
    (
        "hold",
        ["", "", "", "", "internal-leg", "internal-leg", "", ""],
    ),
];

/// What a row expects: for each of [`COLUMNS`] the code of its refusal, `""` where it is carried
/// out.
fn codes_of(command: &str, script: &str) -> [&'static str; 8] {
    let event = EVENTS.iter().find(|(event, _)| script.contains(event));
    event.map_or_else(
        || support(command).expect(command).codes,
        |(_, codes)| *codes,
    )
}

const ROWS: &[Row] = &[
    ("mute", "leg.mute(true);", |seen| !seen.heard && seen.hears),
    ("deafen", "leg.deafen(true);", |seen| {
        seen.heard && !seen.hears
    }),
    ("gain", "leg.gain(-60, 0);", |seen| {
        !seen.heard && seen.hears
    }),
    ("gain", "leg.gain(0, -60);", |seen| {
        seen.heard && !seen.hears
    }),
    (
        "on",
        "leg.on(\"talk_started\", |e| log(`talks ${e.leg == this.leg}`));",
        |seen| seen.both() && seen.logged("talks true"),
    ),
    (
        "record",
        "let r = leg.record(); after(4000, |e| r.stop());
         r.on(\"record_stopped\", |e| log(`recorded ${e.duration_ms > 1500}`));
         r.on(\"record_failed\", |e| log(\"recorded nothing\"));",
        |seen| seen.both() && seen.logged("recorded true"),
    ),
    (
        "detect_digits",
        "leg.detect_digits([\"telephone_event\"]);
         leg.on(\"digit\", |e| log(`digit ${e.digit} ${e.kind}`));",
        |seen| seen.both() && seen.logged("digit 5 telephone_event"),
    ),
    (
        "digits",
        "leg.digits(#{ max: 1 }, |e| log(`digits ${e.digits}`));",
        |seen| seen.both() && seen.logged("digits 5"),
    ),
    (
        "send_media_to",
        "send_media_between(leg, this.room);",
        |seen| seen.both(),
    ),
    ("play", "leg.play(\"a.wav\");", |seen| {
        seen.world
            .at(seen.caller)
            .said
            .contains(&"a.wav".to_owned())
    }),
    ("say", "leg.say(\"Hello\");", |seen| {
        seen.world
            .at(seen.caller)
            .said
            .contains(&"Hello".to_owned())
    }),
    ("stop_playback", "leg.stop_playback();", |_| true),
    ("send_digits", "leg.send_digits(\"7\");", |seen| seen.both()),
    ("send_message", "leg.send_message(\"hi\");", |seen| {
        seen.world
            .at(seen.caller)
            .messages
            .contains(&"hi".to_owned())
    }),
    ("send_info", "leg.send_info(\"a/b\", \"hi\");", |seen| {
        seen.world
            .at(seen.caller)
            .messages
            .contains(&"hi".to_owned())
    }),
    (
        "answer",
        "leg.answer(#{ headers: #{ \"X-A\": \"1\" } });",
        |seen| seen.world.at(seen.caller).state == PhoneState::Connected,
    ),
    ("ring", "leg.ring();", |_| true),
    ("start_early_media", "leg.start_early_media();", |_| true),
    ("reject", "leg.reject(486, \"Busy Lizzy\");", |seen| {
        let state = seen.world.at(seen.caller).state;
        state == PhoneState::Ended(486) || seen.logged("gate: failed 486 Busy Lizzy")
    }),
    (
        "hangup",
        "leg.hangup(#{ reason: \"Good night\", headers: #{ \"X-A\": \"1\" } });",
        |seen| {
            let ended = matches!(seen.world.at(seen.caller).state, PhoneState::Ended(_));
            ended || seen.logged("Good night 1")
        },
    ),
    ("on", "leg.on(\"hold\", |e| 1);", |_| true),
    ("send_media_to", "leg.send_media_to(this.room);", |seen| {
        seen.heard && !seen.hears
    }),
    (
        "stop_media_to",
        "leg.send_media_to(this.room); leg.stop_media_to(this.room);",
        |seen| !seen.heard && !seen.hears,
    ),
    (
        "off",
        "leg.on(\"talk_started\", |e| log(\"talks\")); leg.off(\"talk_started\");",
        |seen| seen.both() && !seen.logged("talks"),
    ),
];

const RULES: &str = r#"
[[rule]]
name = "main"
pattern = "100"
source = ["phone", "web"]
scenarios = ["main.rhai"]
[[rule]]
name = "gate"
pattern = "300"
source = ["phone"]
scenarios = ["gate.rhai"]
[[rule]]
name = "listener"
pattern = "200"
source = ["phone"]
scenarios = ["listener.rhai"]
[[rule]]
name = "room"
pattern = "room"
source = ["internal"]
scenarios = ["room.rhai"]
[[rule]]
name = "ear"
pattern = "ear"
source = ["internal"]
scenarios = ["ear.rhai"]
[[rule]]
name = "forwarded"
pattern = "bob"
source = ["phone"]
scenarios = ["forwarded.rhai"]
"#;

const EAR: &str = r#"
fn on_started(e) { this.room = create_conference("ear"); }
fn on_incoming(e) { send_media_between(e.leg, this.room); e.leg.answer(); }
"#;

const LISTENER: &str = r#"
fn on_incoming(e) {
    e.leg.on("disconnected", "terminate");
    e.leg.answer();
    send_media_between(e.leg, call_conference("ear"));
}
"#;

/// The phone of an internal leg: passes on what comes from either side.
const GATE: &str = r#"
fn on_incoming(e) {
    this.phone = e.leg;
    e.leg.on("disconnected", "terminate");
    e.leg.on("connected", "reach");
    e.leg.answer();
}
fn reach(e) {
    this.far = call_conference("room");
    send_media_between(this.phone, this.far);
    this.phone.detect_digits(true);
    this.phone.on("digit", |e| this.far.send_digits(e.digit));
    this.far.on("message", |e| this.phone.send_message(e.text));
    this.far.on("info", |e| this.phone.send_message(e.body));
    this.far.on("failed", |e| log(`gate: failed ${e.code} ${e.text} ${e.headers["X-A"]}`));
    this.far.on("disconnected", |e| log(`gate: gone ${e.text} ${e.headers["X-A"]}`));
}
"#;

fn script(kind: LegKind, before: bool, command: &str) -> String {
    let (early, late) = if before { (command, "") } else { ("", command) };
    // A command that answers or ends the leg has the last word.
    let forward = kind == LegKind::Forwarded;
    let ends = ["reject", "hangup", "answer"]
        .iter()
        .any(|word| early.contains(word));
    let (first, last) = match (forward, ends) {
        (true, _) => ("forward_to_user_direct(leg);", ""),
        (false, true) => ("", ""),
        (false, false) => ("", "leg.answer();"),
    };
    let bridge = if forward {
        ""
    } else {
        "send_media_between(e.leg, this.room);"
    };
    let connect = if command.contains("send_media_") {
        ""
    } else {
        bridge
    };
    format!(
        r#"
fn on_started(e) {{ {} }}
fn on_incoming(e) {{
    let leg = e.leg;
    this.leg = leg;
    leg.on("connected", "begin");
    leg.on("disconnected", "terminate");
    leg.on("failed", "terminate");
    {first} {early} {last}
}}
fn begin(e) {{ let leg = e.leg; {connect} {late} }}
"#,
        if forward {
            "this.room = create_conference(\"room\");"
        } else {
            "this.room = call_conference(\"ear\");"
        }
    )
}

fn run(kind: LegKind, before: bool, command: &str) -> Seen {
    let main = script(kind, before, command);
    let own = match kind {
        LegKind::Phone | LegKind::Browser => "main.rhai",
        LegKind::Internal => "room.rhai",
        LegKind::Forwarded => "forwarded.rhai",
    };
    let idle = "fn on_incoming(e) {}";
    let mut scripts = vec![
        ("ear.rhai", EAR),
        ("listener.rhai", LISTENER),
        ("gate.rhai", GATE),
    ];
    for name in ["main.rhai", "room.rhai", "forwarded.rhai"] {
        scripts.push((name, if name == own { &main } else { idle }));
    }
    let mut world = world_of(RULES, &scripts);
    let caller = world.phone_with("+15550100", &talkpath::codec::g711::PCMU, |options| {
        options.web = kind == LegKind::Browser;
    });
    let listener = world.phone("+15550101");
    if kind == LegKind::Forwarded {
        let bob = world.phone_with("bob", &talkpath::codec::g711::PCMU, |o| o.web = true);
        world.register(bob);
    }
    world.dial(listener, "200");
    world.advance(Duration::from_millis(500));
    let number = match kind {
        LegKind::Phone | LegKind::Browser => "100",
        LegKind::Internal => "300",
        LegKind::Forwarded => "bob",
    };
    world.dial(caller, number);
    world.advance(Duration::from_secs(2));
    // A caller that was hung up on presses nothing.
    let _no_media = world.press(caller, "5");
    world.forget_sound();
    world.advance(Duration::from_secs(1));
    let (heard, hears) = (world.hears(listener, caller), world.hears(caller, listener));
    world.advance(Duration::from_secs(2));
    Seen {
        world,
        caller,
        heard,
        hears,
    }
}

#[test]
fn each_command_is_carried_out_or_refused_aloud_on_each_kind_of_leg() {
    let mut wrong = Vec::new();
    for (name, command, carried_out) in ROWS {
        for ((kind, before), code) in COLUMNS.into_iter().zip(codes_of(name, command)) {
            let mut seen = run(kind, before, command);
            let refusals: Vec<&str> = seen
                .world
                .logs
                .iter()
                .filter_map(|line| line.split_once(".rhai:")?.1.split(": ").nth(1))
                .collect();
            let right = if code.is_empty() {
                refusals.is_empty() && carried_out(&seen)
            } else {
                !refusals.is_empty() && refusals.iter().all(|refusal| *refusal == code)
            };
            if !right {
                let when = if before { "before" } else { "after" };
                wrong.push(format!(
                    "{command} on {kind:?} {when} the answer, expected {code:?}: refused \
                     {refusals:?}, heard {}, hears {}, {:?}, {:#?}",
                    seen.heard,
                    seen.hears,
                    seen.world.at(seen.caller).state,
                    seen.world.logs,
                ));
            }
            // The session of a leg that was forwarded, muted or refused ends like any other.
            for phone in [seen.caller, PhoneId(1)] {
                seen.world.hang_up(phone);
            }
            seen.world.advance(Duration::from_secs(130));
            let left = seen.world.stats();
            if (left.sessions, left.legs) != (0, 0) {
                wrong.push(format!("{command} on {kind:?}: {left:?}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn each_command_of_the_reference_is_tried() {
    for row in SUPPORT {
        let tried = ROWS.iter().any(|(command, ..)| *command == row.command);
        assert!(tried, "no row for leg.{}", row.command);
    }
}
