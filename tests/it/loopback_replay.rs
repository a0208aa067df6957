//! `talkpath replay`: a journal that the real program wrote, fed in again by the real program.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::server::{PATIENCE, Server, talkpath, udp_socket};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio 9 RTP/AVP 0\r\n";

/// A telephone that speaks only to be answered.
struct Phone<'a> {
    socket: UdpSocket,
    server: &'a Server,
    to: String,
}

impl Phone<'_> {
    fn send(&self, method: &str, number: u32, body: &str) {
        let (target, local) = (self.server.udp, self.socket.local_addr().expect("bound"));
        let text = format!(
            "{method} sip:31201234567@{target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK-{method}-{number}\r\n\
             From: <sip:+15550100@127.0.0.1>;tag=1\r\nTo: {}\r\nCall-ID: replay@127.0.0.1\r\n\
             CSeq: {number} {method}\r\nContact: <sip:a@{local}>\r\nMax-Forwards: 70\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            self.to,
            body.len()
        );
        self.socket.send_to(text.as_bytes(), target).expect("sent");
    }

    /// Reads until the response with this first line comes; keeps its To.
    fn expect(&mut self, start: &str) {
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).expect(start);
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.starts_with(start) {
                let to = text.lines().find_map(|line| line.strip_prefix("To: "));
                self.to = to.expect("a To").to_owned();
                return;
            }
        }
    }
}

/// A call to the conference's number on a server that writes a journal, which is given.
fn journal_of_a_call(server: &mut Server, folder: &Path) -> PathBuf {
    let socket = udp_socket();
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut phone = Phone {
        socket,
        server,
        to: "<sip:31201234567@127.0.0.1>".to_owned(),
    };
    phone.send("INVITE", 1, OFFER);
    phone.expect("SIP/2.0 200");
    phone.send("ACK", 1, "");
    phone.send("BYE", 2, "");
    phone.expect("SIP/2.0 200 OK\r\nVia");
    server.terminate();
    let mut files = std::fs::read_dir(folder).expect("the folder is made");
    files.next().expect("a journal").expect("read").path()
}

fn replay(file: &Path, settings: &[&str]) -> (Output, String) {
    let mut command = talkpath();
    command.args(["replay", "--config", "/dev/null"]).arg(file);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let output = command.output().expect("it runs");
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output, text)
}

#[test]
fn a_journal_comes_to_the_same_again_and_says_where_other_scenarios_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let setting = format!(
        "log.journal_dir={}",
        folder.path().join("journal").display()
    );
    let mut server = Server::start(&[&setting]);
    let file = journal_of_a_call(&mut server, &folder.path().join("journal"));
    let (output, text) = replay(&file, &[]);
    assert!(output.status.success(), "{text}");
    for part in [
        "← INVITE sip:31201234567",
        "→ SIP/2.0 200 OK",
        "← BYE",
        "the same way",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('≠'), "{text}");

    // The same journal with scenarios that refuse the call.
    let scripts = folder.path().join("scripts");
    std::fs::create_dir(&scripts).expect("made");
    for entry in std::fs::read_dir("scripts").expect("the folder") {
        let name = entry.expect("an entry").file_name();
        let text = "fn on_incoming(e) { e.leg.reject(486); }";
        std::fs::write(scripts.join(name), text).expect("written");
    }
    let other = format!("scripts_dir={}", scripts.display());
    let (output, text) = replay(&file, &[&other]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["≠", "→ SIP/2.0 486", "another way in"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_is_no_journal_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("j.jsonl");
    let rows = [
        ("", "it is empty, and no journal"),
        ("{}\n", "j.jsonl:1: no line of a journal"),
        ("cut off", "it is empty, and no journal"),
    ];
    for (text, complaint) in rows {
        std::fs::write(&file, text).expect("written");
        let (output, said) = replay(&file, &[]);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(complaint), "{said}");
    }
    let (_, said) = replay(&folder.path().join("none.jsonl"), &[]);
    assert!(said.contains("none.jsonl: No such file"), "{said}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named_at_the_start() {
    let mut command = talkpath();
    command.args([
        "serve",
        "--config",
        "/dev/null",
        "--set",
        "http.listen=127.0.0.1:0",
    ]);
    command.args(["--set", "sip.listen=[\"udp:127.0.0.1:0\"]", "--set"]);
    command.arg("log.journal_dir=/proc/nothing");
    let folder = tempfile::tempdir().expect("a folder");
    for key in ["data_dir", "recordings_dir"] {
        command.args(["--set", &format!("{key}={}", folder.path().display())]);
    }
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("log.journal_dir: cannot write in /proc/nothing"),
        "{said}"
    );
}
