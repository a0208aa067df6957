//! The engine and a browser's dialog: which leg is opened, what is answered, what the media core is
//! told at the first offer, at hold, at a restart of ICE, and when the browser is gone. The media
//! core is played by the test.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use talkpath::engine::notice::EndedLink;
use talkpath::engine::{Engine, Input, Notice, Output, Settings};
use talkpath::id::{FlowId, UnitId};
use talkpath::media::{Command, Event, LegKind, LegStats, Loss, WebRtcParams, WebRtcReady};
use talkpath::script::Host;
use talkpath::sip::{Flow, Transport, User};

use super::load;

const MEDIA: &str = "0.0.0.0:9000";
const FINGERPRINT: &str = "sha-256 00:11:22:33";

const RULES: &str = r#"
[[rule]]
name = "test"
pattern = "100"
source = ["phone", "web"]
scenarios = ["main.rhai"]
"#;

/// An engine with one browser, and what it has said.
struct Browser {
    engine: Engine,
    host: Host,
    now: Instant,
    flow: Flow,
    cseq: u32,
    unit: UnitId,
    to: String,
    commands: VecDeque<Command>,
    messages: VecDeque<String>,
    notices: Vec<Notice>,
}

impl Browser {
    fn new(transport: Transport) -> Browser {
        Browser::reaching("203.0.113.5", transport, Settings::default())
    }

    /// A browser whose signalling comes to `ip` of ours.
    fn reaching(ip: &str, transport: Transport, settings: Settings) -> Browser {
        let dir = tempfile::tempdir().expect("a folder for the test");
        std::fs::write(dir.path().join("videoconf.toml"), RULES).expect("rules");
        let script = "fn on_incoming(e) { e.leg.answer(); }";
        std::fs::write(dir.path().join("main.rhai"), script).expect("a script");
        let setup = load(dir.path(), dir.path());
        let now = Instant::now();
        let mut engine = Engine::new(settings, (now, 0), [3; 32]);
        engine.handle(now, Input::Catalog(setup.catalog));
        let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
        Browser {
            engine,
            host: setup.host,
            now,
            flow: Flow {
                id: FlowId(1),
                transport,
                local: address(&format!("{ip}:5060")),
                remote: address("198.51.100.9:40000"),
            },
            cseq: 0,
            unit: UnitId(0),
            to: "<sip:100@203.0.113.5>".to_owned(),
            commands: VecDeque::new(),
            messages: VecDeque::new(),
            notices: Vec::new(),
        }
    }

    fn send(&mut self, method: &str, body: &str) {
        if method != "ACK" {
            self.cseq += 1;
        }
        let (cseq, to, length) = (self.cseq, &self.to, body.len());
        let via = self.flow.transport.via_token();
        let kind = match body {
            "" => "",
            _ => "Content-Type: application/sdp\r\n",
        };
        let message = format!(
            "{method} sip:100@203.0.113.5 SIP/2.0\r\n\
             Via: SIP/2.0/{via} 198.51.100.9;branch=z9hG4bK-{cseq}-{method}\r\nMax-Forwards: 70\r\n\
             From: <sip:web@198.51.100.9>;tag=web\r\nTo: {to}\r\nCall-ID: one@198.51.100.9\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:web@198.51.100.9;transport=tcp>\r\n{kind}\
             Content-Length: {length}\r\n\r\n{body}",
        );
        let (flow, bytes) = (self.flow, message.into());
        self.handle(Input::Sip { flow, bytes });
    }

    fn handle(&mut self, input: Input) {
        self.engine.handle(self.now, input);
        self.drain();
    }

    /// Lets a second pass.
    fn pass(&mut self) {
        self.now += Duration::from_secs(1);
        self.engine.handle_timeout(self.now);
        self.drain();
    }

