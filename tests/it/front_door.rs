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
    (
        "idle/main.rhai",
        "fn on_incoming(e) { close(e.leg); }\nfn close(leg) { leg.hangup(); }\n",
    ),
    (
        "idle/draft.rhai",
        "fn on_incoming(e) {\n    e.leg.answer(;\n}\n",
    ),
    (
        "idle/lib/greet.rhai",
        "fn greet(leg) {\n    leg.say(\"Hello\");\n    close(leg);\n    clos(leg);\n}\n",
    ),
    ("idle/spare.rhai", "fn on_started(e) { }\n"),
    ("idle/main_test.rhai", "fn test() {\n    1 +;\n}\n"),
    (
        "two/a.toml",
        "[[rule]]\nname = \"x\"\npattern = '+49.*'\nscenarios = [\"main.rhai\"]\n\n\
         [rule.limits]\nsessions_max = 0\n",
    ),
    ("two/b.toml", "[rule]\nname = \"y\"\npattern = '2'\n"),
    (
        "hours/videoconf.toml",
        "[[rule]]\nname = \"office\"\npattern = '1'\nscenarios = [\"main.rhai\"]\n\
         schedule = { days = [\"mon-fri\"], from = \"08:00\", to = \"18:00\", \
         tz = \"Europe/Berlin\" }\n",
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
        "{dir}/misspelt/videoconf.toml:1:1: missing field `pattern`\n1 | [[rule]]\n  | ^^^^^^^^\n\
         {dir}/misspelt/videoconf.toml:3:1: unknown field `patern`, expected one of `name`, \
         `pattern`, `caller`, `source`, `headers`, `schedule`, `enabled`, `scenarios`, \
         `variables`, `limits`\n3 | patern = \"1\"\n  | ^^^^^^\n\
         1 rule, 4 scenarios: 2 errors, 0 warnings\n",
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
        &[
            "check",
            "--set",
            "rules_dir={dir}/rules",
            "--set",
            "scripts_dir={dir}/idle",
        ],
        1,
        "main_test.rhai:2:8: Unexpected ';'\n 2 |     1 +;\n   |        ^\n\
         draft.rhai:2:18: Unexpected ';'\n 2 |     e.leg.answer(;\n   |                  ^\n\
         lib/greet.rhai:4:5: there is no function `clos`\n 4 |     clos(leg);\n   |     ^\n\
         \u{20}hint: did you mean `close`?\n\
         draft.rhai: warning: no rule runs this scenario\n\
         lib/greet.rhai: warning: no rule lists this library\n\
         spare.rhai: warning: no rule runs this scenario\n\
         1 rule, 4 scenarios: 3 errors, 3 warnings\n",
    ),
    says(
        &[
            "check",
            "--set",
            "rules_dir={dir}/two",
            "--set",
            "scripts_dir={dir}/good",
        ],
        1,
        "{dir}/two/a.toml:3:12: pattern: a plus sign is written with a backslash: '\\+49.*'\n\
         3 | pattern = '+49.*'\n  |            ^\n\
         {dir}/two/a.toml:7:16: limits.sessions_max: from 1 to 4294967295 is allowed\n\
         7 | sessions_max = 0\n  |                ^\n\
         {dir}/two/b.toml:1:1: a rule begins with [[rule]], in double brackets\n\
         1 | [rule]\n  | ^^^^^^\n\
         2 rules, 1 scenario: 3 errors, 0 warnings\n",
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
         \u{20}  4. browser to browser (line 29): source is phone, the rule wants web\n\
         no rule matches: 404\n",
    ),
];

/// What `route --at` says of office hours in Berlin.
const MOMENTS: &[(&str, i32, &str)] = &[
    ("2026-12-24T17:59", 0, "at 2026-12-24T17:59 (Europe/Berlin)"),
    (
        "2026-12-24T18:00",
        1,
        "thu 18:00 is outside mon-fri 08:00-18:00 (Europe/Berlin)",
    ),
    ("2026-07-01T07:59Z", 0, "at 2026-07-01T07:59 (UTC+00:00)"),
    ("2026-12-24T07:00Z", 0, "matches"),
    ("2026-12-24T06:59Z", 1, "thu 07:59 is outside"),
    ("2026-07-01T06:59Z", 0, "matches"),
    (
        "2026-12-24T12:30[America/New_York]",
        1,
        "thu 18:30 is outside",
    ),
    ("Christmas", 1, "--at: write 2026-12-24T18:00"),
];

