//! One leg of the load, a phone or a browser: how far its call has come, and what it has heard.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::browser::Browser;
use super::dialog::{Dialog, body, header, ok_for, status};
use super::hearing::{Place, is_loud};
use super::phone::{Phone, remote_rtp};
use super::report::Kind;
use crate::audio::Rate;
use crate::codec::{CodecInfo, Decoder, g711, opus};

/// Length of an RTP header without contributing sources and extension, which the engine has not.
const HEADER_BYTES: usize = 12;
/// Packets that a decoder takes before its sound counts: it begins in the middle of a stream.
const WARM_UP: u32 = 5;

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

/// What is done with packets that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listening {
    /// Nothing.
    Off,
    /// They are counted, and a second of their sound is kept.
    Window,
    /// The first loud one is looked for; tones have this amplitude.
    Burst(u16),
}

/// What differs between a phone and a browser.
pub(super) enum Media {
    Phone(Phone),
    Browser(Box<Browser>),
}

/// One leg.
pub(super) struct Leg {
    pub(super) place: Place,
    pub(super) state: State,
    pub(super) socket: UdpSocket,
    pub(super) media: Media,
    pub(super) answered_after: Option<Duration>,
    pub(super) resend_at: Option<Instant>,
    pub(super) ear: Ear,
    local: SocketAddr,
    started: Instant,
    dialog: Dialog,
}

/// What phones send, encoded beforehand.
pub(super) struct Sounds {
    /// By tone.
    pub(super) tones: Vec<Vec<u8>>,
    pub(super) silence: Vec<u8>,
}

impl Leg {
    pub(super) fn new(
        place: Place,
        dialog: Dialog,
        (socket, local): (UdpSocket, SocketAddr),
        media: Media,
        now: Instant,
    ) -> Leg {
        // What goes over a WebSocket is not lost.
        let (codec, resend_at) = match &media {
            Media::Phone(_) => (&g711::PCMU, Some(now + Duration::from_millis(500))),
            Media::Browser(_) => (&opus::OPUS, None),
        };
        Leg {
            place,
            state: State::Inviting,
            socket,
            media,
            answered_after: None,
            resend_at,
            ear: Ear::new(codec),
            local,
            started: now,
            dialog,
        }
    }

    /// Whether the call stands and its media flows.
    pub(super) fn is_up(&self) -> bool {
        let is_secured = match &self.media {
            Media::Phone(_) => true,
            Media::Browser(browser) => browser.is_secured(),
        };
        self.state == State::Up && is_secured
    }

    /// Whether it may still come up.
    pub(super) fn is_coming_up(&self) -> bool {
        match &self.media {
            Media::Phone(_) => self.state == State::Inviting,
            Media::Browser(browser) => {
                let comes = matches!(self.state, State::Inviting | State::Up);
                comes && !self.is_up() && browser.problem().is_none()
            }
        }
    }

    /// Sends INVITE.
    pub(super) fn invite(&mut self, sip: &UdpSocket) {
        let offer = match &self.media {
            Media::Phone(_) => Phone::offer(self.local),
            Media::Browser(browser) => browser.offer(self.local),
        };
        let text = self.dialog.invite(&offer);
        self.send_sip(sip, &text);
    }

    /// Sends BYE; the media of a browser ends with it.
    pub(super) fn hang_up(&mut self, now: Instant, sip: &UdpSocket) {
        self.state = State::Leaving;
        self.resend_at = self.resends().then(|| now + Duration::from_secs(1));
        let text = self.dialog.bye();
        self.send_sip(sip, &text);
        if let Media::Browser(browser) = &mut self.media {
            browser.close(now);
        }
        self.flush();
    }

    fn resends(&self) -> bool {
        matches!(self.media, Media::Phone(_))
    }

    /// Repeats what has not been answered, and lets the timers of the media run.
    pub(super) fn handle_timeout(&mut self, now: Instant, sip: &UdpSocket) {
        if self.resend_at.is_some_and(|at| at <= now) {
            self.resend_at = Some(now + Duration::from_secs(1));
            match self.state {
                State::Inviting => self.invite(sip),
                State::Leaving => {
                    let text = self.dialog.bye();
                    self.send_sip(sip, &text);
                }
                State::Up | State::Done | State::Failed(_) => {}
            }
        }
        if let Media::Browser(browser) = &mut self.media {
            browser.handle_timeout(now);
            self.flush();
        }
    }

    fn send_sip(&mut self, sip: &UdpSocket, text: &str) {
        match &mut self.media {
            // A datagram that the system does not take is repeated like one that the network
            // loses.
            Media::Phone(_) => drop(sip.send(text.as_bytes())),
            Media::Browser(browser) => browser.send_sip(text),
        }
    }

