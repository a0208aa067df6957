//! The offer/answer state of one dialog (RFC 3264): which line and codec are taken, what is
//! answered, what our own offers say, and the numbers that must stay the same from one exchange to
//! the next: the o= line, the order of media lines (§8), and the payload types (§8.3.2).

use std::net::IpAddr;

use super::audio_line::{self, RemoteAudio, Transport};
use super::description::{Connection, Description, Media, Origin};
use super::format::{Formats, GivenNumbers, Meaning};
use super::webrtc_line::{self, OurWebRtc, Theirs};
use super::{Agreed, Direction, Local, Refusal, TelephoneEvent};
use crate::codec::CodecInfo;

/// The profile of our own first offer.
const PROFILE: &str = "RTP/AVP";

/// Offer and answer of one dialog with one audio stream.
#[derive(Clone, Debug)]
pub struct Negotiation {
    codecs: &'static [&'static CodecInfo],
    given: GivenNumbers,
    written: Written,
    pending: Option<Pending>,
    current: Option<Current>,
}

/// What was written last, from which the next o= line follows.
#[derive(Clone, Debug)]
struct Written {
    session_id: u64,
    /// 0 before the first body.
    version: u64,
    /// The address in o= names the session and does not follow ours.
    origin: Option<IpAddr>,
    description: Option<Description>,
}

/// An offer of ours and whether it has been answered. It is kept after its answer, because a later
/// response may answer it again (RFC 3261 §13.2.1: 183, then 200, perhaps of another fork).
#[derive(Clone, Debug)]
struct Pending {
    media: Vec<Media>,
    audio_index: usize,
    formats: Formats,
    local: Local,
    want: Direction,
    rtcp_mux: bool,
    webrtc: Option<OurWebRtc>,
    body: Vec<u8>,
    answered: bool,
}

#[derive(Clone, Debug)]
struct Current {
    agreed: Agreed,
    media: Vec<Media>,
    audio_index: usize,
    webrtc: Option<OurWebRtc>,
    body: Vec<u8>,
}

/// The line that is taken of an offer.
struct Chosen {
    audio_index: usize,
    formats: Formats,
    agreed: Agreed,
    webrtc: Option<OurWebRtc>,
}

