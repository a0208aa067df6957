//! Browsers that lose their WebSocket, or are too busy to read it: the call goes on, and what was
//! said meanwhile arrives once and in order.

use std::time::Duration;

use serde_json::{Value, json};
use talkpath::codec::g711;
use talkpath::sim::{PhoneId, PhoneState, World};

use super::{assert_empty, expect, join, shipped, shipped_setup};

const ROOM: &str = "1234";

/// A browser that is in the room.
fn browser(world: &mut World, name: &str) -> PhoneId {
    let phone = page(world, name);
    world.dial(phone, "joinconf");
    expect(world.expect_state(phone, PhoneState::Connected));
    expect(world.expect_said(phone, "You have joined"));
    world.advance(Duration::from_secs(3));
    phone
}

pub(super) fn page(world: &mut World, name: &str) -> PhoneId {
    let phone = world.phone_with(name, &g711::PCMU, |options| {
        options.web = true;
        options.headers = vec![("X-Conference-Id".to_owned(), ROOM.to_owned())];
    });
    world.register(phone);
    phone
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Says `text` to everybody.
pub(super) fn chat(world: &mut World, phone: PhoneId, text: &str) {
    let message = json!({"type": "chat", "data": text});
    world.message(phone, &message.to_string());
    world.advance(seconds(1));
}

fn messages(world: &World, phone: PhoneId) -> Vec<Value> {
    let parse = |text: &String| serde_json::from_str(text).expect("JSON");
    world.at(phone).messages.iter().map(parse).collect()
}

pub(super) fn chats(world: &World, phone: PhoneId) -> Vec<String> {
    let all = messages(world, phone).into_iter();
    let chats = all.filter(|it| it["type"] == "chat");
    chats
        .filter_map(|it| it["data"].as_str().map(str::to_owned))
        .collect()
}

/// How many are in each roster that a browser has been sent since message `from`.
fn rosters(world: &World, phone: PhoneId, from: usize) -> Vec<usize> {
    let all = messages(world, phone).into_iter().skip(from);
    let peers = all.filter_map(|it| it["peers"].as_array().map(Vec::len));
    peers.collect()
}

#[test]
fn a_browser_that_was_away_hears_all_that_was_said_once_and_in_order() {
    // Whether a request in the dialog brings the call back, or only the registration.
    for offers in [false, true] {
        let mut world = shipped();
        let (alice, bob) = (browser(&mut world, "alice"), browser(&mut world, "bob"));
        let before = world.at(alice).messages.len();
        world.lose_flow(alice);
        let carol = browser(&mut world, "carol");
        for text in ["one", "two", "three"] {
            chat(&mut world, bob, text);
        }
        world.hang_up(carol);
        world.advance(seconds(10));
        assert_eq!(chats(&world, alice), Vec::<String>::new());

        world.come_back(alice);
        if offers {
            world.hold(alice, false);
        }
        world.advance(seconds(2));
        assert_eq!(
            chats(&world, alice),
            ["one", "two", "three"],
            "{}",
            world.timeline()
        );
        assert_eq!(rosters(&world, alice, before), [3, 2]);
        let greeted = world
            .at(alice)
            .said
            .iter()
            .filter(|text| text.contains("You have joined"));
        assert_eq!(greeted.count(), 1, "it is the call that it was");
        chat(&mut world, alice, "back");
        assert_eq!(chats(&world, bob), ["one", "two", "three", "back"]);
        world.hang_up(alice);
        world.hang_up(bob);
        assert_empty(&mut world);
    }
}

/// The browser notices before the engine does: what went into the dead WebSocket is sent again.
#[test]
fn what_was_on_its_way_when_the_network_died_is_sent_again() {
    for (engine_sees_it, seen_first) in [(false, false), (true, false), (true, true)] {
        let mut world = shipped();
        let (alice, bob) = (browser(&mut world, "alice"), browser(&mut world, "bob"));
        // The page has it, and its answer is lost.
        world.set_busy(alice, seen_first);
        world.set_cut(alice, !seen_first);
        chat(&mut world, bob, "one");
        if seen_first {
            world.set_cut(alice, true);
            world.set_busy(alice, false);
        }
        chat(&mut world, bob, "two");
        world.advance(seconds(15));
        if engine_sees_it {
            world.lose_flow(alice);
        }
        world.set_cut(alice, false);
        world.come_back(alice);
        world.advance(seconds(40));
        assert_eq!(chats(&world, alice), ["one", "two"], "{}", world.timeline());
        assert_eq!(world.at(alice).repeats, usize::from(seen_first));
        assert_eq!(world.at(alice).state, PhoneState::Connected);
    }
}

#[test]
fn a_page_that_is_busy_for_a_minute_keeps_its_call() {
    let mut world = shipped();
    let (alice, bob) = (browser(&mut world, "alice"), browser(&mut world, "bob"));
    world.set_busy(alice, true);
    let phone = world.phone("+15550100");
    join(&mut world, phone, ROOM);
    chat(&mut world, bob, "one");
    chat(&mut world, bob, "two");
    world.advance(seconds(55));
    assert_eq!(
        world.at(alice).state,
        PhoneState::Connected,
        "{}",
        world.timeline()
    );
    world.set_busy(alice, false);
    world.advance(seconds(2));
    assert_eq!(chats(&world, alice), ["one", "two"], "{}", world.timeline());
    assert_eq!(world.at(alice).repeats, 0);
    assert_eq!(world.at(alice).state, PhoneState::Connected);
}

#[test]
fn who_does_not_come_back_in_time_is_gone() {
    let mut world = shipped();
    let (alice, bob) = (browser(&mut world, "alice"), browser(&mut world, "bob"));
    let before = world.at(bob).messages.len();
    world.lose_flow(alice);
    world.advance(seconds(59));
    assert_eq!(rosters(&world, bob, before), Vec::<usize>::new());
    world.advance(seconds(2));
    assert_eq!(rosters(&world, bob, before), [1], "{}", world.timeline());
    world.come_back(alice);
    world.hang_up(bob);
    assert_empty(&mut world);
}

#[test]
fn a_lost_call_is_its_users_alone_and_may_be_lost_again() {
    let mut world = shipped();
    let (alice, bob) = (browser(&mut world, "alice"), browser(&mut world, "bob"));
    world.lose_flow(alice);
    chat(&mut world, bob, "one");
    world.come_back_as(alice, "bob");
    world.hold(alice, false);
    world.advance(seconds(20));
    assert_eq!(
        chats(&world, alice),
        Vec::<String>::new(),
        "{}",
        world.timeline()
    );

    for text in ["two", "three"] {
        world.lose_flow(alice);
        world.advance(seconds(20));
        chat(&mut world, bob, text);
        world.come_back(alice);
        world.advance(seconds(40));
    }
    assert_eq!(
        chats(&world, alice),
        ["one", "two", "three"],
        "{}",
        world.timeline()
    );
    assert_eq!(world.at(alice).state, PhoneState::Connected);
}

#[test]
fn more_messages_than_may_wait_are_missed_and_the_call_lives() {
    let mut setup = shipped_setup();
    setup.engine.messages_waiting_max = 5;
    let mut world = super::tested(setup);
    let (alice, bob) = (browser(&mut world, "alice"), browser(&mut world, "bob"));
    world.lose_flow(alice);
    for n in 0..9 {
        chat(&mut world, bob, &n.to_string());
    }
    let refusals = world
        .logs
        .iter()
        .filter(|line| line.contains("too-many-messages"));
    assert_eq!(
        refusals.count(),
        3,
        "the scenario hears of each: {:?}",
        world.logs
    );
    world.come_back(alice);
    world.advance(seconds(2));
    assert_eq!(chats(&world, alice), ["0", "1", "2", "3", "4", "5"]);
    chat(&mut world, bob, "late");
    assert_eq!(
        chats(&world, alice).last().map(String::as_str),
        Some("late")
    );
}

#[test]
fn a_page_that_never_answers_misses_what_is_too_old_and_stays() {
    let mut world = shipped();
    let (alice, bob) = (browser(&mut world, "alice"), browser(&mut world, "bob"));
    world.set_busy(alice, true);
    for text in ["on its way", "old", "old too"] {
        chat(&mut world, bob, text);
    }
    world.advance(seconds(119));
    chat(&mut world, bob, "new");
    world.advance(seconds(10));
    let told = world
        .logs
        .iter()
        .filter(|line| line.contains("message-too-old"));
    assert_eq!(told.count(), 2, "{:?}", world.logs);
    world.set_busy(alice, false);
    world.advance(seconds(2));
    assert_eq!(
        chats(&world, alice),
        ["on its way", "new"],
        "{}",
        world.timeline()
    );
}

/// The page must say that it was replaced, or it would come again and replace the other one.
#[test]
fn who_is_replaced_while_away_is_told_on_return() {
    let mut world = shipped();
    let alice = browser(&mut world, "alice");
    world.lose_flow(alice);
    let again = browser(&mut world, "alice");
    assert_eq!(world.at(alice).state, PhoneState::Connected);
    world.come_back(alice);
    expect(world.expect_state(alice, PhoneState::Ended(200)));
    assert!(
        world.at(alice).hung_up_why.contains("replaced"),
        "{}",
        world.timeline()
    );
    assert_eq!(world.at(again).state, PhoneState::Connected);
    world.hang_up(again);
    assert_empty(&mut world);
}

fn direct(world: &mut World) -> (PhoneId, PhoneId) {
    let user = |world: &mut World, name: &str| {
        let phone = world.phone_with(name, &g711::PCMU, |options| {
            options.web = true;
            options.headers = vec![("X-DirectCall".to_owned(), "true".to_owned())];
        });
        world.register(phone);
        phone
    };
    let (alice, bob) = (user(world, "alice"), user(world, "bob"));
    world.dial(alice, "bob");
    expect(world.expect_state(alice, PhoneState::Connected));
    world.advance(seconds(1));
    (alice, bob)
}

#[test]
fn a_direct_call_ends_with_the_sides_that_do_not_come_back() {
    // Who vanishes, who comes back after 30 s, and who of those vanishes for good.
    for (vanish, back, again) in [
        ([true, true], [false, false], [false, false]),
        ([true, false], [false, false], [false, false]),
        ([false, true], [false, false], [false, false]),
        ([true, true], [true, false], [false, false]),
        ([true, false], [true, false], [true, false]),
        ([false, true], [false, true], [false, true]),
    ] {
        let mut world = shipped();
        let (alice, bob) = direct(&mut world);
        let sides = [alice, bob];
        for (side, _) in sides.iter().zip(vanish).filter(|(_, lost)| *lost) {
            world.lose_flow(*side);
        }
        world.advance(seconds(30));
        for (side, _) in sides.iter().zip(back).filter(|(_, back)| *back) {
            world.come_back(*side);
        }
        world.advance(seconds(20));
        for (side, _) in sides.iter().zip(again).filter(|(_, lost)| *lost) {
            world.lose_flow(*side);
        }
        world.advance(seconds(61));
        let row = format!("{vanish:?} {back:?} {again:?}\n{}", world.timeline());
        assert_eq!(world.stats().legs, 0, "{row}");
        for (index, side) in sides.iter().enumerate() {
            let there = (!vanish[index] || back[index]) && !again[index];
            assert_eq!(world.at(*side).hung_up_on, there, "side {index}: {row}");
        }
        assert_empty(&mut world);
    }
}

#[test]
fn a_direct_call_outlives_a_lost_websocket_with_its_messages() {
    for caller_is_away in [true, false] {
        let mut world = shipped();
        let (alice, bob) = direct(&mut world);
        let (away, there) = if caller_is_away {
            (alice, bob)
        } else {
            (bob, alice)
        };
        world.set_cut(away, true);
        world.message(there, "1");
        world.advance(seconds(2));
        world.lose_flow(away);
        world.set_cut(away, false);
        world.message(there, "2");
        world.advance(seconds(40));
        world.come_back(away);
        world.message(there, "3");
        world.advance(seconds(2));
        assert_eq!(
            world.at(away).messages,
            ["1", "2", "3"],
            "{}",
            world.timeline()
        );
        world.message(away, "4");
        world.advance(seconds(2));
        assert_eq!(world.at(there).messages, ["4"]);
        world.hang_up(away);
        expect(world.expect_state(there, PhoneState::Ended(200)));
        assert_empty(&mut world);
    }
}

/// The others see nobody who is not heard; what is said to them waits all the same.
#[test]
fn a_network_that_is_gone_for_long_loses_nothing() {
    for engine_sees_it in [false, true] {
        let mut world = shipped();
        let (alice, bob) = (browser(&mut world, "alice"), browser(&mut world, "bob"));
        let before = (world.at(alice).messages.len(), world.at(bob).messages.len());
        world.set_cut(alice, true);
        if engine_sees_it {
            world.lose_flow(alice);
        }
        world.advance(seconds(35));
        assert_eq!(rosters(&world, bob, before.1), [1], "{}", world.timeline());
        chat(&mut world, bob, "one");
        let carol = browser(&mut world, "carol");
        chat(&mut world, carol, "two");
        world.hang_up(carol);
        world.advance(seconds(5));
        world.set_cut(alice, false);
        world.come_back(alice);
        world.hold(alice, false);
        world.advance(seconds(3));
        assert_eq!(chats(&world, alice), ["one", "two"], "{}", world.timeline());
        assert_eq!(rosters(&world, alice, before.0), [1, 2, 1, 2]);
        assert_eq!(rosters(&world, bob, before.1), [1, 2, 1, 2]);
        assert_eq!(world.at(alice).state, PhoneState::Connected);
        assert_eq!(world.at(alice).repeats, 0);
        world.hang_up(alice);
        world.hang_up(bob);
        assert_empty(&mut world);
    }
}

#[test]
fn who_stays_unheard_is_hung_up() {
    // A browser whose WebSocket lives and whose media does not, and one without either.
    for lose in [false, true] {
        let mut world = shipped();
        let (alice, bob) = (browser(&mut world, "alice"), browser(&mut world, "bob"));
        let before = world.at(bob).messages.len();
        world.lose_media(alice);
        if lose {
            world.lose_flow(alice);
        }
        world.advance(seconds(95));
        assert_eq!(rosters(&world, bob, before)[0], 1);
        assert_eq!(world.at(alice).hung_up_on, !lose, "{}", world.timeline());
        world.hang_up(bob);
        assert_empty(&mut world);
    }
}

/// A message counts once also when the page sends it again.
#[test]
fn a_message_of_a_browser_that_comes_again_is_taken_once() {
    let mut world = shipped();
    let (alice, bob) = (browser(&mut world, "alice"), browser(&mut world, "bob"));
    for (number, text) in [(1, "one"), (1, "one"), (2, "two"), (1, "one"), (3, "three")] {
        let message = json!({"type": "chat", "data": text});
        world.numbered_message(alice, number, &message.to_string());
        world.advance(seconds(1));
    }
    assert_eq!(chats(&world, bob), ["one", "two", "three"]);
}
