//! Sequence numbers and timestamps that wrap (RFC 3550 §5.1, appendix A.1).

/// The 16-bit sequence number of a packet. It has no order of its own: compare with
/// [`SeqNo::distance_from`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SeqNo(pub u16);

impl SeqNo {
    /// The number that follows.
    pub const fn next(self) -> SeqNo {
        self.add(1)
    }

    /// The number `count` places later.
    pub const fn add(self, count: u16) -> SeqNo {
        SeqNo(self.0.wrapping_add(count))
    }

    /// Places from `earlier` to this one, by the shorter way round: −32768 to 32767, negative when
    /// this one is the older.
    pub const fn distance_from(self, earlier: SeqNo) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed() as i32
    }
}

/// The 32-bit media time of a packet, in units of the clock rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct RtpTimestamp(pub u32);

impl RtpTimestamp {
    /// The time `units` later.
    pub const fn add(self, units: u32) -> RtpTimestamp {
        RtpTimestamp(self.0.wrapping_add(units))
    }

    /// Units from `earlier` to this one, by the shorter way round; negative when this one is the
    /// older.
    pub const fn distance_from(self, earlier: RtpTimestamp) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

/// A sequence number with the count of its wraps above it, so that it has an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedSeq(pub u64);

impl ExtendedSeq {
    /// The 32 bits that a report block carries: wraps in the upper half, sequence number in the
    /// lower.
    pub const fn report_bits(self) -> u32 {
        (self.0 & 0xffff_ffff) as u32
    }
}

/// Puts sequence numbers of one source in order. Starts with the first number it sees.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeqUnwrapper {
    highest: Option<u64>,
}

/// High enough that packets older than the first do not fall below zero; zero in
/// [`ExtendedSeq::report_bits`].
const FIRST_CYCLE: u64 = 1 << 32;

impl SeqUnwrapper {
    /// The extended number of `seq`, which is taken to be the one nearest to the highest seen.
    pub fn unwrap(&mut self, seq: SeqNo) -> ExtendedSeq {
        let Some(highest) = self.highest else {
            let first = FIRST_CYCLE + u64::from(seq.0);
            self.highest = Some(first);
            return ExtendedSeq(first);
        };
        let distance = seq.distance_from(SeqNo((highest & 0xffff) as u16));
        let extended = highest.saturating_add_signed(i64::from(distance));
        self.highest = Some(highest.max(extended));
        ExtendedSeq(extended)
    }

    /// The highest number seen, nothing before the first packet.
    pub fn highest(&self) -> Option<ExtendedSeq> {
        self.highest.map(ExtendedSeq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_goes_the_shorter_way_round() {
        let rows = [
            (1, 0, 1),
            (0, 1, -1),
            (0, 65535, 1),
            (65535, 0, -1),
            (5, 65530, 11),
            (32767, 0, 32767),
            (32768, 0, -32768),
        ];
        for (seq, earlier, distance) in rows {
            assert_eq!(
                SeqNo(seq).distance_from(SeqNo(earlier)),
                distance,
                "{seq} from {earlier}"
            );
        }
        assert_eq!(
            RtpTimestamp(10).distance_from(RtpTimestamp(u32::MAX - 9)),
            20
        );
    }

    #[test]
    fn wraps_are_counted_and_old_packets_stay_below() {
        let mut unwrapper = SeqUnwrapper::default();
        let rows = [
            (65534, 65534),
            (65535, 65535),
            (1, 65537),
            (0, 65536),
            (65535, 65535),
            (30000, 95536),
            (60000, 125_536),
            (3, 131_075),
        ];
        for (seq, bits) in rows {
            assert_eq!(unwrapper.unwrap(SeqNo(seq)).report_bits(), bits, "{seq}");
        }
        assert_eq!(
            unwrapper.highest().map(ExtendedSeq::report_bits),
            Some(131_075)
        );
    }

    #[test]
    fn a_packet_older_than_the_first_is_below_it() {
        let mut unwrapper = SeqUnwrapper::default();
        let first = unwrapper.unwrap(SeqNo(0));
        assert!(unwrapper.unwrap(SeqNo(65535)) < first);
        assert_eq!(unwrapper.highest(), Some(first));
    }
}
