//! What somebody meets who starts the program wrongly: one clear message and an exit code, row by
//! row, and the greeting of a start that goes well.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::server::{self, LOCALHOST, Server, talkpath};

/// A command line and what comes of it. `{dir}` is the folder of the test, `{udp}`, `{tcp}` ports
/// that are taken.
struct Row {
    line: &'static [&'static str],
    code: i32,
    stdout: &'static str,
    stderr: &'static str,
}

const fn fails(line: &'static [&'static str], stderr: &'static str) -> Row {
    Row {
        line,
        code: 1,
        stdout: "",
        stderr,
    }
}

const fn says(line: &'static [&'static str], code: i32, stdout: &'static str) -> Row {
    Row {
        line,
        code,
        stdout,
        stderr: "",
    }
}

/// The files that rows name.
const FILES: &[(&str, &str)] = &[
    ("misspelt.toml", "[sip]\ncalls_maxx = 5\n"),
    ("no_value.toml", "[sip]\ncalls_max =\n"),
    ("too_many.toml", "[sip]\ncalls_max = 9000000\n"),
    ("empty/readme", "no rules here\n"),
    ("folder/videoconf.toml/x", ""),
    (
        "gone/videoconf.toml",
        "[[rule]]\nname = \"x\"\npattern = \"1\"\nscenarios = [\"gone.rhai\"]\n",
    ),
    (
        "misspelt/videoconf.toml",
        "[[rule]]\nname = \"x\"\npatern = \"1\"\n",
    ),
    (
        "pattern/videoconf.toml",
        "[[rule]]\nname = \"x\"\npattern = \"1(00\"\nscenarios = [\"ok.rhai\"]\n",
    ),
    (
        "rules/videoconf.toml",
        "[[rule]]\nname = \"x\"\npattern = \"1\"\nsource = [\"phone\"]\n\
         scenarios = [\"main.rhai\"]\n",
    ),
    (
        "typo/main.rhai",
        "fn on_incoming(e) {\n    e.leg.answer();\n    terminat();\n}\n",
    ),
    (
        "handler/main.rhai",
        "fn on_incoming(e) {\n    e.leg.on(\"connected\", \"welcom\");\n}\nfn welcome(e) {}\n",
    ),
    (
        "bracket/main.rhai",
        "fn on_incoming(e) {\n    e.leg.answer(;\n}\n",
    ),
    ("good/main.rhai", "fn on_incoming(e) { e.leg.answer(); }\n"),
    ("file", ""),
    (
        "stranger/talkpath.db",
        "These are somebody's notes on what they ate, which is no database at all, and long enough \
         to be looked at as a header of one hundred octets.\n",
    ),
];

