use std::sync::Arc;

use super::*;

fn parse(text: &str) -> Ruleset {
    match Ruleset::parse("test", "t.toml", text) {
        Ok(ruleset) => ruleset,
        Err(errors) => panic!("{}", lines(&errors)),
    }
}

fn lines(errors: &[SourceError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn call<'a>(
    destination: &'a str,
    caller: &'a str,
    source: Source,
    headers: &'a [(String, String)],
) -> CallInfo<'a> {
    CallInfo {
        destination,
        caller,
        source,
        headers,
        now_unix_s: 1_767_571_200,
    }
}

const SHIPPED: &str = include_str!("../../rules/videoconf.toml");

#[test]
fn shipped_rules_take_exactly_the_calls_they_are_for() {
    let router = Router::new(
        Ruleset::parse("videoconf", "rules/videoconf.toml", SHIPPED).expect("the shipped file"),
    );
    for (destination, source, rule) in [
        ("31201234567", Source::Phone, Some("phones dial in")),
        ("31201234567", Source::Web, None),
        ("+31201234567", Source::Phone, None),
        ("312012345678", Source::Phone, None),
        ("conf_1234", Source::Internal, Some("conference")),
        ("conf_aZ9", Source::Internal, Some("conference")),
        ("conf_1234", Source::Phone, None),
        ("conf_1234", Source::Web, None),
        ("conf_1234", Source::Api, None),
        ("conf_", Source::Internal, None),
        ("conf_1*2", Source::Internal, None),
        ("conf_1\n", Source::Internal, None),
        ("conf_1 ", Source::Internal, None),
        ("xconf_1", Source::Internal, None),
        ("", Source::Internal, None),
    ] {
        let (decision, trace) = router.decide(&call(destination, "+15550100", source, &[]));
        let name = decision.as_ref().map(|rule| rule.name.as_str());
        assert_eq!(name, rule, "{destination:?} from {source}\n{trace}");
        assert_eq!(trace.matched(), decision.as_ref());
    }
}

const MIXED: &str = r#"
[[rule]]
name = "off"
pattern = ".*"
enabled = false
scenarios = ["a.rhai"]

[[rule]]
name = "office"
pattern = '+?[1-9]\d{1,14}'
source = ["phone", "api"]
caller = '(\+1555)?\d+'
schedule = { days = ["mon-fri"], from = "08:00", to = "18:00", utc_offset = "+01:00" }
scenarios = ["a.rhai"]

[[rule]]
name = "direct"
pattern = ".*"
source = ["web"]
headers = { X-DirectCall = "true", X-Kind = "a|b" }
scenarios = ["a.rhai"]
"#;

// tidy: table
#[test]
fn the_trace_says_of_each_rule_why_it_did_not_match() {
    let router = Router::new(parse(MIXED));
    let direct = headers(&[("x-directcall", "true"), ("x-KIND", "zz"), ("X-Kind", "b")]);
    let wrong_value = headers(&[("X-DirectCall", "truest")]);
    let no_kind = headers(&[("X-DirectCall", "true")]);
    for (call, lines) in [
        (
            call("99", "+15550100", Source::Phone, &[]),
            "call to \"99\" from \"+15550100\", source phone\n\
             \x20  1. off (line 3): the rule is disabled\n\
             \x20  2. office (line 9): mon 01:00 is outside mon-fri 08:00-18:00 (UTC+01:00)\n\
             \x20  3. direct (line 17): source is phone, the rule wants web\n\
             no rule matches: 404",
        ),
        (
            CallInfo {
                now_unix_s: 1_767_571_200 + 9 * 3_600,
                ..call("+4415550100", "100", Source::Api, &[])
            },
            "call to \"+4415550100\" from \"100\", source api\n\
             \x20  1. off (line 3): the rule is disabled\n\
             \x20  2. office (line 9): matches\n\
             rule \"office\" takes the call",
        ),
        (
            call("0", "", Source::Phone, &[]),
            "call to \"0\" from an anonymous caller, source phone\n\
             \x20  1. off (line 3): the rule is disabled\n\
             \x20  2. office (line 9): pattern ^(?:\\+?[1-9]\\d{1,14})$ does not match \"0\"\n\
             \x20  3. direct (line 17): source is phone, the rule wants web\n\
             no rule matches: 404",
        ),
        (
            call("10", "", Source::Phone, &[]),
            "call to \"10\" from an anonymous caller, source phone\n\
             \x20  1. off (line 3): the rule is disabled\n\
             \x20  2. office (line 9): the call is anonymous, the rule wants a caller\n\
             \x20  3. direct (line 17): source is phone, the rule wants web\n\
             no rule matches: 404",
        ),
        (
            call("10", "bob", Source::Phone, &[]),
            "call to \"10\" from \"bob\", source phone\n\
             \x20  1. off (line 3): the rule is disabled\n\
             \x20  2. office (line 9): caller pattern ^(?:(\\+1555)?\\d+)$ does not match \"bob\"\n\
             \x20  3. direct (line 17): source is phone, the rule wants web\n\
             no rule matches: 404",
        ),
        (
            call("bob", "alice", Source::Web, &direct),
            "call to \"bob\" from \"alice\", source web\n\
             \x20  1. off (line 3): the rule is disabled\n\
             \x20  2. office (line 9): source is web, the rule wants phone or api\n\
             \x20  3. direct (line 17): matches\n\
             rule \"direct\" takes the call",
        ),
        (
            call("bob", "alice", Source::Web, &wrong_value),
            "call to \"bob\" from \"alice\", source web\n\
             \x20  1. off (line 3): the rule is disabled\n\
             \x20  2. office (line 9): source is web, the rule wants phone or api\n\
             \x20  3. direct (line 17): header X-DirectCall is \"truest\", \
             the rule wants ^(?:true)$\n\
             no rule matches: 404",
        ),
        (
            call("bob", "alice", Source::Web, &no_kind),
            "call to \"bob\" from \"alice\", source web\n\
             \x20  1. off (line 3): the rule is disabled\n\
             \x20  2. office (line 9): source is web, the rule wants phone or api\n\
             \x20  3. direct (line 17): header X-Kind is missing\n\
             no rule matches: 404",
        ),
    ] {
        let (_, trace) = router.decide(&call);
        assert_eq!(trace.to_string(), lines);
    }
}

