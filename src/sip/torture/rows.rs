//! The table: file, outcome.

use super::Outcome::{self, Dropped, Parses, Refused};

pub(super) const ROWS: &[(&str, Outcome)] = &[
    (
        "rfc4475/wsinv.dat",
        Parses(&[
            ("method", "INVITE"),
            ("uri", "sip:vivekg@chair-dnrc.example.com;unknownparam"),
            ("uri.user", "vivekg"),
            ("to.uri", "sip:vivekg@chair-dnrc.example.com"),
            ("to.tag", "1918181833n"),
            ("from.name", "J Rosenberg \\\""),
            ("from.uri", "sip:jdrosen@example.com"),
            ("from.tag", "98asjd8"),
            ("max-forwards", "68"),
            ("cseq", "9 INVITE"),
            ("call-id", "wsinv.ndaksdj@192.0.2.1"),
            ("vias", "3"),
            ("via", "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw"),
            (
                "via.1",
                "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
            ),
            ("via.2", "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239"),
            ("header Subject", ""),
            (
                "header NewFangledHeader",
                "newfangled value continued newfangled value",
            ),
            ("header UnknownHeaderWithUnusualValue", ";;,,;;,;"),
            ("content-type", "application/sdp"),
            (
                "route",
                "<sip:services.example.com;lr;unknownwith=value;unknown-no-value>",
            ),
            ("contact.name", "Quoted string \"\""),
            ("contact.params", ";newparam=newvalue;secondparam;q=0.33"),
            ("body", "150"),
        ]),
    ),
    (
        "rfc4475/intmeth.dat",
        Parses(&[
            ("method", "!interesting-Method0123456789_*+`.%indeed'~"),
            (
                "uri.user",
                "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
            ),
            ("uri.password", "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"),
            ("uri.host", "example.com"),
            ("via.branch", "z9hG4bK-.!%66*_+`'~"),
            ("to.name", "BEL:\u{7} NUL:\0 DEL:\u{7f}"),
            (
                "to.user",
                "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
            ),
            ("from.name", "token1~` token2'+_ token3*%!.-"),
            ("from.uri", "sip:mundane@example.com"),
            ("from.tag", "_token~1'+`*%!-."),
            (
                "from.params",
                ";fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.",
            ),
            ("call-id", "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"),
            (
                "cseq",
                "139122385 !interesting-Method0123456789_*+`.%indeed'~",
            ),
            ("max-forwards", "255"),
            ("header extensionHeader-!.%*+_`'~", "\u{feff}大停電"),
            ("body", "0"),
        ]),
    ),
    (
        "rfc4475/esc01.dat",
        Parses(&[
            ("method", "INVITE"),
            ("uri.user", "sips%3Auser%40example.com"),
            ("uri.unescaped", "sips:user@example.com"),
            ("uri.host", "example.net"),
            ("to.user", "%75se%72"),
            ("to.unescaped", "user"),
            ("from.unescaped", "I have spaces"),
            ("contact.user", "cal%6Cer"),
            (
                "contact.uri",
                "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31",
            ),
            ("content-type", "application/sdp"),
            ("body", "150"),
        ]),
    ),
    (
        "rfc4475/escnull.dat",
        Parses(&[
            ("method", "REGISTER"),
            ("to.user", "null-%00-null"),
            ("to.unescaped", "null-\0-null"),
            ("contacts", "2"),
            ("contact.user", "%00"),
            ("contact.1.user", "%00%00"),
            ("contact.1.unescaped", "\0\0"),
            ("body", "0"),
        ]),
    ),
    (
        "rfc4475/esc02.dat",
        Parses(&[
            ("method", "RE%47IST%45R"),
            ("cseq", "29344 RE%47IST%45R"),
            ("to.name", "%Z%45"),
            ("from.name", "%Z%45"),
            ("via.branch", "z9hG4bK209%fzsnel234"),
            ("contacts", "2"),
            ("contact.1.user", "alias3"),
            ("header C%6Fntact", "<sip:alias2@host2.example.com>"),
        ]),
    ),
    (
        "rfc4475/lwsdisp.dat",
        Parses(&[
            ("method", "OPTIONS"),
            ("from.name", "caller"),
            ("from.uri", "sip:caller@example.com"),
            ("from.tag", "323"),
        ]),
    ),
    (
        "rfc4475/longreq.dat",
        Parses(&[
            ("method", "INVITE"),
            ("vias", "34"),
            ("via.host", "sip33.example.com"),
            ("via.11.host", "sip22.example.com"),
            ("via.33.host", "host.example.com"),
            ("via.33.received", "192.0.2.5"),
            ("to.host", "example.com"),
            ("to.port", "6000"),
            ("from.host", "example.net"),
            ("max-forwards", "70"),
            ("contact.host", "host5.example.net"),
            ("body", "150"),
        ]),
    ),
    (
        "rfc4475/dblreq.dat",
        Parses(&[
            ("method", "REGISTER"),
            ("call-id", "dblreq.0ha0isndaksdj99sdfafnl3lk233412"),
            ("contact.uri", "sip:j.user@host.example.com"),
            ("body", "0"),
        ]),
    ),
    (
        "rfc4475/semiuri.dat",
        Parses(&[
            ("uri.user", "user;par=u%40example.net"),
            ("uri.unescaped", "user;par=u@example.net"),
            ("uri.host", "example.com"),
            ("uri.params", ""),
            ("accepts", "6"),
        ]),
    ),
    (
        "rfc4475/transports.dat",
        Parses(&[
            ("vias", "5"),
            ("via.transport", "UDP"),
            ("via.1.transport", "SCTP"),
            ("via.2.transport", "TLS"),
            ("via.3.transport", "UNKNOWN"),
            ("via.4.transport", "TCP"),
            ("call-id", "transports.kijh4akdnaqjkwendsasfdj"),
        ]),
    ),
    (
        "rfc4475/mpart01.dat",
        Parses(&[
            ("method", "MESSAGE"),
            ("content-type", "multipart/mixed"),
            ("rport", "asked"),
            ("route", "<sip:127.0.0.1:5080>"),
            ("body", "553"),
        ]),
    ),
    (
        "rfc4475/unreason.dat",
        Parses(&[
            ("code", "200"),
            ("reason", "= 2**3 * 5**2 но сто девяносто девять - простое"),
            ("body", "154"),
        ]),
    ),
    (
        "rfc4475/noreason.dat",
        Parses(&[("code", "100"), ("reason", ""), ("cseq", "35 INVITE")]),
    ),
    ("rfc4475/badinv01.dat", Refused(400, "Via: empty parameter")),
    (
        "rfc4475/clerr.dat",
        Refused(400, "Content-Length: larger than the message"),
    ),
    (
        "rfc4475/ncl.dat",
        Refused(400, "Content-Length: not a number"),
    ),
    (
        "rfc4475/scalar02.dat",
        Refused(400, "CSeq: number too large"),
    ),
    ("rfc4475/scalarlg.dat", Dropped("CSeq: number too large")),
    (
        "rfc4475/quotbal.dat",
        Refused(400, "To: unterminated quoted string"),
    ),
    (
        "rfc4475/ltgtruri.dat",
        Refused(400, "Request-URI: character not allowed"),
    ),
    (
        "rfc4475/lwsruri.dat",
        Refused(400, "Request-URI: white space not allowed"),
    ),
    (
        "rfc4475/lwsstart.dat",
        Parses(&[("method", "INVITE"), ("uri", "sip:user@example.com")]),
    ),
    (
        "rfc4475/trws.dat",
        Parses(&[
            ("method", "OPTIONS"),
            ("uri", "sip:remote-target@example.com"),
        ]),
    ),
    (
        "rfc4475/escruri.dat",
        Refused(400, "Request-URI: URI headers not allowed"),
    ),
    (
        "rfc4475/baddate.dat",
        Parses(&[
            ("header Date", "Fri, 01 Jan 2010 16:00:00 EST"),
            ("body", "150"),
        ]),
    ),
    (
        "rfc4475/regbadct.dat",
        Refused(400, "Contact: URI headers not allowed"),
    ),
    (
        "rfc4475/badaspec.dat",
        Parses(&[
            ("to.name", "Watson, Thomas"),
            ("to.uri", "sip:t.watson@example.org"),
        ]),
    ),
    (
        "rfc4475/baddn.dat",
        Parses(&[
            ("from.name", "Bell, Alexander"),
            ("from.user", "a.g.bell"),
            ("from.tag", "43"),
            ("to.name", "Watson, Thomas"),
        ]),
    ),
    ("rfc4475/badvers.dat", Refused(505, "Version Not Supported")),
    (
        "rfc4475/mismatch01.dat",
        Parses(&[("method", "OPTIONS"), ("cseq", "8 INVITE")]),
    ),
    (
        "rfc4475/mismatch02.dat",
        Parses(&[("method", "NEWMETHOD"), ("cseq", "8 INVITE")]),
    ),
    (
        "rfc4475/bigcode.dat",
        Dropped("start line: not a status code"),
    ),
    (
        "rfc4475/badbranch.dat",
        Parses(&[("via.branch", "z9hG4bK"), ("max-forwards", "3")]),
    ),
    ("rfc4475/insuf.dat", Refused(400, "From: missing")),
    (
        "rfc4475/unkscm.dat",
        Parses(&[
            ("uri.scheme", "nobodyKnowsThisScheme"),
            ("uri", "nobodyKnowsThisScheme:totallyopaquecontent"),
        ]),
    ),
    (
        "rfc4475/novelsc.dat",
        Parses(&[
            ("uri.scheme", "soap.beep"),
            ("uri", "soap.beep://192.0.2.103:3002"),
        ]),
    ),
    (
        "rfc4475/unksm2.dat",
        Parses(&[
            ("to.uri", "isbn:2983792873"),
            ("from.uri", "http://www.example.com"),
            ("from.tag", "3234233"),
            ("contact.uri", "name:John_Smith"),
        ]),
    ),
    (
        "rfc4475/bext01.dat",
        Parses(&[("require", "nothingSupportsThis nothingSupportsThisEither")]),
    ),
    (
        "rfc4475/invut.dat",
        Parses(&[
            ("content-type", "application/unknownformat"),
            ("body", "40"),
        ]),
    ),
    (
        "rfc4475/regaut01.dat",
        Parses(&[
            (
                "header Authorization",
                "NoOneKnowsThisScheme opaque-data=here",
            ),
            ("body", "0"),
        ]),
    ),
    (
        "rfc4475/multi01.dat",
        Refused(400, "Call-ID: given more than once"),
    ),
    (
        "rfc4475/mcl01.dat",
        Refused(400, "Content-Length: given more than once"),
    ),
    (
        "rfc4475/bcast.dat",
        Parses(&[
            ("code", "200"),
            ("vias", "2"),
            ("via.1.host", "255.255.255.255"),
        ]),
    ),
    ("rfc4475/zeromf.dat", Parses(&[("max-forwards", "0")])),
    (
        "rfc4475/cparam01.dat",
        Parses(&[
            ("contact.uri", "sip:+19725552222@gw1.example.net"),
            ("contact.params", ";unknownparam"),
        ]),
    ),
    (
        "rfc4475/cparam02.dat",
        Parses(&[
            (
                "contact.uri",
                "sip:+19725552222@gw1.example.net;unknownparam",
            ),
            ("contact.params", ""),
        ]),
    ),
    (
        "rfc4475/regescrt.dat",
        Parses(&[(
            "contact.uri",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
        )]),
    ),
    (
        "rfc4475/sdp01.dat",
        Parses(&[("accepts", "1"), ("accept", "text/nobodyknowsthis")]),
    ),
    (
        "rfc4475/inv2543.dat",
        Parses(&[
            ("via.branch", "none"),
            ("from.tag", "none"),
            (
                "from.uri",
                "sip:+13035551111@ift.client.example.net;user=phone",
            ),
            ("to.uri", "sip:+16505552222@ss1.example.net"),
            ("to.params", ";user=phone"),
            ("max-forwards", "none"),
            ("contacts", "0"),
            (
                "record-route",
                "<sip:UserB@example.com;maddr=ss1.example.com>",
            ),
            ("body", "105"),
        ]),
    ),
    (
        "rfc5118/ipv6-good.dat",
        Parses(&[
            ("uri", "sip:[2001:db8::10]"),
            ("uri.host", "[2001:db8::10]"),
            ("uri.port", "none"),
            ("via.host", "[2001:db8::9:1]"),
            ("contact.uri", "sip:caller@[2001:db8::1]"),
        ]),
    ),
    (
        "rfc5118/ipv6-bad.dat",
        Refused(400, "Request-URI: malformed port"),
    ),
    (
        "rfc5118/port-ambiguous.dat",
        Parses(&[("uri.host", "[2001:db8::10:5070]"), ("uri.port", "none")]),
    ),
    (
        "rfc5118/port-unambiguous.dat",
        Parses(&[("uri.host", "[2001:db8::10]"), ("uri.port", "5070")]),
    ),
    (
        "rfc5118/via-received-param-with-delim.dat",
        Parses(&[("method", "BYE"), ("via.received", "2001:db8::9:255")]),
    ),
    (
        "rfc5118/via-received-param-no-delim.dat",
        Parses(&[("method", "OPTIONS"), ("via.received", "2001:db8::9:255")]),
    ),
    (
        "rfc5118/ipv6-in-sdp.dat",
        Parses(&[
            ("uri.host", "[2001:db8::10]"),
            ("uri.user", "user"),
            ("body", "241"),
        ]),
    ),
    (
        "rfc5118/mult-ip-in-header.dat",
        Parses(&[
            ("vias", "3"),
            (
                "via",
                "SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111",
            ),
            ("via.port", "6050"),
            ("via.1.host", "192.0.2.1"),
            ("via.2.host", "[2001:db8::9:255]"),
            ("via.2.received", "192.0.2.200"),
        ]),
    ),
    (
        "rfc5118/mult-ip-in-sdp.dat",
        Parses(&[("method", "INVITE"), ("body", "181")]),
    ),
    (
        "rfc5118/ipv4-mapped-ipv6.dat",
        Parses(&[
            ("via.host", "[::ffff:192.0.2.10]"),
            ("via.port", "19823"),
            ("contact.uri", "sip:ted@[::ffff:192.0.2.2]"),
            ("contact.name", "T. desk phone"),
            ("body", "236"),
        ]),
    ),
    (
        "rfc5118/ipv6-bug-abnf-3-colons.dat",
        Parses(&[
            ("uri", "sip:user@[2001:db8:::192.0.2.1]"),
            ("uri.ip", "2001:db8::c000:201"),
        ]),
    ),
    (
        "rfc5118/ipv6-correct-abnf-2-colons.dat",
        Parses(&[
            ("uri", "sip:user@[2001:db8::192.0.2.1]"),
            ("uri.ip", "2001:db8::c000:201"),
        ]),
    ),
];