const ROWS: &[Row] = &[
    fails(
        &["user", "list", "--set", "data_dir={dir}/file"],
        "talkpath: data_dir: cannot write in {dir}/file: File exists (os error 17)\n",
    ),
    fails(
        &["user", "list", "--set", "data_dir={dir}/stranger"],
        "talkpath: {dir}/stranger/talkpath.db is not a talkpath database: file is not a database. \
         Move it away to start with an empty one\n",
    ),
    fails(
        &["user", "add", "Al", "--set", "data_dir={dir}/users"],
        "talkpath: A username has 3 to 50 of a-z, 0-9, _ and -, and begins with a letter or a \
         digit.\n",
    ),
    fails(
        &["user", "add", "alice", "--set", "data_dir={dir}/users"],
        "talkpath: A password has 8 to 128 characters, among them an upper-case letter, a \
         lower-case letter, a digit and a special character, and no control character.\n",
    ),
    fails(
        &["user", "remove", "alice", "--set", "data_dir={dir}/users"],
        "talkpath: there is no user alice\n",
    ),
    says(&["user", "list", "--set", "data_dir={dir}/users"], 0, ""),
    fails(
        &["serve", "--set", "turn.urls=[\"turn:turn.example.org\"]"],
        "talkpath: turn.urls: set turn.secret or TALKPATH_TURN_SECRET too\n",
    ),
    fails(
        &["serve", "--set", "sip.listen=[\"udp:127.0.0.1:{udp}\"]"],
        "talkpath: sip.listen[0]: cannot listen on UDP 127.0.0.1:{udp}: Address already in use \
         (os error 98)\n",
    ),
    fails(
        &[
            "serve",
            "--set",
            "sip.listen=[\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:{tcp}\"]",
        ],
        "talkpath: sip.listen[1]: cannot listen on TCP 127.0.0.1:{tcp}: Address already in use \
         (os error 98)\n",
    ),
    fails(
        &[
            "serve",
            "--set",
            "sip.listen=[\"udp:127.0.0.1:0\"]",
            "--set",
            "http.listen=127.0.0.1:{tcp}",
        ],
        "talkpath: http.listen: cannot listen on 127.0.0.1:{tcp}: Address already in use \
         (os error 98)\n",
    ),
    fails(
        &[
            "serve",
            "--set",
            "sip.listen=[udp:127.0.0.1:0]",
            "--set",
            "stun.listen=127.0.0.1:{udp}",
        ],
        "talkpath: stun.listen: cannot listen on 127.0.0.1:{udp}; choose another port, or set \
         stun.serve=false: Address already in use (os error 98)\n",
    ),
    fails(
        &[
            "serve",
            "--set",
            "sip.listen=[udp:127.0.0.1:0]",
            "--set",
            "media.webrtc_port={udp}",
        ],
        "talkpath: media.webrtc_port: 0.0.0.0:{udp}: Address already in use (os error 98)\n",
    ),
    fails(
        &["serve", "--set", "sip.listen=[\"udp:192.0.2.77:5060\"]"],
        "talkpath: sip.listen[0]: cannot listen on UDP 192.0.2.77:5060: Cannot assign requested \
         address (os error 99)\n",
    ),
    fails(
        &["serve", "--config", "{dir}/none.toml"],
        "talkpath: {dir}/none.toml: No such file or directory (os error 2)\n",
    ),
    fails(
        &["serve", "--config", "{dir}/misspelt.toml"],
        "talkpath: {dir}/misspelt.toml:2:1: sip.calls_maxx: unknown field `calls_maxx`, expected \
         one of `listen`, `address`, `domain`, `digest`, `calls_max`, `tcp_connections_max`, \
         `connections_per_address_max`\n\
         2 | calls_maxx = 5\n  | ^^^^^^^^^^\n",
    ),
    fails(
        &["serve", "--config", "{dir}/no_value.toml"],
        "talkpath: {dir}/no_value.toml:2:12: string values must be quoted, expected literal \
         string\n2 | calls_max =\n  |            ^\n",
    ),
    fails(
        &["check", "--config", "{dir}/too_many.toml"],
        "talkpath: {dir}/too_many.toml:2:13: sip.calls_max: 9000000 is out of range; allowed: 1 \
         to 1000000\n2 | calls_max = 9000000\n  |             ^^^^^^^\n",
    ),
    fails(
        &["serve", "--set", "sip.lisen=3"],
        "talkpath: --set sip.lisen=3: sip.lisen: unknown field `lisen`, expected one of `listen`, \
         `address`, `domain`, `digest`, `calls_max`, `tcp_connections_max`, \
         `connections_per_address_max`\n",
    ),
    fails(
        &["serve", "--set", "sip.calls_max=0"],
        "talkpath: --set sip.calls_max=0: sip.calls_max: 0 is out of range; allowed: 1 to \
         1000000\n",
    ),
    fails(
        &["serve", "--set", "sip.calls_max"],
        "talkpath: --set sip.calls_max: not of the form key=value\n",
    ),
    fails(
        &["serve", "--set", "rules_dir={dir}/none"],
        "talkpath: rules_dir: {dir}/none: No such file or directory (os error 2)\n",
    ),
    fails(
        &["serve", "--set", "scripts_dir={dir}/none"],
        "talkpath: scripts_dir: {dir}/none: No such file or directory (os error 2)\n",
    ),
    fails(
        &["serve", "--set", "rules_dir={dir}/empty"],
        "talkpath: rules_dir: {dir}/empty: no rules (*.toml) here\n",
    ),
    fails(
        &["serve", "--set", "rules_dir={dir}/folder"],
        "talkpath: {dir}/folder/videoconf.toml: Is a directory (os error 21)\n",
    ),
    fails(
        &["serve", "--set", "rules_dir={dir}/gone"],
        "talkpath: {dir}/gone/videoconf.toml:2: error: rule \"x\": scenario gone.rhai does not \
         exist\n",
    ),
    fails(
        &["serve", "--set", "rules_dir={dir}/pattern"],
        "talkpath: {dir}/pattern/videoconf.toml:3:13: pattern: unclosed group\n\
         3 | pattern = \"1(00\"\n  |             ^\n",
    ),
    fails(
        &["serve", "--set", "data_dir={dir}/file/data"],
        "talkpath: data_dir: cannot write to {dir}/file/data: Not a directory (os error 20)\n",
    ),
    fails(
        &["serve", "--set", "recordings_dir={dir}/file"],
        "talkpath: recordings_dir: cannot write to {dir}/file: File exists (os error 17)\n",
    ),
    fails(
        &["route", "--to", "1", "--header", "X-Colour"],
        "talkpath: --header \"X-Colour\": write NAME: VALUE\n",
    ),
    says(
        &["check", "--set", "rules_dir={dir}/misspelt"],
        1,
        "{dir}/misspelt/videoconf.toml:3:1: unknown field `patern`, expected one of `name`, \
         `pattern`, `caller`, `source`, `headers`, `schedule`, `enabled`, `scenarios`, \
         `variables`, `limits`\n3 | patern = \"1\"\n  | ^^^^^^\n\
         0 rules, 4 scenarios: 1 error, 0 warnings\n",
    ),
    says(
        &[
            "check",
            "--set",
            "rules_dir={dir}/rules",
            "--set",
            "scripts_dir={dir}/typo",
        ],
        1,
        "main.rhai:3:5: there is no function `terminat`\n 3 |     terminat();\n   |     ^\n\
         \u{20}hint: did you mean `terminate`?\n1 rule, 1 scenario: 1 error, 0 warnings\n",
    ),
    says(
        &[
            "check",
            "--set",
            "rules_dir={dir}/rules",
            "--set",
            "scripts_dir={dir}/bracket",
        ],
        1,
        "main.rhai:2:18: Unexpected ';'\n 2 |     e.leg.answer(;\n   |                  ^\n\
         1 rule, 1 scenario: 1 error, 0 warnings\n",
    ),
    says(
        &[
            "check",
            "--set",
            "rules_dir={dir}/rules",
            "--set",
            "scripts_dir={dir}/handler",
        ],
        1,
        "main.rhai:2:27: there is no function `welcom` for this handler\n\
         \u{20}2 |     e.leg.on(\"connected\", \"welcom\");\n   |                           ^\n\
         \u{20}hint: did you mean \"welcome\"?\n1 rule, 1 scenario: 1 error, 0 warnings\n",
    ),
    says(
        &[
            "check",
            "--set",
            "rules_dir={dir}/rules",
            "--set",
            "scripts_dir={dir}/good",
        ],
        0,
        "1 rule, 1 scenario: 0 errors, 0 warnings\n",
    ),
    says(
        &["check"],
        0,
        "4 rules, 4 scenarios: 0 errors, 0 warnings\n",
    ),
    says(
        &["route", "--to", "31201234567"],
        0,
        "application videoconf\n\
         call to \"31201234567\" from an anonymous caller, source phone\n\
         \u{20}  1. phones dial in (line 2): matches\n\
         rule \"phones dial in\" takes the call\n",
    ),
    says(
        &["route", "--to", "5"],
        1,
        "application videoconf\n\
         call to \"5\" from an anonymous caller, source phone\n\
         \u{20}  1. phones dial in (line 2): pattern ^(?:31201234567)$ does not match \"5\"\n\
         \u{20}  2. browsers join (line 8): source is phone, the rule wants web\n\
         \u{20}  3. conference (line 14): source is phone, the rule wants internal\n\
         \u{20}  4. browser to browser (line 26): source is phone, the rule wants web\n\
         no rule matches: 404\n",
    ),
];

