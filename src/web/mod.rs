//! The built pages, embedded when the program is built.
//!
//! Owns the table of files that `build.rs` makes of `web/conference/dist`, what each path shows,
//! its type, how long it may be kept and in which compressed forms it is there. A path is looked up
//! in the table and never in a file system, so there is nothing to climb out of. It speaks no HTTP;
//! `api` does.

mod encoding;

use std::cmp::Reverse;

use encoding::Coding;

/// One file of the built pages.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Path below the top, such as `assets/index-B7d0x1aZ.js`.
    pub path: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
    /// The same, compressed, where that is worth it.
    pub brotli: Option<&'static [u8]>,
    /// The same for older clients.
    pub gzip: Option<&'static [u8]>,
    /// Differs when the content does.
    pub hash: &'static str,
}

/// What a path shows.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    file: File,
    /// The value of Content-Type.
    pub content_type: &'static str,
    /// The value of Cache-Control.
    pub cache_control: &'static str,
    /// It stands in for a page that was not built.
    pub missing: bool,
}

/// The form of an asset for one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The content.
    pub bytes: &'static [u8],
    /// The value of Content-Encoding; nothing for the content as it is.
    pub encoding: Option<&'static str>,
    /// The value of ETag.
    pub etag: String,
}

impl Asset {
    /// The form that a client with this Accept-Encoding likes best; of equals the smallest.
    pub fn form(&self, accept_encoding: &str) -> Form {
        let mut codings = Coding::ALL.map(|coding| {
            let bytes = match coding {
                Coding::Brotli => self.file.brotli,
                Coding::Gzip => self.file.gzip,
            };
            (encoding::weight(accept_encoding, coding), coding, bytes)
        });
        codings.sort_by_key(|(weight, ..)| Reverse(*weight));
        let hash = self.file.hash;
        for (weight, coding, bytes) in codings {
            if let (1.., Some(bytes)) = (weight, bytes) {
                let name = coding.name();
                return Form {
                    bytes,
                    encoding: Some(name),
                    etag: format!("\"{hash}-{name}\""),
                };
            }
        }
        Form {
            bytes: self.file.bytes,
            encoding: None,
            etag: format!("\"{hash}\""),
        }
    }
}

/// The page at `/` and at `/join/{room}`.
const INDEX: &str = "index.html";
/// Files whose names change with their content stay for a year.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Others are asked for each time.
const EACH_TIME: &str = "no-cache";
/// Shortest hash in a name, in characters.
const HASH_CHARS_MIN: usize = 8;

/// The page of a program that was built without pages.
const MISSING: File = File {
    path: INDEX,
    bytes: MISSING_PAGE.as_bytes(),
    brotli: None,
    gzip: None,
    hash: "missing",
};
const MISSING_PAGE: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
    <title>talkpath</title>\n<h1>talkpath runs, without its conference page</h1>\n\
    <p>This program was built without the page. Run <code>make web</code>, build again and start \
    again: <code>make run</code> does all of it.</p>\n\
    <p>Telephones and the HTTP API work without it.</p>\n</html>\n";