#[test]
fn a_trace_for_the_log_masks_numbers_and_values() {
    let router = Router::new(parse(MIXED));
    let wrong_value = headers(&[("X-DirectCall", "secret")]);
    let (_, trace) = router.decide(&call("alice@home", "+15550100", Source::Web, &wrong_value));
    let masked = trace.masked().to_string();
    for secret in ["alice", "15550100", "secret"] {
        assert!(!masked.contains(secret), "{secret} in {masked}");
        assert!(
            !format!("{trace:?}").contains(secret),
            "{secret} in {trace:?}"
        );
    }
    assert!(
        masked.contains("header X-DirectCall is \"se****\""),
        "{masked}"
    );
}

#[test]
fn a_destination_beyond_the_limit_is_tried_on_no_rule() {
    let rules = parse("[[rule]]\nname = \"all\"\npattern = \".*\"\nscenarios = [\"a.rhai\"]\n");
    let router = Router::new(rules);
    let longest = "9".repeat(DESTINATION_BYTES_MAX);
    assert!(
        router
            .decide(&call(&longest, "", Source::Phone, &[]))
            .0
            .is_some()
    );
    let too_long = "9".repeat(DESTINATION_BYTES_MAX + 1);
    let (rule, trace) = router.decide(&call(&too_long, "", Source::Phone, &[]));
    assert!(rule.is_none() && trace.steps.is_empty());
    assert_eq!(
        trace.to_string().lines().last(),
        Some("no rule tried: the destination is 1025 bytes, at most 1024 are allowed")
    );
}

#[test]
fn patterns_match_the_whole_value_and_only_ascii_digits() {
    for (pattern, value, matches) in [
        ("100", "100", true),
        ("100", "1000", false),
        ("100", "x100", false),
        ("100", "100\n", false),
        ("1|2", "1", true),
        ("1|2", "12", false),
        ("(?m)1", "1\n1", false),
        (r"\d+", "٣", false),
        (r"+?[1-9]\d{1,14}", "+4930123456", true),
        (r"+?[1-9]\d{1,14}", "4930123456", true),
        (r"+?[1-9]\d{1,14}", "++4930123456", false),
        (".*", "", true),
        (".*", "any\nthing", false),
        ("(?i)true", "TRUE", true),
        ("é", "é", true),
    ] {
        let compiled = Pattern::new(pattern).expect("the row is valid");
        assert_eq!(compiled.matches(value), matches, "{pattern:?} on {value:?}");
    }
}

