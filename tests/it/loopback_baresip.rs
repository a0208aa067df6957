//! baresip phones in conferences of the real program: each plays a tone of its own and keeps what
//! it hears. All phones run at once, with every codec and both transports, mixed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use talkpath::audio::{Clip, Rate, tone_level_dbov};

use crate::server::{self, PATIENCE, Server};

const ACCESS_NUMBER: &str = "31201234567";
/// Where the modules of baresip are: from Debian's package, or installed by hand.
const MODULE_DIRS: [&str; 2] = ["/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"];
/// Rate of the tones that phones send.
const SOURCE_HZ: u32 = 16_000;
/// Seconds of tone, more than the test takes.
const SOURCE_S: u32 = 300;
/// Amplitude of a tone, 1 being the loudest: −23 dBov.
const AMPLITUDE: f64 = 0.1;
/// A tone louder than this is heard.
const HEARD_DBOV: f32 = -35.0;
/// Speech louder than this is heard.
const PROMPT_DBOV: f64 = -45.0;
/// A tone louder than this leaks where it must not be heard.
const LEAK_DBOV: f32 = -50.0;
/// The key of the console that means that the key before was released.
const RELEASE: char = '\u{4}';

struct Row {
    tone_hz: u16,
    codec: &'static str,
    transport: &'static str,
    pin: &'static str,
}

const fn row(tone_hz: u16, codec: &'static str, transport: &'static str, pin: &'static str) -> Row {
    Row {
        tone_hz,
        codec,
        transport,
        pin,
    }
}

/// No tone is a harmonic of another, and all of them pass every codec.
const ROWS: &[Row] = &[
    row(440, "PCMU/8000/1", "udp", "1234"),
    row(620, "PCMA/8000/1", "tcp", "1234"),
    row(810, "G722/16000/1", "udp", "1234"),
    row(1010, "opus/48000/2", "tcp", "1234"),
    row(1310, "opus/48000/2", "udp", "5678"),
    row(1730, "opus/48000/2", "udp", "5678"),
    row(2090, "PCMU/8000/1", "tcp", "9999"),
];

/// A running phone.
struct Phone {
    row: &'static Row,
    child: Child,
    console: u16,
    typing: Option<TcpStream>,
    dir: tempfile::TempDir,
}

impl Phone {
    fn start(row: &'static Row) -> Phone {
        let dir = tempfile::tempdir().expect("a folder");
        let console = server::free_port();
        let at = dir.path();
        std::fs::write(at.join("config"), config(console, at)).expect("a file");
        std::fs::write(at.join("tone.wav"), tone_file(row.tone_hz)).expect("a file");
        std::fs::write(at.join("accounts"), account(row)).expect("a file");
        std::fs::write(at.join("contacts"), "").expect("a file");
        let output = std::fs::File::create(at.join("output")).expect("a file");
        let errors = output.try_clone().expect("a second handle");
        let child = Command::new(server::client("baresip"))
            .args(["-4", "-f"])
            .arg(at)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .expect("baresip starts");
        Phone {
            row,
            child,
            console,
            typing: None,
            dir,
        }
    }

    fn name(&self) -> String {
        let Row {
            tone_hz,
            codec,
            transport,
            pin,
        } = self.row;
        format!("phone {tone_hz} ({codec}, {transport}, PIN {pin})")
    }

