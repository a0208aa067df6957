//! The real program on free ports of the loopback interface, with folders of its own, and the small
//! things that tests ask of it. Every wait has an end; the program never outlives its test.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

pub const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Longest wait for anything that is to come. It only ends a test that fails: how fast a thing
/// comes depends on what else the machine does, and is asserted nowhere.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program that is tested, and the command line of one of its subcommands.
pub fn talkpath() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talkpath"));
    command
        .stdin(Stdio::null())
        .env_remove("TALKPATH_LOG")
        .env_remove("TALKPATH_API_KEY")
        .env_remove("TALKPATH_TURN_SECRET")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// The folder of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program that a test needs; without it the test fails and says what to do.
pub fn client(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing; run make test, which installs {name}"))
}

/// A running engine.
pub struct Server {
    child: Child,
    /// Where it takes SIP over UDP.
    pub udp: SocketAddr,
    /// Where it takes SIP over TCP.
    pub tcp: SocketAddr,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// What it printed until it was up.
    pub greeting: String,
    /// Files of this test, gone with the server.
    pub dir: tempfile::TempDir,
    _media: MediaPorts,
}

/// Media ports that no other server of this run has meanwhile.
struct MediaPorts(usize);

static TAKEN: Mutex<[bool; MediaPorts::RANGES]> = Mutex::new([false; MediaPorts::RANGES]);

impl MediaPorts {
    /// Below the ports of `free_port`.
    const FIRST: u16 = 10_000;
    /// Enough for the six hundred calls of one test.
    const PORTS: u16 = 1_250;
    const RANGES: usize = 8;

    /// Waits for a range where all are taken.
    fn take() -> MediaPorts {
        loop {
            let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(free) = taken.iter().position(|taken| !taken) {
                taken[free] = true;
                return MediaPorts(free);
            }
            drop(taken);
            pause(Duration::from_millis(50));
        }
    }

    fn setting(&self) -> String {
        let first = Self::FIRST + Self::PORTS * self.0 as u16;
        format!("media.ports={first}-{}", first + Self::PORTS - 1)
    }
}

impl Drop for MediaPorts {
    fn drop(&mut self) {
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner)[self.0] = false;
    }
}

impl Server {
    /// Starts the engine with the rules and scenarios that ship, and waits until it is up.
    pub fn shipped() -> Server {
        Server::start(&[])
    }

    /// Starts it with the rules and scenarios of these tests.
    pub fn with_test_rules(settings: &[&str]) -> Server {
        let mut all = vec![
            "rules_dir=fixtures/scenarios/rules",
            "scripts_dir=fixtures/scenarios",
        ];
        all.extend(settings);
        Server::start(&all)
    }

    /// Starts it with more settings, each `key=value`.
    pub fn start(settings: &[&str]) -> Server {
        Server::start_with(&[], settings)
    }

    /// Starts it with arguments too.
    pub fn start_with(arguments: &[&str], settings: &[&str]) -> Server {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name).display().to_string();
        let log = File::create(dir.path().join("log")).expect("a file");
        let mut command = talkpath();
        command.arg("serve").args(["--config", "/dev/null"]);
        command.args(arguments);
        let media = MediaPorts::take();
        let own = [
            "sip.listen=[\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]".to_owned(),
            "http.listen=127.0.0.1:0".to_owned(),
            "media.bind=127.0.0.1".to_owned(),
            media.setting(),
            "media.webrtc_port=0".to_owned(),
            "stun.listen=127.0.0.1:0".to_owned(),
            "shutdown.drain_s=5".to_owned(),
            format!("data_dir={}", at("data")),
            format!("recordings_dir={}", at("recordings")),
        ];
        for setting in own
            .iter()
            .map(String::as_str)
            .chain(settings.iter().copied())
        {
            command.args(["--set", setting]);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let greeting = match read_greeting(&mut child) {
            Some(greeting) => greeting,
            None => {
                stop(&mut child);
                let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
                panic!("the engine did not come up:\n{log}");
            }
        };
        let address = |before: &str| {
            let (_, rest) = greeting.split_once(before).expect("it says where");
            let text: String = rest
                .chars()
                .take_while(|c| c.is_ascii_digit() || ".:".contains(*c))
                .collect();
            text.parse().expect("an address")
        };
        Server {
            udp: address("UDP "),
            tcp: address("TCP "),
            http: address("http://"),
            child,
            greeting,
            dir,
            _media: media,
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The body of an HTTP resource.
    pub fn get(&self, path: &str) -> String {
        self.ask("GET", path, "", "")
    }

    /// The body of the answer to an HTTP request; header lines end with CR LF.
    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        self.answer(method, path, headers, body).1
    }

    /// Status line with headers, and the body, of the answer to an HTTP request.
    pub fn answer(&self, method: &str, path: &str, headers: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.http).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            self.http,
            body.len()
        )
        .expect("it takes the request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        (head.to_ascii_lowercase(), body.to_owned())
    }

