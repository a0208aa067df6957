//! Puts the built conference page into the program: writes the table of its files for `src/web`.
//! Without a built page the table is empty and the program says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What `make web` builds.
const DIST: &str = "web/conference/dist";
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
    for file in files {
        let relative = file.strip_prefix(&dist).unwrap_or(&file);
        let path = relative.to_string_lossy().replace('\\', "/");
        let absolute = file.to_string_lossy();
        let row = format!("File {{ path: {path:?}, bytes: include_bytes!({absolute:?}) }},");
        writeln!(table, "    {row}").map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    fs::write(out.join("pages.rs"), table)
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
