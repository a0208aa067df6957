//! The jitter buffer: packets in as the network brings them, out in the order of their sequence
//! numbers at the caller's tick. It holds payloads, not samples: the caller decodes what it pops
//! and keeps the samples of packets that are not 20 ms long.
//!
//! ```text
//!          first packet           its wait is over, pop → Packet
//!   (new) ─────────────▶ Filling ───────────────────────────────▶ Playing ◀─┐ pop → Packet, Lost
//!                           ▲    pop → Waiting                     │   ▲    └─┘
//!                           │                      nothing to pop  │   │ a packet is there
//!                           │ nothing for 1 s        → Empty       ▼   │ and its wait is over
//!                           └─────────────────────────────────── Starved ─┐ pop → Empty, Waiting
//!                                                                    └────┘
//! ```
//!
//! The wait of a packet is counted from when the quickest packets of the last seconds would have
//! brought it (`jitter_target.rs`). While it plays, only order counts: one packet a turn, a missing
//! one is `Lost` as long as later ones are there, and a gap in the timestamps (discontinuous
//! transmission) is waited for. A turn without any packet delays all that follows by one tick, so
//! too small a delay mends itself; too large a delay shows in [`JitterBuffer::excess_ms`], and the
//! caller drops samples, preferably silent ones. Clock drift is mended by the same two.
//!
//! Bounded: 512 sequence numbers, 1 s of media, 2048 bytes a payload. Does not decode, does not
//! conceal, does not judge sources.

use std::time::Instant;

use super::jitter_target::{DelayTracker, LeadWindow, PacketSteps, TICK_US};
use super::{PayloadType, RtpPacket, RtpTimestamp, SeqNo, Ssrc};

/// Sequence numbers that the buffer spans; packets farther ahead are strays.
const WINDOW_PACKETS: u16 = 512;
/// Slots at the start; doubled when a packet comes from farther ahead.
const SLOTS_AT_START: usize = 8;
/// Media time that the buffer spans; when it is more, the oldest go until the target is left.
const SPAN_MAX_US: i64 = 1_000_000;
/// Longest payload.
const PAYLOAD_BYTES_MAX: usize = 2_048;
/// Packets in a row that must stray in the same direction before the buffer follows them (RFC 3550
/// A.1).
const STRAYS_TO_RESET: u32 = 2;
/// Missing packets reported one after the other before a late gap is jumped.
const LOST_RUN_MAX: u32 = 10;
/// Starvation after which the stream is taken to pause.
const IDLE_AFTER_US: i64 = 1_000_000;
/// Excess that is not worth a drop, so that drops and starvation do not alternate.
const EXCESS_HYSTERESIS_US: i64 = 5_000;

/// What a buffer is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterConfig {
    /// RTP clock of the payload type in Hz.
    pub clock_rate_hz: u32,
    /// Least target in milliseconds, counted with the packet that is popped: 20 is no wait beyond
    /// the tick.
    pub target_min_ms: u32,
    /// Greatest target in milliseconds.
    pub target_max_ms: u32,
}

impl JitterConfig {
    /// Targets from 20 to 200 ms.
    pub const fn new(clock_rate_hz: u32) -> Self {
        JitterConfig {
            clock_rate_hz,
            target_min_ms: 20,
            target_max_ms: 200,
        }
    }
}

/// What became of a pushed packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// It waits for its turn.
    Stored,
    /// It was there already, or has been popped.
    Duplicate,
    /// Its turn has passed.
    Late,
    /// Another source or another place in the sequence: what was held is gone, the packet is the
    /// first of the new stream. The caller resets its decoder.
    Restarted,
    /// Far from the sequence; followed only if its successor comes next.
    Stray,
    /// Longer than 2048 bytes.
    Oversized,
}

/// A packet whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferedPacket<'a> {
    /// Payload type.
    pub payload_type: PayloadType,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub seq: SeqNo,
    /// Media time.
    pub timestamp: RtpTimestamp,
    /// The bytes to decode.
    pub payload: &'a [u8],
}

/// What a turn brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Popped<'a> {
    /// The next packet.
    Packet(BufferedPacket<'a>),
    /// The next packet is missing though later ones are there: conceal `duration_ms`, or recover
    /// it.
    Lost {
        /// Payload of its successor, if that is there; Opus may hold redundancy (RFC 6716 §2.1.7).
        next: Option<&'a [u8]>,
        /// Length of the missing packet, 1 to 120.
        duration_ms: u32,
    },
    /// Filling, or a pause of the sender: silence.
    Waiting,
    /// Starved in the midst of the stream: conceal one tick.
    Empty,
}

