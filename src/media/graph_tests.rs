//! Who hears whom, row by row.

use super::*;

fn unit(name: char) -> UnitId {
    UnitId(name as u64)
}

/// Builds a graph from words: `a:leg`, `m:mix`, `p:play`, `r:rec`, `x=y` (a wire), `a>m`, `a<>m`,
/// `-a` (muted), `!a` (deafened), `*x` (a clip plays on a wire end).
fn graph(words: &str) -> Graph {
    let mut graph = Graph::default();
    for word in words.split_whitespace() {
        apply(&mut graph, word);
    }
    graph
}

fn apply(graph: &mut Graph, word: &str) {
    let first = word.chars().next().unwrap();
    let last = word.chars().last().unwrap();
    if let Some((_, kind)) = word.split_once(':') {
        let kind = match kind {
            "leg" => Kind::Leg,
            "mix" => Kind::Mixer,
            "play" => Kind::Player,
            "rec" => Kind::Recorder { tap: None },
            other => panic!("{other}"),
        };
        graph.add(unit(first), kind).unwrap();
    } else if word.contains('=') {
        graph.add_wire(unit(first), unit(last)).unwrap();
    } else if word.contains("<>") {
        graph.connect(unit(first), unit(last)).unwrap();
        graph.connect(unit(last), unit(first)).unwrap();
    } else if word.contains('>') {
        graph.connect(unit(first), unit(last)).unwrap();
    } else {
        let node = graph.node(unit(last)).unwrap();
        match first {
            '-' => graph.silence(node, true, false),
            '!' => graph.silence(node, false, true),
            '*' => graph.set_sounding(node, true),
            other => panic!("{other}"),
        }
    }
}

/// `a:bc` for each sink that hears something: mixers are left out.
fn heard(graph: &Graph) -> String {
    let mut lines = Vec::new();
    for bus in graph.resolve() {
        for sink in &bus.sinks {
            let mut line = format!("{}:", graph.unit(*sink).unwrap().0 as u8 as char);
            let mut names: Vec<char> = bus
                .sources
                .iter()
                .filter(|source| source.node != *sink)
                .filter(|source| graph.kind(source.node) != Some(Kind::Mixer))
                .map(|source| graph.unit(source.node).unwrap().0 as u8 as char)
                .collect();
            names.sort_unstable();
            line.extend(names);
            lines.push(line);
        }
    }
    lines.sort();
    lines.join(" ")
}

#[test]
fn a_sink_hears_the_union_of_its_sources_once_and_never_itself() {
    for (words, expected) in [
        ("a:leg", ""),
        ("a:leg b:leg a>b", "b:a"),
        ("a:leg b:leg a<>b", "a:b b:a"),
        ("a:leg b:leg c:leg m:mix a<>m b<>m c<>m", "a:bc b:ac c:ab"),
        ("a:leg b:leg m:mix a<>m b<>m a>b", "a:b b:a"),
        ("a:leg m:mix a<>m", "a:"),
        ("a:leg x=y b:leg a<>x y<>b", "a:b b:a"),
        (
            "a:leg x=y m:mix b:leg c:leg a<>x y<>m b<>m c<>m",
            "a:bc b:ac c:ab",
        ),
        // Two wires in a row, as a phone behind two gatekeepers.
        ("a:leg w=x y=z m:mix b:leg a<>w x<>y z<>m b<>m", "a:b b:a"),
        ("a:leg b:leg m:mix n:mix a<>m b<>n m<>n", "a:b b:a"),
        (
            "a:leg b:leg m:mix n:mix o:mix a<>m b<>o m<>n n<>o o<>m",
            "a:b b:a",
        ),
        ("a:leg p:play m:mix p>m m>a", "a:p"),
        ("a:leg b:leg r:rec m:mix a<>m b<>m m>r", "a:b b:a r:ab"),
        ("a:leg b:leg m:mix a<>m b<>m -a", "a:b b:"),
        ("a:leg b:leg m:mix a<>m b<>m !a", "b:a"),
        ("a:leg x=y m:mix b:leg a<>x y<>m b<>m -y", "a:b b:"),
        ("a:leg x=y m:mix b:leg a<>x y<>m b<>m !y", "b:a"),
        ("a:leg x=y m:mix b:leg a<>x y<>m b<>m !y *y", "a:y b:a"),
        ("a:leg x=y m:mix b:leg a<>x y<>m b<>m *y", "a:by b:a"),
        // Web a and b, phone c and d, as in the conference scenario.
        (
            "a:leg b:leg c:leg d:leg v:mix p:mix v>a v>b c>v d>v p>c p>d a>p b>p c>p d>p",
            "a:cd b:cd c:abd d:abc",
        ),
    ] {
        assert_eq!(heard(&graph(words)), expected, "{words}");
    }
}

