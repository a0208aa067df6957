//! Phones of sipp that log in with digest at the real program, beside one that has a wrong password
//! and a client that guesses API keys.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::server::{self, PATIENCE, Server};

const KEY: &str = "the-key-of-this-test";
const PASSWORD: &str = "Correct-horse1";

/// An engine with the users `phone0`, `phone1` and so on.
fn server(phones: usize) -> Server {
    let server = Server::with_test_rules(&[&format!("api.key={KEY}"), "media.timeout_s=60"]);
    for number in 0..phones {
        let name = format!("phone{number}");
        let body =
            format!(r#"{{"username":"{name}","password":"{PASSWORD}","displayName":"{name}"}}"#);
        let made = ask(&server, "POST", KEY, &body);
        assert!(made.contains("phone"), "{made}");
    }
    server
}

fn ask(server: &Server, method: &str, key: &str, body: &str) -> String {
    let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
    server.ask(method, "/api/v1/users", &headers, body)
}

/// A sipp whose calls are of one user each.
struct Sipp {
    child: Child,
    dir: tempfile::TempDir,
}

impl Sipp {
    fn start(server: &Server, file: &str, users: &[(String, &str)], args: &[&str]) -> Sipp {
        let dir = tempfile::tempdir().expect("a folder");
        let mut fields = "SEQUENTIAL\n".to_owned();
        for (name, password) in users {
            let login = format!("[authentication username={name} password={password}]");
            writeln!(fields, "{name};{login}").expect("written");
        }
        std::fs::write(dir.path().join("users.csv"), fields).expect("a file");
        let over_tcp = args.contains(&"t1");
        let target = if over_tcp { server.tcp } else { server.udp };
        let child = Command::new(server::client("sipp"))
            .arg(target.to_string())
            .arg("-sf")
            .arg(scenario(file))
            .args(["-inf", "users.csv", "-s", "100", "-i", "127.0.0.1"])
            .args(["-p", &server::free_port().to_string()])
            .args(["-key", "rtp_port", "9", "-timeout", "50", "-timeout_error"])
            .args(["-nostdin", "-trace_err", "-error_file", "errors"])
            .args(args)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp starts");
        Sipp { child, dir }
    }

    fn expect_success(&mut self, what: &str, server: &Server) {
        let ended = server::wait(&mut self.child, PATIENCE);
        let errors = std::fs::read_to_string(self.dir.path().join("errors")).unwrap_or_default();
        let good = ended.is_some_and(|status| status.success());
        assert!(good, "{what}: {ended:?}\n{errors}\n{}", server.log());
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        server::stop(&mut self.child);
    }
}

fn scenario(name: &str) -> PathBuf {
    server::root().join(format!("fixtures/sipp/{name}.xml"))
}

#[test]
fn sipp_answers_the_first_challenge_over_udp_and_tcp() {
    let server = server(1);
    let users = [("phone0".to_owned(), PASSWORD)];
    for (what, args) in [("UDP", &["-m", "1"][..]), ("TCP", &["-m", "1", "-t", "t1"])] {
        Sipp::start(&server, "register", &users, args).expect_success(what, &server);
    }
    assert_eq!(server.metric("sip_logins_total"), 2);
    assert_eq!(server.metric("sip_logins_failed_total"), 0);
}

#[test]
fn forty_phones_register_and_call_beside_a_wrong_password_and_a_guesser_of_keys() {
    let server = server(41);
    let wrong = [("phone40".to_owned(), "guess")];
    let args = ["-r", "1", "-m", "14"];
    let mut wrong = Sipp::start(&server, "wrong_password", &wrong, &args);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let guessing = scope.spawn(|| {
            let mut answers = [0, 0];
            while !stop.load(Ordering::Relaxed) {
                let answer = ask(&server, "GET", "0123456789abcdef", "");
                let told_to_wait = answer.contains("too-many-failures");
                assert!(told_to_wait || answer.contains("wrong-api-key"), "{answer}");
                answers[usize::from(told_to_wait)] += 1;
                server::pause(Duration::from_millis(50));
            }
            answers
        });
        server.expect_metric_to_reach("sip_logins_failed_total", 6);
        let phones: Vec<(String, &str)> = (0..40)
            .map(|number| (format!("phone{number}"), PASSWORD))
            .collect();
        let args = ["-r", "20", "-l", "40", "-m", "40"];
        Sipp::start(&server, "register", &phones, &args).expect_success("phones", &server);
        assert!(
            ask(&server, "GET", KEY, "").contains("phone0"),
            "the right key"
        );
        stop.store(true, Ordering::Relaxed);
        let [refused, told_to_wait] = guessing.join().expect("no panic");
        assert_eq!(refused, 10);
        assert!(told_to_wait > 0);
    });
    wrong.expect_success("wrong password", &server);
    assert_eq!(server.metric("sip_logins_total"), 40);
    assert!(server.metric("sip_logins_blocked_total") >= 4);
    // What one address causes in the log has an end, and says what it is about.
    let log = server.log();
    assert_eq!(log.matches("Logins fail").count(), 1, "{log}");
    assert!(log.matches("Request refused").count() <= 30, "{log}");
}
