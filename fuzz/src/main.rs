//! The fuzz targets under libFuzzer, which looks at what each input reaches. `tools/fuzz.sh` builds
//! and starts it.
//!
//! `FUZZ_TARGET` names the target. The seeds of the target are copied into the folder
//! `FUZZ_CORPUS`, where there is one, before libFuzzer reads it.

#![no_main]

#[allow(
    dead_code,
    reason = "how often the tests run a target is nothing to libFuzzer"
)]
#[path = "../../tests/it/fuzz/targets/mod.rs"]
mod targets;

use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use targets::Target;

static TARGET: OnceLock<&Target> = OnceLock::new();

fn begin() -> &'static Target {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = targets::find(&name);
    let target = found.unwrap_or_else(|| panic!("FUZZ_TARGET={name} is no target"));
    if let Some(corpus) = std::env::var_os("FUZZ_CORPUS") {
        seed(target, Path::new(&corpus)).expect("the seeds can be copied");
    }
    // libFuzzer's own hook ends the process also where the program catches a panic; one that is
    // not caught still ends it.
    drop(std::panic::take_hook());
    target
}

fn seed(target: &Target, corpus: &Path) -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own = format!("fixtures/fuzz/{}", target.name);
    for folder in std::iter::once(own.as_str()).chain(target.seeds.iter().copied()) {
        let path = root.join(folder);
        // A target may have no files of its own.
        if !path.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(path)? {
            let file = entry?.path();
            if let Some(name) = file.file_name().filter(|_| file.is_file()) {
                std::fs::copy(&file, corpus.join(name))?;
            }
        }
    }
    Ok(())
}

fuzz_target!(
    init: TARGET.set(begin()).ok().expect("it begins once"),
    |input: &[u8]| {
        let target = TARGET.get().expect("it has begun");
        if input.len() <= target.bytes_max {
            (target.run)(input);
        }
    }
);
