//! What holds for every conference and for every packet.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["PCMU", "PCMA", "G722", "opus"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_listener_hears_itself_and_silence_makes_silence(
        members in proptest::collection::vec((0usize..3, any::<bool>(), any::<bool>()), 1..6),
    ) {
        let mut world = World::new();
        world.mixer(100);
        for (index, (codec, speaks, wired)) in members.iter().enumerate() {
            let id = index as u64 + 1;
            world.phone(id, NAMES[*codec], speaks.then_some(index));
            if *wired {
                let (near, far) = (unit(200 + id), unit(300 + id));
                world.tell(Command::AddWire { a: near, b: far });
                world.join(&[(id, near.0), (far.0, 100)]);
            } else {
                world.join(&[(id, 100)]);
            }
        }
        world.run(600);
        world.listen(600);
        let speakers: Vec<usize> =
            (0..members.len()).filter(|index| members[*index].1).collect();
        for own in 0..members.len() {
            let heard: Vec<usize> =
                speakers.iter().copied().filter(|speaker| *speaker != own).collect();
            world.assert_hears(own as u64 + 1, &heard, "mix");
            if heard.is_empty() {
                let loudest = world.peer(own as u64 + 1).heard.iter().map(|s| s.abs()).max();
                prop_assert!(loudest <= Some(16), "{:?}", loudest);
            }
        }
    }

    #[test]
    fn the_order_of_participants_does_not_matter(
        order in Just((1u64..=5).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let build = |order: &[u64]| {
            let mut world = World::new();
            world.mixer(100);
            for id in order {
                world.phone(*id, NAMES[*id as usize % 2], Some(*id as usize));
                world.join(&[(*id, 100)]);
            }
            world.run(500);
            (1..=5).map(|id| world.peers[&id].payloads.concat()).collect::<Vec<_>>()
        };
        prop_assert_eq!(build(&order), build(&[1, 2, 3, 4, 5]));
    }

    #[test]
    fn no_packet_breaks_the_core(
        packets in proptest::collection::vec(
            (
                proptest::collection::vec(any::<u8>(), 0..80),
                prop_oneof![Just(0u8), Just(101), Just(200), Just(201), any::<u8>()],
                any::<bool>(),
                0u16..3,
            ),
            1..200,
        ),
    ) {
        let mut world = World::new();
        world.mixer(100);
        let mut params = World::params(1, codec("opus"));
        params.payload_type_in = 0;
        params.telephone_event = Some(TelephoneEventParams {
            payload_type_out: 101,
            payload_type_in: 101,
            clock_rate_hz: 48_000,
        });
        world.phone_with(params, 1, None);
        world.phone(2, "PCMU", Some(0));
        world.join(&[(1, 100), (2, 100)]);
        for (mut bytes, kind, rtp, port) in packets {
            if let [first, second, ..] = &mut bytes[..] {
                *first = 0x80 | *first & 0x3f;
                *second = kind;
            }
            let channel = if rtp { Channel::Rtp } else { Channel::Rtcp };
            let from = address(u64::from(port));
            world.core.handle_packet(world.now, unit(1), channel, from, &bytes);
            world.run(3);
        }
        world.run(300);
        let peer = world.peer(1);
        prop_assert!(peer.headers.len() + peer.strays.len() > 10);
    }
}
