//! One phone of the load: its SIP text, its RTP, and what it has heard.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::Plan;

/// Samples kept for the check of who is heard: the last second at 8 kHz.
const HEARD_SAMPLES_MAX: usize = 8000;
/// Packets per digit: five that grow, three that end, and a pause.
const DIGIT_TICKS: u32 = 10;

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// INVITE has been sent.
    Inviting,
    /// Answered; media flows.
    Up,
    /// BYE has been sent.
    Leaving,
    /// Over, well.
    Done,
    /// Refused or lost.
    Failed(u16),
}

/// One phone.
pub(super) struct Call {
    pub(super) index: usize,
    pub(super) room: usize,
    /// The tone that it sends; absent for those who only listen.
    pub(super) tone_hz: Option<f32>,
    pub(super) state: State,
    pub(super) rtp: UdpSocket,
    pub(super) local: SocketAddr,
    pub(super) remote_rtp: Option<SocketAddr>,
    pub(super) started: Instant,
    pub(super) answered_after: Option<Duration>,
    pub(super) resend_at: Option<Instant>,
    pub(super) heard: Heard,
    /// When a loud packet came first, after this was emptied.
    pub(super) loud_at: Option<Instant>,
    to: String,
    target: String,
    sending: Sending,
    sip_local: SocketAddr,
    number: String,
    server: SocketAddr,
}

/// What has come while the window was open.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) samples: Vec<i16>,
    pub(super) gaps_us: Vec<u32>,
    pub(super) received: u64,
    pub(super) lost: u64,
    last: Option<(u16, Instant)>,
}

/// The RTP stream that goes out.
struct Sending {
    digits: Vec<u8>,
    ticks: u32,
    seq: u16,
    timestamp: u32,
    event_timestamp: u32,
}

impl Call {
    pub(super) fn new(
        index: usize,
        plan: &Plan,
        rtp: UdpSocket,
        sip_local: SocketAddr,
        now: Instant,
    ) -> std::io::Result<Call> {
        let room = index % plan.rooms;
        let place = index / plan.rooms;
        let digits = plan.digits.replace("{room}", &format!("{:04}", room + 1));
        Ok(Call {
            index,
            room,
            tone_hz: (place < plan.talkers).then(|| tone_of(place)),
            state: State::Inviting,
            local: rtp.local_addr()?,
            rtp,
            remote_rtp: None,
            started: now,
            answered_after: None,
            resend_at: Some(now + Duration::from_millis(500)),
            heard: Heard::default(),
            loud_at: None,
            to: String::new(),
            target: String::new(),
            sending: Sending {
                digits: digits.into_bytes(),
                ticks: 0,
                seq: index as u16,
                timestamp: 0,
                event_timestamp: 0,
            },
            sip_local,
            number: plan.number.clone(),
            server: plan.target,
        })
    }

    pub(super) fn invite(&self) -> String {
        let (ip, port) = (self.local.ip(), self.local.port());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let sdp = format!(
            "v=0\r\no=- {port} 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
        );
        let length = sdp.len();
        let head = self.head("INVITE", 1, &self.request_uri());
        format!("{head}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}")
    }

    fn ack(&self) -> String {
        let head = self.head("ACK", 1, &self.target);
        format!("{head}Content-Length: 0\r\n\r\n")
    }

    pub(super) fn bye(&self) -> String {
        let head = self.head("BYE", 2, &self.target);
        format!("{head}Content-Length: 0\r\n\r\n")
    }

    fn request_uri(&self) -> String {
        format!("sip:{}@{}", self.number, self.server)
    }