    /// The ends of legs that were told, with their totals.
    fn ends(&self) -> Vec<Option<LegStats>> {
        let ends = self.notices.iter().filter_map(|notice| {
            let Notice::LegEnded(ended) = notice else {
                return None;
            };
            match ended.link {
                EndedLink::Sip { stats, .. } => Some(stats),
                EndedLink::Internal { .. } => None,
            }
        });
        ends.collect()
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Sip { bytes, .. } => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    self.messages.push_back(text);
                }
                Output::Media(command) => self.commands.push_back(command),
                Output::Script(job) => {
                    let done = Input::Script(Box::new(job.run(&self.host)));
                    self.engine.handle(self.now, done);
                }
                Output::Notice(notice) => self.notices.push(notice),
                Output::Clip { .. }
                | Output::OpenRecording { .. }
                | Output::RemoveUser { .. }
                | Output::Log { .. } => {}
            }
        }
    }

    /// Opens the media of the call as the media core would; our credentials.
    fn open(&mut self) -> String {
        self.open_at(MEDIA)
    }

    /// The same with a socket that is bound to `rtp`.
    fn open_at(&mut self, rtp: &str) -> String {
        let opened = self.commands.pop_front();
        let Some(Command::OpenLeg { unit, kind }) = opened else {
            panic!("{opened:?} {:?}", self.messages);
        };
        let LegKind::WebRtc { ice } = kind else {
            panic!("{kind:?}");
        };
        self.unit = unit;
        let rtp = rtp.parse().expect("an address");
        self.handle(Input::Media(Event::LegReady {
            unit,
            rtp,
            rtcp: rtp,
            webrtc: Some(WebRtcReady {
                fingerprint: FINGERPRINT.to_owned(),
            }),
        }));
        ice.ufrag
    }

    /// The last 200.
    fn answer(&mut self) -> String {
        let found = self.messages.iter().rfind(|text| text.contains(" 200 OK"));
        let answer = found.expect("a 200").clone();
        let to = answer.lines().find_map(|line| line.strip_prefix("To: "));
        self.to = to.expect("a To header").to_owned();
        self.messages.clear();
        answer
    }

    /// What the media core was told last.
    fn told(&mut self) -> (WebRtcParams, bool) {
        let mut told = self.commands.drain(..).rev();
        let found = told.find_map(|command| {
            let Command::UpdateLeg { stream, .. } = command else {
                return None;
            };
            let send = stream.send;
            stream.webrtc.map(|webrtc| (*webrtc, send))
        });
        found.expect("an update of the leg")
    }
}

