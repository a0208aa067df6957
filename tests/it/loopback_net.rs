//! The SIP transports over real sockets on the loopback interface. Every wait has an end.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use talkpath::id::FlowId;
use talkpath::net::{
    Incoming, IncomingQueue, Listen, NetSettings, NoFlow, Received, StreamDeadlines, Transports,
};
use talkpath::sip::flow::{Flow, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::server::PATIENCE;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}

fn listen(transport: Transport, address: SocketAddr) -> Listen {
    Listen {
        key: "sip.listen[0]".to_owned(),
        transport,
        address,
    }
}

fn bind(transport: Transport, settings: NetSettings) -> (Transports, IncomingQueue, SocketAddr) {
    let (net, queue) = Transports::bind(&[listen(transport, LOOPBACK)], settings).expect("bound");
    let address = net.bound()[0].1;
    (net, queue, address)
}

fn message(method: &str, number: u32) -> String {
    format!(
        "{method} sip:room@talkpath.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP h;branch=z9hG4bK{number};rport\r\n\
         From: <sip:a@b.example>;tag=1\r\n\
         To: <sip:room@talkpath.example>\r\nCall-ID: {number}@b\r\n\
         CSeq: 1 {method}\r\nMax-Forwards: 70\r\n\
         Contact: <sip:a@b.example>\r\nContent-Length: 0\r\n\r\n"
    )
}

async fn received(queue: &mut IncomingQueue) -> Received {
    match within("a message", queue.recv())
        .await
        .expect("the transports live")
    {
        Incoming::Message(received) => received,
        Incoming::FlowOpened { flow, .. } => panic!("{} opened", flow.id),
        Incoming::FlowClosed(flow) => panic!("{flow} closed"),
    }
}

async fn closed(queue: &mut IncomingQueue) -> FlowId {
    loop {
        match within("a closed flow", queue.recv())
            .await
            .expect("the transports live")
        {
            Incoming::Message(_) | Incoming::FlowOpened { .. } => {}
            Incoming::FlowClosed(flow) => return flow,
        }
    }
}

/// Reads until `wanted` octets are there.
async fn read(stream: &mut TcpStream, wanted: usize) -> Vec<u8> {
    let mut bytes = vec![0; wanted];
    within("bytes", stream.read_exact(&mut bytes))
        .await
        .expect("open");
    bytes
}

/// The peer closes the connection, perhaps after some bytes.
async fn expect_close(stream: &mut TcpStream, why: &str) {
    let mut rest = Vec::new();
    // A reset is an end as well.
    drop(within(why, stream.read_to_end(&mut rest)).await);
}

