//! The language of a pattern: the set of all values that it matches, as a deterministic automaton.
//!
//! Decides what the lint asks of patterns exactly: whether there is a value at all, whether every
//! value of one pattern is a value of others together, and gives a value as an example. Values are
//! texts without control characters; nobody dials others. A [`Decider`] bounds the work.

use std::collections::{BTreeSet, VecDeque};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

/// Largest automaton of one pattern, in bytes.
const AUTOMATON_BYTES_MAX: usize = 256 * 1024;

/// Memory that the making of one automaton may take, in bytes.
const MAKING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Texts without control characters, in UTF-8.
const TEXTS: &str = r"^(?u:[^\x00-\x1f\x7f-\x{9f}])*$";

/// Steps that one decider takes over all its questions. A step follows one byte in one automaton.
const STEPS_MAX: u64 = 20_000_000;

/// Places that one question may go through.
const PLACES_MAX: usize = 100_000;

/// The question cannot be decided: an automaton is too large, or the limits are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// The set of values that a pattern matches.
pub(super) struct Language {
    automaton: dense::DFA<Vec<u32>>,
    start: StateID,
}

/// Answers questions about languages until its steps are used up.
pub(super) struct Decider {
    texts: Language,
    steps_left: u64,
}

/// Where a walk stands: in the language whose values it goes through, in the texts, and in those of
/// the others that may still match, by their index.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    of: StateID,
    text: StateID,
    others: Vec<(usize, StateID)>,
}

/// What a walk does next.
enum Way {
    Further,
    Back,
    Done,
}

/// Writes the value that ends at a place.
type Spell<'a> = &'a dyn Fn() -> String;

/// Is told at each place of a walk: the value that ends there, if one does; the others that have
/// it; how many others may still match.
type See<'a> = dyn FnMut(Option<Spell<'_>>, &[usize], usize) -> Way + 'a;

impl Language {
    /// The language of an anchored expression.
    pub(super) fn of(expression: &str) -> Result<Self, TooLarge> {
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Anchored)
            .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
            .determinize_size_limit(Some(MAKING_BYTES_MAX));
        let automaton = dense::Builder::new()
            .configure(config)
            .thompson(thompson::Config::new().utf8(false))
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build(expression)
            .map_err(|_| TooLarge)?;
        let anchored = start::Config::new().anchored(Anchored::Yes);
        let start = automaton.start_state(&anchored).map_err(|_| TooLarge)?;
        Ok(Self { automaton, start })
    }

    fn next(&self, state: StateID, byte: u8) -> Option<StateID> {
        let next = self.automaton.next_state(state, byte);
        (!self.automaton.is_dead_state(next)).then_some(next)
    }

    fn accepts(&self, state: StateID) -> bool {
        let end = self.automaton.next_eoi_state(state);
        self.automaton.is_match_state(end)
    }
}

impl Decider {
    pub(super) fn new() -> Result<Self, TooLarge> {
        let texts = Language::of(TEXTS)?;
        Ok(Self {
            texts,
            steps_left: STEPS_MAX,
        })
    }

    /// The shortest value that all the languages have, with digits before letters before signs
    /// where there is a choice. `None` when they have none in common.
    pub(super) fn example(
        &mut self,
        of: &Language,
        others: &[&Language],
    ) -> Result<Option<String>, TooLarge> {
        let mut example = None;
        self.walk(of, others, &mut |value, matching, alive| {
            if alive < others.len() {
                return Way::Back;
            }
            if let Some(value) = value
                && matching.len() == others.len()
            {
                example = Some(value());
                return Way::Done;
            }
            Way::Further
        })?;
        Ok(example)
    }

    /// Those of the `others` that are the first to have one of the values of `of`, when every value
    /// is had by one of them; otherwise `None`.
    pub(super) fn covered(
        &mut self,
        of: &Language,
        others: &[&Language],
    ) -> Result<Option<BTreeSet<usize>>, TooLarge> {
        let mut first = BTreeSet::new();
        let mut covered = true;
        self.walk(of, others, &mut |value, matching, _| {
            if value.is_some() {
                match matching.first() {
                    Some(index) => first.insert(*index),
                    None => {
                        covered = false;
                        return Way::Done;
                    }
                };
            }
            Way::Further
        })?;
        Ok(covered.then_some(first))
    }

    /// Whether every value of `of` is one of `other`.
    pub(super) fn is_within(&mut self, of: &Language, other: &Language) -> Result<bool, TooLarge> {
        Ok(self.covered(of, &[other])?.is_some())
    }

    /// Goes through the values of `of`, shortest first, and each place once.
    fn walk(
        &mut self,
        of: &Language,
        others: &[&Language],
        see: &mut See<'_>,
    ) -> Result<(), TooLarge> {
        let start = Place {
            of: of.start,
            text: self.texts.start,
            others: others.iter().map(|other| other.start).enumerate().collect(),
        };
        // Each place with the one before it and the byte between them.
        let mut ways: Vec<(usize, u8)> = vec![(0, 0)];
        let mut seen = BTreeSet::from([start.clone()]);
        let mut waiting = VecDeque::from([(start, 0)]);
        while let Some((place, at)) = waiting.pop_front() {
            let ends = of.accepts(place.of) && self.texts.accepts(place.text);
            let has = |(index, state): &&(usize, StateID)| {
                others
                    .get(*index)
                    .is_some_and(|other| other.accepts(*state))
            };
            let matching: Vec<usize> = place.others.iter().filter(has).map(|o| o.0).collect();
            let value = || spell(&ways, at);
            let value: Option<Spell<'_>> = if ends { Some(&value) } else { None };
            match see(value, &matching, place.others.len()) {
                Way::Further => {}
                Way::Back => continue,
                Way::Done => return Ok(()),
            }
            for byte in bytes() {
                let Some(next) = self.step(of, others, &place, byte)? else {
                    continue;
                };
                if seen.insert(next.clone()) {
                    if ways.len() >= PLACES_MAX {
                        return Err(TooLarge);
                    }
                    waiting.push_back((next, ways.len()));
                    ways.push((at, byte));
                }
            }
        }
        Ok(())
    }