    /// The value of one metric.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics");
        let value = text.lines().find_map(|line| {
            let (found, value) = line.split_once(' ')?;
            (found == format!("talkpath_{name}")).then(|| value.parse().expect("a number"))
        });
        value.unwrap_or_else(|| panic!("no metric {name} in\n{text}"))
    }

    /// Waits until a metric has a value; fails with the log when it does not get it.
    pub fn expect_metric(&self, name: &str, value: u64) {
        self.expect_metric_that(name, |found| found == value);
    }

    /// Waits until a metric has grown to a value.
    pub fn expect_metric_to_reach(&self, name: &str, value: u64) {
        self.expect_metric_that(name, |found| found >= value);
    }

    fn expect_metric_that(&self, name: &str, is_expected: impl Fn(u64) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.metric(name);
            if is_expected(found) {
                return;
            }
            assert!(
                Instant::now() < end,
                "{name} stays at {found}\n{}",
                self.log()
            );
            pause(Duration::from_millis(20));
        }
    }

    /// Sends SIGTERM and waits for the end; how it ended and after how long.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        self.signal_term();
        self.expect_end()
    }

    /// Asks it to end.
    pub fn signal_term(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        // Every shell has `kill`; as a program of its own it is a package that may be missing.
        let kill = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status();
        assert!(sent.expect("a shell runs").success());
    }

    /// Waits for the end; how it ended and after how long.
    pub fn expect_end(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        match wait(&mut self.child, PATIENCE) {
            Some(status) => (status, start.elapsed()),
            None => panic!("still running {PATIENCE:?} after SIGTERM\n{}", self.log()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
        if std::thread::panicking() {
            let mut text = String::new();
            for line in self
                .log()
                .lines()
                .rev()
                .take(40)
                .collect::<Vec<_>>()
                .iter()
                .rev()
            {
                let _ = writeln!(text, "  {line}");
            }
            let _ = writeln!(std::io::stderr(), "the end of the engine's log:\n{text}");
        }
    }
}

fn read_greeting(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take().expect("it was asked for");
    let (lines_out, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            if lines_out.send(line).is_err() {
                return;
            }
        }
    });
    let end = Instant::now() + PATIENCE;
    let mut greeting = String::new();
    loop {
        let line = lines
            .recv_timeout(end.saturating_duration_since(Instant::now()))
            .ok()?;
        greeting.push_str(&line);
        greeting.push('\n');
        if line.starts_with("  voice ") {
            return Some(greeting);
        }
    }
}

/// Waits for the end of a program; `None` when it does not come.
pub fn wait(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return Some(status);
        }
        if Instant::now() >= end {
            return None;
        }
        pause(Duration::from_millis(10));
    }
}

/// Ends a program that this test started.
pub fn stop(child: &mut Child) {
    // Fails when it has ended already, which is as good.
    let _ = child.kill();
    let _ = child.wait();
}

/// Real programs take real time.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A UDP socket on the loopback interface whose reads have an end.
pub fn udp_socket() -> UdpSocket {
    let socket = UdpSocket::bind((LOCALHOST, 0)).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// A port below those that the system gives out by itself, free for UDP and TCP at this moment and
/// given to nobody else in this process.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 3_000;
    // Two runs of the tests at the same time begin at different places.
    let offset = (std::process::id() % 100) as u16 * 30;
    for _ in 0..COUNT {
        let port = FIRST + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let udp = UdpSocket::bind((LOCALHOST, port));
        let tcp = std::net::TcpListener::bind((LOCALHOST, port));
        if udp.is_ok() && tcp.is_ok() {
            return port;
        }
    }
    panic!("no free port")
}
