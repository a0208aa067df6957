//! What one more session of a script costs: time to begin it and to take its first call, memory.
//!
//! `cargo bench --bench session`

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::time::Instant;

use talkpath::id::{LegId, Run, SessionId};
use talkpath::script::{
    Event, Host, Instance, LegInfo, Limits, Program, SessionInfo, Source, Turn,
};

const SESSIONS: u64 = 20_000;

fn main() {
    let host = Host::new(Limits::default(), || false);
    for file in ["pstn_gatekeeper.rhai", "conference.rhai"] {
        let path = format!("{}/scripts/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).expect("the shipped scenario is there");
        let source = Source {
            file: file.to_owned(),
            text,
        };
        let program = Program::compile(&host, &[source]).expect("the shipped scenario compiles");
        measure(&host, file, &program);
    }
}

fn measure(host: &Host, file: &str, program: &Arc<Program>) {
    let before_kib = resident_kib();
    let begun = Instant::now();
    let sessions: Vec<Instance> = (0..SESSIONS).map(|id| begin(host, program, id)).collect();
    let us = begun.elapsed().as_secs_f64() * 1e6 / SESSIONS as f64;
    let kib = (resident_kib() - before_kib) as f64 / SESSIONS as f64;
    println!("{file:24} {us:6.1} µs to begin and take a call, {kib:5.2} KiB while it lives");
    drop(sessions);
}

fn begin(host: &Host, program: &Arc<Program>, id: u64) -> Instance {
    let about = SessionInfo {
        run: Run::default(),
        id: SessionId(id),
        rule: "bench".to_owned(),
        application: "videoconf".to_owned(),
        conference_name: "conf_1234".to_owned(),
        custom_data: String::new(),
        variables: Default::default(),
        seed: id,
    };
    let mut instance = Instance::new(program.clone(), about);
    let leg = LegInfo {
        id: LegId(1),
        incoming: true,
        source: "phone".to_owned(),
        caller_id: "+15550100".to_owned(),
        display_name: String::new(),
        destination: "31201234567".to_owned(),
        number: "+15550100".to_owned(),
        headers: [("x-clienttype".to_owned(), "pstn_inbound".to_owned())].into(),
        user: String::new(),
    };
    for (event, first) in [(Event::Started, 10), (Event::Incoming { leg }, 1000)] {
        let turn = Turn {
            now_ms: 0,
            ids: first..first + 500,
        };
        let outcome = host.handle(&mut instance, &event, turn);
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
    }
    instance
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("Linux tells");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}
