//! Events as handlers see them, the state of legs and conferences, failures, the end.

use super::super::{Event, LegEvent, Limits, Place, UnitEvent};
use super::{World, about, connected, disconnected, failed, finished, incoming};
use crate::id::LegId;

/// Each event of a leg, what `e` is then as JSON, without the leg.
fn leg_events() -> Vec<(&'static str, LegEvent, &'static str)> {
    // tidy: table
    let headers = || vec![("X-A".to_owned(), "1".to_owned())];
    vec![
        (
            "ringing",
            LegEvent::Ringing {
                code: 180,
                headers: headers(),
            },
            r#"{"code":180,"headers":{"X-A":"1"}}"#,
        ),
        (
            "early_media",
            LegEvent::EarlyMedia {
                code: 183,
                headers: headers(),
            },
            r#"{"code":183,"headers":{"X-A":"1"}}"#,
        ),
        (
            "connected",
            connected(),
            r#"{"code":200,"headers":{"X-A":"1"}}"#,
        ),
        (
            "message",
            LegEvent::Message { text: "hi".into() },
            r#"{"text":"hi"}"#,
        ),
        (
            "info",
            LegEvent::Info {
                mime: "a/b".into(),
                body: "c".into(),
                headers: headers(),
            },
            r#"{"body":"c","headers":{"X-A":"1"},"mime":"a/b"}"#,
        ),
        (
            "digit",
            LegEvent::Digit {
                digit: '#',
                kind: "info".into(),
                duration_ms: Some(90),
            },
            r##"{"digit":"#","duration_ms":90,"kind":"info"}"##,
        ),
        (
            "digit",
            LegEvent::Digit {
                digit: '5',
                kind: "telephone_event".into(),
                duration_ms: None,
            },
            r#"{"digit":"5","duration_ms":null,"kind":"telephone_event"}"#,
        ),
        (
            "digit_released",
            LegEvent::DigitReleased {
                digit: '5',
                kind: "in_band".into(),
                duration_ms: 160,
            },
            r#"{"digit":"5","duration_ms":160,"kind":"in_band"}"#,
        ),
        (
            "playback_started",
            LegEvent::PlaybackStarted { source: "a".into() },
            r#"{"source":"a"}"#,
        ),
        (
            "playback_finished",
            finished(),
            r#"{"error":null,"source":"x"}"#,
        ),
        (
            "playback_finished",
            LegEvent::PlaybackFinished {
                source: "x".into(),
                error: Some("404".into()),
            },
            r#"{"error":"404","source":"x"}"#,
        ),
        (
            "talk_started",
            LegEvent::TalkStarted { level_dbov: -20 },
            r#"{"level_dbov":-20}"#,
        ),
        (
            "talk_stopped",
            LegEvent::TalkStopped { level_dbov: -60 },
            r#"{"level_dbov":-60}"#,
        ),
        ("hold", LegEvent::Hold, "{}"),
        ("unhold", LegEvent::Unhold, "{}"),
        ("reconnecting", LegEvent::Reconnecting, "{}"),
        ("reconnected", LegEvent::Reconnected, "{}"),
        ("media_timeout", LegEvent::MediaTimeout, "{}"),
        (
            "quality",
            LegEvent::Quality {
                loss: 0.5,
                jitter_ms: 2.0,
                mos: 4.5,
                rtt_ms: None,
            },
            r#"{"jitter_ms":2.0,"loss":0.5,"mos":4.5,"rtt_ms":null}"#,
        ),
        (
            "record_started",
            LegEvent::RecordStarted { url: "u".into() },
            r#"{"url":"u"}"#,
        ),
        (
            "record_stopped",
            LegEvent::RecordStopped {
                url: "u".into(),
                duration_ms: 9,
            },
            r#"{"duration_ms":9,"url":"u"}"#,
        ),
        (
            "record_failed",
            LegEvent::RecordFailed {
                error: "full".into(),
            },
            r#"{"error":"full"}"#,
        ),
        (
            "failed",
            failed(486),
            r#"{"class":"policy","code":486,"headers":{},"reason":"unanswered","text":""}"#,
        ),
        (
            "disconnected",
            disconnected(),
            concat!(
                r#"{"code":200,"duration_ms":5000,"headers":{},"#,
                r#""reason":"caller-hangup","text":"Good night"}"#
            ),
        ),
    ]
}