#[test]
fn a_full_rule_is_read_whole() {
    let ruleset = parse(
        "[[rule]]\nname = \"x\"\npattern = '1'\nsource = [\"web\"]\nenabled = false\n\
         scenarios = [\"lib/a.rhai\", \"b.rhai\"]\n\
         variables = { text = \"t\", n = -3, f = 1.5, yes = true }\n\
         limits = { sessions_max = 2 }\n",
    );
    let rule = &ruleset.rules[0];
    assert_eq!(rule.scenarios, ["lib/a.rhai", "b.rhai"]);
    assert_eq!(rule.line, 2);
    assert_eq!((rule.enabled, rule.limits.sessions_max), (false, Some(2)));
    assert_eq!(rule.sources, [Source::Web]);
    let variables: Vec<_> = rule
        .variables
        .iter()
        .map(|(k, v)| (k.as_str(), v.clone()))
        .collect();
    assert_eq!(
        variables,
        [
            ("f", Variable::Float(1.5)),
            ("n", Variable::Integer(-3)),
            ("text", Variable::Text("t".to_owned())),
            ("yes", Variable::Bool(true)),
        ]
    );
}

/// What is replaced in the good file (nothing: appended, `*`: all), with what, the error, the
/// marked text.
const BAD_FILES: &[(&str, &str, &str, &str)] = &[
    ("*", "", "1:1: the file has no [[rule]]", ""),
    (
        "",
        "patern = '2'",
        "4:1: unknown field `patern`, expected one of `name`, `pattern`, `caller`, `source`, \
         `headers`, `schedule`, `enabled`, `scenarios`, `variables`, `limits`",
        "patern",
    ),
    ("'1'", r#""(a""#, "3:12: pattern: unclosed group", "("),
    ("'1'", "'a)|(b'", "3:13: pattern: unopened group", ")"),
    ("'1'", "'+?1**)'", "3:17: pattern: unopened group", ")"),
    (
        "'1'",
        r#""\\d[""#,
        "3:11: pattern: unclosed character class",
        r#""\\d[""#,
    ),
    ("'1'", "''", "3:11: pattern: the pattern is empty", "''"),
    (
        "'1'",
        r"'(\d{1,100}){1,100}'",
        "3:11: pattern: the pattern takes more than 262144 bytes when compiled",
        r"'(\d{1,100}){1,100}'",
    ),
    (
        "'1'",
        r"'\p{L}'",
        "3:12: pattern: Unicode not allowed here",
        r"\",
    ),
    (
        "'1'",
        "7",
        "3:11: pattern: a text in quotes, not a whole number",
        "7",
    ),
    (
        "pattern = '1'\n",
        "",
        "1:1: missing field `pattern`",
        "[[rule]]",
    ),
    (
        "'1'",
        "'+49.*'",
        "3:12: pattern: a plus sign is written with a backslash: '\\+49.*'",
        "+",
    ),
    (
        "'1'",
        r#""\+49""#,
        "3:13: missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\\`, `\"`, `x`, `u`, `U`; \
         write patterns in single quotes, where \\ is a plain character",
        "+",
    ),
    (
        "[[rule]]",
        "[rule]",
        "1:1: a rule begins with [[rule]], in double brackets",
        "[rule]",
    ),
    (
        r#""x""#,
        r#"" ""#,
        "2:8: name: empty, or it holds a control character",
        r#"" ""#,
    ),
    (
        "",
        "\n[[rule]]\nname = \"x\"\npattern = '2'",
        r#"6:8: name: another rule is called "x""#,
        r#""x""#,
    ),
    (
        "",
        r#"source = ["telephone"]"#,
        r#"4:11: source: "telephone" is not phone, web, internal or api"#,
        r#""telephone""#,
    ),
    (
        "",
        "source = []",
        "4:10: source: the list is empty; leave the key out to take every source",
        "[]",
    ),
    (
        "",
        r#"source = "web""#,
        r#"4:10: source: a list, not a text: write ["web"]"#,
        r#""web""#,
    ),
    (
        "",
        "caller = '['",
        "4:11: caller: unclosed character class",
        "[",
    ),
    (
        "",
        r#"headers = { "X Y" = '1' }"#,
        r#"4:13: headers: "X Y" is not a header name"#,
        r#""X Y""#,
    ),
    (
        "",
        "headers = { X-Y = '(' }",
        "4:20: headers: unclosed group",
        "(",
    ),
    (
        "",
        r#"schedule = { day = ["mon"] }"#,
        "4:14: unknown field `day`, expected one of `days`, `from`, `to`, `tz`, \
         `utc_offset`",
        "day",
    ),
    (
        "",
        "schedule = { days = [] }",
        "4:21: schedule.days: the list is empty; leave the key out for every day, or write \
         enabled = false for none",
        "[]",
    ),
    (
        "",
        r#"schedule = { tz = "Berlin" }"#,
        "4:19: schedule.tz: `Berlin` is not the name of a time zone: Europe/Berlin",
        r#""Berlin""#,
    ),
    (
        "",
        r#"schedule = { tz = "Europe/Berlin", utc_offset = "+01:00" }"#,
        "4:49: schedule: write tz or utc_offset, not both",
        r#""+01:00""#,
    ),
    (
        "",
        r#"schedule = { days = ["monday"] }"#,
        "4:21: schedule.days: `monday` is not mon … sun, or a range: mon-fri",
        r#"["monday"]"#,
    ),
    (
        "",
        r#"schedule = { from = "24:00" }"#,
        "4:21: schedule.from: `24:00` is not 00:00 to 23:59",
        r#""24:00""#,
    ),
    (
        "",
        r#"schedule = { from = "09:00", to = "09:00" }"#,
        "4:35: schedule.to: `09:00` is not a time other than `from`",
        r#""09:00""#,
    ),
    (
        "",
        r#"schedule = { utc_offset = "CET" }"#,
        "4:27: schedule.utc_offset: `CET` is not -14:00 to +14:00, sign included",
        r#""CET""#,
    ),
    (
        "",
        r#"enabled = "no""#,
        "4:11: enabled: true or false, not a text",
        r#""no""#,
    ),
    (
        "",
        r#"scenarios = ["../a.rhai"]"#,
        "4:14: scenarios: \"../a.rhai\" is not the name of a .rhai file inside the scripts \
         directory",
        r#""../a.rhai""#,
    ),
    (
        "",
        r#"scenarios = ["/a.rhai"]"#,
        "4:14: scenarios: \"/a.rhai\" is not the name of a .rhai file inside the scripts \
         directory",
        r#""/a.rhai""#,
    ),
    (
        "",
        r#"scenarios = ["a.js"]"#,
        r#"4:14: scenarios: "a.js" is not the name of a .rhai file inside the scripts directory"#,
        r#""a.js""#,
    ),
    (
        "",
        r#"scenarios = ["a.rhai", "a.rhai"]"#,
        r#"4:24: scenarios: "a.rhai" stands twice"#,
        r#""a.rhai""#,
    ),
    (
        "",
        "variables = { a = [1] }",
        "4:19: variables: only texts, finite numbers, true and false are allowed",
        "[1]",
    ),
    (
        "",
        "variables = { a = inf }",
        "4:19: variables: only texts, finite numbers, true and false are allowed",
        "inf",
    ),
    (
        "",
        "variables = { a-b = 1 }",
        r#"4:15: variables: "a-b" is not an identifier"#,
        "a-b",
    ),
    (
        "",
        "limits = { sessions_max = 0 }",
        "4:27: limits.sessions_max: from 1 to 4294967295 is allowed",
        "0",
    ),
    (
        "",
        "limits = { sessions_max = -1 }",
        "4:27: limits.sessions_max: from 1 to 4294967295 is allowed",
        "-1",
    ),
    (
        "",
        "limits = { calls_max = 1 }",
        "4:12: unknown field `calls_max`, expected `sessions_max`",
        "calls_max",
    ),
    (
        "*",
        "[[rule]\nname = 1\n",
        "1:8: unclosed array table, expected `]`",
        "",
    ),
];

#[test]
fn every_bad_file_is_refused_with_its_place() {
    let good = "[[rule]]\nname = \"x\"\npattern = '1'\n";
    parse(good);
    for (old, new, error, marked) in BAD_FILES {
        let text = match *old {
            "" => format!("{good}{new}\n"),
            "*" => (*new).to_owned(),
            old => good.replace(old, new),
        };
        let found = Ruleset::parse("test", "t.toml", &text).expect_err(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        let found = lines(&found);
        let mut lines = found.lines();
        assert_eq!(
            lines.next(),
            Some(format!("t.toml:{error}").as_str()),
            "{found}"
        );
        let (quoted, carets) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
        let place = carets.find('^').expect("a caret");
        let width = carets.len() - place;
        let under: String = quoted.chars().skip(place).take(width).collect();
        assert_eq!(under, *marked, "{found}");
    }
}

#[test]
fn too_many_or_too_large_is_refused() {
    let rule = |n: usize| format!("[[rule]]\nname = \"r{n}\"\npattern = '{n}'\n");
    let most: String = (0..RULES_MAX).map(rule).collect();
    assert_eq!(parse(&most).rules.len(), RULES_MAX);
    let scenarios: Vec<String> = (0..=SCENARIOS_MAX)
        .map(|n| format!("\"{n}.rhai\""))
        .collect();
    for (text, error) in [
        (
            most + rule(RULES_MAX).as_str(),
            "t.toml:3001:1: at most 1000 rules are allowed",
        ),
        (
            "#".repeat(RULESET_BYTES_MAX + 1),
            "t.toml:1:1: the file is 1048577 bytes, at most 1048576 are allowed",
        ),
        (
            format!("{}scenarios = [{}]\n", rule(1), scenarios.join(",")),
            "t.toml:4:324: scenarios: at most 32 files are allowed",
        ),
        (
            rule(1).replace("'1'", &format!("'{}'", "1".repeat(PATTERN_BYTES_MAX + 1))),
            "t.toml:3:11: pattern: the pattern is 1025 bytes, at most 1024 are allowed",
        ),
    ] {
        let found = lines(&Ruleset::parse("test", "t.toml", &text).expect_err("too much"));
        assert_eq!(found.lines().next(), Some(error));
    }
}

#[test]
fn everything_that_is_wrong_is_named_and_the_rest_is_read() {
    let good = |name: &str| format!("[[rule]]\nname = \"{name}\"\npattern = '{name}'\n");
    for (text, errors, rules) in [
        (
            format!(
                "{}source = \"web\"\ncaller = '['\nlimit = 1\n{}",
                good("1"),
                good("2")
            ),
            vec!["4:10", "5:11", "6:1"],
            vec!["1 kept out", "2"],
        ),
        (
            good("1") + "patern = '1'\n\n[[rule]]\nname = \"1\"\n\n[[rule]]\n",
            vec!["4:1", "6:1", "7:8", "9:1", "9:1"],
            vec!["1 kept out", "(line 6) kept out", "(line 9) kept out"],
        ),
        (
            format!("{}{}source = [\n{}", good("1"), good("2"), good("3")),
            vec!["8:3"],
            vec!["1", "(the rest of the file) kept out"],
        ),
        (
            format!(
                "{}{}enabled =\n{}pattern =\n",
                good("1"),
                good("2"),
                good("3")
            ),
            vec!["7:10", "11:1"],
            vec!["1", "(the rest of the file) kept out"],
        ),
        (
            "[rule]\nname = \"1\"\n".to_owned(),
            vec!["1:1"],
            vec!["(the rest of the file) kept out"],
        ),
        (
            "rules = 1\n".to_owned(),
            vec!["1:1"],
            vec!["(the rest of the file) kept out"],
        ),
    ] {
        let (ruleset, found) = Ruleset::read("test", "t.toml", &text);
        let places: Vec<String> = found
            .iter()
            .map(|e| format!("{}:{}", e.line, e.column))
            .collect();
        assert_eq!(places, errors, "{text}\n{}", lines(&found));
        let name = |rule: &Arc<Rule>| match rule.kept_out {
            true => format!("{} kept out", rule.name),
            false => rule.name.clone(),
        };
        let names: Vec<String> = ruleset.rules.iter().map(name).collect();
        assert_eq!(names, rules, "{text}");
    }
}

#[test]
fn a_rule_that_is_kept_out_takes_what_it_may_have_been_meant_for() {
    let (ruleset, _) = Ruleset::read(
        "test",
        "t.toml",
        "[[rule]]\nname = \"a\"\npattern = '1('\nsource = [\"phone\"]\n\
         [[rule]]\nname = \"b\"\npattern = '.*'\n",
    );
    let router = Router::new(ruleset);
    for (source, outcome) in [
        (Source::Phone, "rule \"a\" is kept out: 503"),
        (Source::Web, "rule \"b\" takes the call"),
    ] {
        let (_, trace) = router.decide(&call("77\n", "", source, &[]));
        let trace = trace.to_string();
        let last = if source == Source::Web {
            "no rule matches: 404"
        } else {
            outcome
        };
        assert_eq!(trace.lines().last(), Some(last), "{trace}");
        let (_, trace) = router.decide(&call("77", "", source, &[]));
        assert_eq!(trace.to_string().lines().last(), Some(outcome));
    }
}

/// Lints rules given as `name|pattern|rest of the rule`; every rule runs `ok.rhai` unless it says
/// other.
fn lint_rows(rules: &[&str]) -> Vec<String> {
    let mut text = String::new();
    for rule in rules {
        let mut parts = rule.splitn(3, '|');
        let mut part = || parts.next().unwrap_or("");
        let (name, pattern, rest) = (part(), part().replace('¦', "|"), part());
        text += &format!("[[rule]]\nname = \"{name}\"\npattern = '{pattern}'\n{rest}\n");
        if !rest.contains("scenarios") {
            text += "scenarios = [\"ok.rhai\"]\n";
        }
    }
    let files = [
        ("ok.rhai", Ok(())),
        ("conf.rhai", Ok(())),
        ("bad.rhai", Err("line 3: `;`")),
    ];
    let files = files.map(|(name, state): (&str, Result<(), &str>)| {
        (name.to_owned(), state.map_err(str::to_owned))
    });
    lint(&[], &parse(&text), &ScenarioFiles::from(files))
        .iter()
        .map(ToString::to_string)
        .collect()
}

// tidy: table
#[test]
fn the_lint_finds_rules_that_cannot_work_as_meant() {
    let conference = "conf|conf_[0-9]+|source = [\"internal\"]\nscenarios = [\"conf.rhai\"]";
    let shadowed = |rule: &str, line: usize, by: &str, by_line: usize| {
        format!(
            "line {line}: warning: rule \"{rule}\": never matches: rule \"{by}\" (line {by_line}) \
             takes every call that it would take"
        )
    };
    for (rules, findings) in [
        (vec!["a|1|", "b|2|"], vec![]),
        (vec!["a|1|", "b|1|"], vec![shadowed("b", 7, "a", 2)]),
        (vec!["a|1.*|", "b|100¦101|"], vec![shadowed("b", 7, "a", 2)]),
        (vec!["a|1.*|", "b|100¦201|"], vec![]),
        (vec!["a|1|source = [\"web\"]", "b|1|"], vec![]),
        (
            vec!["a|1|source = [\"web\"]", "b|1|source = [\"web\"]"],
            vec![shadowed("b", 7, "a", 2)],
        ),
        (vec!["a|1|caller = '5'", "b|1|"], vec![]),
        (
            vec!["a|1|caller = '5.*'", "b|1|caller = '55'"],
            vec![shadowed("b", 7, "a", 2)],
        ),
        (vec!["a|1|caller = '.+'", "b|1|"], vec![]),
        (
            vec!["a|1|caller = '.*'", "b|1|"],
            vec![shadowed("b", 7, "a", 2)],
        ),
        (vec!["a|1|headers = { X-A = '1' }", "b|1|"], vec![]),
        (
            vec![
                "a|1|headers = { x-a = '.*' }",
                "b|1|headers = { X-A = '1', X-B = '1' }",
            ],
            vec![shadowed("b", 7, "a", 2)],
        ),
        (vec!["a|1|schedule = { from = \"08:00\" }", "b|1|"], vec![]),
        (
            vec![
                "a|1|schedule = { from = \"08:00\" }",
                "b|1|schedule = { from = \"08:00\" }",
            ],
            vec![shadowed("b", 7, "a", 2)],
        ),
        (
            vec!["a|1|enabled = false", "b|1|"],
            vec!["line 2: warning: rule \"a\": is disabled and never matches".to_owned()],
        ),
        (
            vec!["a|1|scenarios = []"],
            vec![
                "line 2: error: rule \"a\": has no scenarios, so the calls that it takes cannot run"
                    .to_owned(),
            ],
        ),
        (
            vec!["a|1|scenarios = [\"ok.rhai\", \"none.rhai\", \"bad.rhai\"]"],
            vec![
                "line 2: error: rule \"a\": scenario none.rhai does not exist".to_owned(),
                "line 2: error: rule \"a\": scenario bad.rhai does not compile: line 3: `;`"
                    .to_owned(),
            ],
        ),
        (
            vec!["all|.*|", "b|1|"],
            vec![
                "line 2: warning: rule \"all\": takes every destination but is not the last rule \
                 for its sources"
                    .to_owned(),
                shadowed("b", 7, "all", 2),
            ],
        ),
        (
            vec!["all|.*|source = [\"web\"]", "b|1|source = [\"phone\"]"],
            vec![],
        ),
        (vec!["all|.*|headers = { X-A = '1' }", "b|1|"], vec![]),
        (
            vec![
                conference,
                "p2p|.*|source = [\"web\"]\nheaders = { X-DirectCall = 'true' }",
            ],
            vec![],
        ),
        (
            vec!["a|conf_.*|source = [\"internal\", \"web\", \"phone\"]"],
            vec![
                "line 2: error: rule \"a\": matches the conference name conf_1 for calls from \
                 phone, web; conferences are for source = [\"internal\"]"
                    .to_owned(),
            ],
        ),
        (
            vec!["a|conf_1234|"],
            vec![
                "line 2: error: rule \"a\": matches the conference name conf_1234 for calls from \
                 phone, web, api; conferences are for source = [\"internal\"]"
                    .to_owned(),
            ],
        ),
        (
            vec![
                conference,
                "a|300|source = [\"api\"]\nscenarios = [\"ok.rhai\", \"conf.rhai\"]",
            ],
            vec![
                "line 7: error: rule \"a\": runs conf.rhai for calls from api, which rule \"conf\" \
                 keeps for internal calls"
                    .to_owned(),
            ],
        ),
        (
            vec![conference, "all|.*|"],
            vec![
                "line 7: warning: rule \"all\": also takes internal calls with a conference name \
                 that no other rule matches; name its sources"
                    .to_owned(),
            ],
        ),
    ] {
        assert_eq!(lint_rows(&rules), findings, "{rules:?}");
    }
}

/// The findings about one rule, without line and name.
fn findings_of<'a>(rule: &str, findings: &'a [String]) -> Vec<&'a str> {
    let of = format!("rule \"{rule}\": ");
    findings
        .iter()
        .filter_map(|text| Some(text.split_once(&of)?.1))
        .collect()
}