    /// Takes a message; sends what follows from it.
    pub(super) fn handle_sip(&mut self, now: Instant, text: &str, sip: &UdpSocket) {
        let reply = match status(text) {
            Some(code) => self.handle_response(now, code, text),
            None => {
                if text.starts_with("BYE ") && self.state == State::Up {
                    self.state = State::Failed(0);
                }
                (!text.starts_with("ACK ")).then(|| ok_for(text))
            }
        };
        if let Some(reply) = reply {
            self.send_sip(sip, &reply);
        }
        self.flush();
    }

    /// Takes what has come over the WebSocket of a browser.
    pub(super) fn read_websocket(&mut self, sip: &UdpSocket) {
        loop {
            let Media::Browser(browser) = &mut self.media else {
                return;
            };
            let Some(text) = browser.poll_sip() else {
                return;
            };
            self.handle_sip(Instant::now(), &text, sip);
        }
    }

    fn handle_response(&mut self, now: Instant, code: u16, text: &str) -> Option<String> {
        let cseq = header(text, "cseq")?;
        if cseq.ends_with("BYE") {
            if self.state == State::Leaving && code >= 200 {
                self.state = State::Done;
                self.resend_at = None;
            }
            return None;
        }
        match (self.state, code) {
            (State::Inviting, 100..=199) => {
                self.resend_at = None;
                if let Media::Browser(browser) = &mut self.media {
                    browser.handle_answer(now, body(text));
                }
            }
            (State::Inviting, 200..=299) => {
                let ack = self.dialog.confirm(text)?;
                match &mut self.media {
                    Media::Phone(phone) => phone.remote = remote_rtp(body(text)),
                    Media::Browser(browser) => browser.handle_answer(now, body(text)),
                }
                self.answered_after = Some(now - self.started);
                self.resend_at = None;
                self.state = State::Up;
                return Some(ack);
            }
            (State::Inviting, _) => {
                self.resend_at = None;
                self.state = State::Failed(code);
                return self.dialog.give_up(text);
            }
            (State::Up | State::Leaving, 200..=299) => return Some(self.dialog.ack_again()),
            (State::Up | State::Leaving | State::Done | State::Failed(_), _) => {}
        }
        None
    }

    /// Sends the packet of one tick; when it went out, if it did. A talker `speaks` or is silent.
    pub(super) fn speak(
        &mut self,
        speaks: bool,
        sounds: &Sounds,
        packet: &mut Vec<u8>,
    ) -> Option<Instant> {
        if self.state != State::Up {
            return None;
        }
        match &mut self.media {
            Media::Phone(phone) => {
                let remote = phone.remote?;
                let tone = self.place.tone.filter(|_| speaks);
                let sound = tone.and_then(|tone| sounds.tones.get(tone));
                phone.next_packet(sound.unwrap_or(&sounds.silence), packet);
                let now = Instant::now();
                let _ = self.socket.send_to(packet, remote);
                Some(now)
            }
            Media::Browser(browser) => {
                let (protected, remote) = browser.next_packet(speaks, packet)?;
                let now = Instant::now();
                let _ = self.socket.send_to(&protected, remote);
                Some(now)
            }
        }
    }

    /// Takes a datagram of its media.
    pub(super) fn handle_datagram(&mut self, now: Instant, datagram: &[u8], how: Listening) {
        match &mut self.media {
            Media::Phone(_) => self.ear.hear(now, datagram, how),
            Media::Browser(browser) => {
                if let Some(plain) = browser.handle_datagram(now, datagram) {
                    self.ear.hear(now, &plain, how);
                }
            }
        }
    }

    /// Sends what the media has to say beside its packets.
    pub(super) fn flush(&mut self) {
        let Media::Browser(browser) = &mut self.media else {
            return;
        };
        while let Some((datagram, remote)) = browser.poll_out() {
            // What is lost is repeated by ICE and DTLS.
            let _ = self.socket.send_to(&datagram, remote);
        }
    }
}

/// What has come while it was listened for.
pub(super) struct Ear {
    codec: &'static CodecInfo,
    decoder: Box<dyn Decoder>,
    decoded: u32,
    scratch: Vec<i16>,
    /// A second of sound at the codec's rate.
    pub(super) samples: Vec<i16>,
    pub(super) gaps_us: Vec<u32>,
    pub(super) received: u64,
    pub(super) lost: u64,
    /// When a loud packet came first, after this was emptied.
    pub(super) loud_at: Option<Instant>,
    last: Option<(u16, Instant)>,
}

