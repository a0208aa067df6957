//! Offer and answer of one dialog: the INVITE's exchange in 183, 200 and ACK (RFC 3261 §13.2.1,
//! RFC 3264), and those of later re-INVITEs (RFC 3261 §14.2).
//!
//! | state | 183 or 200 | body of an ACK | re-INVITE with offer | without | re-INVITE taken back |
//! |---|---|---|---|---|---|
//! | Offered | answer → Settled | – | – | – | – |
//! | Unoffered | our offer → AnswerDue | – | – | – | – |
//! | AnswerDue | the same offer | answer → Settled | refused | a new offer | → Settled (†) |
//! | Settled | the same body | – | answer | our offer → AnswerDue | – |
//!
//! † When something was agreed before; the offer of a first 200 goes on waiting.
//!
//! A description that is refused leaves the state and what was agreed before.

use bytes::Bytes;

use crate::codec::CODECS;
use crate::sdp::{Agreed, Direction, Local, Negotiation, Refusal};

/// The exchange of one dialog.
#[derive(Debug)]
pub(super) struct Exchange {
    negotiation: Negotiation,
    state: State,
}

/// How far the exchange has come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The caller's offer waits for our answer.
    Offered(Bytes),
    /// The INVITE had no offer: ours goes into the 200.
    Unoffered,
    /// Our offer is out; its answer comes in the ACK.
    AnswerDue(Vec<u8>),
    /// Our side of what is agreed.
    Settled(Vec<u8>),
}

impl Exchange {
    /// Of an INVITE with this body. `session_id` is the number in our o= line.
    pub(super) fn new(session_id: u64, offer: &Bytes) -> Exchange {
        Exchange {
            negotiation: Negotiation::new(session_id, CODECS),
            state: match offer.is_empty() {
                true => State::Unoffered,
                false => State::Offered(offer.clone()),
            },
        }
    }