// `FILES: &[File]`, sorted by path.
include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// A set of built pages.
#[derive(Clone, Copy, Debug)]
pub struct Pages(&'static [File]);

impl Pages {
    /// The pages that this program was built with; there may be none.
    pub fn embedded() -> Self {
        Self(FILES)
    }

    /// Pages of `files`.
    pub fn new(files: &'static [File]) -> Self {
        Self(files)
    }

    /// Whether there is a page to show.
    pub fn are_built(&self) -> bool {
        self.file(INDEX).is_some()
    }

    /// What the path of a URL shows, still percent-encoded. Nothing when there is no such page.
    pub fn find(&self, path: &str) -> Option<Asset> {
        let relative = path.strip_prefix('/')?;
        if relative.is_empty() || relative == INDEX || is_join(relative) {
            return Some(match self.file(INDEX) {
                Some(file) => asset(file),
                None => Asset {
                    missing: true,
                    ..asset(MISSING)
                },
            });
        }
        self.file(relative).map(asset)
    }

    fn file(&self, path: &str) -> Option<File> {
        self.0.iter().find(|file| file.path == path).copied()
    }
}

/// Whether the path is an invitation: `join/` and a room.
fn is_join(relative: &str) -> bool {
    relative.strip_prefix("join/").is_some_and(|room| {
        (3..=64).contains(&room.len()) && room.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

fn asset(file: File) -> Asset {
    let hashed = is_hashed(file.path);
    Asset {
        file,
        content_type: content_type(file.path),
        cache_control: if hashed { FOR_EVER } else { EACH_TIME },
        missing: false,
    }
}

/// Whether the name holds a hash of the content, as Vite writes it: `assets/name-HASH.ext`.
fn is_hashed(path: &str) -> bool {
    let name = path.strip_prefix("assets/").unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    // A hash may itself hold a dash, so it is the end of the stem that counts.
    let hash = stem.len().checked_sub(HASH_CHARS_MIN);
    hash.and_then(|at| stem.split_at_checked(at))
        .is_some_and(|(before, _)| before.ends_with('-'))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn file(path: &'static str, bytes: &'static [u8]) -> File {
        File {
            path,
            bytes,
            brotli: None,
            gzip: None,
            hash: "h",
        }
    }

    const FIXTURE: &[File] = &[
        file("assets/index-B7d0x-aZ.js", b"js"),
        file("assets/logo.svg", b"svg"),
        file("favicon.ico", b"ico"),
        file("index.html", b"index"),
    ];

    #[test]
    fn paths_show_what_was_built_and_nothing_else() {
        let pages = Pages::new(FIXTURE);
        let index = Some((&b"index"[..], "text/html; charset=utf-8", EACH_TIME));
        let script = (&b"js"[..], "text/javascript; charset=utf-8", FOR_EVER);
        for (path, shown) in [
            ("/", index),
            ("/index.html", index),
            ("/join/1234", index),
            ("/join/abcDEF123", index),
            ("/join/12", None),
            ("/join/", None),
            ("/join/1234/", None),
            ("/join/12-34", None),
            ("/join/..", None),
            ("/join/%2e%2e%2f", None),
            ("/assets/index-B7d0x-aZ.js", Some(script)),
            (
                "/assets/logo.svg",
                Some((&b"svg"[..], "image/svg+xml", EACH_TIME)),
            ),
            (
                "/favicon.ico",
                Some((&b"ico"[..], "image/x-icon", EACH_TIME)),
            ),
            ("/assets", None),
            ("/assets/", None),
            ("//favicon.ico", None),
            ("/./favicon.ico", None),
            ("/assets/../favicon.ico", None),
            ("/../Cargo.toml", None),
            ("/%2e%2e/Cargo.toml", None),
            ("/..%5cCargo.toml", None),
            ("/other", None),
            ("", None),
        ] {
            let found = pages.find(path);
            let found = found.map(|it| (it.file.bytes, it.content_type, it.cache_control));
            assert_eq!(found, shown, "{path}");
        }
    }

    #[test]
    fn a_program_without_pages_says_how_to_build_them() {
        let pages = Pages::new(&[]);
        assert!(!pages.are_built());
        for path in ["/", "/join/1234"] {
            let asset = pages.find(path).expect("a page that explains");
            assert!(asset.missing);
            let text = std::str::from_utf8(asset.file.bytes).expect("text");
            assert!(text.contains("make web"), "{text}");
        }
        assert!(pages.find("/favicon.ico").is_none());
    }

    #[test]
    fn a_client_gets_the_form_that_it_likes_best() {
        let plain = file("a.js", b"plain");
        let both = File {
            brotli: Some(b"br"),
            gzip: Some(b"gz"),
            ..plain
        };
        let old = File {
            brotli: None,
            ..both
        };
        for (file, accept, bytes, encoding, etag) in [
            (both, "gzip, deflate, br", "br", Some("br"), "\"h-br\""),
            (both, "br;q=0.5, gzip", "gz", Some("gzip"), "\"h-gzip\""),
            (both, "gzip", "gz", Some("gzip"), "\"h-gzip\""),
            (both, "br;q=0", "plain", None, "\"h\""),
            (both, "", "plain", None, "\"h\""),
            (old, "br, gzip;q=0.1", "gz", Some("gzip"), "\"h-gzip\""),
            (old, "br", "plain", None, "\"h\""),
            (plain, "*", "plain", None, "\"h\""),
        ] {
            let form = Form {
                bytes: bytes.as_bytes(),
                encoding,
                etag: etag.to_owned(),
            };
            assert_eq!(asset(file).form(accept), form, "{accept}");
        }
    }
}
