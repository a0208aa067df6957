//! The sockets of the engine's legs, each on a port of its own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use crate::id::UnitId;
use crate::media::Channel;

const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const FIRST_PORT: u16 = 20_000;

/// Where the sockets of each leg are, and the other way round.
#[derive(Default)]
pub(super) struct Sockets {
    of_units: BTreeMap<UnitId, (SocketAddr, SocketAddr)>,
    units: BTreeMap<SocketAddr, (UnitId, Channel)>,
    bound: u16,
}

impl Sockets {
    /// Opens those for RTP and RTCP.
    pub(super) fn bind(&mut self, unit: UnitId) -> (SocketAddr, SocketAddr) {
        let port = FIRST_PORT + 2 * self.bound;
        self.bound += 1;
        let (rtp, rtcp) = ((HOST, port).into(), (HOST, port + 1).into());
        self.units.insert(rtp, (unit, Channel::Rtp));
        self.units.insert(rtcp, (unit, Channel::Rtcp));
        self.of_units.insert(unit, (rtp, rtcp));
        (rtp, rtcp)
    }

    pub(super) fn unbind(&mut self, unit: UnitId) {
        if let Some((rtp, rtcp)) = self.of_units.remove(&unit) {
            self.units.remove(&rtp);
            self.units.remove(&rtcp);
        }
    }

    /// Whose socket it is; nothing for one that is not open.
    pub(super) fn at(&self, address: SocketAddr) -> Option<(UnitId, Channel)> {
        self.units.get(&address).copied()
    }

    /// Where a leg takes RTP.
    pub(super) fn rtp_of(&self, unit: UnitId) -> Option<SocketAddr> {
        self.of_units.get(&unit).map(|(rtp, _)| *rtp)
    }

    /// How many legs have sockets, and how many addresses are taken.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.of_units.len(), self.units.len())
    }
}
