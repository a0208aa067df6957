//! The SIP text of one leg (RFC 3261; RFC 7118 for browsers): one dialog with INVITE, ACK and BYE,
//! and a 200 for whatever the engine asks. Retransmission is the loop's.

use std::net::SocketAddr;

/// One dialog, from INVITE to BYE.
pub(super) struct Dialog {
    index: usize,
    /// Transport and address of Via, with its parameters.
    via: String,
    from: String,
    contact: String,
    call_id: String,
    /// The Request-URI of INVITE.
    uri: String,
    /// Header lines of INVITE alone.
    more: String,
    to: String,
    target: String,
}

impl Dialog {
    /// A phone's, over UDP; `port` is that of its RTP and makes its Call-ID its own.
    pub(super) fn phone(index: usize, uri: String, local: SocketAddr, port: u16) -> Dialog {
        Dialog {
            index,
            via: format!("UDP {local};rport"),
            from: format!("<sip:load{index}@{local}>"),
            contact: format!("<sip:load{index}@{local}>"),
            call_id: format!("load-{index}-{port}@{local}"),
            uri,
            more: String::new(),
            to: String::new(),
            target: String::new(),
        }
    }

    /// That of a browser which has joined as `user` and asks for `room`.
    pub(super) fn browser(index: usize, user: &str, domain: &str, room: &str) -> Dialog {
        let host = format!("{user}.invalid");
        Dialog {
            index,
            via: format!("WS {host}"),
            from: format!("\"Load {index}\" <sip:{user}@{domain}>"),
            contact: format!("<sip:{user}@{host};transport=ws>"),
            call_id: format!("load-{index}@{host}"),
            uri: format!("sip:joinconf@{domain}"),
            more: format!("X-Conference-Id: {room}\r\n"),
            to: String::new(),
            target: String::new(),
        }
    }

    pub(super) fn invite(&self, sdp: &str) -> String {
        let head = self.head("INVITE", (1, "INVITE"), &self.uri);
        let (more, length) = (&self.more, sdp.len());
        format!(
            "{head}{more}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}"
        )
    }

    pub(super) fn bye(&self) -> String {
        let head = self.head("BYE", (2, "BYE"), &self.target);
        format!("{head}Content-Length: 0\r\n\r\n")
    }

    /// Takes a 2xx; returns its ACK, which is a transaction of its own. Nothing when the response
    /// lacks a header that it must have.
    pub(super) fn confirm(&mut self, response: &str) -> Option<String> {
        self.to = header(response, "to")?.to_owned();
        let contact = header(response, "contact")?;
        let start = contact.find('<').map_or(0, |at| at + 1);
        self.target = contact.get(start..)?.split('>').next()?.to_owned();
        Some(self.ack_again())
    }

    /// The ACK of a 2xx that came again.
    pub(super) fn ack_again(&self) -> String {
        let head = self.head("ACK", (1, "ACK"), &self.target);
        format!("{head}Content-Length: 0\r\n\r\n")
    }

    /// Takes a refusal; returns its ACK, which belongs to the transaction of INVITE.
    pub(super) fn give_up(&mut self, response: &str) -> Option<String> {
        self.to = header(response, "to")?.to_owned();
        let head = self.head("ACK", (1, "INVITE"), &self.uri);
        Some(format!("{head}Content-Length: 0\r\n\r\n"))
    }

    /// The lines that every request begins with; the branch is named after a number and a method.
    fn head(&self, method: &str, branch: (u32, &str), uri: &str) -> String {
        let to = match self.to.as_str() {
            "" => format!("<{}>", self.uri),
            to => to.to_owned(),
        };
        let Dialog {
            index,
            via,
            from,
            contact,
            call_id,
            ..
        } = self;
        let (number, named) = branch;
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{via};branch=z9hG4bK-load-{index}-{number}-{named}\r\n\
             Max-Forwards: 70\r\nFrom: {from};tag=load{index}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {number} {method}\r\nContact: {contact}\r\n"
        )
    }
}

