//! A user who is logged in, from the WebSocket's opening to what the scenario sees.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use talkpath::engine::{Engine, Input, Output, Settings};
use talkpath::id::FlowId;
use talkpath::sip::{Flow, Transport, User};

const RULE: &str = r#"
[[rule]]
name = "test"
pattern = "100"
source = ["web"]
scenarios = ["main.rhai"]
"#;
const SCRIPT: &str = "fn on_incoming(e) { log(`${e.leg.user} from the ${e.leg.source}`); }";
const INVITE: &str = "INVITE sip:100@talkpath.example SIP/2.0\r\n\
    Via: SIP/2.0/WSS x.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
    From: <sip:Alice@talkpath.example>;tag=1\r\nTo: <sip:100@talkpath.example>\r\n\
    Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:a@x.invalid>\r\nContent-Length: 0\r\n\r\n";

/// The first lines of what is sent, and what the scenario logs.
fn drain(engine: &mut Engine, host: &talkpath::script::Host, now: Instant) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Script(job) => {
                let done = job.run(host);
                engine.handle(now, Input::Script(Box::new(done)));
            }
            Output::Sip { bytes, .. } => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                seen.extend(text.lines().next().map(str::to_owned));
            }
            Output::Log { text, .. } => seen.push(text),
            Output::Media(_)
            | Output::Clip { .. }
            | Output::OpenRecording { .. }
            | Output::Notice(_)
            | Output::RemoveUser { .. } => {}
        }
    }
    seen
}

#[test]
fn the_scenario_sees_who_logged_in() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("videoconf.toml"), RULE).expect("written");
    std::fs::write(dir.path().join("main.rhai"), SCRIPT).expect("written");
    let setup = super::load(dir.path(), dir.path());
    for (known, removed, identity, expected) in [
        (true, false, Some("alice"), "alice from the web"),
        (true, false, None, "SIP/2.0 401 Unauthorized"),
        (true, false, Some("bob"), "SIP/2.0 401 Unauthorized"),
        (false, false, Some("alice"), "SIP/2.0 401 Unauthorized"),
        (true, true, Some("alice"), "SIP/2.0 401 Unauthorized"),
    ] {
        let now = Instant::now();
        let mut engine = Engine::new(Settings::default(), (now, 0), [1; 32]);
        engine.handle(now, Input::Catalog(setup.catalog.clone()));
        let address = SocketAddr::from(([192, 0, 2, 9], 5070));
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Wss,
            local: address,
            remote: address,
        };
        let user = User {
            name: "alice".to_owned(),
            display_name: String::new(),
            ha1: Vec::new(),
        };
        if known {
            engine.handle(now, Input::PutUser(Box::new(user)));
        }
        let identity = identity.map(str::to_owned);
        let shown = format!("{known} {removed} {identity:?}");
        engine.handle(now, Input::FlowOpened { flow, identity });
        if removed {
            engine.handle(now, Input::RemoveUser("alice".to_owned()));
        }
        let bytes = Bytes::from_static(INVITE.as_bytes());
        engine.handle(now, Input::Sip { flow, bytes });
        let seen = drain(&mut engine, &setup.host, now);
        assert!(
            seen.iter().any(|line| line == expected),
            "{shown}: {seen:?}"
        );
    }
}
