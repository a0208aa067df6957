//! Calls between users: session descriptions end to end, everything else relayed.

use std::time::Duration;

use talkpath::codec::g711;
use talkpath::sim::{PhoneId, PhoneState, World};

use super::{assert_empty, expect, shipped};

fn user(world: &mut World, name: &str, answers_with: u16) -> PhoneId {
    let phone = world.phone_with(name, &g711::PCMU, |options| {
        options.web = true;
        options.answers_with = answers_with;
        options.headers = vec![
            ("X-DirectCall".to_owned(), "true".to_owned()),
            ("X-DisplayName".to_owned(), name.to_owned()),
        ];
    });
    world.register(phone);
    phone
}

#[test]
fn a_direct_call_passes_descriptions_untouched_and_ends_from_either_side() {
    for caller_hangs_up in [true, false] {
        let mut world = shipped();
        let (alice, bob) = (user(&mut world, "alice", 200), user(&mut world, "bob", 200));
        world.dial(alice, "bob");
        expect(world.expect_state(alice, PhoneState::Connected));
        world.advance(Duration::from_millis(200));
        assert_eq!(world.at(bob).state, PhoneState::Connected);
        assert_eq!(
            world.at(alice).answers.last(),
            Some(&world.at(bob).own_answer)
        );
        assert_eq!(world.at(bob).offers.len(), 1);
        assert!(
            world.at(bob).offers[0].contains("m=audio 4000"),
            "{:?}",
            world.at(bob).offers
        );

        world.message(alice, r#"{"type":"x"}"#);
        world.advance(Duration::from_millis(200));
        assert_eq!(world.at(bob).messages, [r#"{"type":"x"}"#]);
        world.message(bob, r#"{"type":"y"}"#);
        world.advance(Duration::from_millis(200));
        assert_eq!(world.at(alice).messages, [r#"{"type":"y"}"#]);

        world.hold(alice, true);
        world.advance(Duration::from_millis(200));
        assert!(
            world.at(bob).offers[1].contains("a=sendonly"),
            "{:?}",
            world.at(bob).offers
        );
        assert_eq!(
            world.at(alice).answers.last(),
            Some(&world.at(bob).own_answer)
        );

        let (first, other) = if caller_hangs_up {
            (alice, bob)
        } else {
            (bob, alice)
        };
        world.hang_up(first);
        expect(world.expect_state(other, PhoneState::Ended(200)));
        assert!(world.at(other).hung_up_on, "{}", world.timeline());
        assert_empty(&mut world);
    }
}

#[test]
fn who_is_not_there_is_unavailable_and_a_refusal_passes() {
    // who is called, what it answers, what the caller gets
    for (called, answers_with, code) in [("bob", 486, 486), ("bob", 603, 603), ("nobody", 200, 480)]
    {
        let mut world = shipped();
        let alice = user(&mut world, "alice", 200);
        user(&mut world, "bob", answers_with);
        world.dial(alice, called);
        expect(world.expect_state(alice, PhoneState::Ended(code)));
        assert_empty(&mut world);
    }
}

#[test]
fn giving_up_reaches_the_phone_that_rings() {
    let mut world = shipped();
    let (alice, bob) = (user(&mut world, "alice", 200), user(&mut world, "bob", 180));
    world.dial(alice, "bob");
    expect(world.expect_state(alice, PhoneState::Ringing));
    world.cancel(alice);
    expect(world.expect_state(alice, PhoneState::Ended(487)));
    world.advance(Duration::from_secs(1));
    assert!(world.at(bob).cancelled, "{}", world.timeline());
    assert_empty(&mut world);
}

#[test]
fn a_browser_joins_by_the_gatekeeper_and_hears_phones() {
    let mut world = shipped();
    let alice = world.phone_with("alice", &g711::PCMU, |options| {
        options.web = true;
        options.headers = vec![("X-Conference-Id".to_owned(), "1234".to_owned())];
    });
    world.dial(alice, "joinconf");
    expect(world.expect_state(alice, PhoneState::Connected));
    expect(world.expect_said(alice, "You have joined"));
    world.advance(Duration::from_secs(3));
    let phone = world.phone("+15550100");
    super::join(&mut world, phone, "1234");
    super::assert_hears(
        &mut world,
        &[alice, phone],
        &[&[false, true], &[true, false]],
    );
}

#[test]
fn a_bad_conference_id_is_refused_in_words() {
    for id in ["", "a", "con*ference", "../etc"] {
        let mut world = shipped();
        let alice = world.phone_with("alice", &g711::PCMU, |options| {
            options.web = true;
            options.headers = vec![("X-Conference-Id".to_owned(), id.to_owned())];
        });
        world.dial(alice, "joinconf");
        expect(world.expect_state(alice, PhoneState::Ended(400)));
        assert_empty(&mut world);
    }
}

#[test]
fn a_browser_that_is_not_logged_in_is_asked_to() {
    let mut world = shipped();
    let stranger = world.phone_with("stranger", &g711::PCMU, |options| {
        options.web = true;
    });
    world.forget_login(stranger);
    world.dial(stranger, "joinconf");
    expect(world.expect_state(stranger, PhoneState::Ended(401)));
}