// tidy: table
#[test]
fn the_lint_compares_all_values_of_patterns() {
    let web = "source = [\"web\"]";
    let phone = "source = [\"phone\"]";
    let office = "schedule = { days = [\"mon-fri\"], from = \"08:00\", to = \"18:00\" }";
    let (one, two) = (
        "rule \"a\" (line 2)",
        "rules \"a\" (line 2), \"b\" (line 7)",
    );
    for (rules, by) in [
        (vec![r"a|\d+|", r"z|\d{3}|"], Some(one)),
        (vec![r"a|\d{3}|", r"z|\d+|"], None),
        (vec![r"a|[0-4]\d*|", r"b|[5-9]\d*|", r"z|\d+|"], Some(two)),
        (vec![r"a|[0-4]\d*|", r"b|[6-9]\d*|", r"z|\d+|"], None),
        (
            vec![
                "a|1|source = [\"web\", \"api\"]",
                "b|1|source = [\"phone\", \"internal\"]",
                "z|1|",
            ],
            Some(two),
        ),
        (
            vec![
                "a|1|source = [\"web\", \"api\"]",
                "b|1|source = [\"phone\"]",
                "z|1|",
            ],
            None,
        ),
        (
            vec![r"a|1|caller = '\d+'", "z|1|caller = '[1-3]{4}'"],
            Some(one),
        ),
        (vec![r"a|1|caller = '\d+'", r"z|1|caller = '\+?\d+'"], None),
        (
            vec![
                r"a|1|headers = { x-a = '\d+' }",
                "z|1|headers = { X-A = '7' }",
            ],
            Some(one),
        ),
        (
            vec![
                &*format!("a|1|{office}"),
                "z|1|schedule = { days = [\"tue\"], from = \"09:00\", to = \"10:00\" }",
            ],
            Some(one),
        ),
        (
            vec![
                &*format!("a|1|{office}"),
                "z|1|schedule = { days = [\"tue\"], from = \"09:00\", to = \"18:01\" }",
            ],
            None,
        ),
        (
            vec![
                &*format!("a|1|{office}"),
                "z|1|schedule = { days = [\"tue\"], from = \"09:00\", to = \"10:00\", \
                 utc_offset = \"+01:00\" }",
            ],
            Some(one),
        ),
        (
            vec![
                &*format!("a|1|{office}"),
                "z|1|schedule = { days = [\"tue\"], from = \"09:00\", to = \"10:00\", \
                 tz = \"Europe/Berlin\" }",
            ],
            None,
        ),
        (
            vec![
                "a|1|schedule = { from = \"08:00\", to = \"20:00\" }",
                "b|1|schedule = { from = \"20:00\", to = \"08:00\" }",
                "z|1|",
            ],
            Some(two),
        ),
        (
            vec![
                "a|1|schedule = { from = \"08:00\", to = \"20:00\", tz = \"Europe/Berlin\" }",
                "b|1|schedule = { from = \"20:00\", to = \"08:00\", tz = \"Europe/Berlin\" }",
                "z|1|",
            ],
            Some(two),
        ),
        (
            vec![
                "a|1|schedule = { from = \"08:00\", to = \"20:00\" }",
                "b|1|schedule = { from = \"20:00\", to = \"07:59\" }",
                "z|1|",
            ],
            None,
        ),
        (
            vec![&*format!("a|.+|{web}"), &*format!("z|.+|{phone}")],
            None,
        ),
    ] {
        let findings = lint_rows(&rules);
        let by = by.map(|by| {
            let takes = if by == one { "takes" } else { "together take" };
            let the = if by == one { "" } else { "the " };
            format!("never matches: {the}{by} {takes} every call that it would take")
        });
        assert_eq!(
            findings_of("z", &findings),
            by.iter().collect::<Vec<_>>(),
            "{rules:?}"
        );
    }
}

