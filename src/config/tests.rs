use std::path::Path;

use super::*;

fn parse(text: &str, overrides: &[&str]) -> Result<Config, String> {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    Config::parse("t.toml", text, &overrides).map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let config = parse("", &[]).expect("defaults are valid");
    assert_eq!(config, Config::default());
    let listen: Vec<String> = config.sip.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"]);
}

#[test]
fn overrides_come_after_the_file_and_in_their_order() {
    let text = "[sip]\ncalls_max = 5\ndomain = \"a.example\"\n";
    let overrides = [
        "sip.calls_max=6",
        " sip.calls_max = 7 ",
        "media.ports=30001-30004",
        "media.address=192.0.2.7",
        "sip.listen=[\"udp:[::1]:0\", \"udp:[::1]:0\"]",
        "speech.engine=none",
        "speech.voices.nl-NL/male=nl+m1",
        "rules_dir=/etc/talkpath rules",
        "log = { level = \"warn\" }",
        "log.format=json",
        "http.proxies=[192.0.2.1,192.0.2.2]",
        "stun.urls=[ stun:a.example ]",
        "turn.urls=[]",
        "stun.serve=false",
    ];
    let config = parse(text, &overrides).expect("the overrides are valid");
    assert_eq!(config.sip.calls_max, 7);
    assert_eq!(config.sip.domain.as_deref(), Some("a.example"));
    assert_eq!(config.sip.listen.len(), 2);
    assert_eq!(config.media.ports.even_ports().collect::<Vec<_>>(), [30002]);
    assert_eq!(config.media.address, Some(IpAddr::from([192, 0, 2, 7])));
    assert_eq!(config.speech.engine, SpeechEngine::None);
    assert_eq!(
        config.speech.voices.get("nl-NL/male").map(String::as_str),
        Some("nl+m1")
    );
    assert_eq!(config.http.proxies.len(), 2, "a list without quotes");
    assert_eq!(config.stun.urls, ["stun:a.example"]);
    assert!(config.turn.urls.is_empty() && !config.stun.serve);
    assert_eq!(config.rules_dir, Path::new("/etc/talkpath rules"));
    assert_eq!(
        (config.log.level, config.log.format),
        (LogLevel::Warn, LogFormat::Json)
    );
}

#[test]
fn port_ranges_give_even_ports_with_an_odd_neighbour() {
    for (range, ports) in [
        ("2000-2001", Some(vec![2000])),
        ("2000-2003", Some(vec![2000, 2002])),
        ("2001-2004", Some(vec![2002])),
        ("65534-65535", Some(vec![65534])),
        ("65533-65534", None),
        ("65535-65535", None),
        ("2000-2000", None),
        ("2001-2002", None),
        ("2003-2000", None),
        ("1022-1025", None),
        ("1024-+1030", None),
        ("1024-65536", None),
        ("2000", None),
    ] {
        let found = range
            .parse::<PortRange>()
            .ok()
            .map(|r| r.even_ports().collect::<Vec<_>>());
        assert_eq!(found, ports, "{range}");
    }
}

#[test]
fn public_urls_and_ice_urls_are_those_of_hosts() {
    for (text, url) in [
        ("https://talk.example.org", Some((true, "talk.example.org"))),
        ("http://192.0.2.1:8080/", Some((false, "192.0.2.1:8080"))),
        ("https://[2001:db8::1]", Some((true, "[2001:db8::1]"))),
        (
            "https://[2001:db8::1]:8443",
            Some((true, "[2001:db8::1]:8443")),
        ),
        ("https://", None),
        ("https://a.example//", None),
        ("https://a.example:x", None),
        ("https://me@a.example", None),
        ("ftp://a.example", None),
    ] {
        let found = text.parse::<PublicUrl>().ok();
        let found = found
            .as_ref()
            .map(|url| (url.secure, url.authority.as_str()));
        assert_eq!(found, url, "{text}");
    }
    for (text, origin) in [
        ("https://Talk.example.org/", "https://talk.example.org"),
        ("https://talk.example.org:443", "https://talk.example.org"),
        ("http://talk.example.org:443", "http://talk.example.org:443"),
        ("http://[2001:db8::1]:80", "http://[2001:db8::1]"),
    ] {
        let found = text.parse::<PublicUrl>().map(|url| url.origin());
        assert_eq!(found.as_deref(), Ok(origin));
    }
    for (text, valid) in [
        ("turn:a.example", true),
        ("turn:a.example:3478?transport=udp", true),
        ("turns:[2001:db8::1]:5349?transport=tcp", true),
        ("turn:[2001:db8::1]", true),
        ("turn:a.example?transport=sctp", false),
        ("turn:a.example:99999", false),
        ("turn://a.example", false),
        ("a.example", false),
    ] {
        assert_eq!(
            value::is_ice_url(text, &["turn:", "turns:"]),
            valid,
            "{text}"
        );
    }
}

