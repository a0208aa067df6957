//! Phones meet in a conference by PIN.

use std::time::Duration;

use talkpath::codec::{CODECS, g711};
use talkpath::sim::PhoneState;

use super::{ACCESS_NUMBER, assert_empty, assert_hears, expect, join, shipped};

#[test]
fn two_phones_with_one_pin_hear_each_other_and_a_third_with_another_hears_nobody() {
    let mut world = shipped();
    let (a, b, c) = (
        world.phone("+15550100"),
        world.phone("+15550101"),
        world.phone("+15550102"),
    );
    join(&mut world, a, "1234");
    join(&mut world, b, "1234");
    join(&mut world, c, "9876");
    assert_hears(
        &mut world,
        &[a, b, c],
        &[
            &[false, true, false],
            &[true, false, false],
            &[false, false, false],
        ],
    );
    world.hang_up(a);
    world.advance(Duration::from_secs(1));
    assert_hears(&mut world, &[b, c], &[&[false, false], &[false, false]]);
    world.hang_up(b);
    world.hang_up(c);
    assert_empty(&mut world);
}

#[test]
fn every_codec_hears_every_other_in_one_conference() {
    let mut world = shipped();
    let phones: Vec<_> = CODECS
        .iter()
        .enumerate()
        .map(|(n, codec)| world.phone_with(&format!("+1555020{n}"), codec, |_| {}))
        .collect();
    for phone in &phones {
        join(&mut world, *phone, "4444");
    }
    let rows: Vec<Vec<bool>> = (0..phones.len())
        .map(|l| (0..phones.len()).map(|t| l != t).collect())
        .collect();
    let rows: Vec<&[bool]> = rows.iter().map(Vec::as_slice).collect();
    assert_hears(&mut world, &phones, &rows);
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut world = shipped();
    let a = world.phone_with("+15550100", &g711::PCMA, |options| {
        options.late_offer = true
    });
    let b = world.phone("+15550101");
    join(&mut world, a, "777");
    join(&mut world, b, "777");
    assert_hears(&mut world, &[a, b], &[&[false, true], &[true, false]]);
}

#[test]
fn digits_by_info_do_what_digits_by_telephone_event_do() {
    let mut world = shipped();
    let a = world.phone_with("+15550100", &g711::PCMU, |options| {
        options.info_digits = true
    });
    let b = world.phone("+15550101");
    join(&mut world, a, "1234");
    join(&mut world, b, "1234");
    assert_hears(&mut world, &[a, b], &[&[false, true], &[true, false]]);
}

#[test]
fn hold_silences_and_resume_brings_back() {
    let mut world = shipped();
    let (a, b) = (world.phone("+15550100"), world.phone("+15550101"));
    join(&mut world, a, "1234");
    join(&mut world, b, "1234");
    world.hold(a, true);
    world.advance(Duration::from_secs(1));
    assert_hears(&mut world, &[a, b], &[&[false, false], &[true, false]]);
    world.hold(a, false);
    world.advance(Duration::from_secs(1));
    assert_hears(&mut world, &[a, b], &[&[false, true], &[true, false]]);
}

#[test]
fn the_star_clears_what_was_keyed_in() {
    let mut world = shipped();
    let (a, b) = (world.phone("+15550100"), world.phone("+15550101"));
    join(&mut world, a, "99*1234");
    join(&mut world, b, "1234");
    assert_hears(&mut world, &[a, b], &[&[false, true], &[true, false]]);
}

#[test]
fn the_first_digit_stops_the_prompt() {
    let mut world = shipped();
    let a = world.phone("+15550100");
    world.dial(a, ACCESS_NUMBER);
    expect(world.expect_said(a, "enter your conference PIN"));
    expect(world.press(a, "1"));
    world.advance(Duration::from_secs(1));
    let (_, sound) = world
        .sound(a, Duration::from_millis(500))
        .expect("the phone has media");
    let loudest = sound
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max()
        .unwrap_or_default();
    assert!(
        loudest < 100,
        "the prompt goes on at {loudest}\n{}",
        world.timeline()
    );
}

#[test]
fn short_pins_are_told_and_the_third_ends_the_call() {
    let mut world = shipped();
    let a = world.phone("+15550100");
    world.dial(a, ACCESS_NUMBER);
    for attempt in 1..=3 {
        expect(
            world.wait_for("a prompt", Duration::from_secs(30), |world| {
                world.at(a).said.len() >= attempt
            }),
        );
        expect(world.press(a, "12#"));
    }
    expect(world.expect_state(a, PhoneState::Ended(200)));
    assert!(world.at(a).hung_up_on);
    assert_empty(&mut world);
}

#[test]
fn silence_at_the_prompt_ends_the_call_by_the_scenario() {
    let mut world = shipped();
    let a = world.phone("+15550100");
    world.dial(a, ACCESS_NUMBER);
    expect(
        world.wait_for("the end", Duration::from_secs(180), |world| {
            world.at(a).state == PhoneState::Ended(200)
        }),
    );
    assert!(world.at(a).hung_up_on, "{}", world.timeline());
    assert_empty(&mut world);
}

#[test]
fn hanging_up_in_the_prompt_leaves_nothing() {
    let mut world = shipped();
    let a = world.phone("+15550100");
    world.dial(a, ACCESS_NUMBER);
    expect(world.expect_said(a, "enter your conference PIN"));
    world.hang_up(a);
    assert_empty(&mut world);
}
