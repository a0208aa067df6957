//! Packets that wait for the shell to send them: one reused buffer, so that a packet costs a copy
//! of its bytes and no allocation.

use std::net::SocketAddr;

use crate::id::UnitId;

/// Which socket of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The RTP socket, which carries RTCP too where the peer multiplexes (RFC 5761).
    Rtp,
    /// The RTCP socket.
    Rtcp,
    /// The socket that all WebRTC legs share.
    Shared,
}

/// Bytes that may wait; the shell drains after each call, so that more means a stuck shell. The
/// newest packets are dropped then, and counted.
const BYTES_MAX: usize = 16 * 1024 * 1024;

struct Entry {
    unit: UnitId,
    channel: Channel,
    to: SocketAddr,
    end: usize,
}

/// The packets to send, in order.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    dropped: u64,
}

impl Outbox {
    /// Appends a packet: `write` appends its bytes, or none when there is nothing to send.
    pub(super) fn push(
        &mut self,
        unit: UnitId,
        channel: Channel,
        to: SocketAddr,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        if self.bytes.len() >= BYTES_MAX {
            self.dropped += 1;
            return;
        }
        let start = self.bytes.len();
        write(&mut self.bytes);
        if self.bytes.len() == start {
            return;
        }
        self.entries.push(Entry {
            unit,
            channel,
            to,
            end: self.bytes.len(),
        });
    }

    /// Hands over every packet and forgets it.
    pub(super) fn drain(&mut self, mut send: impl FnMut(UnitId, Channel, SocketAddr, &[u8])) {
        let mut start = 0;
        for entry in self.entries.drain(..) {
            if let Some(bytes) = self.bytes.get(start..entry.end) {
                send(entry.unit, entry.channel, entry.to, bytes);
            }
            start = entry.end;
        }
        self.bytes.clear();
    }

    /// Packets that did not fit since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}