#[test]
fn secrets_are_not_printed() {
    let config = parse("api.key = \"0123456789abcdef\"", &[]).expect("valid");
    assert!(!format!("{config:?}").contains("0123456789"));
}

#[test]
fn every_number_is_held_to_the_range_that_its_document_states() {
    let sections = Config::sections();
    let mut checked = 0;
    for key in sections.iter().flat_map(|section| &section.keys) {
        let number = |text: &str| text.parse::<i64>().ok();
        let range = key.allowed.split_once(" to ");
        let Some((min, max)) = range.and_then(|(a, b)| Some((number(a)?, number(b)?))) else {
            assert!(
                key.default.as_deref().and_then(number).is_none(),
                "{} has no range",
                key.path
            );
            continue;
        };
        checked += 1;
        for value in [min, max] {
            let set = format!("{}={value}", key.path);
            parse("", &[&set]).unwrap_or_else(|error| panic!("{error}"));
        }
        for value in [min - 1, max + 1] {
            let set = format!("{}={value}", key.path);
            let error = parse("", &[&set]).expect_err("out of range");
            let complaint = match value {
                0.. => format!("{value} is out of range"),
                _ => format!("invalid value: integer `{value}`, expected u32"),
            };
            let (path, allowed) = (&key.path, &key.allowed);
            assert_eq!(
                error,
                format!("--set {set}: {path}: {complaint}; allowed: {allowed}")
            );
        }
    }
    assert!(checked > 20, "only {checked} numbers found");
}

const LISTENERS: &str = "one to 16 of \"udp:ADDRESS:PORT\" and \"tcp:ADDRESS:PORT\", none twice";
const DIGEST: &str = "a list of \"MD5\" and \"SHA-256\", not empty, none twice";
const REACHABLE: &str = "an IP address that a peer can reach, such as \"192.0.2.1\"";
const HOST: &str = "a host name or an address, such as \"example.org\"";
const PORTS: &str = "\"FIRST-LAST\" within 1024 and 65535, with at least one even port and its odd \
                     neighbour";
const PUBLIC_URL: &str =
    "\"https://HOST\" or \"http://HOST\", with \":PORT\" where it is not the usual one";
const TURN_URLS: &str = "a list of \"turn:HOST\" or \"turns:HOST\", with port and transport where \
                         needed; it needs turn.secret";
const COMMAND: &str = "a list of texts; not empty when the engine is \"command\"";

