use super::*;

#[test]
fn smoke() {
    let m = b"INVITE sip:bob@example.com SIP/2.0\r\nv: SIP/2.0/UDP 1.2.3.4;branch=z9hG4bKa\r\nf: <sip:a@b>;tag=1\r\nTo: <sip:bob@example.com>\r\ni: x\r\nCSeq: 1 INVITE\r\n\r\nabc";
    let message = parse(Bytes::from_static(m), Framing::Datagram).unwrap();
    eprintln!("{}", String::from_utf8_lossy(&write(&message)));
    assert_eq!(&message.body()[..], b"abc");
}
