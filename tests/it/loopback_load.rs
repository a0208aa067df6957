//! `talkpath load` against the engine, both the real program: phones and browsers in one room, who
//! hears whom, and what is said when browsers cannot join.

use std::process::Output;

use crate::server::{Server, talkpath};

/// Runs a load of two phones and two browsers, of which one each talks.
fn load(server: &Server, more: &[&str]) -> (Option<i32>, String) {
    let (udp, http) = (server.udp.to_string(), format!("http://{}", server.http));
    load_at(&udp, &http, more)
}

fn load_at(udp: &str, http: &str, more: &[&str]) -> (Option<i32>, String) {
    let mut command = talkpath();
    command
        .args(["load", "--target", udp, "--http", http])
        .args(["--legs", "2", "--talkers", "1"])
        .args(["--browsers", "2", "--browser-talkers", "1"])
        .args(["--seconds", "2"])
        .args(more);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the program runs");
    let text = [stdout, stderr].concat();
    let text = String::from_utf8(text).expect("it writes UTF-8");
    (status.code(), text)
}

/// The line of a report that begins so.
fn line<'t>(text: &'t str, begin: &str) -> &'t str {
    let mut lines = text.lines();
    let found = lines.find_map(|line| line.strip_prefix(begin));
    found
        .unwrap_or_else(|| panic!("no {begin:?} in\n{text}"))
        .trim()
}

#[test]
fn phones_and_browsers_hear_whom_the_shipped_scenario_lets_them_hear() {
    let server = Server::shipped();
    let (status, text) = load(&server, &["--bursts", "1"]);
    assert_eq!(line(&text, "phones "), "2 of 2 up");
    assert_eq!(line(&text, "browsers "), "2 of 2 up");
    // A phone hears the other kind's talker and, unless it talks, its own; a browser the phone.
    let heard = line(&text, "who hears whom ");
    assert_eq!(heard, "5 right, 0 missed, 0 leaked");
    for way in ["phone to phone", "phone to browser", "browser to phone"] {
        assert!(text.contains(way), "{way} in\n{text}");
    }
    assert!(!text.contains("browser to browser"), "{text}");
    assert_eq!(status, Some(0), "{text}");
}

#[test]
fn a_run_in_which_somebody_hears_the_wrong_ones_fails() {
    // Everybody is mixed here: what browsers should not hear leaks, unless it is asked for.
    let server = Server::with_test_rules(&[]);
    let (status, text) = load(&server, &["--bursts", "0"]);
    let heard = line(&text, "who hears whom ");
    assert_eq!(heard, "5 right, 0 missed, 1 leaked");
    assert_eq!(status, Some(1), "{text}");
    let (status, text) = load(&server, &["--bursts", "0", "--browsers-hear", "all"]);
    let heard = line(&text, "who hears whom ");
    assert_eq!(heard, "6 right, 0 missed, 0 leaked");
    assert_eq!(status, Some(0), "{text}");
}

#[test]
fn browsers_that_cannot_join_are_told_in_words() {
    let server = Server::start(&["api.joins_per_minute=1"]);
    let (status, text) = load(&server, &[]);
    assert!(text.contains("--set api.joins_per_minute="), "{text}");
    assert_eq!(status, Some(1), "{text}");

    let udp = server.udp.to_string();
    let nobody = format!("http://127.0.0.1:{}", crate::server::free_port());
    for (http, more, said) in [
        (&*nobody, &[][..], "nobody answers at http://127.0.0.1:"),
        ("https://127.0.0.1:1", &[], "have no TLS"),
        (&nobody, &["--rooms", "3"], "no room may be empty"),
    ] {
        let (status, text) = load_at(&udp, http, more);
        assert!(text.contains(said), "{said} in\n{text}");
        assert_ne!(status, Some(0), "{text}");
    }
}