#[test]
fn a_conference_is_one_bus_however_its_members_reach_it() {
    let mut words = String::from("m:mix ");
    for i in 0..20u8 {
        let leg = (b'a' + i) as char;
        if i % 2 == 0 {
            words += &format!("{leg}:leg {leg}<>m ");
        } else {
            let (near, far) = ((b'A' + i) as char, (0xC0 + i) as char);
            words += &format!("{near}={far} {leg}:leg {leg}<>{near} {far}<>m ");
        }
    }
    let words = words.replacen("m:mix", "~:mix", 1).replace("<>m ", "<>~ ");
    let buses = graph(&words).resolve();
    assert_eq!(buses.len(), 1);
    assert_eq!(buses[0].sinks.len(), 20);
    assert_eq!(buses[0].sources.len(), 21);
}

#[test]
fn removal_takes_the_edges_along_and_the_node_is_used_again() {
    let mut graph = graph("a:leg b:leg m:mix a<>m b<>m x=y");
    graph.remove(unit('m')).unwrap();
    assert_eq!(heard(&graph), "");
    graph.remove(unit('x')).unwrap();
    assert_eq!(
        graph.kind(graph.node(unit('y')).unwrap()),
        Some(Kind::Wire { peer: None })
    );
    apply(&mut graph, "n:mix");
    apply(&mut graph, "a>n");
    apply(&mut graph, "n>b");
    assert_eq!(heard(&graph), "b:a");
    graph.disconnect(unit('a'), unit('n'));
    assert_eq!(heard(&graph), "b:");
    assert_eq!(graph.nodes_end(), 5);
}

#[test]
fn refuses_what_cannot_be() {
    let mut graph = graph("a:leg x=y");
    assert_eq!(graph.add(unit('a'), Kind::Leg), Err(GraphError::Exists));
    assert_eq!(
        graph.add_wire(unit('q'), unit('x')),
        Err(GraphError::Exists)
    );
    assert_eq!(
        graph.add_wire(unit('q'), unit('q')),
        Err(GraphError::Itself)
    );
    assert_eq!(graph.connect(unit('a'), unit('a')), Err(GraphError::Itself));
    assert_eq!(
        graph.connect(unit('a'), unit('n')),
        Err(GraphError::Unknown)
    );
    assert_eq!(graph.remove(unit('n')), None);
}

#[test]
fn the_connected_share_a_slot_and_the_others_are_spread() {
    let mut graph = graph("a:leg b:leg c:leg d:leg e:leg");
    graph.assign_slots();
    let slot = |graph: &Graph, name| graph.slot(graph.node(unit(name)).unwrap()).unwrap();
    assert_eq!(
        ['a', 'b', 'c', 'd', 'e'].map(|name| slot(&graph, name)),
        [0, 1, 2, 3, 0]
    );
    for word in ["x=y", "b<>x", "y<>c", "e>b"] {
        apply(&mut graph, word);
    }
    graph.assign_slots();
    let together = ['b', 'x', 'y', 'c', 'e'].map(|name| slot(&graph, name));
    assert!(
        together.iter().all(|slot| *slot == together[0]),
        "{together:?}"
    );
    assert_eq!(
        slot(&graph, 'a'),
        0,
        "a component that did not change stays"
    );
    assert_eq!(slot(&graph, 'd'), 3);
}