impl Negotiation {
    /// Nothing is agreed. `session_id` is the number in our o= line, the same for the whole dialog;
    /// `codecs` are entries of [`CODECS`](crate::codec::CODECS), the preferred first.
    pub fn new(session_id: u64, codecs: &'static [&'static CodecInfo]) -> Self {
        let written = Written {
            session_id,
            version: 0,
            origin: None,
            description: None,
        };
        Self {
            codecs,
            given: GivenNumbers::default(),
            written,
            pending: None,
            current: None,
        }
    }

    /// Answers an offer: the first audio line that can be used, its first codec that we have,
    /// telephone-event beside it; every other line with port 0. `want` limits what we do
    /// ([`Direction::SendRecv`] limits nothing). Returns the body and what is agreed with it.
    ///
    /// # Errors
    /// [`Refusal`]; what was agreed before stays in force. Where several lines could carry audio,
    /// the error is that of the first. [`Refusal::OfferPending`] while an offer of ours waits.
    pub fn answer(
        &mut self,
        offer: &[u8],
        local: &Local,
        want: Direction,
    ) -> Result<(Vec<u8>, Agreed), Refusal> {
        if self
            .pending
            .as_ref()
            .is_some_and(|pending| !pending.answered)
        {
            return Err(Refusal::OfferPending);
        }
        let offer = Description::parse(offer)?;
        let Chosen {
            audio_index,
            formats,
            agreed,
            webrtc,
        } = self.choose(&offer, local, want)?;
        let ours = agreed_formats(&agreed);
        let transport = transport(webrtc.as_ref(), agreed.rtcp_mux);
        let write = |(index, line): (usize, &Media)| {
            if index == audio_index {
                audio_line::write(&line.protocol, &ours, local, agreed.direction, transport)
            } else if webrtc.is_some() {
                webrtc_line::refused(line)
            } else {
                line.refused()
            }
        };
        let media: Vec<Media> = offer.media.iter().enumerate().map(write).collect();
        let body = self.written.write(local, media.clone(), webrtc.as_ref());
        self.given.learn(&formats);
        self.pending = None;
        self.current = Some(Current {
            agreed: agreed.clone(),
            media,
            audio_index,
            webrtc,
            body: body.clone(),
        });
        Ok((body, agreed))
    }

    /// Offers every codec, the one in use first, with the payload types and media lines of earlier
    /// exchanges. Replaces an offer that waits for its answer.
    pub fn offer(&mut self, local: &Local, want: Direction) -> Vec<u8> {
        let current = self.current.as_ref();
        let in_use = current.map(|current| current.agreed.codec);
        let others = self.codecs.iter().copied();
        let others = others.filter(|codec| in_use.is_none_or(|used| !std::ptr::eq(used, *codec)));
        let codecs: Vec<&'static CodecInfo> = in_use.into_iter().chain(others).collect();
        let formats = self.given.formats(&codecs);
        let rtcp_mux = current.is_some_and(|current| current.agreed.rtcp_mux);
        let audio_index = current.map_or(0, |current| current.audio_index);
        let lines = current.map_or(&[][..], |current| current.media.as_slice());
        let webrtc = local.webrtc.as_ref().map(|ours| {
            OurWebRtc::offer(ours, current.and_then(|current| current.webrtc.as_ref()))
        });
        let first = webrtc.as_ref().map_or(PROFILE, |_| webrtc_line::PROFILE);
        let profile = lines
            .get(audio_index)
            .map_or(first, |line| line.protocol.as_str());
        let transport = transport(webrtc.as_ref(), rtcp_mux);
        let audio = audio_line::write(profile, &formats, local, want, transport);
        let mut media = lines.to_vec();
        match media.get_mut(audio_index) {
            Some(line) => *line = audio,
            None => media.push(audio),
        }
        let body = self.written.write(local, media.clone(), webrtc.as_ref());
        self.pending = Some(Pending {
            media,
            audio_index,
            formats,
            local: local.clone(),
            want,
            rtcp_mux,
            webrtc,
            body: body.clone(),
            answered: false,
        });
        body
    }

    /// Takes the answer to our offer. May be called again with the answer of a later response to
    /// the same offer.
    ///
    /// # Errors
    /// [`Refusal::NoOffer`] when we made none or an offer of the peer's came after it; else what
    /// is wrong with the answer. The offer then still waits: give it up with
    /// [`Negotiation::rollback`].
    pub fn accept_answer(&mut self, answer: &[u8]) -> Result<Agreed, Refusal> {
        let pending = self.pending.as_mut().ok_or(Refusal::NoOffer)?;
        let answer = Description::parse(answer)?;
        let agreed = pending.read_answer(&answer, self.codecs)?;
        pending.answered = true;
        self.given.learn(&pending.formats);
        self.current = Some(Current {
            agreed: agreed.clone(),
            media: pending.media.clone(),
            audio_index: pending.audio_index,
            webrtc: pending.webrtc.clone(),
            body: pending.body.clone(),
        });
        Ok(agreed)
    }

    /// Gives up an offer that was refused or never answered. What was agreed before stays in force.
    pub fn rollback(&mut self) {
        self.pending = None;
    }

    /// What is agreed; nothing before the first exchange.
    pub fn current(&self) -> Option<&Agreed> {
        self.current.as_ref().map(|current| &current.agreed)
    }

    /// Our side of what is agreed, as it was sent; nothing before the first exchange.
    pub fn current_local(&self) -> Option<&[u8]> {
        self.current.as_ref().map(|current| current.body.as_slice())
    }

    /// The line to take, with its index and formats.
    fn choose(
        &self,
        offer: &Description,
        local: &Local,
        want: Direction,
    ) -> Result<Chosen, Refusal> {
        let mut refusal = None;
        let lines = offer.media.iter().enumerate();
        for (index, media) in lines.filter(|(_, media)| audio_line::is_usable(media, local)) {
            let formats = Formats::of(media, self.codecs, &[]);
            match self.read_offer(offer, media, &formats, local) {
                Ok((mut agreed, webrtc)) => {
                    agreed.direction = agreed.direction.limited_to(want);
                    return Ok(Chosen {
                        audio_index: index,
                        formats,
                        agreed,
                        webrtc,
                    });
                }
                Err(error) => _ = refusal.get_or_insert(error),
            }
        }
        Err(refusal.unwrap_or(Refusal::NoAudio))
    }

    fn read_offer(
        &self,
        offer: &Description,
        media: &Media,
        formats: &Formats,
        local: &Local,
    ) -> Result<(Agreed, Option<OurWebRtc>), Refusal> {
        let (payload_type, codec) = formats
            .first_codec()
            .ok_or(Refusal::NoCommonCodec { line: media.line })?;
        let remote = RemoteAudio::read(offer, media, local)?;
        let event = formats.telephone_event(codec.clock_rate_hz);
        let telephone_event = event.map(|(number, clock_rate_hz)| TelephoneEvent {
            payload_type_out: number,
            payload_type_in: number,
            clock_rate_hz,
        });
        let numbers = [Some(payload_type), event.map(|(number, _)| number)];
        let rtcp_mux = remote.rtcp_mux
            && numbers
                .into_iter()
                .flatten()
                .all(audio_line::suits_rtcp_mux);
        let earlier = self.current().and_then(|agreed| agreed.webrtc.as_deref());
        let webrtc = match &local.webrtc {
            None => None,
            Some(local) => {
                let theirs = Theirs::read(offer, media)?;
                if !rtcp_mux {
                    let (line, problem) = (media.line, "has payload types that look like RTCP");
                    return Err(Refusal::WebRtc { line, problem });
                }
                let ours = theirs.answer(local, earlier);
                Some((theirs.agreed(&ours), ours))
            }
        };
        let (remote_webrtc, our_webrtc) = webrtc.unzip();
        let agreed = Agreed {
            codec,
            payload_type_out: payload_type,
            payload_type_in: payload_type,
            telephone_event,
            remote_rtp: remote.rtp,
            remote_rtcp: remote.rtcp(rtcp_mux),
            rtcp_mux,
            direction: remote.direction.reversed(),
            remote_hold: !remote.direction.receive(),
            remote_ptime_ms: remote.ptime_ms,
            webrtc: remote_webrtc.map(Box::new),
        };
        Ok((agreed, our_webrtc))
    }
}

