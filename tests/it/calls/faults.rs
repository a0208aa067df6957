//! Networks and phones that misbehave.

use std::time::Duration;

use talkpath::codec::g711;
use talkpath::sim::{Faults, Latency, PhoneState};

use super::{ACCESS_NUMBER, assert_empty, assert_hears, expect, join, shipped, shipped_setup};

const ROUGH: Faults = Faults {
    loss: 0.1,
    delay: Duration::from_millis(40),
    jitter: Duration::from_millis(30),
};

#[test]
fn an_unknown_number_gets_404() {
    let mut world = shipped();
    let a = world.phone("+15550100");
    world.dial(a, "12345");
    expect(world.expect_state(a, PhoneState::Ended(404)));
    assert_empty(&mut world);
}

#[test]
fn a_private_conference_cannot_be_dialled_from_outside() {
    let mut world = shipped();
    let a = world.phone("+15550100");
    world.dial(a, "conf_1234");
    expect(world.expect_state(a, PhoneState::Ended(404)));
}

#[test]
fn ten_percent_loss_both_ways_loses_no_call_and_the_talkers_are_heard() {
    let mut setup = shipped_setup();
    setup.faults = ROUGH;
    setup.seed = 7;
    let mut world = super::tested(setup);
    let (a, b) = (world.phone("+15550100"), world.phone("+15550101"));
    join(&mut world, a, "1234");
    join(&mut world, b, "1234");
    assert_hears(&mut world, &[a, b], &[&[false, true], &[true, false]]);
    world.hang_up(a);
    world.hang_up(b);
    world.advance(Duration::from_secs(60));
    assert_empty(&mut world);
}

#[test]
fn a_call_that_is_never_acknowledged_is_ended() {
    let mut world = shipped();
    let a = world.phone_with("+15550100", &g711::PCMU, |options| options.no_ack = true);
    world.dial(a, ACCESS_NUMBER);
    world.advance(Duration::from_secs(40));
    assert!(world.at(a).hung_up_on, "{}", world.timeline());
    assert_empty(&mut world);
}

#[test]
fn a_phone_whose_media_dies_is_hung_up_and_the_others_stay() {
    let mut world = shipped();
    let (a, b, c) = (
        world.phone("+15550100"),
        world.phone("+15550101"),
        world.phone("+15550102"),
    );
    for phone in [a, b, c] {
        join(&mut world, phone, "1234");
    }
    world.lose_media(a);
    world.advance(Duration::from_secs(45));
    assert!(world.at(a).hung_up_on, "{}", world.timeline());
    assert_hears(&mut world, &[b, c], &[&[false, true], &[true, false]]);
}

#[test]
fn a_draining_engine_refuses_new_calls_and_keeps_the_old() {
    let mut world = shipped();
    let (a, b) = (world.phone("+15550100"), world.phone("+15550101"));
    join(&mut world, a, "1234");
    world.drain();
    world.dial(b, ACCESS_NUMBER);
    expect(world.expect_state(b, PhoneState::Ended(503)));
    assert_eq!(world.at(a).state, PhoneState::Connected);
    world.hang_up(a);
    assert_empty(&mut world);
}

#[test]
fn a_hundred_calls_come_and_go_without_a_trace() {
    let mut setup = shipped_setup();
    setup.faults = Faults {
        loss: 0.1,
        ..Faults::NONE
    };
    let mut world = super::tested(setup);
    for n in 0..100 {
        let phone = world.phone(&format!("+1555{n:04}"));
        world.dial(phone, ACCESS_NUMBER);
        expect(world.expect_state(phone, PhoneState::Connected));
        world.hang_up(phone);
    }
    world.advance(Duration::from_secs(60));
    assert_empty(&mut world);
}

#[test]
fn a_draining_engine_ends_sessions_without_calls_at_once() {
    let mut world = shipped();
    let a = world.phone_with("alice", &g711::PCMU, |options| {
        options.web = true;
        options.headers = vec![("X-Conference-Id".to_owned(), "1234".to_owned())];
    });
    world.dial(a, "joinconf");
    expect(world.expect_state(a, PhoneState::Connected));
    world.advance(Duration::from_secs(5));
    world.hang_up(a);
    world.advance(Duration::from_secs(1));
    assert_eq!(world.stats().sessions, 1, "it waits for who may come back");
    world.drain();
    assert_eq!(world.stats().sessions, 0, "{}", world.timeline());

    // And what becomes idle later.
    let mut world = shipped();
    let a = world.phone("+15550100");
    join(&mut world, a, "1234");
    world.drain();
    assert_eq!(world.stats().sessions, 2);
    world.hang_up(a);
    world.advance(Duration::from_millis(100));
    assert_eq!(world.stats().sessions, 0, "{}", world.timeline());
}

#[test]
fn calls_that_a_full_media_core_refuses_leave_nothing() {
    let mut setup = shipped_setup();
    setup.media.legs_max = 1;
    let mut world = super::tested(setup);
    let (a, b) = (world.phone("+15550100"), world.phone("+15550101"));
    join(&mut world, a, "1234");
    world.dial(b, ACCESS_NUMBER);
    expect(world.expect_state(b, PhoneState::Ended(503)));
    world.hang_up(a);
    assert_empty(&mut world);
    let c = world.phone("+15550102");
    join(&mut world, c, "1234");
}

/// Everything outside the engine takes its time, and what has gone meanwhile is not missed.
#[test]
fn late_scripts_sounds_sockets_and_files_leave_nothing() {
    for seed in 0..8 {
        let mut setup = shipped_setup();
        setup.latency = Latency::of(Duration::from_millis(400));
        setup.seed = seed;
        let mut world = super::tested(setup);
        let (a, b) = (world.phone("+15550100"), world.phone("+15550101"));
        for phone in [a, b] {
            world.dial(phone, ACCESS_NUMBER);
            expect(world.expect_said(phone, "enter your conference PIN"));
            expect(world.press(phone, "1234#"));
            world.advance(Duration::from_secs(8));
        }
        assert_hears(&mut world, &[a, b], &[&[false, true], &[true, false]]);
        // Gone in the middle of whatever is under way.
        for n in 0..10 {
            let phone = world.phone(&format!("+1555020{n}"));
            world.dial(phone, ACCESS_NUMBER);
            world.advance(Duration::from_millis(70 * n));
            match world.at(phone).state {
                PhoneState::Connected => world.hang_up(phone),
                PhoneState::Calling | PhoneState::Ringing => world.cancel(phone),
                PhoneState::Idle | PhoneState::Ended(_) => {}
            }
        }
        world.hang_up(a);
        world.hang_up(b);
        assert_empty(&mut world);
    }
}
