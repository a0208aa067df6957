//! The table of fuzz targets: what may be sent to the program by others, by what it is taken in,
//! and what must hold whatever comes. A target is deterministic, keeps nothing from one input to
//! the next, and panics when its law is broken.
//!
//! `tests/it/fuzz.rs` and the program in `fuzz/` both run this table; neither is named here.

mod calls;
mod files;
mod http;
mod media;
mod script;
mod sdp;
mod sip;

/// A kind of input and its law.
pub struct Target {
    /// Also the name of its test, of its folder in `fixtures/fuzz`, and of its words in
    /// `fixtures/fuzz/<name>.dict`.
    pub name: &'static str,
    /// Takes an input in. Panics when the law is broken.
    pub run: fn(&[u8]),
    /// Folders of other fixtures that are seeds too.
    pub seeds: &'static [&'static str],
    /// Longer inputs are not tried.
    pub bytes_max: usize,
    /// Mutations in one run of the tests.
    pub runs: u64,
}

const SIP: &[&str] = &[
    "fixtures/sip-torture/rfc4475",
    "fixtures/sip-torture/rfc5118",
];
const RULES: &[&str] = &["rules", "fixtures/scenarios/rules"];
const SCENARIOS: &[&str] = &["scripts", "fixtures/scenarios"];

/// All of them.
// tidy: table
pub static TARGETS: &[Target] = &[
    target("sip", sip::message, SIP, 66_000, 6_000),
    target("sip_stream", sip::stream, SIP, 4_000, 5_000),
    target("multipart", sip::multipart, &[], 2_000, 5_000),
    target("sdp", sdp::negotiate, &["fixtures/sdp"], 66_000, 6_000),
    target("rtp", media::rtp, &[], 1_500, 20_000),
    target("rtcp", media::rtcp, &[], 1_500, 20_000),
    target("stun", media::stun, &[], 600, 20_000),
    target("media", media::core, &[], 4_000, 300),
    target("rules", files::rules, RULES, 20_000, 150),
    target("config", files::config, &[], 20_000, 1_000),
    target("sound", files::sound, &["fixtures/audio"], 40_000, 120),
    target("scenario", script::scenario, SCENARIOS, 20_000, 2_000),
    target("message", script::message, &[], 9_000, 400),
    target("http", http::request, &[], 70_000, 1_000),
    target("calls", calls::calls, &[], 181, 150),
];

const fn target(
    name: &'static str,
    run: fn(&[u8]),
    seeds: &'static [&'static str],
    bytes_max: usize,
    runs: u64,
) -> Target {
    Target {
        name,
        run,
        seeds,
        bytes_max,
        runs,
    }
}

/// The target of this name; nothing when there is none.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Reads numbers off the front of an input, for targets that make a list of steps of it.
pub struct Steps<'i>(pub &'i [u8]);

impl<'i> Steps<'i> {
    /// The next byte; nothing at the end.
    pub fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// The next bytes, or as many as are there.
    pub fn bytes(&mut self, length: usize) -> &'i [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
