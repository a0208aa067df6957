//! What a load run is to do, and whether that can be done.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;

/// Talkers of a room whose tones differ by enough for a second of sound to tell them, all below
/// 3400 Hz.
pub(super) const TALKERS_MAX: usize = 27;
/// Lengths of a room's name.
const ROOM_LETTERS: std::ops::RangeInclusive<usize> = 3..=64;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The engine's SIP address, UDP.
    pub target: SocketAddr,
    /// What phones dial.
    pub number: String,
    /// Digits to send after the answer, such as `1234#`; `{room}` stands for the room's number.
    /// Empty: none. Browsers join the room that they name.
    pub digits: String,
    /// Phones at once.
    pub legs: usize,
    /// How many of each room's phones speak; the others send silence.
    pub talkers: usize,
    /// The browsers beside the phones.
    pub browsers: Browsers,
    /// Phones and browsers each are spread over so many rooms.
    pub rooms: usize,
    /// New calls per second.
    pub calls_per_s: f64,
    /// How long to measure once every call stands.
    pub window: Duration,
    /// How often the way from mouth to ear is timed for each kind of talker.
    pub bursts: usize,
    /// The engine's process, for CPU and memory; absent: these are not measured.
    pub pid: Option<u32>,
}

/// The browsers of a run.
#[derive(Clone, Debug)]
pub struct Browsers {
    /// Browsers at once.
    pub count: usize,
    /// How many of each room's browsers speak.
    pub talkers: usize,
    /// Host and port of the engine's HTTP.
    pub http: String,
    /// Whom the scenario lets browsers hear.
    pub hear: BrowsersHear,
}

/// Whom a browser is to hear through the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrowsersHear {
    /// The phones: browsers have each other directly, as in the scenario that ships.
    Phones,
    /// Everybody.
    All,
}

impl Plan {
    /// Looks for what cannot be done or measured.
    ///
    /// # Errors
    /// What is wrong, in words that name the option.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let (phones, browsers, rooms) = (self.legs, self.browsers.count, self.rooms);
        ensure!(
            phones + browsers > 0,
            "there is nobody to call: --legs and --browsers are both 0"
        );
        ensure!(
            (1..=phones.max(browsers)).contains(&rooms),
            "--rooms {rooms} for {phones} phones and {browsers} browsers: no room may be empty"
        );
        ensure!(
            rooms == 1 || self.digits.contains("{room}"),
            "--rooms {rooms} needs {{room}} in --digits, or all meet in one room"
        );
        let room = self.room_name(0);
        let is_room = room.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && ROOM_LETTERS.contains(&room.len());
        ensure!(
            browsers == 0 || is_room,
            "browsers join the room that --digits names, and {room:?} is none: a room is 3 to 64 \
             letters and digits"
        );
        let talkers = self.phone_talkers() + self.browser_talkers();
        ensure!(
            talkers <= TALKERS_MAX,
            "{talkers} talkers in a room cannot be told apart: at most {TALKERS_MAX} by --talkers \
             and --browser-talkers together"
        );
        Ok(())
    }

    /// All legs.
    pub(super) fn total(&self) -> usize {
        self.legs + self.browsers.count
    }

    /// The digits that lead into a room; rooms are counted from 0.
    pub(super) fn digits_of(&self, room: usize) -> String {
        let number = format!("{:04}", room + 1);
        self.digits.replace("{room}", &number)
    }

    /// The name under which browsers join a room.
    pub(super) fn room_name(&self, room: usize) -> String {
        self.digits_of(room).replace(['#', '*'], "")
    }

    /// Phones that speak in the fullest room.
    pub(super) fn phone_talkers(&self) -> usize {
        self.talkers.min(self.legs.div_ceil(self.rooms))
    }

    /// Browsers that speak in the fullest room.
    pub(super) fn browser_talkers(&self) -> usize {
        let fullest = self.browsers.count.div_ceil(self.rooms);
        self.browsers.talkers.min(fullest)
    }

    /// The room of the phone or browser with this number among its kind.
    pub(super) fn room_of(&self, number: usize) -> usize {
        number % self.rooms
    }

    /// The tone of a phone, by its number among phones; nothing when it only listens.
    pub(super) fn phone_tone(&self, number: usize) -> Option<usize> {
        Some(number / self.rooms).filter(|place| *place < self.phone_talkers())
    }

    /// The tone of a browser, by its number among browsers; those of the phones come before.
    pub(super) fn browser_tone(&self, number: usize) -> Option<usize> {
        let place = Some(number / self.rooms).filter(|place| *place < self.browser_talkers());
        place.map(|place| self.phone_talkers() + place)
    }
}