    fn head(&self, method: &str, cseq: u32, uri: &str) -> String {
        let (index, local) = (self.index, self.sip_local);
        let to = match self.to.as_str() {
            "" => format!("<{}>", self.request_uri()),
            to => to.to_owned(),
        };
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};rport;branch=z9hG4bK-load-{index}-{cseq}-{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:load{index}@{local}>;tag=load{index}\r\nTo: {to}\r\n\
             Call-ID: load-{index}-{}@{local}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:load{index}@{local}>\r\n",
            self.local.port()
        )
    }

    /// Takes a response; returns what must be sent.
    pub(super) fn handle_response(&mut self, now: Instant, text: &str) -> Option<String> {
        let code: u16 = text.get(8..11)?.parse().ok()?;
        let cseq = header(text, "cseq")?;
        if cseq.ends_with("BYE") {
            if self.state == State::Leaving && code >= 200 {
                self.state = State::Done;
                self.resend_at = None;
            }
            return None;
        }
        match (self.state, code) {
            (State::Inviting, 100..=199) => self.resend_at = None,
            (State::Inviting, 200..=299) => {
                self.to = header(text, "to")?.to_owned();
                let contact = header(text, "contact")?;
                let start = contact.find('<').map_or(0, |at| at + 1);
                let uri = contact.get(start..)?.split('>').next()?;
                self.target = uri.to_owned();
                self.remote_rtp = remote_rtp(text);
                self.answered_after = Some(now - self.started);
                self.resend_at = None;
                self.state = State::Up;
                return Some(self.ack());
            }
            (State::Inviting, _) => {
                self.to = header(text, "to")?.to_owned();
                self.target = self.request_uri();
                self.resend_at = None;
                self.state = State::Failed(code);
                return Some(self.ack());
            }
            (State::Up | State::Leaving, 200..=299) => return Some(self.ack()),
            (State::Up | State::Leaving | State::Done | State::Failed(_), _) => {}
        }
        None
    }

    /// The packet of one tick: digits first, then the tone or silence.
    pub(super) fn next_packet(&mut self, tone: &[u8], silence: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let tick = self.sending.ticks;
        self.sending.ticks += 1;
        self.sending.seq = self.sending.seq.wrapping_add(1);
        // Half a second passes before the first digit, as a caller's would.
        let digit_tick = tick.checked_sub(25);
        let digit = digit_tick.and_then(|tick| {
            Some((
                *self.sending.digits.get((tick / DIGIT_TICKS) as usize)?,
                tick,
            ))
        });
        match digit {
            Some((digit, tick)) if tick % DIGIT_TICKS < 8 => {
                let step = tick % DIGIT_TICKS;
                if step == 0 {
                    self.sending.event_timestamp = self.sending.timestamp;
                }
                let event = match digit {
                    b'*' => 10,
                    b'#' => 11,
                    digit => digit.wrapping_sub(b'0'),
                };
                let end = if step >= 5 { 0x80 } else { 0 };
                let duration = (160 * (step.min(5) + 1)) as u16;
                self.write_header(out, 101, step == 0, self.sending.event_timestamp);
                out.extend_from_slice(&[event, 10 | end]);
                out.extend_from_slice(&duration.to_be_bytes());
            }
            Some(_) | None => {
                let payload = if self.tone_hz.is_some() {
                    tone
                } else {
                    silence
                };
                let at = tick as usize * 160 % payload.len().max(1);
                self.write_header(out, 0, false, self.sending.timestamp);
                out.extend_from_slice(payload.get(at..at + 160).unwrap_or(payload));
            }
        }
        self.sending.timestamp = self.sending.timestamp.wrapping_add(160);
    }

    fn write_header(&self, out: &mut Vec<u8>, payload_type: u8, marker: bool, timestamp: u32) {
        let marker = if marker { 0x80 } else { 0 };
        out.extend_from_slice(&[0x80, payload_type | marker]);
        out.extend_from_slice(&self.sending.seq.to_be_bytes());
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&(0x10ad_0000 + self.index as u32).to_be_bytes());
    }

    /// Counts a packet and keeps its sound when `listen` says so.
    pub(super) fn handle_rtp(
        &mut self,
        now: Instant,
        packet: &[u8],
        decode: &mut dyn FnMut(&[u8], &mut Vec<i16>),
        listen: bool,
    ) {
        let Some((head, payload)) = packet.split_at_checked(12) else {
            return;
        };
        if head.get(1).is_none_or(|byte| byte & 0x7f != 0) {
            return;
        }
        let (Some(&high), Some(&low)) = (head.get(2), head.get(3)) else {
            return;
        };
        let seq = u16::from_be_bytes([high, low]);
        // PCMU counts down from silence: a small code word is a loud sample.
        if self.loud_at.is_none() && payload.iter().any(|byte| byte & 0x7f < 0x30) {
            self.loud_at = Some(now);
        }
        let heard = &mut self.heard;
        if let Some((before, at)) = heard.last
            && listen
        {
            heard.lost += u64::from(seq.wrapping_sub(before).wrapping_sub(1).min(1000));
            heard.gaps_us.push((now - at).as_micros() as u32);
        }
        heard.last = Some((seq, now));
        if listen {
            heard.received += 1;
            if heard.samples.len() < HEARD_SAMPLES_MAX {
                decode(payload, &mut heard.samples);
            }
        }
    }
}

/// The tone of a talker: apart enough for a second of sound to tell them, all below 3400 Hz.
pub(super) fn tone_of(place: usize) -> f32 {
    400.0 + 110.0 * (place % 27) as f32
}

/// The value of the first header of this name.
pub(super) fn header<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines()
        .skip(1)
        .take_while(|line| !line.is_empty())
        .find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found
                .trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim())
        })
}

fn remote_rtp(text: &str) -> Option<SocketAddr> {
    let ip = text.lines().find_map(|line| line.strip_prefix("c=IN IP"))?;
    let ip = ip.split_whitespace().nth(1)?.parse().ok()?;
    let port = text
        .lines()
        .find_map(|line| line.strip_prefix("m=audio "))?;
    let port = port.split_whitespace().next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}
