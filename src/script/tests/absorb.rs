//! Which events need a turn, and that the others leave their trace all the same.

use super::super::{Event, LegEvent, UnitEvent};
use super::{World, connected, disconnected, failed, finished, incoming};
use crate::id::{LegId, TimerId, UnitId};

const BARE: &str = "fn on_incoming(e) {}";
const UNCALLED: &str = "fn on_started(e) {}";

fn leg(event: LegEvent) -> Event {
    Event::Leg {
        leg: LegId(1),
        event,
    }
}

#[test]
fn an_event_that_no_handler_waits_for_needs_no_turn() {
    // tidy: table
    let call = || Event::Incoming {
        leg: incoming(1, "phone", "+15550100", &[]),
    };
    let digit = || LegEvent::Digit {
        digit: '5',
        kind: "info".into(),
        duration_ms: None,
    };
    let terminating = || Event::Terminating {
        reason: "session-idle".into(),
    };
    let on_call = "fn h(e) { log(`h`); } fn on_incoming(e) { ";
    // A script, what has happened before, the event, whether it needs a turn.
    let rows: Vec<(String, Vec<Event>, Event, bool)> = vec![
        (BARE.into(), vec![], Event::Started, false),
        (UNCALLED.into(), vec![], Event::Started, true),
        (UNCALLED.into(), vec![], call(), false),
        (BARE.into(), vec![], call(), true),
        (BARE.into(), vec![], terminating(), false),
        (
            format!("{BARE} fn on_terminating(e) {{}}"),
            vec![],
            terminating(),
            true,
        ),
        (BARE.into(), vec![call()], leg(connected()), false),
        (
            format!("{on_call} e.leg.on(`connected`, `h`); }}"),
            vec![call()],
            leg(connected()),
            true,
        ),
        (
            format!("{on_call} e.leg.on(`connected`, `h`); }}"),
            vec![call()],
            leg(failed(486)),
            false,
        ),
        (BARE.into(), vec![call()], leg(digit()), false),
        (
            format!("{on_call} e.leg.on(`digit`, `h`); }}"),
            vec![call()],
            leg(digit()),
            true,
        ),
        (
            format!("{on_call} e.leg.digits(#{{max: 4}}, `h`); }}"),
            vec![call()],
            leg(digit()),
            true,
        ),
        (
            format!("{on_call} e.leg.digits(#{{max: 4}}, `h`); }}"),
            vec![call()],
            leg(disconnected()),
            true,
        ),
        (
            format!("{on_call} e.leg.digits(#{{max: 4}}, `h`); }}"),
            vec![call()],
            leg(finished()),
            true,
        ),
        (BARE.into(), vec![call()], leg(finished()), false),
        // Of a leg, unit and timer that nobody knows.
        (BARE.into(), vec![], leg(connected()), false),
        (
            BARE.into(),
            vec![],
            Event::Unit {
                unit: UnitId(9),
                event: UnitEvent::MemberLeft { leg: LegId(1) },
            },
            false,
        ),
        (
            BARE.into(),
            vec![],
            Event::Timer { timer: TimerId(9) },
            false,
        ),
    ];
    for (script, before, event, needs_turn) in rows {
        let mut world = World::new(&script);
        for event in &before {
            world.tell(event);
        }
        assert_eq!(
            !world.instance.absorb(&event),
            needs_turn,
            "{script} {event:?}"
        );
    }
}

#[test]
fn what_was_absorbed_is_seen_by_the_next_handler() {
    let script = "
        fn on_incoming(e) {
            this.room = create_conference();
            this.leg = e.leg;
            e.leg.on(`message`, `tell`);
            this.room.on(`playback_finished`, `tell`);
        }
        fn tell(e) { log(`${this.leg.state} ${this.room.members().len()}`); }
    ";
    let mut world = World::new(script);
    world.incoming(incoming(1, "phone", "+15550100", &[]));
    let joined = UnitEvent::MemberJoined { leg: LegId(1) };
    let left = UnitEvent::MemberLeft { leg: LegId(1) };
    assert_eq!(world.leg(1, connected()), [""; 0]);
    assert!(world.last.is_none(), "absorbed");
    world.unit(100, joined);
    assert_eq!(
        world.message(1, "?"),
        ["log connected 1"],
        "{}",
        world.error()
    );
    world.unit(100, left);
    world.leg(1, disconnected());
    let done = UnitEvent::PlaybackFinished {
        source: String::new(),
        error: None,
    };
    assert_eq!(world.unit(100, done), ["log ended 0"]);
}
