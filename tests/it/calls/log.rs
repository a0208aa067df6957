//! What the log says of a call, and what it does not.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;
use std::time::Duration;

use talkpath::run::call_log::CallLog;
use tracing::Level;

use super::{Tested, join, world_of};

const RULES: &str = r#"
[[rule]]
name = "phones dial in"
pattern = "31201234567"
source = ["phone"]
scenarios = ["pstn_gatekeeper.rhai"]

[[rule]]
name = "conference"
pattern = "conf_[A-Za-z0-9]+"
source = ["internal"]
scenarios = ["conference.rhai"]
"#;

fn world() -> Tested {
    let gatekeeper = include_str!("../../../scripts/pstn_gatekeeper.rhai");
    let conference = include_str!("../../../scripts/conference.rhai");
    let scripts = [
        ("pstn_gatekeeper.rhai", gatekeeper),
        ("conference.rhai", conference),
    ];
    world_of(RULES, &scripts)
}

thread_local! {
    /// What this thread logs, while a test asks for it.
    static LOGGED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// One for all threads of the tests: subscribers of single threads lose lines to each other.
static SUBSCRIBER: Once = Once::new();

struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| {
            if let Some(logged) = logged {
                logged.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes the lines of what the engine has told so far.
fn write(world: &Tested) {
    let log = CallLog::new(world.run());
    world.notices.iter().for_each(|notice| log.write(notice));
}

/// The lines that `run` writes, from INFO on.
fn logged(run: impl FnOnce()) -> Vec<String> {
    SUBSCRIBER.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(Level::INFO)
            .with_ansi(false)
            .with_target(false)
            .with_writer(|| Sink)
            .init();
    });
    LOGGED.set(Some(Vec::new()));
    run();
    let bytes = LOGGED.take().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn one_trace_leads_from_the_invite_into_the_conference_and_to_the_end() {
    let mut notices = String::new();
    let lines = logged(|| {
        let mut world = world();
        let [first, second] = ["+31612345678", "+31687654321"].map(|number| {
            let phone = world.phone(number);
            join(&mut world, phone, "1234");
            phone
        });
        world.hang_up(first);
        world.hang_up(second);
        world.advance(Duration::from_secs(5));
        write(&world);
        notices = format!("{:?}", world.notices);
    });
    let all = lines.join("\n");
    let arrivals = lines.iter().filter(|line| line.contains(" Call "));
    let callers: Vec<&String> = arrivals.collect();
    assert_eq!(callers.len(), 2, "{all}");
    for (line, caller) in callers.iter().zip(["+316******78", "+316******21"]) {
        assert!(line.contains(&format!("caller={caller}")), "{all}");
        let trace = line.split(' ').find(|word| word.starts_with("trace="));
        let trace = format!("{} ", trace.expect("a trace"));
        let about = lines.iter().filter(|line| line.contains(&trace));
        let about: Vec<&String> = about.collect();
        let said = [
            "Call ",
            "Internal call ",
            "Internal call ended ",
            "Leg ended ",
        ];
        let seen = said.map(|text| {
            let text = format!(" {text}trace=");
            about.iter().filter(|line| line.contains(&text)).count()
        });
        assert_eq!(seen, [1; 4], "{trace}\n{all}");
        assert!(
            about.iter().any(|line| line.contains("room=co**_****")),
            "{all}"
        );
    }
    for secret in ["31612345678", "31687654321", "conf_1234"] {
        assert!(!all.contains(secret), "{secret} in\n{all}");
        assert!(!notices.contains(secret), "{secret} in\n{notices}");
    }
}

#[test]
fn calls_that_no_rule_takes_are_one_line_a_minute_for_each_address() {
    let mut unrouted = 0;
    let lines = logged(|| {
        let mut world = world();
        let phone = world.phone("+31612345678");
        for _ in 0..5 {
            world.dial(phone, "00442079460000");
            world.advance(Duration::from_secs(1));
        }
        unrouted = world.stats().calls_unrouted_phone;
        write(&world);
    });
    assert_eq!(unrouted, 5);
    let all = lines.join("\n");
    assert_eq!(lines.len(), 1, "{all}");
    assert!(
        all.contains("dialled=004*********00 caller=+316******78"),
        "{all}"
    );
    assert!(
        all.contains("source=\"phone\"") && all.contains("rules=2 times=1"),
        "{all}"
    );
}
