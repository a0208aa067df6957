//! What somebody meant who wrote a name that is not there: a near name, a name of VoxEngine or
//! JavaScript, or something that this engine does not do.

/// Names of the scenario language that are not available.
const NOT_AVAILABLE: &[&str] = &[
    "call_phone",
    "call_user",
    "call_sip",
    "forward",
    "transfer",
    "http",
    "secret",
    "store",
    "rooms",
    "pin_guard",
    "base64",
    "sha256",
    "hmac_sha256",
];

/// Names that people bring along.
const FOREIGN: &[(&str, &str)] = &[
    ("setTimeout", "write `after(ms, handler)`"),
    ("setInterval", "write `every(ms, handler)`"),
    ("clearTimeout", "write `timer.cancel()`"),
    ("clearInterval", "write `timer.cancel()`"),
    ("addEventListener", "write `leg.on(\"event\", \"handler\")`"),
    ("removeEventListener", "write `leg.off(\"event\")`"),
    ("handleTones", "write `detect_digits(true)`"),
    ("startPlayback", "write `play(source)`"),
    (
        "VoxEngine",
        "its functions stand alone: `terminate()`, `create_conference(\"name\")`",
    ),
    ("Logger", "write `log(text)`"),
    ("console", "write `log(text)`"),
    ("JSON", "write `parse_json(text)` and `to_json(value)`"),
    (
        "Math",
        "mathematical functions stand alone: `floor(x)`, `random(1, 6)`",
    ),
    ("Date", "write `now()`, milliseconds since 1970"),
    ("undefined", "write `()` for a value that is not there"),
    ("substr", "write `text.sub_string(start, length)`"),
    ("substring", "write `text.sub_string(start, length)`"),
    ("indexOf", "write `index_of(x)`"),
    ("splice", "write `list.remove(index)`"),
    ("slice", "write `list.extract(start, length)`"),
    ("forEach", "write `for x in list { … }`"),
    ("length", "write `len()`"),
    ("toString", "write `to_string()`"),
    ("sleep", "nothing waits here: write `after(ms, handler)`"),
    ("timestamp", "write `now()`, milliseconds since 1970"),
    ("callPSTN", "`call_phone` is not available"),
    ("callUser", "`call_user` is not available"),
    (
        "exit",
        "write `return;`, or `terminate();` to end the session",
    ),
];

/// Events of VoxEngine and their words here.
const FOREIGN_EVENTS: &[(&str, &str)] = &[
    ("ToneReceived", "digit"),
    ("MessageReceived", "message"),
    ("InfoReceived", "info"),
    ("tone", "digit"),
    ("hangup", "disconnected"),
    ("answered", "connected"),
];

/// The greatest distance at which a name counts as misspelt.
const DISTANCE_MAX: usize = 2;
/// Names longer than this are not compared: the work grows with the square.
const NAME_CHARS_MAX: usize = 64;

/// The nearest of `names`, if one is near.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.chars().count() > NAME_CHARS_MAX {
        return None;
    }
    let snake = snake_case(name);
    names
        .filter(|known| *known != name)
        .map(|known| (distance(&snake, known).min(distance(name, known)), known))
        .filter(|(distance, known)| *distance <= DISTANCE_MAX && distance * 2 <= known.len())
        .min()
        .map(|(_, known)| known)
}

/// What to write instead of a function `name`.
pub(super) fn hint<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    if NOT_AVAILABLE.contains(&name) {
        return Some(format!("`{name}` is not available"));
    }
    foreign_name(name)
        .or_else(|| nearest(name, names).map(|near| format!("did you mean `{near}`?")))
}

/// What to write instead of a name of another language, or of something that is not there.
pub(super) fn foreign_name(name: &str) -> Option<String> {
    if NOT_AVAILABLE.contains(&name) {
        return Some(format!("`{name}` is not available"));
    }
    FOREIGN
        .iter()
        .find(|(foreign, _)| *foreign == name)
        .map(|(_, hint)| (*hint).to_owned())
}

/// The word here of an event of VoxEngine.
pub(super) fn foreign_event(name: &str) -> Option<String> {
    let found = FOREIGN_EVENTS.iter().find(|(foreign, _)| *foreign == name);
    found.map(|(_, word)| format!("the event is called \"{word}\""))
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Insertions, deletions and replacements between two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(from != *to);
            left = replaced.min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