/// Totals since the buffer was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct JitterCounters {
    /// Packets stored.
    pub stored: u64,
    /// Packets popped.
    pub popped: u64,
    /// Packets that were missing at their turn and have not come since.
    pub lost: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that came again.
    pub duplicate: u64,
    /// Packets that were too far from the sequence or too long.
    pub refused: u64,
    /// Packets given up because more than 1 s was held.
    pub discarded: u64,
    /// Times that the buffer ran dry.
    pub starved: u64,
    /// Times that the stream started anew.
    pub restarts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Free,
    Audio,
    /// The number was used for something that has no audio.
    Other,
}

#[derive(Debug, Default)]
struct Slot {
    kind: Kind,
    payload_type: u8,
    marker: bool,
    timestamp: RtpTimestamp,
    nominal_us: i64,
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Filling,
    Playing,
    Starved { since_us: i64 },
}

/// The place of playout in the stream.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    ssrc: Ssrc,
    /// Whose turn it is.
    next: SeqNo,
    /// Where the audio of `next` should begin.
    next_nominal_us: i64,
    /// One more than the newest stored.
    end: SeqNo,
    /// Anything has been popped or skipped, so that `next` may not move back.
    moved: bool,
}

/// The jitter buffer of one received stream.
#[derive(Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    delays: DelayTracker,
    /// Length is a power of two; a packet is at its number modulo the length.
    slots: Vec<Slot>,
    /// Slots that hold audio.
    held: usize,
    cursor: Option<Cursor>,
    phase: Phase,
    /// Bit n is set when the packet n + 1 before `next` has come.
    history: u64,
    /// The last stray and how many came in a row.
    stray: Option<(SeqNo, u32)>,
    steps: PacketSteps,
    lead: LeadWindow,
    lost_run: u32,
    counters: JitterCounters,
}

impl JitterBuffer {
    /// An empty buffer.
    pub fn new(config: JitterConfig) -> Self {
        let wait_us = |target_ms: u32| i64::from(target_ms) * 1_000 - TICK_US;
        JitterBuffer {
            config,
            delays: DelayTracker::new(
                config.clock_rate_hz,
                wait_us(config.target_min_ms),
                wait_us(config.target_max_ms),
            ),
            slots: Vec::new(),
            held: 0,
            cursor: None,
            phase: Phase::Filling,
            history: 0,
            stray: None,
            steps: PacketSteps::default(),
            lead: LeadWindow::default(),
            lost_run: 0,
            counters: JitterCounters::default(),
        }
    }

    /// Takes an audio packet that arrived at `now`.
    pub fn push(&mut self, now: Instant, packet: &RtpPacket<'_>) -> PushOutcome {
        if packet.payload.len() > PAYLOAD_BYTES_MAX {
            self.counters.refused += 1;
            return PushOutcome::Oversized;
        }
        let Some(cursor) = self.cursor.filter(|cursor| cursor.ssrc == packet.ssrc) else {
            return self.start(now, packet);
        };
        let ahead = packet.seq.distance_from(cursor.next);
        let may_move_back = !cursor.moved
            && cursor.end.distance_from(packet.seq) < i32::from(WINDOW_PACKETS)
            && !self.delays.is_discontinuous(now, packet.timestamp);
        if ahead >= i32::from(WINDOW_PACKETS) || (ahead < 0 && !may_move_back) {
            return self.push_outside(now, packet, ahead);
        }
        if ahead >= 0
            && self
                .slot_in_window(&cursor, packet.seq)
                .is_some_and(Slot::is_used)
        {
            self.counters.duplicate += 1;
            return PushOutcome::Duplicate;
        }
        self.stray = None;
        self.store(now, packet);
        self.bound_span(now);
        PushOutcome::Stored
    }

    /// Tells that the packet `seq` of the same source carried no audio (telephone-event, comfort
    /// noise), so that nobody misses it.
    pub fn push_other(&mut self, seq: SeqNo) {
        let Some(cursor) = self.cursor else { return };
        let ahead = seq.distance_from(cursor.next);
        if (0..i32::from(WINDOW_PACKETS)).contains(&ahead) {
            self.make_room(&cursor, seq);
            let slot = self.slot_mut(seq);
            if !slot.is_used() {
                slot.kind = Kind::Other;
                self.extend_to(seq);
            }
        } else if (-64..0).contains(&ahead) && self.history & history_bit(ahead) == 0 {
            self.history |= history_bit(ahead);
            self.counters.lost = self.counters.lost.saturating_sub(1);
        }
    }