/// Host and port of `http://HOST:PORT`.
///
/// # Errors
/// What is wrong with the address.
pub fn http_authority(text: &str) -> Result<String, String> {
    let Some(rest) = text.strip_prefix("http://") else {
        let what = "browsers of this tool have no TLS: give the engine's own http://HOST:PORT";
        return Err(what.to_owned());
    };
    let authority = rest.trim_end_matches('/');
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    match has_port {
        true => Ok(authority.to_owned()),
        false => Err("write http://HOST:PORT".to_owned()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Phones and browsers of which three each talk.
    pub(in super::super) fn plan(legs: usize, browsers: usize, rooms: usize) -> Plan {
        Plan {
            target: SocketAddr::from(([127, 0, 0, 1], 5060)),
            number: "1".to_owned(),
            digits: "{room}#".to_owned(),
            legs,
            talkers: 3,
            browsers: Browsers {
                count: browsers,
                talkers: 3,
                http: String::new(),
                hear: BrowsersHear::Phones,
            },
            rooms,
            calls_per_s: 1.0,
            window: Duration::from_secs(1),
            bursts: 0,
            pid: None,
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused_in_words() {
        let digits = |digits: &str, plan: Plan| Plan {
            digits: digits.to_owned(),
            ..plan
        };
        let talkers = |talkers, plan: Plan| Plan { talkers, ..plan };
        for (plan, problem) in [
            (plan(25, 0, 1), ""),
            (plan(0, 3, 3), ""),
            (digits("", plan(25, 0, 1)), ""),
            (digits("1234#", plan(5, 5, 1)), ""),
            (plan(0, 0, 1), "there is nobody to call"),
            (plan(2, 3, 0), "--rooms 0 for 2 phones and 3 browsers"),
            (plan(2, 3, 4), "--rooms 4 for 2 phones and 3 browsers"),
            (digits("1#", plan(4, 0, 2)), "--rooms 2 needs {room} in"),
            (digits("", plan(1, 1, 1)), "and \"\" is none"),
            (digits("1,2#", plan(0, 1, 1)), "and \"1,2\" is none"),
            (talkers(24, plan(90, 90, 1)), ""),
            (
                talkers(25, plan(90, 90, 1)),
                "28 talkers in a room cannot be told apart: at most 27",
            ),
            (talkers(99, plan(9, 9, 1)), ""),
        ] {
            let said = plan
                .check()
                .map_or_else(|error| error.to_string(), |()| String::new());
            let right = said.contains(problem) && said.is_empty() == problem.is_empty();
            assert!(right, "{said:?}, not {problem:?}");
        }
    }

    #[test]
    fn talkers_of_a_room_have_tones_of_their_own() {
        let plan = plan(5, 9, 2);
        let phones: Vec<_> = (0..5)
            .map(|n| (plan.room_of(n), plan.phone_tone(n)))
            .collect();
        let browsers: Vec<_> = (0..9)
            .map(|n| (plan.room_of(n), plan.browser_tone(n)))
            .collect();
        let (a, b) = (0, 1);
        assert_eq!(
            phones,
            [
                (a, Some(0)),
                (b, Some(0)),
                (a, Some(1)),
                (b, Some(1)),
                (a, Some(2))
            ]
        );
        assert_eq!(
            browsers,
            [
                (a, Some(3)),
                (b, Some(3)),
                (a, Some(4)),
                (b, Some(4)),
                (a, Some(5)),
                (b, Some(5)),
                (a, None),
                (b, None),
                (a, None)
            ]
        );
        assert_eq!(plan.room_name(1), "0002");
        assert_eq!(plan.digits_of(1), "0002#");
    }

    #[test]
    fn the_address_of_http_is_plain_and_has_a_port() {
        for (text, authority) in [
            ("http://127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("http://[::1]:8080/", Some("[::1]:8080")),
            ("http://host", None),
            ("http://:80", None),
            ("https://host:443", None),
            ("127.0.0.1:8080", None),
        ] {
            assert_eq!(http_authority(text).ok().as_deref(), authority, "{text}");
        }
    }
}