    fn step(
        &mut self,
        of: &Language,
        others: &[&Language],
        place: &Place,
        byte: u8,
    ) -> Result<Option<Place>, TooLarge> {
        let (Some(of), Some(text)) = (of.next(place.of, byte), self.texts.next(place.text, byte))
        else {
            return Ok(None);
        };
        let steps = 1 + place.others.len() as u64;
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(TooLarge)?;
        let alive = place.others.iter().filter_map(|(index, state)| {
            let next = others.get(*index)?.next(*state, byte)?;
            Some((*index, next))
        });
        let others = alive.collect();
        Ok(Some(Place { of, text, others }))
    }
}

/// The value that leads to a place.
fn spell(ways: &[(usize, u8)], mut at: usize) -> String {
    let mut value = Vec::new();
    while at != 0 {
        let Some((before, byte)) = ways.get(at) else {
            break;
        };
        value.push(*byte);
        at = *before;
    }
    value.reverse();
    String::from_utf8_lossy(&value).into_owned()
}

/// All bytes but the control characters, in the order in which examples prefer them.
fn bytes() -> impl Iterator<Item = u8> {
    let digits = (b'1'..=b'9').chain([b'0']);
    let letters = (b'a'..=b'z').chain(b'A'..=b'Z');
    let rest = (b' '..=0xff).filter(|byte| !byte.is_ascii_alphanumeric());
    digits.chain(letters).chain(rest)
}

#[cfg(test)]
mod tests {
    use super::{Decider, Language, TooLarge};
    use crate::routing::Pattern;

    fn language(pattern: &str) -> Language {
        let pattern = Pattern::new(pattern).expect("the row is valid");
        Language::of(&pattern.to_string()).expect("the row is small")
    }

    #[test]
    fn the_shortest_value_is_found_if_there_is_one() {
        for (pattern, also, example) in [
            (r"\d{3}", r".*", Some("111")),
            (r"conf_.+", r"(room|conf)_[a-z]+", Some("conf_a")),
            (r"conf_.+", r"room_.*", None),
            (r"1$0", r".*", None),
            (r"a\b", r".*", Some("a")),
            (r"a\bb", r".*", None),
            (r"é+", r".*", Some("é")),
            (r"\xff", r"(?s-u:.*)", None),
            (r"[\x00-\x1f]", r"(?s:.*)", None),
            (r"(?i)ab|x", r"A.*", Some("Ab")),
            (r"+?49\d+", r"\+.*", Some("+491")),
            (r"1?2?", r"1*", Some("")),
        ] {
            let mut decider = Decider::new().expect("small");
            let found = decider.example(&language(pattern), &[&language(also)]);
            assert_eq!(
                found,
                Ok(example.map(str::to_owned)),
                "{pattern:?} and {also:?}"
            );
        }
    }

    #[test]
    fn cover_is_decided_for_all_values() {
        for (pattern, others, first) in [
            (r"\d{3}", &[r"\d+"][..], Some(vec![0])),
            (r"\d+", &[r"\d{3}"], None),
            (r"[0-9]+", &[r"[0-4]\d*", r"[5-9]\d*"], Some(vec![0, 1])),
            (r"[0-9]+", &[r"[0-4]\d*", r"[6-9]\d*"], None),
            (r"1|2", &["1", ".*", "2"], Some(vec![0, 1])),
            (r".*", &[r".+"], None),
            (r".+", &[r".*"], Some(vec![0])),
            (r"(?s).*", &[r".*"], Some(vec![0])),
            (r".*1.*", &[r".*"], Some(vec![0])),
            (r"(a|b)*", &[r"(a*b*)*"], Some(vec![0])),
            (r"é?.", &[r"[\x00-\x7f]"], None),
            (r"1", &[], None),
        ] {
            let of = language(pattern);
            let others: Vec<Language> = others.iter().map(|other| language(other)).collect();
            let others: Vec<&Language> = others.iter().collect();
            let found = Decider::new().expect("small").covered(&of, &others);
            let first = first.map(|first| first.into_iter().collect());
            assert_eq!(found, Ok(first), "{pattern:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_said_to_be() {
        // The automaton has to remember which of the last twenty were ones.
        let large = Pattern::new("[01]*1[01]{20}").expect("a pattern");
        assert_eq!(Language::of(&large.to_string()).err(), Some(TooLarge));
        let of = language(".*");
        let mut decider = Decider::new().expect("small");
        let others = [".*a.{9}", ".*b.{9}", ".*c.{9}", ".*"].map(language);
        let others: Vec<&Language> = others.iter().collect();
        assert_eq!(decider.covered(&of, &others), Err(TooLarge));
    }
}
