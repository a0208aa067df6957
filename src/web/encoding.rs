//! Which form of a file a client takes: the field Accept-Encoding (RFC 9110 §12.5.3).

/// A form in which files are kept beside their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    /// The smaller form first.
    pub(super) const ALL: [Coding; 2] = [Coding::Brotli, Coding::Gzip];

    /// The word of Content-Encoding.
    pub(super) fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }
}

/// How much `field` likes a coding, in thousandths: 0 for one that it does not take. What it does
/// not name is not taken, except by `*`.
pub(super) fn weight(field: &str, coding: Coding) -> u16 {
    let mut others = 0;
    for part in field.split(',') {
        let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case(coding.name()) {
            return quality(parameters);
        }
        if name == "*" {
            others = quality(parameters);
        }
    }
    others
}

/// The value of `q=0.5`; 1 without one, and 0 for one that makes no sense.
fn quality(parameters: &str) -> u16 {
    let q = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_q = name.trim().eq_ignore_ascii_case("q");
        is_q.then(|| value.trim())
    });
    match q.map(str::parse::<f32>) {
        None => 1_000,
        Some(Ok(q)) if (0.0..=1.0).contains(&q) => (q * 1_000.0) as u16,
        Some(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Coding, weight};

    #[test]
    fn the_field_is_read_as_it_is_meant() {
        for (field, brotli, gzip) in [
            ("", 0, 0),
            ("gzip, deflate, br, zstd", 1_000, 1_000),
            ("GZIP", 0, 1_000),
            ("gzip;q=0.8, br;q=0.9", 900, 800),
            ("br ; q=0, *", 0, 1_000),
            ("*;q=0.5", 500, 500),
            ("identity", 0, 0),
            ("br;q=2, gzip;q=x", 0, 0),
            ("br;v=1;q=0.25,,", 250, 0),
            ("xgzip, brr", 0, 0),
        ] {
            let found = Coding::ALL.map(|coding| weight(field, coding));
            assert_eq!(found, [brotli, gzip], "{field}");
        }
    }
}
