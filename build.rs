//! Puts the built conference page into the program: writes the table of its files for `src/web`.
//! Without a built page the table is empty and the program says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What `make web` builds.
const DIST: &str = "web/conference/dist";
/// Endings of the compressed forms that the page's build puts beside a file.
const COMPRESSED: [&str; 2] = ["br", "gz"];
/// Most files that are embedded; more means that something else lies there.
const FILES_MAX: usize = 1_000;

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    println!("cargo:rerun-if-changed=build.rs");
    let dist = root.join(DIST);
    // A watched path that does not exist makes each build start over, so the nearest that does is
    // watched. The Makefile is there always, and knows the page where there is one to build.
    let watched = [DIST, "web/conference", "Makefile"];
    if let Some(watched) = watched.iter().find(|path| root.join(path).exists()) {
        println!("cargo:rerun-if-changed={watched}");
    }
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &mut files)?;
    }
    files.sort();
    let mut table = String::from("static FILES: &[File] = &[\n");
    for file in files.iter().filter(|file| !is_compressed(file)) {
        let relative = file.strip_prefix(&dist).unwrap_or(file);
        let path = relative.to_string_lossy().replace('\\', "/");
        let absolute = file.to_string_lossy();
        let [brotli, gzip] = COMPRESSED.map(|ending| {
            let beside = format!("{absolute}.{ending}");
            match files.contains(&PathBuf::from(&beside)) {
                true => format!("Some(include_bytes!({beside:?}))"),
                false => "None".to_owned(),
            }
        });
        let hash = hash(&fs::read(file)?);
        let row = format!(
            "File {{ path: {path:?}, bytes: include_bytes!({absolute:?}), brotli: {brotli}, \
             gzip: {gzip}, hash: \"{hash:016x}\" }},"
        );
        writeln!(table, "    {row}").map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    fs::write(out.join("pages.rs"), table)
}

fn is_compressed(file: &Path) -> bool {
    COMPRESSED
        .map(Some)
        .contains(&file.extension().and_then(|ending| ending.to_str()))
}

/// FNV-1a: tells contents apart, and needs no more than that.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
        if files.len() > FILES_MAX {
            return Err(io::Error::other(format!(
                "more than {FILES_MAX} files in {DIST}"
            )));
        }
    }
    Ok(())
}