    /// Pops what is due at `now`. Called once per 20 ms tick, more often for packets shorter than
    /// that, less often for longer ones, and once more to drop (see [`JitterBuffer::excess_ms`]).
    pub fn pop(&mut self, now: Instant) -> Popped<'_> {
        self.pass_others();
        let Some((seq, nominal_us)) = self.first_audio() else {
            return self.pop_nothing(now);
        };
        let local_us = self.delays.local_us(now);
        let wait_us = self.delays.wait_us(now);
        let due = local_us >= self.delays.earliest_us(nominal_us) + wait_us;
        if self.phase != Phase::Playing {
            if !due {
                return Popped::Waiting;
            }
            self.phase = Phase::Playing;
            return self.pop_packet(now, seq);
        }
        let Some(cursor) = self.cursor else {
            return Popped::Waiting;
        };
        let is_gap = nominal_us - cursor.next_nominal_us > self.steps.packet_us / 2;
        if !is_gap || (due && (seq == cursor.next || self.lost_run >= LOST_RUN_MAX)) {
            return self.pop_packet(now, seq);
        }
        if seq == cursor.next {
            self.phase = Phase::Starved { since_us: local_us };
            return Popped::Waiting;
        }
        self.pop_lost()
    }

    /// Milliseconds of delay that could go without more packets coming too late, once it has been
    /// so for a second. Asked before the pops of a tick: when it is 20 or more, the caller pops
    /// until it has 40 ms of samples and drops 20 of them, at best where they are silent.
    pub fn excess_ms(&self, now: Instant) -> u32 {
        let lead_us = self.lead.least_us().unwrap_or(0);
        let excess_us = lead_us - self.delays.wait_us(now) - EXCESS_HYSTERESIS_US;
        u32::try_from(excess_us / 1_000)
            .unwrap_or(0)
            .min(self.depth_ms())
    }

    /// Milliseconds of audio held.
    pub fn depth_ms(&self) -> u32 {
        let packet_ms = u64::try_from(self.steps.packet_us / 1_000).unwrap_or(0);
        u32::try_from(self.held as u64 * packet_ms).unwrap_or(u32::MAX)
    }

    /// The target in milliseconds, within the bounds of the configuration.
    pub fn target_ms(&self, now: Instant) -> u32 {
        let learnt_ms = u32::try_from((self.delays.learnt_us(now) + TICK_US) / 1_000).unwrap_or(0);
        learnt_ms.clamp(
            self.config.target_min_ms,
            self.config.target_max_ms.max(self.config.target_min_ms),
        )
    }

    /// Milliseconds that the quickest packets wait for their turn, at the last packet popped; 0
    /// before.
    pub fn delay_ms(&self) -> u32 {
        u32::try_from(self.lead.last_us / 1_000).unwrap_or(0)
    }

    /// Length of one packet in milliseconds as the timestamps show it; 20 before two have come.
    pub fn packet_ms(&self) -> u32 {
        u32::try_from(self.steps.packet_us / 1_000).unwrap_or(0)
    }

    /// Totals.
    pub fn counters(&self) -> &JitterCounters {
        &self.counters
    }

    fn start(&mut self, now: Instant, packet: &RtpPacket<'_>) -> PushOutcome {
        let restarted = self.cursor.is_some();
        for slot in &mut self.slots {
            slot.kind = Kind::Free;
        }
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS_AT_START, Slot::default);
        }
        self.delays.restart();
        self.held = 0;
        self.phase = Phase::Filling;
        self.history = 0;
        self.stray = None;
        self.steps.forget_last();
        self.lead = LeadWindow::default();
        self.lost_run = 0;
        self.cursor = Some(Cursor {
            ssrc: packet.ssrc,
            next: packet.seq,
            next_nominal_us: 0,
            end: packet.seq,
            moved: false,
        });
        self.store(now, packet);
        if restarted {
            self.counters.restarts += 1;
            return PushOutcome::Restarted;
        }
        PushOutcome::Stored
    }

    /// A packet before `next` or beyond the window.
    fn push_outside(&mut self, now: Instant, packet: &RtpPacket<'_>, ahead: i32) -> PushOutcome {
        let recent = (-64..0).contains(&ahead);
        if recent && self.history & history_bit(ahead) != 0 {
            self.counters.duplicate += 1;
            return PushOutcome::Duplicate;
        }
        let near = (-i32::from(WINDOW_PACKETS)..0).contains(&ahead);
        if near && !self.delays.is_discontinuous(now, packet.timestamp) {
            if recent {
                self.history |= history_bit(ahead);
                self.counters.lost = self.counters.lost.saturating_sub(1);
            }
            self.counters.late += 1;
            let placed = self.delays.place(now, packet.timestamp);
            self.delays.note_late(now, placed.late_us);
            return PushOutcome::Late;
        }
        let run = match self.stray {
            Some((last, run)) if last.next() == packet.seq => run + 1,
            Some(_) | None => 1,
        };
        if run >= STRAYS_TO_RESET {
            return self.start(now, packet);
        }
        self.stray = Some((packet.seq, run));
        self.counters.refused += 1;
        PushOutcome::Stray
    }

    fn store(&mut self, now: Instant, packet: &RtpPacket<'_>) {
        let Some(mut cursor) = self.cursor else {
            return;
        };
        let placed = match self.phase {
            Phase::Starved { .. } if self.held == 0 => {
                let placed = self.delays.place_after_starvation(now, packet.timestamp);
                self.delays.note_late(now, placed.late_us);
                placed
            }
            Phase::Filling | Phase::Playing | Phase::Starved { .. } => {
                self.delays.place(now, packet.timestamp)
            }
        };
        if packet.seq.distance_from(cursor.next) < 0 {
            self.make_room_before(&cursor, packet.seq);
            cursor.next = packet.seq;
            self.cursor = Some(cursor);
        }
        self.make_room(&cursor, packet.seq);
        self.steps.learn(packet.seq, placed.nominal_us);
        let slot = self.slot_mut(packet.seq);
        slot.kind = Kind::Audio;
        slot.payload_type = packet.payload_type.0;
        slot.marker = packet.marker;
        slot.timestamp = packet.timestamp;
        slot.nominal_us = placed.nominal_us;
        slot.payload.clear();
        slot.payload.extend_from_slice(packet.payload);
        self.held += 1;
        self.counters.stored += 1;
        self.extend_to(packet.seq);
    }

    /// Gives up the oldest when more than a second is held.
    fn bound_span(&mut self, now: Instant) {
        let newest_us = self.newest_nominal_us();
        let Some((_, oldest_us)) = self.first_audio() else {
            return;
        };
        if newest_us - oldest_us <= SPAN_MAX_US {
            return;
        }
        let keep_from_us = newest_us - self.delays.wait_us(now);
        while let Some((seq, nominal_us)) = self.first_audio() {
            if nominal_us >= keep_from_us || self.held <= 1 {
                break;
            }
            self.skip_to(seq);
            self.release(seq);
            self.advance(true);
            self.counters.discarded += 1;
        }
        if let (Some((_, nominal_us)), Some(cursor)) = (self.first_audio(), &mut self.cursor) {
            cursor.next_nominal_us = nominal_us;
        }
    }

    fn pop_nothing(&mut self, now: Instant) -> Popped<'_> {
        let local_us = self.delays.local_us(now);
        match self.phase {
            Phase::Filling => Popped::Waiting,
            Phase::Playing => {
                self.counters.starved += 1;
                self.phase = Phase::Starved { since_us: local_us };
                Popped::Empty
            }
            Phase::Starved { since_us } if local_us - since_us >= IDLE_AFTER_US => {
                self.phase = Phase::Filling;
                Popped::Waiting
            }
            Phase::Starved { .. } => Popped::Empty,
        }
    }

    fn pop_lost(&mut self) -> Popped<'_> {
        self.lost_run += 1;
        self.counters.lost += 1;
        let packet_us = self.steps.packet_us;
        self.advance(false);
        if let Some(cursor) = &mut self.cursor {
            cursor.next_nominal_us += packet_us;
        }
        let next = self
            .cursor
            .and_then(|cursor| self.slot_in_window(&cursor, cursor.next));
        Popped::Lost {
            next: next
                .filter(|slot| slot.kind == Kind::Audio)
                .map(|slot| slot.payload.as_slice()),
            duration_ms: u32::try_from(packet_us / 1_000).unwrap_or(0).max(1),
        }
    }

    fn pop_packet(&mut self, now: Instant, seq: SeqNo) -> Popped<'_> {
        self.skip_to(seq);
        self.lost_run = 0;
        self.counters.popped += 1;
        self.release(seq);
        self.advance(true);
        let nominal_us = self.slot_mut(seq).nominal_us;
        let local_us = self.delays.local_us(now);
        self.lead
            .learn(local_us, local_us - self.delays.earliest_us(nominal_us));
        if let Some(cursor) = &mut self.cursor {
            cursor.next_nominal_us = nominal_us + self.steps.packet_us;
        }
        let slot = self.slot_mut(seq);
        Popped::Packet(BufferedPacket {
            payload_type: PayloadType(slot.payload_type),
            marker: slot.marker,
            seq,
            timestamp: slot.timestamp,
            payload: &slot.payload,
        })
    }

    /// Moves past numbers that carried no audio.
    fn pass_others(&mut self) {
        while let Some(cursor) = self.cursor {
            match self.slot_in_window(&cursor, cursor.next) {
                Some(slot) if slot.kind == Kind::Other => {
                    self.release(cursor.next);
                    self.advance(true);
                }
                Some(_) | None => break,
            }
        }
    }

    /// Moves `next` to `seq`; what is between is lost unless it carried no audio.
    fn skip_to(&mut self, seq: SeqNo) {
        while let Some(cursor) = self.cursor {
            if cursor.next == seq {
                break;
            }
            let came = self.slot_mut(cursor.next).kind == Kind::Other;
            self.release(cursor.next);
            self.advance(came);
            self.counters.lost += u64::from(!came);
        }
    }

    /// Moves `next` by one.
    fn advance(&mut self, came: bool) {
        self.history = self.history << 1 | u64::from(came);
        if let Some(cursor) = &mut self.cursor {
            cursor.next = cursor.next.next();
            cursor.moved = true;
            if cursor.end.distance_from(cursor.next) < 0 {
                cursor.end = cursor.next;
            }
        }
    }

    fn release(&mut self, seq: SeqNo) {
        let slot = self.slot_mut(seq);
        let was_audio = slot.kind == Kind::Audio;
        slot.kind = Kind::Free;
        self.held -= usize::from(was_audio);
    }

    fn extend_to(&mut self, seq: SeqNo) {
        if let Some(cursor) = &mut self.cursor
            && seq.distance_from(cursor.end) >= 0
        {
            cursor.end = seq.next();
        }
    }

    /// The oldest packet held, with its media time.
    fn first_audio(&self) -> Option<(SeqNo, i64)> {
        let cursor = self.cursor.filter(|_| self.held > 0)?;
        let count = u16::try_from(cursor.end.distance_from(cursor.next)).ok()?;
        (0..count)
            .map(|offset| cursor.next.add(offset))
            .find_map(|seq| {
                let slot = self.slot_in_window(&cursor, seq)?;
                (slot.kind == Kind::Audio).then_some((seq, slot.nominal_us))
            })
    }

    fn newest_nominal_us(&self) -> i64 {
        let Some(cursor) = self.cursor else { return 0 };
        let newest = self.slot_in_window(&cursor, cursor.end.add(u16::MAX));
        newest
            .filter(|slot| slot.kind == Kind::Audio)
            .map_or(0, |slot| slot.nominal_us)
    }

    fn slot_in_window(&self, cursor: &Cursor, seq: SeqNo) -> Option<&Slot> {
        let inside = seq.distance_from(cursor.next) >= 0 && cursor.end.distance_from(seq) > 0;
        self.slots
            .get(usize::from(seq.0) & (self.slots.len() - 1))
            .filter(|_| inside)
    }

    fn slot_mut(&mut self, seq: SeqNo) -> &mut Slot {
        let index = usize::from(seq.0) & (self.slots.len() - 1);
        self.slots
            .get_mut(index)
            .expect("an index modulo the length is within it")
    }

    /// Doubles the slots until `seq` has one of its own.
    fn make_room(&mut self, cursor: &Cursor, seq: SeqNo) {
        let needed = usize::try_from(seq.distance_from(cursor.next) + 1).unwrap_or(0);
        self.grow_to(cursor, needed);
    }

    fn make_room_before(&mut self, cursor: &Cursor, seq: SeqNo) {
        let needed = usize::try_from(cursor.end.distance_from(seq)).unwrap_or(0);
        self.grow_to(cursor, needed);
    }

    fn grow_to(&mut self, cursor: &Cursor, needed: usize) {
        if needed <= self.slots.len() {
            return;
        }
        let mut slots = Vec::new();
        slots.resize_with(needed.next_power_of_two(), Slot::default);
        let count = u16::try_from(cursor.end.distance_from(cursor.next)).unwrap_or(0);
        for seq in (0..count).map(|offset| cursor.next.add(offset)) {
            let index = usize::from(seq.0) & (slots.len() - 1);
            if let Some(slot) = slots.get_mut(index) {
                *slot = std::mem::take(self.slot_mut(seq));
            }
        }
        self.slots = slots;
    }
}

/// The bit of [`JitterBuffer::history`] for a packet −1 to −64 places from `next`.
fn history_bit(ahead: i32) -> u64 {
    u32::try_from(-1 - ahead)
        .ok()
        .and_then(|age| 1u64.checked_shl(age))
        .unwrap_or(0)
}

impl Slot {
    fn is_used(&self) -> bool {
        self.kind != Kind::Free
    }
}

#[cfg(test)]
mod tests;
