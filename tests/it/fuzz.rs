//! Mutated inputs against laws: whatever a peer, a client, a developer or an administrator can
//! send, each kind to its entry in the program.
//!
//! [`targets`] is the one table of kinds; `fuzz/` runs the same table guided by coverage. `make
//! test` runs every file of the corpus as it is, and a fixed number of mutations of them from
//! [`SEED`], so that each run does the same. `FUZZ_RUNS=1000000` does so many per target, and
//! `FUZZ_SEED` others. An input that fails is written to a file, and `FUZZ_INPUT=<file>` runs that
//! alone.

mod mutate;
mod targets;

use std::fs::File;
use std::io::{Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mutate::Mutator;
use rustix::time::{ClockId, clock_gettime};
use targets::{TARGETS, Target};

use crate::server::root;

const SEED: u64 = 1;

/// Processor time that one input may take in the build for tests. What is slow takes a few
/// milliseconds; a minute of a datagram would be as good as a crash.
const INPUT_TIME_MAX: Duration = Duration::from_secs(2);

/// One test for each row of the table, so that each can be run alone.
macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            fuzz(stringify!($name));
        })*

        #[test]
        fn every_target_has_its_test() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

tests! {
    sip sip_stream multipart sdp rtp rtcp stun media
    rules config sound scenario message http
    calls
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse().ok();
    assert!(number.is_some(), "{name}={text} is no number");
    number
}

fn fuzz(name: &str) {
    let target = targets::find(name).expect("a row of the table");
    let mut watch = Watch::new(target);
    if let Some(path) = std::env::var_os("FUZZ_INPUT") {
        let input = std::fs::read(&path).expect("FUZZ_INPUT is a file");
        watch.run(&input, "FUZZ_INPUT");
        return;
    }
    let corpus = corpus(target);
    for (path, input) in &corpus {
        watch.run(input, &path.display().to_string());
    }
    let seed = number("FUZZ_SEED").unwrap_or(SEED);
    let runs = number("FUZZ_RUNS").unwrap_or(target.runs);
    let inputs: Vec<&[u8]> = corpus.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    let tokens = tokens(target);
    let mut mutator = Mutator::new(seed, &inputs, &tokens, target.bytes_max);
    for run in 0..runs {
        let input = mutator.next();
        watch.run(&input, &format!("run {run} of FUZZ_SEED={seed}"));
    }
}

/// The corpus of a target: what was made or found for it, then what it takes of other fixtures.
fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let own = format!("fixtures/fuzz/{}", target.name);
    let folders = std::iter::once(own.as_str()).chain(target.seeds.iter().copied());
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(root().join(folder)) else {
            // A target may have no files of its own.
            assert_eq!(folder, own, "a folder of fixtures");
            continue;
        };
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut paths: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
        // In an order that is the same on every machine.
        paths.sort();
        files.extend(paths);
    }
    assert!(!files.is_empty(), "{} has no corpus", target.name);
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("a file of the corpus");
        (path, bytes)
    };
    files.into_iter().map(read).collect()
}

/// The words of a target, from the file that libFuzzer reads too: a string with escapes in each
/// line. Nothing when it has none.
fn tokens(target: &Target) -> Vec<Vec<u8>> {
    let path = root().join(format!("fixtures/fuzz/{}.dict", target.name));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter(|line| !line.is_empty())
        .map(|line| token(line).unwrap_or_else(|| panic!("{}.dict: {line}", target.name)))
        .collect()
}

fn token(line: &str) -> Option<Vec<u8>> {
    let quoted = line.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::new();
    let mut rest = quoted;
    while let Some(first) = rest.chars().next() {
        let (byte, length) = match first {
            '\\' if rest[1..].starts_with('x') => {
                (u8::from_str_radix(rest.get(2..4)?, 16).ok()?, 4)
            }
            '\\' => (rest.as_bytes().get(1).copied()?, 2),
            plain => (u8::try_from(plain).ok()?, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    Some(bytes)
}

/// Runs inputs, and keeps the one that fails, also when it takes the process with it.
struct Watch {
    target: &'static Target,
    path: PathBuf,
    file: File,
}

impl Watch {
    fn new(target: &'static Target) -> Watch {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        std::fs::create_dir_all(&folder).expect("a folder for inputs that fail");
        // Two runs of the tests at once do not share it.
        let path = folder.join(format!("{}-{}", target.name, std::process::id()));
        let file = File::create(&path).expect("a file for the input that runs");
        Watch { target, path, file }
    }

    fn run(&mut self, input: &[u8], what: &str) {
        self.file.rewind().expect("a file");
        self.file.write_all(input).expect("room for the input");
        self.file
            .set_len(input.len() as u64)
            .expect("the length of the input");
        let begun = processor_time();
        let result = catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        let taken = processor_time() - begun;
        let slow = taken > INPUT_TIME_MAX;
        if result.is_ok() && !slow {
            return;
        }
        let why = match slow {
            true => format!("took {taken:?}"),
            false => "failed as said above".to_owned(),
        };
        let (name, path) = (self.target.name, self.path.display());
        panic!(
            "{name}: {what} {why}; the input is in {path}\n\
             again: FUZZ_INPUT={path} cargo test --test it fuzz::{name} -- --exact"
        );
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // It stays after a failure and after a crash of the process.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Of this thread, so that a busy machine makes no input slow.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