#[tokio::test]
async fn udp_carries_messages_both_ways_and_knows_our_address() {
    let (net, mut queue) =
        Transports::bind(&[listen(Transport::Udp, ANY)], NetSettings::default()).expect("bound");
    let port = net.bound()[0].1.port();
    let phone = UdpSocket::bind(LOOPBACK).await.expect("a socket");
    phone
        .connect((Ipv4Addr::LOCALHOST, port))
        .await
        .expect("an address");
    for keepalive in [b"".as_slice(), b"\r\n\r\n", b"\0\0\0\0"] {
        phone.send(keepalive).await.expect("sent");
    }
    for number in 1..=2 {
        phone
            .send(message("OPTIONS", number).as_bytes())
            .await
            .expect("sent");
    }
    let first = received(&mut queue).await;
    assert_eq!(
        first.bytes,
        message("OPTIONS", 1),
        "keepalives are not messages"
    );
    assert_eq!(
        first.flow.local,
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    );
    assert_eq!(first.flow.remote, phone.local_addr().expect("bound"));
    assert_eq!(first.flow.id, received(&mut queue).await.flow.id);
    assert_eq!(
        net.flow_to(Transport::Udp, first.flow.remote),
        Ok(first.flow)
    );
    net.send(&first.flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"));
    let mut answer = [0; 100];
    let length = within("the answer", phone.recv(&mut answer))
        .await
        .expect("received");
    assert_eq!(&answer[..length], b"SIP/2.0 200 OK\r\n\r\n");
    assert_eq!(
        (net.counters().messages_in, net.counters().messages_out),
        (2, 1)
    );
}

#[tokio::test]
async fn udp_outlives_a_peer_that_is_gone() {
    let (net, mut queue, address) = bind(Transport::Udp, NetSettings::default());
    let gone = UdpSocket::bind(LOOPBACK)
        .await
        .expect("a socket")
        .local_addr()
        .expect("bound");
    let flow = net.flow_to(Transport::Udp, gone).expect("a listener");
    for _ in 0..20 {
        net.send(&flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"));
    }
    let phone = UdpSocket::bind(LOOPBACK).await.expect("a socket");
    phone
        .send_to(message("OPTIONS", 1).as_bytes(), address)
        .await
        .expect("sent");
    assert_eq!(received(&mut queue).await.bytes, message("OPTIONS", 1));
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_key() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (_net, _queue, address) = bind(transport, NetSettings::default());
        let Err(error) = Transports::bind(&[listen(transport, address)], NetSettings::default())
        else {
            panic!("{transport:?}: two listeners on {address}")
        };
        let token = transport.via_token();
        let text =
            format!("sip.listen[0]: cannot listen on {token} {address}: Address already in use");
        assert!(error.to_string().starts_with(&text), "{error}");
    }
    let Err(error) = Transports::bind(&[listen(Transport::Tls, LOOPBACK)], NetSettings::default())
    else {
        panic!("TLS is not offered")
    };
    assert!(
        error.to_string().ends_with("this transport is not offered"),
        "{error}"
    );
}

#[tokio::test]
async fn a_full_engine_refuses_new_requests_and_keeps_the_rest() {
    let (net, mut queue, address) = bind(Transport::Udp, NetSettings::default());
    let phone = UdpSocket::bind(LOOPBACK).await.expect("a socket");
    phone.connect(address).await.expect("an address");
    let mut answer = [0; 2000];
    let refusal = async {
        for number in 0..100_000 {
            phone
                .send(message("INVITE", number).as_bytes())
                .await
                .expect("sent");
            if number % 50 == 0 {
                tokio::task::yield_now().await;
            }
            if let Ok(length) = phone.try_recv(&mut answer) {
                return String::from_utf8_lossy(&answer[..length]).into_owned();
            }
        }
        panic!("100,000 requests were taken");
    };
    let refusal = within("a refusal", refusal).await;
    assert!(refusal.starts_with("SIP/2.0 503 "), "{refusal}");
    assert!(refusal.contains("Retry-After: 5\r\n"), "{refusal}");
    phone
        .send(message("BYE", 1).as_bytes())
        .await
        .expect("sent");
    let mut taken = 0;
    while received(&mut queue).await.bytes != message("BYE", 1) {
        taken += 1;
    }
    assert!(taken >= 4096, "{taken} requests");
    assert!(net.counters().shed_refused > 0);
}

#[tokio::test]
async fn tcp_frames_messages_answers_pings_and_reports_the_end() {
    let (net, mut queue, address) = bind(Transport::Tcp, NetSettings::default());
    let mut phone = TcpStream::connect(address).await.expect("connected");
    let text = message("OPTIONS", 1);
    let (head, tail) = text.as_bytes().split_at(40);
    phone.write_all(head).await.expect("open");
    phone.flush().await.expect("open");
    phone.write_all(tail).await.expect("open");
    let first = received(&mut queue).await;
    assert_eq!(
        (first.flow.transport, first.flow.local),
        (Transport::Tcp, address)
    );
    assert_eq!(first.bytes, text);
    phone.write_all(b"\r\n\r\n").await.expect("open");
    assert_eq!(read(&mut phone, 2).await, b"\r\n");
    net.send(&first.flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"));
    assert_eq!(read(&mut phone, 18).await, b"SIP/2.0 200 OK\r\n\r\n");
    drop(phone);
    assert_eq!(closed(&mut queue).await, first.flow.id);
    assert_eq!(net.connections(), 0);
}

#[tokio::test]
async fn what_is_not_sip_closes_its_connection() {
    let deadlines = StreamDeadlines {
        first: Duration::from_millis(500),
        half_message: Duration::from_millis(500),
        ..StreamDeadlines::default()
    };
    let settings = NetSettings {
        deadlines,
        ..NetSettings::default()
    };
    let (net, mut queue, address) = bind(Transport::Tcp, settings);
    let endless = "A".repeat(200_000);
    for (what, bytes) in [
        (
            "a TLS handshake",
            b"\x16\x03\x01\x02\x00\x01\x00".as_slice(),
        ),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: talkpath\r\n\r\n"),
        ("no line end", endless.as_bytes()),
        (
            "two lengths",
            b"OPTIONS a SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ),
        ("half a message", b"OPTIONS sip:a@b SIP/2.0\r\nVia:"),
        ("silence", b""),
    ] {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        // The other side may close before all is written.
        drop(stream.write_all(bytes).await);
        expect_close(&mut stream, what).await;
        closed(&mut queue).await;
    }
    let counters = net.counters();
    assert_eq!((counters.closed_not_sip, counters.closed_silent), (4, 2));
    assert_eq!(counters.messages_in, 0);
}

/// Answers of the peer to `pings` keepalives, each awaited.
async fn ping(phone: &mut TcpStream, pings: usize) {
    for _ in 0..pings {
        phone.write_all(b"\r\n\r\n").await.expect("open");
        assert_eq!(read(phone, 2).await, b"\r\n");
    }
}

#[tokio::test]
async fn a_client_that_floods_and_does_not_read_loses_its_connection_and_delays_nobody() {
    let (net, mut queue, address) = bind(Transport::Tcp, NetSettings::default());
    let mut good = TcpStream::connect(address).await.expect("connected");
    let mut bad = TcpStream::connect(address).await.expect("connected");
    let flood = async {
        let pings = b"\r\n\r\n".repeat(10_000);
        while bad.write_all(&pings).await.is_ok() {}
    };
    let pings = async {
        within("50 answers", ping(&mut good, 50)).await;
    };
    tokio::join!(within("the flooder's end", flood), pings);
    closed(&mut queue).await;
    assert_eq!(net.counters().closed_not_reading, 1);
    ping(&mut good, 1).await;
}

#[tokio::test]
async fn requests_of_one_flooding_client_leave_places_for_the_others() {
    let (_net, mut queue, address) = bind(Transport::Tcp, NetSettings::default());
    let mut bad = TcpStream::connect(address).await.expect("connected");
    let flood = message("OPTIONS", 1).repeat(20_000);
    // The engine reads nothing, so the flood gets stuck; that it does is the point.
    let stuck = tokio::time::timeout(Duration::from_millis(300), bad.write_all(flood.as_bytes()));
    assert!(
        stuck.await.is_err(),
        "a flood of 6 MB was taken without a reader"
    );
    let mut good = TcpStream::connect(address).await.expect("connected");
    ping(&mut good, 3).await;
    good.write_all(message("INVITE", 2).as_bytes())
        .await
        .expect("open");
    let mut before = 0;
    while received(&mut queue).await.bytes != message("INVITE", 2) {
        before += 1;
    }
    assert!(before <= 200, "{before} requests of the flooder came first");
}

#[tokio::test]
async fn answers_to_a_client_that_does_not_read_close_it() {
    let (net, mut queue, address) = bind(Transport::Tcp, NetSettings::default());
    let mut bad = TcpStream::connect(address).await.expect("connected");
    bad.write_all(message("OPTIONS", 1).as_bytes())
        .await
        .expect("open");
    let flow = received(&mut queue).await.flow;
    let answer = Bytes::from(vec![b'x'; 60_000]);
    for _ in 0..1_000 {
        net.send(&flow, answer.clone());
        tokio::task::yield_now().await;
        if net.connections() == 0 {
            break;
        }
    }
    assert_eq!(closed(&mut queue).await, flow.id);
    assert_eq!(net.counters().closed_not_reading, 1);
}

#[tokio::test]
async fn connections_are_limited_per_address_and_in_all() {
    for (connections_max, connections_per_address_max) in [(100, 2), (2, 100)] {
        let settings = NetSettings {
            connections_max,
            connections_per_address_max,
            ..NetSettings::default()
        };
        let (net, mut queue, address) = bind(Transport::Tcp, settings);
        let mut first = TcpStream::connect(address).await.expect("connected");
        let mut second = TcpStream::connect(address).await.expect("connected");
        ping(&mut first, 1).await;
        ping(&mut second, 1).await;
        let mut third = TcpStream::connect(address)
            .await
            .expect("the backlog takes it");
        expect_close(&mut third, "the refusal").await;
        let counters = net.counters();
        let refused = counters.connections_refused + counters.connections_refused_to_address;
        assert_eq!(refused, 1);
        drop(first);
        closed(&mut queue).await;
        ping(
            &mut TcpStream::connect(address).await.expect("connected"),
            1,
        )
        .await;
    }
}

#[tokio::test]
async fn connections_are_opened_and_opened_again_when_a_message_needs_one() {
    let (net, mut queue, _) = bind(Transport::Tcp, NetSettings::default());
    let peer = TcpListener::bind(LOOPBACK).await.expect("a listener");
    let remote = peer.local_addr().expect("bound");
    let flow = net
        .flow_to(Transport::Tcp, remote)
        .expect("a listener of this family");
    assert_eq!(
        net.flow_to(Transport::Tcp, remote),
        Ok(flow),
        "one connection to one address"
    );
    for round in 0..2 {
        net.send(&flow, Bytes::from_static(b"BYE sip:a@b SIP/2.0\r\n\r\n"));
        let (mut stream, _) = within("a connection", peer.accept())
            .await
            .expect("accepted");
        assert_eq!(
            read(&mut stream, 23).await,
            b"BYE sip:a@b SIP/2.0\r\n\r\n",
            "round {round}"
        );
        stream
            .write_all(message("OPTIONS", round).as_bytes())
            .await
            .expect("open");
        assert_eq!(received(&mut queue).await.flow, flow);
        drop(stream);
        assert_eq!(closed(&mut queue).await, flow.id);
    }
    drop(peer);
    net.send(&flow, Bytes::from_static(b"BYE sip:a@b SIP/2.0\r\n\r\n"));
    assert_eq!(
        closed(&mut queue).await,
        flow.id,
        "the connection was refused"
    );
    assert_eq!(net.counters().connects_failed, 1);
    let v6 = "[::1]:5060".parse().expect("an address");
    for transport in [Transport::Tcp, Transport::Udp, Transport::Wss] {
        assert_eq!(net.flow_to(transport, v6), Err(NoFlow::NoListener));
    }
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_gives_the_ports_back() {
    let list = [
        listen(Transport::Udp, LOOPBACK),
        listen(Transport::Tcp, LOOPBACK),
    ];
    let (net, mut queue) = Transports::bind(&list, NetSettings::default()).expect("bound");
    let bound = net.bound();
    let mut phone = TcpStream::connect(bound[1].1).await.expect("connected");
    phone
        .write_all(message("OPTIONS", 1).as_bytes())
        .await
        .expect("open");
    let flow: Flow = received(&mut queue).await.flow;
    net.send(&flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"));
    within("the end", net.close()).await;
    let mut rest = Vec::new();
    within("the end", phone.read_to_end(&mut rest))
        .await
        .expect("an orderly end");
    assert_eq!(rest, b"SIP/2.0 200 OK\r\n\r\n");
    drop(net);
    let again: Vec<_> = bound
        .iter()
        .map(|(transport, at)| listen(*transport, *at))
        .collect();
    assert!(
        Transports::bind(&again, NetSettings::default()).is_ok(),
        "the ports are free"
    );
}