fn write_files(dir: &Path) {
    for (name, text) in FILES {
        let file = dir.join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    }
}

/// Runs the program to its end. Settings of our own keep it from writing into the repository and
/// from taking the usual ports; those of the row come later and win.
fn run(dir: &Path, line: &[String]) -> Output {
    let mut command = talkpath();
    let (subcommand, rest) = line.split_first().expect("a subcommand");
    command.arg(subcommand);
    if subcommand == "serve" {
        for setting in [
            "http.listen=127.0.0.1:0".to_owned(),
            "sip.listen=[\"udp:127.0.0.1:0\"]".to_owned(),
            "media.webrtc_port=0".to_owned(),
            "stun.listen=127.0.0.1:0".to_owned(),
            format!("data_dir={}", dir.join("data").display()),
            format!("recordings_dir={}", dir.join("recordings").display()),
        ] {
            command.args(["--set", &setting]);
        }
    }
    let mut child = command
        .args(rest)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    if server::wait(&mut child, Duration::from_secs(20)).is_none() {
        // It started, which no row expects; its output says the rest.
        server::stop(&mut child);
    }
    child.wait_with_output().expect("its output")
}

#[test]
fn a_mistake_gets_one_clear_message_and_an_exit_code() {
    let dir = tempfile::tempdir().expect("a folder");
    write_files(dir.path());
    let udp = UdpSocket::bind((LOCALHOST, 0)).expect("a socket");
    let tcp = TcpListener::bind((LOCALHOST, 0)).expect("a socket");
    let ports = [udp.local_addr(), tcp.local_addr()].map(|at| at.expect("an address").port());
    let fill = |text: &str| {
        text.replace("{dir}", &dir.path().display().to_string())
            .replace("{udp}", &ports[0].to_string())
            .replace("{tcp}", &ports[1].to_string())
    };
    let mut faults = String::new();
    for row in ROWS {
        let line: Vec<String> = row.line.iter().map(|word| fill(word)).collect();
        let output = run(dir.path(), &line);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let got = (output.status.code(), stdout, stderr);
        let expected = (Some(row.code), fill(row.stdout), fill(row.stderr));
        if got != expected {
            faults.push_str(&format!(
                "{line:?}\n     got {got:?}\nexpected {expected:?}\n"
            ));
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn the_greeting_says_where_and_how() {
    let server = Server::shipped();
    let lines: Vec<&str> = server.greeting.lines().collect();
    let version = env!("CARGO_PKG_VERSION");
    let (udp, tcp) = (server.udp, server.tcp);
    assert_eq!(lines[0], format!("talkpath {version} is up"));
    let (sip, web) = lines[1].rsplit_once(", WS ws://").expect("a WebSocket");
    assert_eq!(sip, format!("  SIP    UDP {udp}, TCP {tcp}"));
    assert!(web.ends_with("/sip"), "{web}");
    assert!(
        lines[2].ends_with("/health, /metrics, /api/v1"),
        "{}",
        lines[2]
    );
    assert!(lines[3].starts_with("  page   "), "{}", lines[3]);
    assert_eq!(
        lines[4],
        "  rules  videoconf: phones dial in, browsers join, conference, browser to browser"
    );
    assert_eq!(lines[5], "  voice  espeak-ng");
    assert!(server.get("/health").contains("\"status\":\"ok\""));
}

#[test]
fn without_a_voice_the_start_says_so_once() {
    let server = Server::start(&[
        "speech.engine=command",
        "speech.command=[\"no-such-voice\"]",
    ]);
    assert!(
        server
            .greeting
            .contains("  voice  no-such-voice is not installed; only recordings in prompts\n"),
        "{}",
        server.greeting
    );
    let log = server.log();
    assert_eq!(
        log.matches("voice program is not installed").count(),
        1,
        "{log}"
    );
}