fn fixture(name: &str) -> String {
    let path = format!("{}/fixtures/sdp/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Firefox sends no media to a loopback address.
#[test]
fn a_browser_that_reaches_us_on_loopback_is_told_our_own_address_too() {
    const OWN: &str = "192.0.2.7";
    for (reached, bound, own, advertised, told) in [
        ("127.0.0.1", "0.0.0.0", OWN, "", "127.0.0.1 192.0.2.7"),
        ("127.0.0.1", "0.0.0.0", "", "", "127.0.0.1"),
        ("127.0.0.1", "0.0.0.0", "2001:db8::7", "", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", OWN, "", "127.0.0.1"),
        ("127.0.0.1", "0.0.0.0", OWN, "203.0.113.5", "203.0.113.5"),
        ("203.0.113.5", "0.0.0.0", OWN, "", "203.0.113.5"),
    ] {
        let ip = |text: &str| (!text.is_empty()).then(|| text.parse().expect("an address"));
        let settings = Settings {
            media_address: ip(advertised),
            own_address: ip(own),
            ..Settings::default()
        };
        let mut browser = Browser::reaching(reached, Transport::Tcp, settings);
        browser.send("INVITE", &fixture("webrtc-firefox-audio.offer.sdp"));
        browser.open_at(&format!("{bound}:9000"));
        let answer = browser.answer();
        let candidates = answer
            .lines()
            .filter(|line| line.starts_with("a=candidate:"));
        let found: Vec<_> = candidates
            .filter_map(|line| line.split(' ').nth(4))
            .collect();
        assert_eq!(
            found.join(" "),
            told,
            "{reached} {bound} {own} {advertised}"
        );
        let (first, second) = ("udp 2130706431", "udp 2130706175");
        assert!(answer.contains(first), "{answer}");
        assert_eq!(answer.contains(second), found.len() == 2, "{answer}");
    }
}

#[test]
fn a_browser_is_answered_held_restarted_and_missed() {
    let mut browser = Browser::new(Transport::Tcp);
    browser.send("INVITE", &fixture("webrtc-chrome-audio.offer.sdp"));
    let ufrag = browser.open();
    let answer = browser.answer();
    for line in [
        "c=IN IP4 203.0.113.5".to_owned(),
        "a=ice-lite".to_owned(),
        "m=audio 9000 UDP/TLS/RTP/SAVPF 111 110".to_owned(),
        format!("a=ice-ufrag:{ufrag}"),
        format!("a=fingerprint:{FINGERPRINT}"),
        "a=setup:passive".to_owned(),
        "a=candidate:1 1 udp 2130706431 203.0.113.5 9000 typ host".to_owned(),
    ] {
        assert!(
            answer.contains(&format!("{line}\r\n")),
            "{line} in {answer}"
        );
    }
    let (first, send) = browser.told();
    assert_eq!((first.local.ufrag.as_str(), send), (ufrag.as_str(), true));
    assert_eq!(first.remote.ufrag, "yMUw");
    assert!(!first.dtls_client);
    assert_eq!(first.audio_level_extension, Some(1));
    browser.send("ACK", "");

    browser.send("INVITE", &fixture("webrtc-chrome-hold.offer.sdp"));
    assert!(browser.answer().contains("a=recvonly\r\n"));
    let (held, send) = browser.told();
    assert_eq!((&held, send), (&first, false));
    browser.send("ACK", "");

    let mut ufrags = vec![ufrag];
    for pwd in ["Zm8PpK1vYB2t0sQxwE5rL9uC", "Zm8PpK1vYB2t0sQxwE5rL9uD"] {
        let offer = fixture("webrtc-chrome-restart.offer.sdp");
        let offer = offer.replace("Zm8PpK1vYB2t0sQxwE5rL9uC", pwd);
        browser.send("INVITE", &offer);
        let answer = browser.answer();
        let (restarted, _) = browser.told();
        let ufrag = restarted.local.ufrag;
        assert!(
            answer.contains(&format!("a=ice-ufrag:{ufrag}\r\n")),
            "{answer}"
        );
        assert!(!ufrags.contains(&ufrag), "each restart has its own");
        assert_eq!(restarted.remote.pwd, pwd);
        ufrags.push(ufrag);
        browser.send("ACK", "");
    }

    offered_and_missed(&mut browser, &ufrags[2]);
}

/// A re-INVITE without offer, then the loss of the peer.
fn offered_and_missed(browser: &mut Browser, ufrag: &str) {
    browser.send("INVITE", "");
    let offer = browser.answer();
    assert!(offer.contains("a=setup:actpass\r\n"), "{offer}");
    assert!(offer.contains(&format!("a=ice-ufrag:{ufrag}\r\n")));
    browser.send(
        "ACK",
        &fixture("webrtc-chrome-audio.offer.sdp").replace("actpass", "active"),
    );
    let (told, send) = browser.told();
    assert_eq!((told.local.ufrag.as_str(), send), (ufrag, true));

    let stats = browser.engine.stats();
    assert_eq!(stats.legs, 1);
    let (unit, loss) = (browser.unit, Loss::Consent);
    browser.handle(Input::Media(Event::LegLost { unit, loss }));
    let bye = browser.messages.iter().any(|text| text.starts_with("BYE "));
    assert!(bye, "{:?}", browser.messages);
}

#[test]
fn a_page_that_was_closed_hung_up_and_a_silent_one_is_missed() {
    let rows = [
        (Loss::Closed, "cause=16;text=\"The caller hung up.\""),
        (
            Loss::Consent,
            "cause=31;text=\"No media arrived for too long.\"",
        ),
    ];
    for (loss, reason) in rows {
        let mut browser = Browser::new(Transport::Tcp);
        browser.send("INVITE", &fixture("webrtc-chrome-audio.offer.sdp"));
        browser.open();
        browser.answer();
        browser.send("ACK", "");
        let unit = browser.unit;
        browser.handle(Input::Media(Event::LegLost {
            unit,
            loss: loss.clone(),
        }));
        let bye = browser
            .messages
            .iter()
            .find(|text| text.starts_with("BYE "));
        let bye = bye.expect("the other side of SIP is told");
        assert!(bye.contains(reason), "{loss:?}: {bye}");
    }
}

/// A media core that is stuck keeps no end from being told.
#[test]
fn the_end_of_a_leg_waits_for_its_totals_but_not_for_ever() {
    let totals = LegStats {
        packets_in: 7,
        ..LegStats::default()
    };
    // When the totals come, and the ends that are told after 4 s and after 8 s.
    for (come_s, soon, at_last) in [
        (Some(1), vec![Some(totals)], vec![Some(totals)]),
        (None, vec![], vec![None]),
        (Some(7), vec![], vec![None]),
    ] {
        let mut browser = Browser::new(Transport::Tcp);
        browser.send("INVITE", &fixture("webrtc-chrome-audio.offer.sdp"));
        browser.open();
        browser.answer();
        browser.send("ACK", "");
        browser.send("BYE", "");
        assert_eq!(browser.ends(), []);
        for second in 1..=8 {
            browser.pass();
            if come_s == Some(second) {
                let (unit, stats) = (browser.unit, totals);
                browser.handle(Input::Media(Event::LegClosed { unit, stats }));
            }
            if second == 4 {
                assert_eq!(browser.ends(), soon, "{come_s:?}");
            }
        }
        assert_eq!(browser.ends(), at_last, "{come_s:?}");
    }
}

#[test]
fn a_browser_without_an_offer_is_offered_and_a_phone_has_plain_rtp() {
    let mut browser = Browser::new(Transport::Wss);
    let user = User {
        name: "web".to_owned(),
        display_name: String::new(),
        ha1: Vec::new(),
    };
    browser.handle(Input::PutUser(Box::new(user)));
    let (flow, identity) = (browser.flow, Some("web".to_owned()));
    browser.handle(Input::FlowOpened { flow, identity });
    browser.send("INVITE", "");
    let ufrag = browser.open();
    let offer = browser.answer();
    assert!(offer.contains("a=setup:actpass\r\n"), "{offer}");
    assert!(
        offer.contains(&format!("a=ice-ufrag:{ufrag}\r\n")),
        "{offer}"
    );
    let mut phone = Browser::new(Transport::Tcp);
    phone.send("INVITE", &fixture("sipp.offer.sdp"));
    let opened = phone.commands.pop_front();
    let is_plain = matches!(
        opened,
        Some(Command::OpenLeg {
            kind: LegKind::Rtp,
            ..
        })
    );
    assert!(is_plain, "{opened:?}");
}
