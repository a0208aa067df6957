//! Dialogs beyond what the call tables of the endpoint show.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Dialog, ROUTES_MAX, with_tag};
use crate::id::FlowId;
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::{Message, Request};
use crate::sip::wire::{self, Framing};

fn flow() -> Flow {
    let local = SocketAddr::from(([192, 0, 2, 1], 5060));
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local,
        remote: local,
    }
}

fn invite(more: &str) -> Request {
    let text = format!(
        "INVITE sip:room@a.example SIP/2.0\r\nVia: SIP/2.0/UDP b.example;branch=z9hG4bK1\r\n\
         From: <sip:peer@b.example>;tag=p\r\nTo: sip:room@a.example\r\nCall-ID: c\r\n\
         CSeq: 7 INVITE\r\n\
         {more}\r\n"
    );
    match wire::parse(Bytes::from(text), Framing::Datagram) {
        Ok(Message::Request(request)) => request,
        other => panic!("an INVITE, not {other:?}"),
    }
}

#[test]
fn a_tag_is_added_once() {
    for (value, tagged) in [
        ("<sip:a@b>", "<sip:a@b>;tag=x"),
        ("sip:a@b", "sip:a@b;tag=x"),
        ("\"A;tag=q\" <sip:a@b>", "\"A;tag=q\" <sip:a@b>;tag=x"),
        ("<sip:a@b;tag=uri>", "<sip:a@b;tag=uri>;tag=x"),
        ("<sip:a@b>;tag=old", "<sip:a@b>;tag=old"),
    ] {
        assert_eq!(with_tag(value, "x"), tagged);
    }
}

#[test]
fn the_remote_target_is_the_contact_or_the_from() {
    for (more, target) in [
        (
            "Contact: <sip:peer@c.example:5070>\r\n",
            "sip:peer@c.example:5070",
        ),
        (
            "Contact: <mailto:x@y>, <sips:peer@c.example>\r\n",
            "sips:peer@c.example",
        ),
        ("Contact: <mailto:x@y>\r\n", "sip:peer@b.example"),
        ("", "sip:peer@b.example"),
    ] {
        let dialog = Dialog::uas(&invite(more), "l", flow()).expect("a dialog");
        assert_eq!(dialog.target.to_string(), target, "{more}");
    }
}

#[test]
fn a_cseq_must_grow() {
    let mut dialog = Dialog::uas(&invite(""), "l", flow()).expect("a dialog");
    let rows = [
        (6, false),
        (7, false),
        (8, true),
        (8, false),
        (7, false),
        (100, true),
        (99, false),
    ];
    for (seq, accepted) in rows {
        assert_eq!(dialog.accept_seq(seq), accepted, "{seq}");
    }
    assert_eq!((dialog.next_seq(), dialog.next_seq()), (1, 2));
}

#[test]
fn a_route_set_has_a_limit() {
    for (routes, accepted) in [(0, true), (ROUTES_MAX, true), (ROUTES_MAX + 1, false)] {
        let more = "Record-Route: <sip:p.example;lr>\r\n".repeat(routes);
        assert_eq!(
            Dialog::uas(&invite(&more), "l", flow()).is_ok(),
            accepted,
            "{routes}"
        );
    }
}
