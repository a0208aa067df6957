//! A disk that has no room for a while, under the real program: what clients and the operator are
//! told meanwhile, and that everything works again by itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::server::{PATIENCE, Server, pause};

const JSON: &str = "Content-Type: application/json\r\n";
const KEY: &str = "Authorization: Bearer 0123456789abcdef\r\n";
/// Largest file while the disk is full: more than the log, less than what the store has written.
const FILE_BYTES: u64 = 300_000;

/// A disk that can be full.
trait Disk {
    fn set_full(&self, full: bool);
}

/// Files of the program may not grow: every user may do that to a program of his.
struct Limit(u32);

impl Disk for Limit {
    fn set_full(&self, full: bool) {
        let size = match full {
            true => format!("--fsize={FILE_BYTES}:unlimited"),
            false => "--fsize=unlimited:unlimited".to_owned(),
        };
        let pid = self.0.to_string();
        let set = Command::new("prlimit")
            .args(["--pid", &pid, &size])
            .status();
        assert!(set.expect("prlimit runs").success());
    }
}

/// A small file system in memory, with a file that fills it.
struct Small(PathBuf);

impl Small {
    /// Nothing for who may not mount.
    fn mount(dir: &Path) -> Option<Small> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(dir)
            .stderr(Stdio::null())
            .status();
        let is_mounted = mounted.is_ok_and(|status| status.success());
        is_mounted.then(|| Small(dir.to_owned()))
    }
}

impl Disk for Small {
    fn set_full(&self, full: bool) {
        let filler = self.0.join("filler");
        if full {
            // It ends with an error when no room is left.
            let _ = std::fs::write(filler, vec![0; 8 << 20]);
        } else {
            std::fs::remove_file(filler).expect("removed");
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn join(server: &Server) -> (String, String) {
    let path = "/api/v1/rooms/1234/join";
    let (head, body) = server.answer("POST", path, JSON, "{\"name\":\"Zoe\"}");
    let status = head.split(' ').nth(1).expect("a status").to_owned();
    if status == "503" {
        assert!(head.contains("\r\nretry-after: 5"), "{head}");
    }
    (status, body)
}

fn health(server: &Server) -> (bool, String) {
    let (head, body) = server.answer("GET", "/health", "", "");
    (head.starts_with("http/1.1 200 "), body)
}

fn expect_health(server: &Server, is_well: bool) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let (found, body) = health(server);
        if found == is_well {
            return body;
        }
        assert!(Instant::now() < end, "{body}\n{}", server.log());
        pause(Duration::from_millis(50));
    }
}

fn lines_of(server: &Server, text: &str) -> usize {
    let log = server.log();
    log.lines().filter(|line| line.contains(text)).count()
}

/// Fills the disk under the program, twice.
fn fill(server: &Server, disk: &dyn Disk, what: &str) {
    for _ in 0..60 {
        assert_eq!(join(server).0, "201");
    }
    assert!(health(server).0);
    for round in 1..=2 {
        disk.set_full(true);
        let mut refused = 0;
        // Some may find room in what is there.
        let end = Instant::now() + PATIENCE;
        while refused < 20 {
            let (status, body) = join(server);
            if status == "503" {
                refused += 1;
                assert!(body.contains("\"store-unavailable\""), "{body}");
                assert!(body.contains(what), "{body}");
            } else {
                assert_eq!(status, "201", "{body}");
            }
            assert!(Instant::now() < end, "the disk is not full");
        }
        let body = expect_health(server, false);
        assert!(body.contains("\"status\":\"unwell\""), "{body}");
        let part = format!("{{\"part\":\"store\",\"what\":\"{what}\"}}");
        assert!(body.contains(&part), "{body}");
        assert_eq!(server.metric("part_well{part=\"store\"}"), 0);
        // What is there can be read.
        let users = server.answer("GET", "/api/v1/users", KEY, "").0;
        assert!(users.starts_with("http/1.1 200 "), "{users}");
        disk.set_full(false);
        expect_health(server, true);
        assert_eq!(server.metric("part_well{part=\"store\"}"), 1);
        for _ in 0..20 {
            assert_eq!(join(server).0, "201");
        }
        assert_eq!(lines_of(server, "The store does not keep anything"), round);
        assert_eq!(lines_of(server, "The store is well again"), round);
    }
    assert!(server.metric("store_failures_total") >= 40);
}

#[test]
fn a_disk_that_was_full_is_forgotten() {
    let settings = ["api.joins_per_minute=100000", "api.key=0123456789abcdef"];
    let server = Server::start(&settings);
    fill(&server, &Limit(server.id()), "the disk fails");

    let dir = tempfile::tempdir().expect("a folder");
    let Some(disk) = Small::mount(dir.path()) else {
        // The same with a limit was tried above.
        return;
    };
    let data_dir = format!("data_dir={}", dir.path().display());
    let server = Server::start(&[settings[0], settings[1], &data_dir]);
    fill(&server, &disk, "the disk is full");
    drop(server);
    drop(disk);
}
