use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;

use super::*;
use crate::net::{Incoming, IncomingQueue, NetSettings, Transports};

/// Frames from a list, then nothing for ever.
struct Listed(VecDeque<Frame>);

impl FrameReader for Listed {
    async fn next(&mut self) -> Frame {
        match self.0.pop_front() {
            Some(frame) => frame,
            None => std::future::pending().await,
        }
    }
}

/// Keeps what is sent; after `takes` frames it takes no more.
struct Kept {
    sent: Arc<Mutex<Vec<Outgoing>>>,
    takes: usize,
}

impl FrameWriter for Kept {
    async fn send(&mut self, frame: Outgoing) -> std::io::Result<()> {
        let full = {
            let mut sent = self.sent.lock().expect("no panic");
            let full = sent.len() >= self.takes;
            if !full {
                sent.push(frame);
            }
            full
        };
        if full {
            std::future::pending().await
        }
        Ok(())
    }
}

fn data(text: &str) -> Frame {
    Frame::Data(Bytes::copy_from_slice(text.as_bytes()))
}

fn attach(settings: NetSettings) -> (Transports, IncomingQueue, WsLink) {
    let (net, queue) = Transports::bind(&[], settings).expect("nothing to bind");
    let address = SocketAddr::from(([127, 0, 0, 1], 8080));
    let link = net.attach_websocket(address, address, true);
    (net, queue, link.expect("a place"))
}

#[tokio::test(start_paused = true)]
async fn each_frame_has_its_consequence() {
    let message = "OPTIONS sip:a@b SIP/2.0\r\n\r\n";
    let large = "x".repeat(FRAME_BYTES_MAX + 1);
    for (frames, heard, sent) in [
        (vec![data(message), Frame::Closed], 1, vec![]),
        (
            vec![
                data("\r\n\r\n"),
                data(" \r\n"),
                data(""),
                Frame::Control,
                Frame::Closed,
            ],
            0,
            vec![],
        ),
        (
            vec![data("x"), data(message), data("y"), Frame::Closed],
            1,
            vec![],
        ),
        (
            vec![data("x"), data("y"), data("z"), data(message)],
            0,
            vec![Outgoing::Close(1002)],
        ),
        (vec![data(&large)], 0, vec![Outgoing::Close(1009)]),
        (vec![Frame::TooLarge], 0, vec![Outgoing::Close(1009)]),
        (
            vec![],
            0,
            vec![
                Outgoing::Ping,
                Outgoing::Ping,
                Outgoing::Ping,
                Outgoing::Close(1001),
            ],
        ),
    ] {
        let (net, mut queue, link) = attach(NetSettings::default());
        let kept = Arc::default();
        let writer = Kept {
            sent: Arc::clone(&kept),
            takes: 100,
        };
        let shown = format!("{} frames, {sent:?}", frames.len());
        let id = link.flow().id;
        let identity = Some("alice".to_owned());
        link.carry(identity, Listed(frames.into()), writer).await;
        let mut seen = kept.lock().expect("no panic").clone();
        // Whether the answer to a keepalive is written before the end is a race.
        seen.retain(|one| *one != Outgoing::Message(Bytes::from_static(b"\r\n")));
        assert_eq!(seen, sent, "{shown}");
        let opened = queue.recv().await;
        assert!(
            matches!(&opened, Some(Incoming::FlowOpened { flow, .. }) if flow.id == id),
            "{shown}: {opened:?}"
        );
        for _ in 0..heard {
            assert!(matches!(queue.recv().await, Some(Incoming::Message(_))));
        }
        let closed = queue.recv().await;
        assert!(matches!(closed, Some(Incoming::FlowClosed(flow)) if flow == id));
        assert_eq!(net.connections(), 0, "{shown}");
    }
}

/// Answers some pings, then no more.
struct Ponging(u32);

impl FrameReader for Ponging {
    async fn next(&mut self) -> Frame {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                let ping = WsDeadlines::default().ping;
                let _ = timeout(ping, std::future::pending::<()>()).await;
                Frame::Control
            }
            None => std::future::pending().await,
        }
    }
}

/// A network that dies without a FIN: the time for a return begins within a minute.
#[tokio::test(start_paused = true)]
async fn a_peer_stays_while_it_answers_pings_and_is_missed_within_a_minute_after() {
    for pongs in [0, 1, 240] {
        let (_net, _queue, link) = attach(NetSettings::default());
        let writer = Kept {
            sent: Arc::default(),
            takes: 1000,
        };
        let started = tokio::time::Instant::now();
        link.carry(None, Ponging(pongs), writer).await;
        let last_heard = WsDeadlines::default().ping * pongs;
        let missed = started.elapsed().checked_sub(last_heard);
        let missed = missed.expect("not while it answers");
        assert!(missed <= Duration::from_secs(60), "{pongs}: {missed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_closed_and_the_engine_hears_it() {
    let (net, mut queue, link) = attach(NetSettings::default());
    let flow = link.flow();
    let writer = Kept {
        sent: Arc::default(),
        takes: 1,
    };
    let carried = tokio::spawn(link.carry(None, Listed(VecDeque::new()), writer));
    for _ in 0..3 {
        net.send(&flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"));
    }
    carried.await.expect("no panic");
    assert_eq!(net.counters().closed_not_reading, 1);
    assert!(matches!(
        queue.recv().await,
        Some(Incoming::FlowOpened { .. })
    ));
    assert!(matches!(queue.recv().await, Some(Incoming::FlowClosed(_))));
    net.send(&flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"));
    assert_eq!(net.counters().unreachable, 1, "it is not opened again");
    assert_eq!(net.connections(), 0);
}

#[tokio::test]
async fn a_link_that_is_never_carried_gives_its_place_back() {
    let (net, _queue, link) = attach(NetSettings::default());
    assert_eq!(net.connections(), 1);
    drop(link);
    assert_eq!(net.connections(), 0);
}