#[test]
fn the_lint_finds_patterns_that_no_call_has() {
    let uri = "is compared with the user part alone, without `sip:` and without `@` and host";
    for (rule, severity, text) in [
        (
            "z|1$0|",
            "error",
            "pattern \"1$0\" fits no value at all".to_owned(),
        ),
        (
            "z|1|caller = 'a^b'",
            "error",
            "caller \"a^b\" fits no value at all".to_owned(),
        ),
        (
            "z|1|headers = { X-A = '$a' }",
            "error",
            "headers \"$a\" fits no value at all".to_owned(),
        ),
        (
            "z|sip:100@.*|",
            "warning",
            format!("pattern \"sip:100@.*\" {uri}"),
        ),
        (
            "z|1|caller = '.*@example.org'",
            "warning",
            format!("caller \".*@example.org\" {uri}"),
        ),
        (
            r"z|49\\d+|",
            "warning",
            r"pattern '49\\d+' wants a backslash; in single quotes \d is written with one"
                .to_owned(),
        ),
    ] {
        let line = format!("line 2: {severity}: rule \"z\": never matches: {text}");
        assert_eq!(lint_rows(&[rule]), [line], "{rule}");
    }
    assert_eq!(
        lint_rows(&["z|1|headers = { X-A = 'sip:.*' }"]),
        Vec::<String>::new()
    );
    assert_eq!(lint_rows(&["z|(sip:)?100|"]), Vec::<String>::new());
}