impl Pending {
    fn read_answer(
        &self,
        answer: &Description,
        codecs: &[&'static CodecInfo],
    ) -> Result<Agreed, Refusal> {
        let media = answer
            .media
            .get(self.audio_index)
            .ok_or(Refusal::AnswerMismatch)?;
        if !media.kind.eq_ignore_ascii_case("audio") {
            return Err(Refusal::AnswerMismatch);
        }
        if !audio_line::is_usable(media, &self.local) {
            return Err(Refusal::NoAudio);
        }
        let formats = Formats::of(media, codecs, &self.formats.0);
        let not_offered = Refusal::CodecNotOffered { line: media.line };
        let (payload_type_out, codec) = formats.first_codec().ok_or(not_offered.clone())?;
        let payload_type_in = self
            .formats
            .number_of(&Meaning::Codec(codec))
            .ok_or(not_offered)?;
        let telephone_event =
            formats
                .telephone_event(codec.clock_rate_hz)
                .and_then(|(number, clock_rate_hz)| {
                    let ours = self
                        .formats
                        .number_of(&Meaning::TelephoneEvent(clock_rate_hz))?;
                    let (payload_type_out, payload_type_in) = (number, ours);
                    Some(TelephoneEvent {
                        payload_type_out,
                        payload_type_in,
                        clock_rate_hz,
                    })
                });
        let remote = RemoteAudio::read(answer, media, &self.local)?;
        let webrtc = match &self.webrtc {
            None => None,
            Some(ours) => Some(Box::new(Theirs::read(answer, media)?.agreed(ours))),
        };
        let rtcp_mux = webrtc.is_some() || self.rtcp_mux && remote.rtcp_mux;
        Ok(Agreed {
            codec,
            payload_type_out,
            payload_type_in,
            telephone_event,
            remote_rtp: remote.rtp,
            remote_rtcp: remote.rtcp(rtcp_mux),
            rtcp_mux,
            direction: remote.direction.reversed().limited_to(self.want),
            // Who was not offered anything to hear does not hold us by not hearing.
            remote_hold: self.want.send() && !remote.direction.receive(),
            remote_ptime_ms: remote.ptime_ms,
            webrtc,
        })
    }
}

impl Written {
    /// The body for `media`. Its version is the last one when nothing else changed, else one more
    /// (RFC 3264 §8), also after an offer that was refused.
    fn write(&mut self, local: &Local, media: Vec<Media>, webrtc: Option<&OurWebRtc>) -> Vec<u8> {
        let connection = Some(Connection {
            address: local.rtp.ip().to_string(),
            line: 0,
        });
        let description = Description {
            connection,
            attributes: webrtc.map_or_else(Vec::new, OurWebRtc::session_attributes),
            media,
        };
        if self.description.as_ref() != Some(&description) {
            self.version += 1;
        }
        let address = *self.origin.get_or_insert(local.rtp.ip());
        let origin = Origin {
            session_id: self.session_id,
            version: self.version,
            address,
        };
        let body = description.write(&origin);
        self.description = Some(description);
        body
    }
}

fn transport(webrtc: Option<&OurWebRtc>, rtcp_mux: bool) -> Transport<'_> {
    webrtc.map_or(Transport::Plain { rtcp_mux }, Transport::WebRtc)
}

/// The formats of an answer: one codec, and telephone-event where the offer has it.
fn agreed_formats(agreed: &Agreed) -> Formats {
    let codec = (agreed.payload_type_in, Meaning::Codec(agreed.codec));
    let event = agreed.telephone_event.map(|event| {
        (
            event.payload_type_in,
            Meaning::TelephoneEvent(event.clock_rate_hz),
        )
    });
    Formats(std::iter::once(codec).chain(event).collect())
}
