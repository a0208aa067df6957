//! Whole calls in virtual time: the shipped rules and scenarios, the real engine and media core,
//! simulated phones.

mod browser;
mod commands;
mod direct;
mod faults;
mod ids;
mod laws;
mod legs;
mod log;
mod logins;
mod meet;
mod messages;
mod model;
mod reconnect;
mod recordings;
mod replay;
mod scenarios;

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use talkpath::catalog;
use talkpath::script::{Host, Limits};
use talkpath::sim::{PhoneId, PhoneState, Setup, World};

const ACCESS_NUMBER: &str = "31201234567";

/// A world that is asked at its end whether anything is left in any table, and whether what was
/// told of it holds together.
struct Tested(World);

fn tested(setup: Setup) -> Tested {
    Tested(World::new(setup))
}

impl Deref for Tested {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl DerefMut for Tested {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.0
    }
}

impl Drop for Tested {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.hang_up_all();
            self.advance(RUN_OUT);
            assert_eq!(self.leftovers(), [], "{}", self.timeline());
            expect(laws::check(&self.0));
        }
    }
}

/// After that long no timer of a call runs any more.
const RUN_OUT: Duration = Duration::from_secs(200);

/// A world with the rules and scenarios that ship.
fn shipped() -> Tested {
    tested(shipped_setup())
}

fn shipped_setup() -> Setup {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    load(&root.join("rules"), &root.join("scripts"))
}

/// A world with rules and scenarios of the test's own.
fn world_of(rules: &str, scripts: &[(&str, &str)]) -> Tested {
    tested(setup_of(rules, scripts))
}

fn setup_of(rules: &str, scripts: &[(&str, &str)]) -> Setup {
    let dir = tempfile::tempdir().expect("a folder for the test");
    std::fs::write(dir.path().join("videoconf.toml"), rules).expect("rules can be written");
    for (name, text) in scripts {
        std::fs::write(dir.path().join(name), text).expect("scripts can be written");
    }
    load(dir.path(), dir.path())
}

fn load(rules: &Path, scripts: &Path) -> Setup {
    let host = Host::new(Limits::default(), || false);
    let loaded = catalog::load(rules, scripts, &host);
    let catalog = loaded
        .into_catalog()
        .unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    Setup::new(catalog, host)
}

/// One rule that answers phones on `100` with `main.rhai`.
const ONE_RULE: &str = r#"
[[rule]]
name = "test"
pattern = "100"
source = ["phone"]
scenarios = ["main.rhai"]
"#;

/// Dials in, keys in a PIN and waits until the greeting is over.
fn join(world: &mut World, phone: PhoneId, pin: &str) {
    world.dial(phone, ACCESS_NUMBER);
    expect(world.expect_state(phone, PhoneState::Connected));
    expect(world.expect_said(phone, "enter your conference PIN"));
    expect(world.press(phone, &format!("{pin}#")));
    expect(world.expect_said(phone, "You have joined"));
    world.advance(Duration::from_secs(3));
}

fn expect(result: Result<(), String>) {
    if let Err(text) = result {
        panic!("{text}");
    }
}

/// Asserts the whole matrix: `true` at [listener][talker] where the talker is heard.
fn assert_hears(world: &mut World, phones: &[PhoneId], expected: &[&[bool]]) {
    world.forget_sound();
    world.advance(Duration::from_secs(1));
    for (listener, row) in phones.iter().zip(expected) {
        for (talker, expected) in phones.iter().zip(*row) {
            let heard = world.hears(*listener, *talker);
            assert_eq!(
                heard,
                *expected,
                "{listener:?} hears {talker:?}\n{}",
                world.timeline()
            );
        }
    }
}

/// Asserts that nothing is left of any call after the idle time.
fn assert_empty(world: &mut World) {
    world.advance(RUN_OUT);
    assert_eq!(world.leftovers(), [], "{}", world.timeline());
}