    fn output(&self) -> String {
        let bytes = std::fs::read(self.dir.path().join("output")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn expect_output(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.output().contains(text) {
            let output = self.output();
            assert!(
                Instant::now() < end,
                "{}: no {text:?} in\n{output}",
                self.name()
            );
            server::pause(Duration::from_millis(20));
        }
    }

    /// Types into its console, which is one connection for all that is typed: baresip repeats its
    /// status there, and complains about each line that it cannot write.
    fn type_in(&mut self, text: &str) {
        let console = self.typing.get_or_insert_with(|| {
            let at = (server::LOCALHOST, self.console);
            let console = TcpStream::connect(at).expect("baresip has a console");
            console.set_nonblocking(true).expect("a socket");
            console
        });
        while console.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
        console.write_all(text.as_bytes()).expect("typed");
    }

    fn dial(&mut self, engine: &Server) {
        let at = match self.row.transport {
            "tcp" => engine.tcp,
            _ => engine.udp,
        };
        let transport = self.row.transport;
        let line = format!("/dial sip:{ACCESS_NUMBER}@{at};transport={transport}\n");
        self.type_in(&line);
    }

    /// Waits until the last second of what it hears has no fault.
    fn expect_to_hear(&self, faults: impl Fn(&Clip) -> Vec<String>) -> Clip {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = match self.last_second() {
                Some(clip) => match faults(&clip) {
                    none if none.is_empty() => return clip,
                    some => some.join(", "),
                },
                None => "keeps no second of sound".to_owned(),
            };
            assert!(
                Instant::now() < end,
                "{} {found}\n{}",
                self.name(),
                self.output()
            );
            server::pause(Duration::from_millis(100));
        }
    }

    /// The last second of what it hears, from the file that it is writing. Both channels are the
    /// same.
    fn last_second(&self) -> Option<Clip> {
        let files = std::fs::read_dir(self.dir.path()).expect("a folder");
        let mut paths = files.map(|file| file.expect("a file").path());
        let path = paths.find(|path| path.to_string_lossy().ends_with("-dec.wav"))?;
        let bytes = std::fs::read(path).expect("a recording");
        let rate = match bytes.get(24..28)?.try_into().map(u32::from_le_bytes) {
            Ok(48_000) => Rate::Hz48000,
            Ok(16_000) => Rate::Hz16000,
            Ok(8_000) => Rate::Hz8000,
            other => panic!("{} keeps sound at {other:?}", self.name()),
        };
        let frame = 2 * usize::from(*bytes.get(22)?);
        let data = bytes.windows(4).position(|word| word == b"data")? + 8;
        let frames: Vec<&[u8]> = bytes.get(data..)?.chunks_exact(frame).collect();
        let first = frames.len().checked_sub(rate.hz() as usize)?;
        let sample = |frame: &&[u8]| i16::from_le_bytes([frame[0], frame[1]]);
        Some(Clip {
            name: self.name(),
            rate,
            samples: frames[first..].iter().map(sample).collect(),
        })
    }

    /// Hangs up and ends.
    fn quit(&mut self) {
        self.type_in("/quit\n");
        let ended = server::wait(&mut self.child, PATIENCE);
        assert!(
            ended.is_some(),
            "{} does not end\n{}",
            self.name(),
            self.output()
        );
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        server::stop(&mut self.child);
    }
}

fn config(console: u16, dir: &Path) -> String {
    let dir = dir.display();
    let modules = MODULE_DIRS.iter().find(|dir| Path::new(dir).is_dir());
    let modules = modules.expect("baresip has modules; run make test, which installs baresip-core");
    // The module `ausine` is as loud as can be: three of them clip every mixer.
    format!(
        "poll_method epoll\n\
         sip_listen 127.0.0.1:0\n\
         net_interface 127.0.0.1\n\
         audio_source aufile,{dir}/tone.wav\n\
         ausrc_srate {SOURCE_HZ}\n\
         auplay_srate 48000\n\
         ausrc_channels 1\n\
         auplay_channels 2\n\
         rtp_ports 24000-24998\n\
         module_path {modules}\n\
         module g711.so\n\
         module g722.so\n\
         module opus.so\n\
         module aufile.so\n\
         module sndfile.so\n\
         module_tmp account.so\n\
         module_app menu.so\n\
         module_app cons.so\n\
         cons_listen 127.0.0.1:{console}\n\
         snd_path {dir}\n"
    )
}

/// A mono WAV file with 16 bits a sample.
fn tone_file(hz: u16) -> Vec<u8> {
    let step = std::f64::consts::TAU * f64::from(hz) / f64::from(SOURCE_HZ);
    let tone = (0..SOURCE_HZ).map(|n| (f64::from(n) * step).sin() * AMPLITUDE);
    let second: Vec<u8> = tone
        .flat_map(|x| ((x * 32767.0) as i16).to_le_bytes())
        .collect();
    let data = second.repeat(SOURCE_S as usize);
    let length = data.len() as u32;
    let mut file = Vec::with_capacity(data.len() + 44);
    file.extend(b"RIFF");
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(SOURCE_HZ.to_le_bytes());
    file.extend((SOURCE_HZ * 2).to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(length.to_le_bytes());
    file.extend(data);
    file
}

fn account(row: &Row) -> String {
    format!(
        "<sip:{}@127.0.0.1;transport={}>;regint=0;audio_codecs={};dtmfmode=rtpevent\n",
        row.tone_hz, row.transport, row.codec
    )
}

/// Presses all keys on all phones, each for a tenth of a second.
fn press_all(phones: &mut [Phone]) {
    let keys = |row: &Row, place| row.pin.chars().chain(['#']).nth(place);
    for place in 0..=4 {
        for phone in &mut *phones {
            let key = keys(phone.row, place).expect("all PINs have four digits");
            phone.type_in(&key.to_string());
        }
        server::pause(Duration::from_millis(120));
        for phone in &mut *phones {
            phone.type_in(&RELEASE.to_string());
        }
        server::pause(Duration::from_millis(120));
    }
}

/// The median of the tone's levels in fifths of a second: where a packet comes too late, the gap or
/// the turn of the phase spoils the level of one part.
fn usual_level_dbov(clip: &Clip, hz: u16) -> f32 {
    let fifth = clip.rate.hz() as usize / 5;
    let level = |part| tone_level_dbov(part, clip.rate, f32::from(hz));
    let mut levels: Vec<f32> = clip.samples.chunks_exact(fifth).map(level).collect();
    levels.sort_unstable_by(f32::total_cmp);
    levels[levels.len() / 2]
}

/// What is wrong with what this phone hears of the tones.
fn faults(row: &Row, clip: &Clip) -> Vec<String> {
    let mut faults = Vec::new();
    for other in ROWS {
        let level = usual_level_dbov(clip, other.tone_hz);
        let expected = other.pin == row.pin && other.tone_hz != row.tone_hz;
        let fault = match expected {
            true => level < HEARD_DBOV,
            false => level > LEAK_DBOV,
        };
        if fault {
            let verb = if expected { "does not hear" } else { "hears" };
            faults.push(format!("{verb} {}: {level:.0} dBov", other.tone_hz));
        }
    }
    faults
}

/// Level of all sound, 0 being the loudest sine.
fn level_dbov(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    let mean = sum / samples.len().max(1) as f64;
    10.0 * (mean / f64::from(i16::MAX).powi(2)).max(1e-12).log10()
}

#[test]
fn phones_with_the_same_pin_hear_each_other_and_nobody_else() {
    let engine = Server::shipped();
    let mut phones: Vec<Phone> = ROWS.iter().map(Phone::start).collect();
    for phone in &mut phones {
        phone.expect_output("baresip is ready");
        phone.dial(&engine);
    }
    for phone in &phones {
        phone.expect_output("Call established");
    }
    for phone in &phones {
        phone.expect_to_hear(|clip| {
            let prompt = level_dbov(&clip.samples);
            let is_heard = prompt >= PROMPT_DBOV;
            let fault = (!is_heard).then(|| format!("hears the prompt at {prompt:.0} dBov"));
            fault.into_iter().collect()
        });
    }
    press_all(&mut phones);
    engine.expect_metric("sessions", sessions());
    // The greeting is over when there is a second in which each hears these and nothing else.
    let heard: Vec<Clip> = phones
        .iter()
        .map(|phone| phone.expect_to_hear(|clip| faults(phone.row, clip)))
        .collect();
    assert!(heard.iter().any(|clip| clip.rate == Rate::Hz48000));
    phones.iter_mut().for_each(Phone::quit);
    engine.expect_metric("legs", 0);
}

/// One session for each phone and one for each conference.
fn sessions() -> u64 {
    let mut pins: Vec<&str> = ROWS.iter().map(|row| row.pin).collect();
    pins.sort_unstable();
    pins.dedup();
    (ROWS.len() + pins.len()) as u64
}