#[test]
fn route_says_what_would_happen_at_another_time() {
    let dir = tempfile::tempdir().expect("a folder");
    write_files(dir.path());
    let at = |name: &str| dir.path().join(name).display().to_string();
    let rules = format!("rules_dir={}", at("hours"));
    let scripts = format!("scripts_dir={}", at("good"));
    for (moment, code, said) in MOMENTS {
        let line = [
            "route", "--set", &rules, "--set", &scripts, "--to", "1", "--at", moment,
        ];
        let output = run(dir.path(), &line.map(str::to_owned));
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(*code), "{moment}: {text}");
        assert!(text.contains(said), "{moment}: {text}");
    }
}

/// Rules of which two have to be mended.
const HALF_BROKEN: &[(&str, &str)] = &[
    (
        "rules/a.toml",
        "[[rule]]\nname = \"one\"\npattern = '1'\nscenarios = [\"busy.rhai\"]\n\
         [[rule]]\nname = \"two\"\npattern = '2'\nscenarios = [\"broken.rhai\"]\n\
         [[rule]]\nname = \"any two\"\npattern = '2|3'\nscenarios = [\"busy.rhai\"]\n",
    ),
    (
        "rules/b.toml",
        "[[rule]]\nname = \"four\"\npattern = '4'\nscenarios = [\"busy.rhai\"]\n\
         [[rule]]\nname = \"five\"\npattern = '5\nscenarios = [\"busy.rhai\"]\n",
    ),
    (
        "scripts/busy.rhai",
        "fn on_incoming(e) { e.leg.reject(486); }\n",
    ),
    (
        "scripts/broken.rhai",
        "fn on_incoming(e) { e.leg.reject(486 }\n",
    ),
];

/// The status of the final response to a call.
fn call(server: &Server, number: &str) -> String {
    let socket = server::udp_socket();
    let local = socket.local_addr().expect("an address");
    let to = server.udp;
    let invite = format!(
        "INVITE sip:{number}@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{}\r\n\
         From: <sip:a@{local}>;tag=1\r\nTo: <sip:{number}@{to}>\r\nCall-ID: {}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:a@{local}>\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n",
        local.port(),
        local.port()
    );
    socket.send_to(invite.as_bytes(), to).expect("sent");
    let mut buffer = [0; 4000];
    loop {
        let length = socket.recv(&mut buffer).expect("an answer");
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let status = answer.split(' ').nth(1).expect("a status").to_owned();
        if !status.starts_with('1') {
            return status;
        }
    }
}

#[test]
fn serve_names_all_that_is_broken_and_starts_without_it_when_it_is_told_to() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    };
    for (name, text) in HALF_BROKEN {
        write(name, text);
    }
    let at = |name: &str| dir.path().join(name).display().to_string();
    let rules = format!("rules_dir={}", at("rules"));
    let scripts = format!("scripts_dir={}", at("scripts"));
    let line = ["serve", "--set", &rules, "--set", &scripts].map(str::to_owned);
    let refused = run(dir.path(), &line);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for part in [
        "b.toml:7:13: ",
        "broken.rhai:1:",
        "With --lenient it starts",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }

    let server = Server::start_with(&["--lenient"], &[&rules, &scripts]);
    let greeted = [
        "a: one, two (kept out), any two",
        "b: four, (the rest of the file) (kept out)",
    ];
    for line in greeted {
        assert!(
            server.greeting.contains(line),
            "{line} in {}",
            server.greeting
        );
    }
    // Two has a rule that works after the one that is kept out, and is not to fall through to it.
    let statuses = |numbers: [&str; 6]| numbers.map(|number| call(&server, number));
    let numbers = ["1", "2", "3", "4", "5", "6"];
    assert_eq!(
        statuses(numbers),
        ["486", "503", "486", "486", "503", "503"]
    );
    let log = server.log();
    assert!(log.contains("Rule is kept out until it is mended"), "{log}");

    // A reload may mend one of them, and may not break what works.
    write("scripts/broken.rhai", HALF_BROKEN[2].1);
    reload(&server, "Rules and scenarios reloaded");
    assert_eq!(
        statuses(numbers),
        ["486", "486", "486", "486", "503", "503"]
    );
    write(
        "scripts/busy.rhai",
        "fn on_incoming(e) { e.leg.reject(486 }\n",
    );
    reload(&server, "Nothing was reloaded");
    assert_eq!(
        statuses(numbers),
        ["486", "486", "486", "486", "503", "503"]
    );
}

/// Sends SIGHUP and waits for what the log says of it.
fn reload(server: &Server, said: &str) {
    server.signal("HUP");
    let end = std::time::Instant::now() + server::PATIENCE;
    while !server.log().contains(said) {
        assert!(
            std::time::Instant::now() < end,
            "no {said:?} in {}",
            server.log()
        );
        server::pause(Duration::from_millis(20));
    }
}

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
    if server::wait(&mut child, server::PATIENCE).is_none() {
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