    /// Our side has been made, and may have been sent.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.state, State::AnswerDue(_) | State::Settled(_))
    }

    /// There is an offer that early media could answer.
    pub(super) fn is_offered(&self) -> bool {
        matches!(self.state, State::Offered(_) | State::Settled(_))
    }

    /// What is agreed; nothing before the first exchange.
    pub(super) fn current(&self) -> Option<&Agreed> {
        self.negotiation.current()
    }

    /// The body of our 183 or 200, the same when asked again, with what it agrees on. Nothing is
    /// agreed by an offer of ours, and nothing new by a body that is repeated.
    ///
    /// # Errors
    /// Why the caller's offer cannot be answered.
    pub(super) fn first_body(
        &mut self,
        local: &Local,
    ) -> Result<(Vec<u8>, Option<Agreed>), Refusal> {
        match &self.state {
            State::Settled(body) | State::AnswerDue(body) => Ok((body.clone(), None)),
            State::Unoffered => Ok((self.offer(local), None)),
            State::Offered(offer) => {
                let offer = offer.clone();
                let (body, agreed) = self.answer(&offer, local)?;
                Ok((body, Some(agreed)))
            }
        }
    }

    /// The body of an ACK: nothing when no answer was due.
    ///
    /// # Errors
    /// Why the answer cannot be taken.
    pub(super) fn take_ack(&mut self, body: &[u8]) -> Result<Option<Agreed>, Refusal> {
        let State::AnswerDue(offer) = &self.state else {
            return Ok(None);
        };
        let agreed = self.negotiation.accept_answer(body)?;
        self.state = State::Settled(offer.clone());
        Ok(Some(agreed))
    }

    /// Answers an offer, of the INVITE or of a re-INVITE.
    ///
    /// # Errors
    /// Why it cannot be answered.
    pub(super) fn answer(
        &mut self,
        offer: &[u8],
        local: &Local,
    ) -> Result<(Vec<u8>, Agreed), Refusal> {
        let (body, agreed) = self.negotiation.answer(offer, local, Direction::SendRecv)?;
        self.state = State::Settled(body.clone());
        Ok((body, agreed))
    }

    /// Our offer, for an INVITE or re-INVITE without one.
    pub(super) fn offer(&mut self, local: &Local) -> Vec<u8> {
        let body = self.negotiation.offer(local, Direction::SendRecv);
        self.state = State::AnswerDue(body.clone());
        body
    }

    /// A re-INVITE was taken back: what it asked for is not done.
    pub(super) fn take_back(&mut self) {
        self.negotiation.rollback();
        if let (State::AnswerDue(_), Some(agreed)) = (&self.state, self.negotiation.current_local())
        {
            self.state = State::Settled(agreed.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                         m=audio 4000 RTP/AVP 0\r\n";
    const VIDEO: &str = "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                         m=video 4000 RTP/AVP 31\r\n";

    fn local() -> Local {
        let address = |port| std::net::SocketAddr::from(([203, 0, 113, 5], port));
        Local {
            rtp: address(30_000),
            rtcp: address(30_001),
            webrtc: None,
        }
    }

    fn name(exchange: &Exchange) -> &'static str {
        match exchange.state {
            State::Offered(_) => "Offered",
            State::Unoffered => "Unoffered",
            State::AnswerDue(_) => "AnswerDue",
            State::Settled(_) => "Settled",
        }
    }

    /// In each state, by the steps that lead there.
    fn in_state(state: &str) -> Exchange {
        let offered = matches!(state, "Offered" | "Settled");
        let offer = if offered { OFFER } else { "" };
        let mut exchange = Exchange::new(1, &Bytes::from_static(offer.as_bytes()));
        if matches!(state, "AnswerDue" | "Settled") {
            exchange.first_body(&local()).expect("a body");
        }
        assert_eq!(name(&exchange), state);
        exchange
    }

    #[test]
    fn each_input_in_each_state_does_what_the_table_says() {
        // State, input, whether something is agreed, or the refusal; the state then.
        for (state, input, outcome, after) in [
            ("Offered", "200", "agreed", "Settled"),
            ("Offered", "ACK", "nothing", "Offered"),
            ("Unoffered", "200", "nothing", "AnswerDue"),
            ("Unoffered", "ACK", "nothing", "Unoffered"),
            ("AnswerDue", "200", "nothing", "AnswerDue"),
            ("AnswerDue", "ACK", "agreed", "Settled"),
            ("AnswerDue", "ACK video", "refused", "AnswerDue"),
            ("AnswerDue", "re-INVITE", "refused", "AnswerDue"),
            ("AnswerDue", "re-INVITE bare", "nothing", "AnswerDue"),
            // Nothing was agreed before, so there is nothing to go back to.
            ("AnswerDue", "taken back", "nothing", "AnswerDue"),
            ("Settled", "200", "nothing", "Settled"),
            ("Settled", "ACK", "nothing", "Settled"),
            ("Settled", "re-INVITE", "agreed", "Settled"),
            ("Settled", "re-INVITE video", "refused", "Settled"),
            ("Settled", "re-INVITE bare", "nothing", "AnswerDue"),
            ("Settled", "taken back", "nothing", "Settled"),
        ] {
            let mut exchange = in_state(state);
            let local = local();
            let found = match input {
                "200" => exchange.first_body(&local).map(|(_, agreed)| agreed),
                "ACK" => exchange.take_ack(OFFER.as_bytes()),
                "ACK video" => exchange.take_ack(VIDEO.as_bytes()),
                "re-INVITE" => exchange
                    .answer(OFFER.as_bytes(), &local)
                    .map(|(_, a)| Some(a)),
                "re-INVITE video" => exchange
                    .answer(VIDEO.as_bytes(), &local)
                    .map(|(_, a)| Some(a)),
                "re-INVITE bare" => {
                    exchange.offer(&local);
                    Ok(None)
                }
                _ => {
                    exchange.take_back();
                    Ok(None)
                }
            };
            let found = match found {
                Ok(Some(_)) => "agreed",
                Ok(None) => "nothing",
                Err(_) => "refused",
            };
            assert_eq!(
                (found, name(&exchange)),
                (outcome, after),
                "{state}, {input}"
            );
        }
    }

    #[test]
    fn the_body_of_the_183_comes_again_in_the_200() {
        for state in ["Offered", "Unoffered"] {
            let mut exchange = in_state(state);
            let (first, _) = exchange.first_body(&local()).expect("a body");
            let (again, _) = exchange.first_body(&local()).expect("a body");
            assert_eq!(first, again, "{state}");
        }
    }

    #[test]
    fn a_reinvite_that_is_taken_back_leaves_what_was_agreed() {
        let mut exchange = in_state("Settled");
        exchange.offer(&local());
        exchange.take_back();
        assert_eq!(name(&exchange), "Settled");
        assert!(exchange.current().is_some());
        let answer = exchange.take_ack(OFFER.as_bytes());
        assert!(matches!(answer, Ok(None)), "no answer is due");
    }
}
