//! A browser of the load: the signalling over its WebSocket, its secured media, and its voice. It
//! offers Opus with audio levels, gathers one host candidate and calls `joinconf`, as a page would;
//! it makes no direct calls to other browsers and sends no RTCP.

mod description;
mod link;
mod voice;

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::BytesMut;
use tungstenite::{Message, WebSocket};

use description::{Credentials, offer, parse_answer};
pub(super) use link::Identity;
use link::Link;
use voice::Voice;
pub(super) use voice::{Sound, encoded_silence};

/// What all browsers of a run share.
pub(super) struct Shared {
    pub(super) identity: Identity,
    pub(super) silence: Arc<[Vec<u8>]>,
}

/// A browser's own part of a leg.
pub(super) struct Browser {
    asked_at: Instant,
    invited_at: Instant,
    signalling: Option<WebSocket<TcpStream>>,
    ice: Credentials,
    ssrc: u32,
    fingerprint: String,
    link: Link,
    voice: Voice,
    answered: bool,
    problem: Option<String>,
}

impl Browser {
    /// A browser with number `index` whose media comes to `local`, that asked to join at `asked_at`
    /// and got `signalling`; it says `sound`.
    ///
    /// # Errors
    /// Its path cannot be prepared.
    pub(super) fn new(
        index: usize,
        local: SocketAddr,
        sound: Option<Sound>,
        (asked_at, signalling): (Instant, WebSocket<TcpStream>),
        shared: &Shared,
    ) -> anyhow::Result<Browser> {
        let now = Instant::now();
        let ssrc = 0x10ae_0000 + index as u32;
        // Nobody is kept out by these: the run is its own guest.
        let ice = Credentials {
            ufrag: format!("load{index:04}"),
            pwd: format!("loadpassword{index:012}"),
        };
        let link = Link::new(now, local, &ice, &shared.identity);
        Ok(Browser {
            asked_at,
            invited_at: now,
            signalling: Some(signalling),
            ice,
            ssrc,
            fingerprint: shared.identity.fingerprint.clone(),
            link: link.context("no path for the media of a browser")?,
            voice: Voice::new(ssrc, sound, shared.silence.clone()),
            answered: false,
            problem: None,
        })
    }

    /// Its offer.
    pub(super) fn offer(&self, local: SocketAddr) -> String {
        offer(local, self.ssrc, &self.ice, &self.fingerprint)
    }

    /// Takes the answer, which may come in a provisional response and again in the final one.
    pub(super) fn handle_answer(&mut self, now: Instant, sdp: &str) {
        if sdp.is_empty() || std::mem::replace(&mut self.answered, true) {
            return;
        }
        let started = parse_answer(sdp)
            .map_err(anyhow::Error::msg)
            .and_then(|answer| {
                self.voice.tells_level = answer.tells_level;
                self.link.start(now, &answer)
            });
        if let Err(error) = started {
            self.problem = Some(error.to_string());
        }
    }

    /// Sends a message of SIP.
    pub(super) fn send_sip(&mut self, text: &str) {
        let Some(signalling) = &mut self.signalling else {
            return;
        };
        match signalling.send(Message::text(text)) {
            Ok(()) => {}
            Err(error) if is_blocked(&error) => {}
            Err(error) => self.problem = Some(format!("the WebSocket is gone: {error}")),
        }
    }

    /// The next message of SIP; nothing when none is there.
    pub(super) fn poll_sip(&mut self) -> Option<String> {
        let signalling = self.signalling.as_mut()?;
        loop {
            match signalling.read() {
                Ok(Message::Text(text)) => return Some(text.to_string()),
                Ok(_) => {}
                Err(error) => {
                    if !is_blocked(&error) {
                        self.problem = Some(format!("the WebSocket is gone: {error}"));
                        self.signalling = None;
                    } else if signalling.flush().is_err_and(|error| !is_blocked(&error)) {
                        self.problem = Some("the WebSocket takes nothing".to_owned());
                    }
                    return None;
                }
            }
        }
    }

    /// Takes a datagram; the plain RTP packet in it comes back.
    pub(super) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Option<BytesMut> {
        self.link.handle(now, datagram)
    }

    /// Lets timers run.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(now);
    }

    /// What ICE and DTLS want to send, and where to.
    pub(super) fn poll_out(&mut self) -> Option<(BytesMut, SocketAddr)> {
        self.link.poll_out()
    }

    /// The protected packet of one tick; nothing before the path is secured.
    pub(super) fn next_packet(
        &mut self,
        speaks: bool,
        plain: &mut Vec<u8>,
    ) -> Option<(BytesMut, SocketAddr)> {
        self.link.secured_at()?;
        self.voice.next_packet(speaks, plain);
        self.link.protect(plain)
    }

    /// Ends the association, as closing a page does.
    pub(super) fn close(&mut self, now: Instant) {
        self.link.close(now);
    }

    /// Its media flows.
    pub(super) fn is_secured(&self) -> bool {
        self.link.secured_at().is_some() && self.problem().is_none()
    }

    /// Why its media does not flow.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref().or(self.link.problem())
    }

    /// From asking to join, and from INVITE, until media could flow.
    pub(super) fn join_times(&self) -> Option<(Duration, Duration)> {
        let secured = self.link.secured_at()?;
        Some((secured - self.asked_at, secured - self.invited_at))
    }
}

fn is_blocked(error: &tungstenite::Error) -> bool {
    matches!(error, tungstenite::Error::Io(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