#[test]
fn each_event_of_a_leg_has_its_fields() {
    for (name, event, fields) in leg_events() {
        let mut world = World::new(&format!(
            "fn on_incoming(e) {{ e.leg.on(\"{name}\", \"show\"); }}
             fn show(e) {{ let leg = e.remove(\"leg\"); log(leg.id + to_json(e)); }}"
        ));
        world.incoming(incoming(1, "phone", "a", &[]));
        let told = world.leg(1, event);
        assert_eq!(
            told.last(),
            Some(&format!("log l1{fields}")),
            "{name} {}",
            world.error()
        );
    }
    let mut names: Vec<&str> = leg_events().iter().map(|row| row.0).collect();
    names.dedup();
    assert_eq!(
        names.len(),
        super::super::event::LEG_EVENTS.len(),
        "each event has a row"
    );
}

#[test]
fn each_event_of_a_unit_has_its_fields() {
    // tidy: table
    let rows = [
        (
            "member_joined",
            UnitEvent::MemberJoined { leg: LegId(1) },
            "leg=leg l1",
        ),
        (
            "member_left",
            UnitEvent::MemberLeft { leg: LegId(1) },
            "leg=leg l1",
        ),
        (
            "active_speaker",
            UnitEvent::ActiveSpeaker {
                leg: Some(LegId(1)),
            },
            "leg=leg l1",
        ),
        (
            "active_speaker",
            UnitEvent::ActiveSpeaker { leg: None },
            "leg=",
        ),
        (
            "playback_started",
            UnitEvent::PlaybackStarted { source: "a".into() },
            "source=a",
        ),
        (
            "playback_finished",
            UnitEvent::PlaybackFinished {
                source: "a".into(),
                error: Some("x".into()),
            },
            "error=x source=a",
        ),
        (
            "record_started",
            UnitEvent::RecordStarted { url: "u".into() },
            "url=u",
        ),
        (
            "record_stopped",
            UnitEvent::RecordStopped {
                url: "u".into(),
                duration_ms: 3,
            },
            "duration_ms=3 url=u",
        ),
        (
            "record_failed",
            UnitEvent::RecordFailed { error: "x".into() },
            "error=x",
        ),
    ];
    let units = [
        ("create_conference(\"c\")", "conference"),
        ("create_player(\"a\")", "player"),
        ("create_recorder()", "recorder"),
    ];
    for (make, word) in units {
        for (name, event, fields) in rows.clone() {
            let mut world = World::new(&format!(
                "fn on_started(e) {{ this.u = {make}; this.u.on(\"{name}\", \"show\"); }}
                 fn show(e) {{
                     let own = e.remove(\"{word}\") == this.u;
                     let text = \"\";
                     for k in e.keys() {{ text += ` ${{k}}=${{e[k]}}`; }}
                     log(own + text);
                 }}"
            ));
            world.start();
            assert_eq!(
                world.unit(100, event),
                [format!("log true {fields}")],
                "{word} {name}"
            );
        }
    }
}

#[test]
fn entry_points_get_what_the_reference_says() {
    let mut about = about();
    about.conference_name = "conf_1".into();
    let mut world = World::with(
        Limits::default(),
        "fn on_started(e) { log(to_json(e)); }
         fn on_incoming(e) { let leg = e.remove(\"leg\"); log(to_json(e)); }
         fn on_terminating(e) { log(e.reason); }",
        about,
    );
    assert_eq!(
        world.start(),
        [r#"log {"conference_name":"conf_1","custom_data":"from-api"}"#]
    );
    assert_eq!(
        world.incoming(incoming(1, "phone", "a", &[("X-B", "2")])),
        [concat!(
            r#"log {"caller_id":"a","destination":"conf_123","display_name":"Name of a","#,
            r#""headers":{"x-b":"2"},"source":"phone"}"#
        )]
    );
    assert_eq!(
        world.tell(&Event::Terminating {
            reason: "session-idle".into()
        }),
        ["log session-idle"]
    );
}

#[test]
fn state_of_a_leg_follows_its_events() {
    let mut world = World::new(
        "fn on_incoming(e) {
             this.l = e.leg;
             for n in [\"ringing\", \"early_media\", \"connected\", \"disconnected\"] {
                 e.leg.on(n, \"show\");
             }
         }
         fn show(e) { log(this.l.state); }",
    );
    world.incoming(incoming(1, "phone", "a", &[]));
    let headers = Vec::new;
    assert_eq!(
        world.leg(
            1,
            LegEvent::Ringing {
                code: 180,
                headers: headers()
            }
        ),
        ["log alerting"]
    );
    assert_eq!(
        world.leg(
            1,
            LegEvent::EarlyMedia {
                code: 183,
                headers: headers()
            }
        ),
        ["log early"]
    );
    assert_eq!(world.leg(1, connected()), ["log connected"]);
    assert_eq!(world.leg(1, disconnected()), ["log ended"]);
    assert_eq!(
        world.leg(1, disconnected()),
        [""; 0],
        "its handlers are gone"
    );
}

#[test]
fn members_are_known_from_events() {
    let mut world = World::new(
        "fn on_started(e) { this.c = create_conference(\"c\");
             this.c.on(\"member_left\", \"show\"); }
         fn show(e) { log(e.conference.members()); }",
    );
    world.start();
    for leg in [1, 2, 2, 3] {
        world.unit(100, UnitEvent::MemberJoined { leg: LegId(leg) });
    }
    assert_eq!(
        world.unit(100, UnitEvent::MemberLeft { leg: LegId(2) }),
        ["log [leg l1, leg l3]"]
    );
}

#[test]
fn timers_fire_once_or_again_until_cancelled() {
    let mut world = World::new(
        "fn on_started(e) { this.n = 0; after(5, \"once\"); this.t = every(10, \"again\"); }
         fn once(e) { log(\"once\"); }
         fn again(e) { this.n += 1; log(this.n);
             if this.n == 2 { e.timer.cancel(); log(e.timer == this.t); } }",
    );
    assert_eq!(world.start(), ["t100 after 5", "t101 every 10"]);
    assert_eq!(world.timer(100), ["log once"]);
    assert_eq!(world.timer(100), [""; 0]);
    assert_eq!(world.timer(101), ["log 1"]);
    assert_eq!(world.timer(101), ["log 2", "t101 cancel", "log true"]);
    assert_eq!(
        world.timer(101),
        [""; 0],
        "an event that was on its way when the timer was cancelled"
    );
}

#[test]
fn failure_goes_to_on_error_and_the_session_goes_on() {
    let mut world = World::new(
        "fn on_incoming(e) { e.leg.on(\"hold\", \"bad\"); e.leg.on(\"hold\", \"good\"); }
         fn bad(e) { log(\"before\"); throw \"oops\"; }
         fn good(e) { log(\"good\"); }
         fn on_error(e) {
             log(`${e.code} ${e.text} ${e.file}:${e.line}:${e.column} ${e.function}`); }",
    );
    world.incoming(incoming(1, "phone", "a", &[]));
    assert_eq!(
        world.leg(1, LegEvent::Hold),
        [
            "log before",
            "log script-error oops test.rhai:2:37 bad",
            "log good"
        ]
    );
    assert_eq!(world.error(), "test.rhai:2:37: oops (in `bad`)");
    assert!(!world.fatal());
}

#[test]
fn failure_without_on_error_or_inside_it_ends_the_session() {
    for tail in ["", "fn on_error(e) { throw \"again\"; }"] {
        let mut world = World::new(&format!(
            "fn on_incoming(e) {{ e.leg.on(\"hold\", \"bad\"); e.leg.on(\"hold\", \"good\"); }}
             fn bad(e) {{ log(\"before\"); throw \"oops\"; }}
             fn good(e) {{ log(\"never\"); }} {tail}"
        ));
        world.incoming(incoming(1, "phone", "a", &[]));
        assert_eq!(world.leg(1, LegEvent::Hold), ["log before"]);
        assert!(world.fatal());
        let wanted = if tail.is_empty() {
            "oops (in `bad`)"
        } else {
            "again (in `on_error`)"
        };
        assert!(world.error().ends_with(wanted), "{}", world.error());
    }
}

#[test]
fn timer_that_fails_ten_times_in_a_row_is_cancelled_and_it_is_said_once() {
    let mut world = World::new(
        "fn on_started(e) { this.n = 0; every(10, \"bad\"); every(10, \"bad\"); }
         fn bad(e) { this.n += 1; if this.n != 6 { throw \"oops\"; } }
         fn on_error(e) { log(e.text); }",
    );
    world.start();
    for _ in 0..6 {
        world.timer(100);
    }
    assert_eq!(world.error(), "", "the sixth call does not fail");
    for _ in 0..9 {
        assert_eq!(world.timer(100), ["log oops"]);
        assert_eq!(world.timer(101), ["log oops"]);
    }
    let said = "oops; the timer is cancelled, having failed 10 times in a row";
    assert_eq!(
        world.timer(100),
        ["t100 cancel".to_owned(), format!("log {said}")]
    );
    assert!(world.error().contains(said), "{}", world.error());
    assert_eq!(world.timer(100), [""; 0]);
    world.timer(101);
    assert!(!world.fatal());
    let tables = world.instance.tables.as_ref().expect("no event is handled");
    assert!(tables.timers.is_empty());
}

#[test]
fn refused_command_goes_to_on_error() {
    let place = Place {
        file: "test.rhai".into(),
        line: 3,
        column: 9,
    };
    let refused = Event::Refused {
        code: "not-connected".into(),
        text: "The leg is not up.".into(),
        leg: Some(LegId(1)),
        place,
    };
    let mut world = World::new(
        "fn on_started(e) {}
         fn on_error(e) {
             log(`${e.kind} ${e.code} ${e.text} ${e.leg} ${e.line} [${e.function}]`); }",
    );
    assert_eq!(
        world.tell(&refused),
        ["log refused not-connected The leg is not up. leg l1 3 []"]
    );
    assert!(!world.fatal());
    assert_eq!(world.error(), "");

    let mut world = World::new("fn on_started(e) {}");
    assert_eq!(world.tell(&refused), [""; 0]);
    assert!(!world.fatal(), "a refusal may be born of a race");
    assert_eq!(world.error(), "");
}

#[test]
fn a_failure_says_which_leg_it_was_about() {
    let mut world = World::new(
        "fn on_incoming(e) {
             e.leg.on(\"hold\", |e| { throw \"oops\"; });
             after(1, || { throw 1; });
         }
         fn on_error(e) { log(`${e.kind} ${e.leg}`); }",
    );
    world.incoming(incoming(1, "phone", "a", &[]));
    assert_eq!(world.leg(1, LegEvent::Hold), ["log failed leg l1"]);
    assert_eq!(world.timer(100), ["log failed "]);
}

#[test]
fn no_timer_begins_when_the_session_ends() {
    let mut world = World::new(
        "fn on_started(e) {} fn on_terminating(e) { try { after(1, \"x\"); } catch (f) { log(f); } }
         fn x() {}",
    );
    assert_eq!(
        world.tell(&Event::Terminating { reason: "x".into() }),
        ["log no timer can be set in `on_terminating`"]
    );
}

#[test]
fn chance_is_the_same_for_the_same_seed_and_uniform_enough() {
    let text = "fn on_started(e) { log(uuid()); for i in 0..60 { log(random(1, 6)); } }";
    let first = World::new(text).start();
    assert_eq!(first, World::new(text).start());
    let mut other = about();
    other.seed = 2;
    assert_ne!(first, World::with(Limits::default(), text, other).start());
    for face in 1..=6 {
        assert!(first.contains(&format!("log {face}")), "{face}");
    }
    let extremes = "fn on_started(e) { log(random(-9223372036854775807, 9223372036854775807) != 0);
                    log(random(5, 3) in 3..=5); }";
    assert_eq!(World::new(extremes).start(), ["log true", "log true"]);
}

#[test]
fn ids_are_taken_from_the_turn_and_the_rest_is_given_back() {
    let mut world = World::new("fn on_started(e) { create_conference(); after(1, || 1); }");
    world.start();
    assert_eq!(world.next_id, 102);
}

#[test]
fn events_of_unknown_units_are_ignored() {
    let mut world = World::new("fn on_started(e) {}");
    assert_eq!(world.leg(9, connected()), [""; 0]);
    assert_eq!(
        world.unit(9, UnitEvent::MemberLeft { leg: LegId(1) }),
        [""; 0]
    );
    assert_eq!(world.timer(9), [""; 0]);
    assert_eq!(world.error(), "");
}