/// The number of the leg in the Call-ID of a message.
pub(super) fn index_of(text: &str) -> Option<usize> {
    let id = header(text, "call-id")?.strip_prefix("load-")?;
    id.split(['-', '@']).next()?.parse().ok()
}

/// The status of a response; nothing when it is a request.
pub(super) fn status(text: &str) -> Option<u16> {
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// 200 for a request of the engine's.
pub(super) fn ok_for(request: &str) -> String {
    let mut reply = "SIP/2.0 200 OK\r\n".to_owned();
    for line in request.lines().skip(1).take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().trim();
        let wanted = ["via", "from", "to", "call-id", "cseq"];
        if wanted
            .iter()
            .any(|wanted| wanted.eq_ignore_ascii_case(name))
        {
            reply.push_str(line);
            reply.push_str("\r\n");
        }
    }
    reply.push_str("Content-Length: 0\r\n\r\n");
    reply
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

/// What stands behind the headers.
pub(super) fn body(text: &str) -> &str {
    text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "SIP/2.0 200 OK\r\nTo: <sip:1@h>;tag=9\r\n\
        Contact: <sip:engine@h:5060;transport=ws>\r\nCSeq: 1 INVITE\r\n\
        Content-Length: 3\r\n\r\nv=0";

    #[test]
    fn an_answer_makes_the_dialog_and_a_refusal_is_acknowledged_in_its_transaction() {
        let local = "192.0.2.1:5".parse().expect("an address");
        for mut dialog in [
            Dialog::phone(7, "sip:1@h".to_owned(), local, 4000),
            Dialog::browser(7, "guest-x", "h", "0001"),
        ] {
            let invite = dialog.invite("v=0");
            assert_eq!(index_of(&invite), Some(7));
            assert_eq!(body(&invite), "v=0");
            let via = header(&invite, "via").expect("a Via").to_owned();
            let refusal = ANSWER.replace("200 OK", "486 Busy Here");
            assert_eq!(status(&refusal), Some(486));
            let ack = dialog.give_up(&refusal).expect("an ACK");
            assert_eq!(header(&ack, "via"), Some(&*via));
            assert_eq!(ack.split(' ').nth(1), invite.split(' ').nth(1));

            let ack = dialog.confirm(ANSWER).expect("an ACK");
            assert!(ack.starts_with("ACK sip:engine@h:5060;transport=ws SIP/2.0\r\n"));
            assert_ne!(header(&ack, "via"), Some(&*via));
            assert_eq!(header(&dialog.bye(), "to"), Some("<sip:1@h>;tag=9"));
            assert_eq!(header(&dialog.bye(), "cseq"), Some("2 BYE"));
            assert_eq!(dialog.confirm("SIP/2.0 200 OK\r\n\r\n"), None);
        }
    }

    #[test]
    fn a_browser_names_the_conference_in_its_invite_alone() {
        let dialog = Dialog::browser(0, "guest-x", "h", "0001");
        assert_eq!(header(&dialog.invite(""), "x-conference-id"), Some("0001"));
        assert_eq!(header(&dialog.bye(), "x-conference-id"), None);
    }

    #[test]
    fn requests_of_the_engine_are_answered_with_their_own_headers() {
        let request = "INFO sip:a SIP/2.0\r\nVia: 1\r\nVia: 2\r\nFrom: f\r\nTo: t\r\n\
            Call-ID: load-3@x\r\nCSeq: 5 INFO\r\nContent-Type: text/plain\r\n\r\nVia: no";
        let reply = "SIP/2.0 200 OK\r\nVia: 1\r\nVia: 2\r\nFrom: f\r\nTo: t\r\n\
            Call-ID: load-3@x\r\nCSeq: 5 INFO\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(ok_for(request), reply);
        assert_eq!((status(request), index_of(request)), (None, Some(3)));
    }
}
