//! What a phone sends: PCMU, digits as telephone-events first (RFC 4733), then its tone or silence.

use std::net::SocketAddr;

/// Packets per digit: five that grow, three that end, and a pause.
const DIGIT_TICKS: u32 = 10;
/// Half a second passes before the first digit, as a caller's would.
const DIGITS_AT: u32 = 25;

/// The media of a phone.
pub(super) struct Phone {
    /// Where its packets go.
    pub(super) remote: Option<SocketAddr>,
    digits: Vec<u8>,
    ticks: u32,
    ssrc: u32,
    seq: u16,
    timestamp: u32,
    event_timestamp: u32,
}

impl Phone {
    pub(super) fn new(index: usize, digits: String) -> Phone {
        Phone {
            remote: None,
            digits: digits.into_bytes(),
            ticks: 0,
            ssrc: 0x10ad_0000 + index as u32,
            seq: index as u16,
            timestamp: 0,
            event_timestamp: 0,
        }
    }

    /// The offer of a phone whose RTP comes to `local`.
    pub(super) fn offer(local: SocketAddr) -> String {
        let (ip, port) = (local.ip(), local.port());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        format!(
            "v=0\r\no=- {port} 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
        )
    }

    /// The packet of one tick: a digit, or 20 ms of `sound`, which is PCMU and goes around.
    pub(super) fn next_packet(&mut self, sound: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let tick = self.ticks;
        self.ticks += 1;
        self.seq = self.seq.wrapping_add(1);
        let digit_tick = tick.checked_sub(DIGITS_AT);
        let digit = digit_tick
            .and_then(|tick| Some((*self.digits.get((tick / DIGIT_TICKS) as usize)?, tick)));
        match digit {
            Some((digit, tick)) if tick % DIGIT_TICKS < 8 => {
                let step = tick % DIGIT_TICKS;
                if step == 0 {
                    self.event_timestamp = self.timestamp;
                }
                let event = match digit {
                    b'*' => 10,
                    b'#' => 11,
                    digit => digit.wrapping_sub(b'0'),
                };
                let end = if step >= 5 { 0x80 } else { 0 };
                let duration = (160 * (step.min(5) + 1)) as u16;
                self.write_header(out, 101, step == 0, self.event_timestamp);
                out.extend_from_slice(&[event, 10 | end]);
                out.extend_from_slice(&duration.to_be_bytes());
            }
            Some(_) | None => {
                let at = tick as usize * 160 % sound.len().max(1);
                self.write_header(out, 0, false, self.timestamp);
                out.extend_from_slice(sound.get(at..at + 160).unwrap_or(sound));
            }
        }
        self.timestamp = self.timestamp.wrapping_add(160);
    }

    fn write_header(&self, out: &mut Vec<u8>, payload_type: u8, marker: bool, timestamp: u32) {
        let marker = if marker { 0x80 } else { 0 };
        out.extend_from_slice(&[0x80, payload_type | marker]);
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
    }
}

/// Where an answer wants RTP.
pub(super) fn remote_rtp(answer: &str) -> Option<SocketAddr> {
    let mut lines = answer.lines();
    let ip = lines.find_map(|line| line.strip_prefix("c=IN IP"))?;
    let ip = ip.split_whitespace().nth(1)?.parse().ok()?;
    let port = answer
        .lines()
        .find_map(|line| line.strip_prefix("m=audio "))?;
    let port = port.split_whitespace().next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_first_and_then_the_sound() {
        let mut phone = Phone::new(3, "1#".to_owned());
        let (mut packet, mut kinds) = (Vec::new(), Vec::new());
        for _ in 0..50 {
            phone.next_packet(&[0x55; 8000], &mut packet);
            assert_eq!(packet[2..4], (4 + kinds.len() as u16).to_be_bytes());
            kinds.push((packet[1] & 0x7f, packet[12]));
        }
        let (sound, one, pound) = ((0, 0x55), (101, 1), (101, 11));
        for (range, kind) in [
            (0..25, sound),
            (25..33, one),
            (33..35, sound),
            (35..43, pound),
            (43..50, sound),
        ] {
            let all = kinds[range.clone()].iter().all(|found| *found == kind);
            assert!(all, "{range:?} {kinds:?}");
        }
    }

    #[test]
    fn the_answer_says_where_rtp_goes() {
        let answer = "v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 0\r\n";
        assert_eq!(remote_rtp(answer), "192.0.2.9:4000".parse().ok());
        assert_eq!(remote_rtp("v=0\r\n"), None);
    }
}