// tidy: table
#[test]
fn every_bad_value_is_refused_with_key_place_and_allowed_values() {
    // Text of the file, place, message, allowed values (nothing: the key itself is unknown).
    for (text, place, message, allowed) in [
        (
            "sip = 3",
            "1:7",
            "sip: invalid type: integer `3`, expected a table",
            "",
        ),
        (
            "sips = 3",
            "1:1",
            "sips: unknown field `sips`, expected one of ",
            "",
        ),
        ("a = 1\na = 2", "2:1", "duplicate key", ""),
        (
            "[sip]\ncalls = 1",
            "2:1",
            "sip.calls: unknown field `calls`, expected one of ",
            "",
        ),
        (
            "rules_dir = 1",
            "1:13",
            "rules_dir: invalid type: integer `1`, expected path string",
            "a directory",
        ),
        (
            "[sip]\ncalls_max = 0",
            "2:13",
            "sip.calls_max: 0 is out of range",
            "1 to 1000000",
        ),
        (
            "sip.calls_max = \"x\"",
            "1:17",
            "sip.calls_max: invalid type: string \"x\", expected u32",
            "1 to 1000000",
        ),
        (
            "sip = { calls_max = 1.5 }",
            "1:21",
            "sip.calls_max: invalid type: floating point `1.5`, expected u32",
            "1 to 1000000",
        ),
        (
            "[sip]\nlisten = []",
            "2:10",
            "sip.listen: 0 listeners",
            LISTENERS,
        ),
        (
            "[sip]\nlisten = [\"tls:0.0.0.0:1\"]",
            "2:10",
            "sip.listen: \"tls:0.0.0.0:1\" is not a listener",
            LISTENERS,
        ),
        (
            "[sip]\nlisten = [\"udp:localhost:1\"]",
            "2:10",
            "sip.listen: \"udp:localhost:1\" is not a listener",
            LISTENERS,
        ),
        (
            "[sip]\nlisten = [\"udp:1.1.1.1:5\", \"udp:1.1.1.1:5\"]",
            "2:10",
            "sip.listen: udp:1.1.1.1:5 stands twice",
            LISTENERS,
        ),
        (
            "[sip]\ndigest = []",
            "2:10",
            "sip.digest: the list is empty or names one twice",
            DIGEST,
        ),
        (
            "[sip]\ndigest = [\"MD5\", \"MD5\"]",
            "2:10",
            "sip.digest: the list is empty or names one twice",
            DIGEST,
        ),
        (
            "[sip]\naddress = \"x\"",
            "2:11",
            "sip.address: invalid IP address syntax",
            REACHABLE,
        ),
        (
            "[sip]\naddress = \"0.0.0.0\"",
            "2:11",
            "sip.address: 0.0.0.0 cannot be reached by a peer",
            REACHABLE,
        ),
        (
            "[sip]\ndomain = \"a b\"",
            "2:10",
            "sip.domain: \"a b\" is not a host",
            HOST,
        ),
        (
            "[sip]\ndomain = \"\"",
            "2:10",
            "sip.domain: \"\" is not a host",
            HOST,
        ),
        (
            "[http]\nlisten = \"8080\"",
            "2:10",
            "http.listen: invalid socket address syntax",
            "\"ADDRESS:PORT\", such as \"127.0.0.1:8080\"",
        ),
        (
            "[http]\npublic_url = \"talk.example.org\"",
            "2:14",
            "http.public_url: \"talk.example.org\" begins with neither https:// nor http://",
            PUBLIC_URL,
        ),
        (
            "[http]\norigins = [\"https://a.example\", \"*\"]",
            "2:11",
            "http.origins: \"*\" begins with neither https:// nor http://",
            "a list of \"https://HOST\" or \"http://HOST\", with \":PORT\" where it is not the \
             usual one",
        ),
        (
            "[http]\npublic_url = \"https://a.example/b\"",
            "2:14",
            "http.public_url: \"https://a.example/b\" is not a URL of a host",
            PUBLIC_URL,
        ),
        (
            "[http]\npublic_url = \"https://a.example:0\"",
            "2:14",
            "http.public_url: \"https://a.example:0\" is not a URL of a host",
            PUBLIC_URL,
        ),
        (
            "[http]\nproxies = [\"localhost\"]",
            "2:12",
            "http.proxies: invalid IP address syntax",
            "a list of IP addresses",
        ),
        (
            "[api]\nkey = \"short\"",
            "2:7",
            "api.key: 5 characters are too few",
            "16 characters or more",
        ),
        (
            "[api]\nphone_number = \"call me\"",
            "2:16",
            "api.phone_number: \"call me\" cannot be dialled",
            "digits as they are dialled, such as \"+15550100\"",
        ),
        (
            "[stun]\nurls = [\"turn:a.example\"]",
            "2:8",
            "stun.urls: \"turn:a.example\" is not such a URL",
            "a list of \"stun:HOST\" or \"stun:HOST:PORT\"",
        ),
        (
            "[turn]\nurls = [\"turn:a.example\", \"turn:a b\"]",
            "2:8",
            "turn.urls: \"turn:a b\" is not such a URL",
            TURN_URLS,
        ),
        (
            "[media]\naddress = \"224.0.0.1\"",
            "2:11",
            "media.address: 224.0.0.1 cannot be reached by a peer",
            REACHABLE,
        ),
        (
            "[media]\nbind = \"eth0\"",
            "2:8",
            "media.bind: invalid IP address syntax",
            "an IP address; \"0.0.0.0\" is every IPv4 interface",
        ),
        (
            "media = { ports = \"20-10\" }",
            "1:19",
            "media.ports: \"20-10\" is not a range of ports",
            PORTS,
        ),
        (
            "[media]\nports = 10000",
            "2:9",
            "media.ports: invalid type: integer `10000`, expected a string",
            PORTS,
        ),
        (
            "[log]\n[speech]\nengine = \"command\"",
            "2:2",
            "speech.command: the list is empty",
            COMMAND,
        ),
        (
            "[speech]\nengine = \"command\"\ncommand = []",
            "3:11",
            "speech.command: the list is empty",
            COMMAND,
        ),
        (
            "[speech]\ncommand = \"say\"",
            "2:11",
            "speech.command: invalid type: string \"say\", expected a sequence",
            COMMAND,
        ),
        (
            "[speech]\nengine = \"festival\"",
            "2:10",
            "speech.engine: unknown variant `festival`, expected one of `espeak-ng`, \
             `command`, `none`",
            "\"espeak-ng\", \"command\" or \"none\"",
        ),
        (
            "[speech.voices]\nenglish = \"en\"",
            "1:9",
            "speech.voices: \"english\" is not \"LANGUAGE/GENDER\"",
            "a table: \"LANGUAGE/GENDER\" = \"voice\"",
        ),
        (
            "[log]\nlevel = \"loud\"",
            "2:9",
            "log.level: unknown variant `loud`, expected one of `error`, `warn`, `info`, `debug`, \
          `trace`",
            "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        ),
        (
            "[log]\nformat = \"xml\"",
            "2:10",
            "log.format: unknown variant `xml`, expected `text` or `json`",
            "\"text\" or \"json\"",
        ),
    ] {
        let error = parse(text, &[]).expect_err(text);
        let first = error.lines().next().unwrap_or("");
        let expected = match allowed {
            "" => format!("t.toml:{place}: {message}"),
            allowed => format!("t.toml:{place}: {message}; allowed: {allowed}"),
        };
        let known_to_the_end = !allowed.is_empty() || !message.ends_with("one of ");
        assert!(first.starts_with(&expected), "{error}\nis not\n{expected}");
        assert!(
            !known_to_the_end || first == expected,
            "{error}\nis not\n{expected}"
        );
        assert_eq!(error.lines().count(), 3, "no caret in\n{error}");
    }
}

#[test]
fn every_bad_override_is_named() {
    for (overrides, error) in [
        (vec!["sip"], "--set sip: not of the form key=value"),
        (
            vec!["sip.calls_max=x"],
            "--set sip.calls_max=x: sip.calls_max: invalid type: string \"x\", expected u32; \
             allowed: 1 to 1000000",
        ),
        (
            vec!["sip.calls_max=1\nx=2"],
            "--set sip.calls_max=1\nx=2: sip.calls_max: invalid type: string \"1\\nx=2\", expected \
             u32; allowed: 1 to 1000000",
        ),
        (
            vec!["sip.calls_max=0", "sip.address=192.0.2.1"],
            "--set sip.calls_max=0: sip.calls_max: 0 is out of range; allowed: 1 to 1000000",
        ),
        (
            vec!["media.webrtc_port=10000"],
            "--set media.webrtc_port=10000: media.webrtc_port: within media.ports (10000-20000); \
             allowed: 0 to 65535",
        ),
        (
            vec!["log.level=debug", "speech.engine=command"],
            "--set speech.engine=command: speech.command: the list is empty; allowed: a list of \
             texts; not empty when the engine is \"command\"",
        ),
        (
            vec!["log.level.x=1", "log.level.y.z=1"],
            "--set log.level.x=1: log.level.x: unknown variant `x`, expected one of `error`, \
             `warn`, `info`, `debug`, `trace`",
        ),
        (
            vec!["log.level=debug", "log.level.x=1"],
            "--set log.level.x=1: log.level.x: level is not a table",
        ),
        (
            vec!["log.format=xml=x"],
            "--set log.format=xml=x: log.format: unknown variant `xml=x`, \
             expected `text` or `json`; allowed: \"text\" or \"json\"",
        ),
    ] {
        assert_eq!(
            parse("", &overrides).expect_err("bad"),
            error,
            "{overrides:?}"
        );
    }
}

#[test]
fn a_file_that_is_missing_or_too_large_is_refused() {
    let missing = Config::read(Some(Path::new("no/such.toml")), &[]).expect_err("missing");
    assert!(
        missing.to_string().starts_with("no/such.toml: "),
        "{missing}"
    );
    let large = "#".repeat(1024 * 1024 + 1);
    let error = parse(&large, &[]).expect_err("too large");
    assert_eq!(
        error,
        "t.toml:1:1: the file is 1048577 bytes, at most 1048576 are allowed"
    );
}

#[test]
fn committed_documents_are_those_that_the_code_gives() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, text) in [
        ("docs/config.md", document()),
        ("talkpath.example.toml", example()),
    ] {
        if std::env::var_os("TALKPATH_UPDATE").is_some() {
            std::fs::write(root.join(file), &text).expect("the repository can be written");
        }
        let committed = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        assert!(
            committed == text,
            "{file} is old: run the tests with TALKPATH_UPDATE=1"
        );
    }
}

#[test]
fn the_example_file_is_valid_as_it_stands_and_with_every_key_set() {
    let example = example();
    assert_eq!(parse(&example, &[]), Ok(Config::default()));
    let keys_set: String = example
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let mut config = parse(&keys_set, &[]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.sip.domain.take().as_deref(), Some("example.org"));
    assert_eq!(config.sip.address.take(), config.media.address.take());
    let key = Secret("a-long-random-text".to_owned());
    assert_eq!(config.api.key.take(), Some(key.clone()));
    assert_eq!(config.turn.secret.take(), Some(key));
    let number = config.api.phone_number.take();
    assert_eq!(number, Some(PhoneNumber("+15550100".to_owned())));
    let url = config.http.public_url.take().map(|url| url.to_string());
    assert_eq!(url.as_deref(), Some("https://talk.example.org"));
    let journal = config.log.journal_dir.take();
    assert_eq!(journal, Some("var/journal".into()));
    assert_eq!(config, Config::default());
}