#[test]
fn conference_names_are_for_internal_calls_whatever_the_pattern() {
    for (pattern, name) in [
        ("conf_[a-z]+", Some("conf_a")),
        ("conf_9{7}", Some("conf_9999999")),
        (".onf.x?", Some("conf_x")),
        ("(?i)CONF_Q", Some("conf_q")),
        (r"\w+", Some("conf_1")),
        ("conf_", Some("conf_")),
        ("conf-[a-z]+", None),
        (".{1,64}", None),
        (".+", None),
    ] {
        let findings = lint_rows(&[&format!("z|{pattern}|source = [\"phone\"]")]);
        let text = name.map(|name| {
            format!(
                "matches the conference name {name} for calls from phone; conferences are for \
                 source = [\"internal\"]"
            )
        });
        assert_eq!(
            findings_of("z", &findings),
            text.iter().collect::<Vec<_>>(),
            "{pattern}"
        );
    }
}

#[test]
fn what_cannot_be_decided_is_a_note() {
    let findings = lint_rows(&["a|[01]*1[01]{20}|", "z|1|"]);
    let text = "has patterns that are too large to be compared with those of other rules";
    assert_eq!(findings_of("a", &findings), [text]);
    assert_eq!(findings_of("z", &findings), [text]);
    assert!(findings[0].starts_with("line 2: note: "), "{findings:?}");
}

