//! Networks and phones that misbehave.

use std::time::Duration;

use talkpath::codec::g711;
use talkpath::sim::{Faults, PhoneState, World};

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
    let mut world = World::new(setup);
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
    let mut world = World::new(setup);
    for n in 0..100 {
        let phone = world.phone(&format!("+1555{n:04}"));
        world.dial(phone, ACCESS_NUMBER);
        expect(world.expect_state(phone, PhoneState::Connected));
        world.hang_up(phone);
    }
    world.advance(Duration::from_secs(60));
    assert_empty(&mut world);
}
