//! `phone.normalize`: a dialled or displayed number as E.164. It knows how numbers are written in
//! the countries of the table; it does not know which numbers exist.

use rhai::{Dynamic, Engine};

use super::super::handle::Phone;
use super::{Entry, entry, function};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "phone",
        "normalize(number, country)",
        "The number as E.164, such as `+4930123456`, or `()` when it is none. The country \
         (`\"DE\"`) says how a number without `+` is meant.",
    ),
    entry(
        "phone",
        "mask(number)",
        "The number with stars for what strangers need not know: `+31612345678` is `+316****678`, \
         `1234` is `**34`. What is no number, such as `anonymous`, stays as it is.",
    ),
];

/// How numbers are dialled in one country: its code, the digit before national numbers, the digits
/// before international ones.
struct Plan {
    country: &'static str,
    code: &'static str,
    trunk: &'static str,
    international: &'static str,
}

macro_rules! plans {
    ($($country:literal $code:literal $trunk:literal $international:literal;)*) => {
        &[$(Plan {
            country: $country, code: $code, trunk: $trunk, international: $international,
        },)*]
    };
}

const PLANS: &[Plan] = plans! {
    "AR" "54" "0" "00"; "AT" "43" "0" "00"; "AU" "61" "0" "0011"; "BE" "32" "0" "00";
    "BG" "359" "0" "00"; "BR" "55" "0" "00"; "BY" "375" "8" "810"; "CA" "1" "1" "011";
    "CH" "41" "0" "00"; "CL" "56" "" "00"; "CN" "86" "0" "00"; "CO" "57" "0" "00";
    "CY" "357" "" "00"; "CZ" "420" "" "00"; "DE" "49" "0" "00"; "DK" "45" "" "00";
    "EE" "372" "" "00"; "EG" "20" "0" "00"; "ES" "34" "" "00"; "FI" "358" "0" "00";
    "FR" "33" "0" "00"; "GB" "44" "0" "00"; "GR" "30" "" "00"; "HK" "852" "" "001";
    "HR" "385" "0" "00"; "HU" "36" "06" "00"; "ID" "62" "0" "00"; "IE" "353" "0" "00";
    "IL" "972" "0" "00"; "IN" "91" "0" "00"; "IS" "354" "" "00"; "IT" "39" "" "00";
    "JP" "81" "0" "010"; "KE" "254" "0" "000"; "KR" "82" "0" "00"; "KZ" "7" "8" "810";
    "LT" "370" "0" "00"; "LU" "352" "" "00"; "LV" "371" "" "00"; "MT" "356" "" "00";
    "MX" "52" "" "00"; "MY" "60" "0" "00"; "NG" "234" "0" "009"; "NL" "31" "0" "00";
    "NO" "47" "" "00"; "NZ" "64" "0" "00"; "PH" "63" "0" "00"; "PL" "48" "" "00";
    "PT" "351" "" "00"; "RO" "40" "0" "00"; "RS" "381" "0" "00"; "RU" "7" "8" "810";
    "SA" "966" "0" "00"; "SE" "46" "0" "00"; "SG" "65" "" "000"; "SI" "386" "0" "00";
    "SK" "421" "0" "00"; "TH" "66" "0" "001"; "TR" "90" "0" "00"; "TW" "886" "0" "002";
    "UA" "380" "0" "00"; "US" "1" "1" "011"; "VN" "84" "0" "00"; "ZA" "27" "0" "00";
};

/// Digits of an E.164 number, with the country code (ITU-T E.164 §6; the lower end is ours).
const E164_DIGITS: std::ops::RangeInclusive<usize> = E164_DIGITS_MIN..=15;
const E164_DIGITS_MIN: usize = 7;
/// Digits of a national number in the countries of code 1.
const NANP_DIGITS: usize = 10;

pub(super) fn register(engine: &mut Engine) {
    function(
        engine,
        "normalize",
        |_: &mut Phone, number: &str, country: &str| {
            normalize(number, country).map_or(Dynamic::UNIT, Dynamic::from)
        },
    );
    function(engine, "mask", |_: &mut Phone, number: &str| mask(number));
    function(engine, "normalize", |_: &mut Phone, number: &str| {
        normalize(number, "").map_or(Dynamic::UNIT, Dynamic::from)
    });
}

/// The number with its first digits and the last three, as far as four or more stay hidden.
pub(in super::super) fn mask(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let plain = |c: char| c.is_ascii_digit() || "+ -./()\u{a0}".contains(c);
    let is_number = digits.len() >= E164_DIGITS_MIN || number.chars().all(plain);
    if digits.is_empty() || !is_number {
        return number.to_owned();
    }
    let plus = if number.trim().starts_with('+') {
        "+"
    } else {
        ""
    };
    let (first, last) = match digits.len().checked_sub(E164_DIGITS_MIN) {
        Some(more) => (more.min(3), 3),
        None => (0, digits.len().min(4) / 2),
    };
    let stars = if digits.len() < E164_DIGITS_MIN {
        "**"
    } else {
        "****"
    };
    let (head, tail) = (&digits[..first], &digits[digits.len() - last..]);
    format!("{plus}{head}{stars}{tail}")
}

/// The number as E.164.
pub(in super::super) fn normalize(number: &str, country: &str) -> Option<String> {
    let number = number.trim();
    let number = number.strip_prefix("tel:").unwrap_or(number);
    let number = number.strip_prefix("sip:").unwrap_or(number);
    let number = number.split(['@', ';']).next()?;
    let (plus, rest) = match number.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    // `+44 (0)20 …` names the digit that is not dialled from abroad.
    let rest = if plus {
        rest.replace("(0)", "")
    } else {
        rest.to_owned()
    };
    let mut digits = String::new();
    for c in rest.chars() {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' => {}
            _ => return None,
        }
    }
    let international = if plus {
        digits
    } else {
        dialled(&digits, country)?
    };
    let valid = E164_DIGITS.contains(&international.len()) && !international.starts_with('0');
    valid.then(|| format!("+{international}"))
}

/// Country code and national number of a number dialled in `country`.
fn dialled(digits: &str, country: &str) -> Option<String> {
    let plan = PLANS
        .iter()
        .find(|plan| plan.country.eq_ignore_ascii_case(country));
    let Some(plan) = plan else {
        return digits.strip_prefix("00").map(str::to_owned);
    };
    if let Some(abroad) = digits.strip_prefix(plan.international) {
        return Some(abroad.to_owned());
    }
    let with_trunk = !plan.trunk.is_empty() && digits.starts_with(plan.trunk);
    let national = if with_trunk {
        digits.get(plan.trunk.len()..)?
    } else {
        digits
    };
    if plan.code == "1" && national.len() != NANP_DIGITS {
        return None;
    }
    Some(format!("{}{national}", plan.code))
}