#[test]
fn rules_of_an_earlier_file_hide_those_of_a_later_one_but_not_for_internal_calls() {
    let earlier = parse("[[rule]]\nname = \"a\"\npattern = '1.*'\nscenarios = [\"ok.rhai\"]\n");
    let scenarios = ScenarioFiles::from([("ok.rhai".to_owned(), Ok(()))]);
    for (sources, found) in [
        ("[\"phone\", \"web\"]", 1),
        ("[\"phone\", \"internal\"]", 0),
    ] {
        let later = format!(
            "[[rule]]\nname = \"z\"\npattern = '12'\nsource = {sources}\n\
             scenarios = [\"ok.rhai\"]\n"
        );
        let findings = lint(&[&earlier], &parse(&later), &scenarios);
        let texts: Vec<&str> = findings
            .iter()
            .map(|finding| finding.text.as_str())
            .collect();
        let text = "never matches: rule \"a\" (t.toml:2) takes every call that it would take";
        assert_eq!(texts, vec![text; found], "{sources}");
    }
}

#[test]
fn a_thousand_rules_are_decided() {
    let rules: Vec<String> = (0..RULES_MAX - 1)
        .map(|n| format!("r{n}|{}\\d?|", 3_000 + n))
        .collect();
    let mut rows: Vec<&str> = rules.iter().map(String::as_str).collect();
    rows.push("z|3[0-9]{3}|");
    let findings = lint_rows(&rows);
    assert_eq!(
        findings,
        Vec::<String>::new(),
        "3999 has no rule of its own"
    );
}

#[test]
fn the_shipped_rules_are_free_of_findings() {
    let ruleset = Ruleset::parse("videoconf", "rules/videoconf.toml", SHIPPED).expect("valid");
    let files = [
        "pstn_gatekeeper.rhai",
        "gatekeeper.rhai",
        "conference.rhai",
        "p2p.rhai",
    ]
    .map(|name| (name.to_owned(), Ok(())));
    assert_eq!(lint(&[], &ruleset, &ScenarioFiles::from(files)), []);
}

#[test]
fn the_rules_in_the_documents_are_valid() {
    let document = include_str!("../../docs/rules.md");
    let blocks: Vec<&str> = document
        .split("```toml\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        parse(block);
    }
}