impl Ear {
    fn new(codec: &'static CodecInfo) -> Ear {
        Ear {
            codec,
            decoder: (codec.decoder)(),
            decoded: 0,
            scratch: Vec::new(),
            samples: Vec::new(),
            gaps_us: Vec::new(),
            received: 0,
            lost: 0,
            loud_at: None,
            last: None,
        }
    }

    /// The rate of `samples`.
    pub(super) fn rate(&self) -> Rate {
        self.codec.audio_rate
    }

    /// Counts an RTP packet and keeps of its sound what is asked for.
    fn hear(&mut self, now: Instant, packet: &[u8], how: Listening) {
        let Some((&[_, kind, high, low, ..], payload)) = packet.split_first_chunk::<HEADER_BYTES>()
        else {
            return;
        };
        if kind & 0x7f != self.codec.payload_type {
            return;
        }
        let seq = u16::from_be_bytes([high, low]);
        let before = self.last.replace((seq, now));
        match how {
            Listening::Off => {}
            Listening::Window => {
                if let Some((before, at)) = before {
                    self.lost += u64::from(seq.wrapping_sub(before).wrapping_sub(1).min(1000));
                    self.gaps_us.push((now - at).as_micros() as u32);
                }
                self.received += 1;
                if self.samples.len() < self.codec.audio_rate.hz() as usize {
                    self.decode(payload);
                    if self.decoded > WARM_UP {
                        self.samples.append(&mut self.scratch);
                    }
                }
            }
            Listening::Burst(amplitude) => {
                self.decode(payload);
                if self.loud_at.is_none() && is_loud(&self.scratch, f32::from(amplitude)) {
                    self.loud_at = Some(now);
                }
            }
        }
    }

    fn decode(&mut self, payload: &[u8]) {
        self.scratch.clear();
        self.decoded += 1;
        // What is no sound is not heard, and is told by who hears whom.
        let _ = self.decoder.decode(payload, &mut self.scratch);
    }
}

/// The kind of a leg with this media.
impl From<&Media> for Kind {
    fn from(media: &Media) -> Kind {
        match media {
            Media::Phone(_) => Kind::Phone,
            Media::Browser(_) => Kind::Browser,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(seq: u16, kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, kind];
        packet.extend_from_slice(&seq.to_be_bytes());
        packet.extend_from_slice(&[0; 8]);
        packet.extend_from_slice(payload);
        packet
    }

    #[test]
    fn packets_are_counted_in_the_window_alone() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let mut ear = Ear::new(&g711::PCMU);
        for (ms, seq, kind, how) in [
            (0, 7, 0, Listening::Off),
            (20, 8, 0, Listening::Window),
            (20, 9, 101, Listening::Window),
            (60, 11, 0, Listening::Window),
            (80, 12, 0, Listening::Window),
            (100, 15, 0, Listening::Off),
        ] {
            ear.hear(at(ms), &packet(seq, kind, &[0x55; 160]), how);
        }
        ear.hear(at(120), &[0x80, 0], Listening::Window);
        assert_eq!((ear.received, ear.lost), (3, 2));
        assert_eq!(ear.gaps_us, [20_000_u32, 40_000, 20_000]);
        assert!(ear.samples.is_empty(), "the decoder is not warm");
    }

    #[test]
    fn a_second_of_sound_is_kept() {
        let mut ear = Ear::new(&g711::PCMU);
        for seq in 0..100 {
            let packet = packet(seq, 0, &[0x55; 160]);
            ear.hear(Instant::now(), &packet, Listening::Window);
        }
        assert_eq!(ear.samples.len(), 8000);
        assert_eq!(ear.received, 100);
    }

    #[test]
    fn the_first_loud_packet_of_either_codec_is_noted() {
        use crate::load::hearing::tone;
        for codec in [&g711::PCMU, &opus::OPUS] {
            let frame = codec.audio_rate.frame_samples();
            let mut sound = vec![0; 10 * frame];
            sound.extend(tone(400.0, 10_000.0, codec.audio_rate));
            let mut encoder = (codec.encoder)();
            let mut ear = Ear::new(codec);
            let now = Instant::now();
            for (seq, frame) in sound.chunks_exact(frame).take(20).enumerate() {
                let mut payload = Vec::new();
                encoder.encode(frame, &mut payload);
                let packet = packet(seq as u16, codec.payload_type, &payload);
                let at = now + Duration::from_millis(20 * seq as u64);
                ear.hear(at, &packet, Listening::Burst(10_000));
            }
            // The tone begins in the eleventh packet, and what Opus holds back is still in it.
            let loud = now + Duration::from_millis(200);
            assert_eq!(ear.loud_at, Some(loud), "{}", codec.name);
        }
    }
}
