//! Voice engines that are programs: text on standard input, a WAV file on standard output. Owns
//! running them: time limit, bounded output, an end to what does not end. espeak-ng is one of them;
//! it is run, never linked, because its licence is the GPL.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::decode::decode;
use super::file_work::run_blocking;
use std::collections::BTreeMap;

use super::speech::{SPEECH_MAX, Speech, SpeechError, Synthesis};
use crate::audio::Clip;
use crate::script::VoiceChoice;

/// Most that is taken from a program's standard output, in bytes.
const WAV_BYTES_MAX: usize = 32_000_000;
/// Most of a program's standard error that is quoted, in bytes.
const STDERR_BYTES_MAX: usize = 500;
/// Words a minute of espeak-ng at rate 1.
const ESPEAK_WORDS_PER_MINUTE: f32 = 165.0;

/// espeak-ng, which works offline.
#[derive(Clone, Debug)]
pub struct EspeakNg {
    /// The program, found on the path.
    pub program: String,
    /// Time that one text may take.
    pub timeout: Duration,
    /// Voices that win over our choice, by `LANGUAGE/GENDER` such as `en-GB/female`.
    pub voices: BTreeMap<String, String>,
}

impl Default for EspeakNg {
    fn default() -> Self {
        EspeakNg {
            program: "espeak-ng".to_owned(),
            timeout: Duration::from_secs(10),
            voices: BTreeMap::new(),
        }
    }
}

impl Speech for EspeakNg {
    fn identity(&self) -> String {
        format!("espeak-ng {} {:?}", self.program, self.voices)
    }

    fn synthesize<'a>(&'a self, text: &'a str, voice: &'a VoiceChoice) -> Synthesis<'a> {
        let speed = (ESPEAK_WORDS_PER_MINUTE * voice.rate).round() as u32;
        let arguments = vec![
            "--stdout".into(),
            "--stdin".into(),
            "-v".into(),
            self.voice(voice).into(),
            "-s".into(),
            speed.to_string().into(),
        ];
        Box::pin(speak_by_program(
            &self.program,
            arguments,
            text,
            self.timeout,
        ))
    }
}

impl EspeakNg {
    fn voice(&self, choice: &VoiceChoice) -> String {
        let gender = if choice.voice.is_empty() {
            "female"
        } else {
            choice.voice.as_str()
        };
        let key = format!("{}/{gender}", choice.language);
        let configured = self
            .voices
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&key));
        configured.map_or_else(|| espeak_voice(choice), |(_, voice)| voice.clone())
    }
}

/// Tags that have a voice file of their own in espeak-ng. Any other regional tag is cut to its
/// language: espeak-ng 1.51 finds `en-gb`, `de-de` and `fr-fr` by their aliases and then drops the
/// `+f3` after them.
const ESPEAK_REGIONAL: &[&str] = &[
    "en-029",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-gb-x-rp",
    "en-us",
    "en-us-nyc",
    "es-419",
    "fr-be",
    "fr-ch",
    "pt-br",
    "vi-vn-x-central",
    "vi-vn-x-south",
];

/// `en-GB` and `female` are `en+f3`; a voice that begins with `+` is another variant of the
/// language; any other name is espeak-ng's own and stands alone.
fn espeak_voice(voice: &VoiceChoice) -> String {
    let tag = voice.language.to_ascii_lowercase();
    let language = match tag.as_str() {
        regional if ESPEAK_REGIONAL.contains(&regional) => regional,
        "es-mx" => "es-419",
        other => match other.split('-').next().unwrap_or_default() {
            "zh" => "cmn",
            "no" => "nb",
            language => language,
        },
    };
    match voice.voice.as_str() {
        "" | "female" => format!("{language}+f3"),
        "male" => format!("{language}+m3"),
        variant if variant.starts_with('+') => format!("{language}{variant}"),
        own => own.to_owned(),
    }
}

/// Any program. `{language}`, `{voice}` and `{rate}` in its arguments are filled in; no shell is
/// involved.
#[derive(Clone, Debug)]
pub struct VoiceCommand {
    /// The program, by path or found on the path.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Time that one text may take.
    pub timeout: Duration,
}

impl Speech for VoiceCommand {
    fn identity(&self) -> String {
        format!("command {} {:?}", self.program, self.arguments)
    }

    fn synthesize<'a>(&'a self, text: &'a str, voice: &'a VoiceChoice) -> Synthesis<'a> {
        let fill = |argument: &String| {
            argument
                .replace("{language}", &voice.language)
                .replace("{voice}", &voice.voice)
                .replace("{rate}", &voice.rate.to_string())
                .into()
        };
        let arguments = self.arguments.iter().map(fill).collect();
        Box::pin(speak_by_program(
            &self.program,
            arguments,
            text,
            self.timeout,
        ))
    }
}

async fn speak_by_program(
    program: &str,
    arguments: Vec<OsString>,
    text: &str,
    timeout: Duration,
) -> Result<Clip, SpeechError> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            if error.kind() == ErrorKind::NotFound {
                SpeechError::ProgramMissing(program.to_owned())
            } else {
                failed(program, error)
            }
        })?;
    let wav = tokio::time::timeout(timeout, converse(program, child, text))
        .await
        .map_err(|_| SpeechError::TimedOut {
            program: program.to_owned(),
            seconds: timeout.as_secs(),
        })??;
    let name = text.to_owned();
    let decoded = run_blocking(move || Ok(decode(&name, wav, "wav", None, SPEECH_MAX))).await;
    Ok(decoded.map_err(|error| failed(program, error))??)
}

/// Writes and reads at once: a program may begin to speak before it has read the whole text.
async fn converse(program: &str, mut child: Child, text: &str) -> Result<Vec<u8>, SpeechError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that takes no text closes its input; its exit status and output tell the
            // rest.
            let written = stdin.write_all(text.as_bytes()).await;
            if let Err(error) = written.and(stdin.shutdown().await) {
                tracing::debug!(%error, program, "The speech program did not read its text");
            }
        }
        Ok::<(), SpeechError>(())
    };
    let read = async {
        let wav = match stdout {
            Some(stdout) => read_bounded(stdout, WAV_BYTES_MAX).await,
            None => Ok(Vec::new()),
        };
        let wav = wav.map_err(|error| failed(program, error))?;
        if wav.len() > WAV_BYTES_MAX {
            return Err(failed(
                program,
                format!("it gave more than {WAV_BYTES_MAX} bytes"),
            ));
        }
        Ok(wav)
    };
    let complain = async {
        let said = match stderr {
            Some(stderr) => read_and_drain(stderr, STDERR_BYTES_MAX).await,
            None => Ok(Vec::new()),
        };
        said.map_err(|error| failed(program, error))
    };
    let ((), wav, said) = tokio::try_join!(write, read, complain)?;
    let status = child.wait().await.map_err(|error| failed(program, error))?;
    if status.success() {
        return Ok(wav);
    }
    let said = String::from_utf8_lossy(&said);
    Err(failed(program, format!("{status}: {}", said.trim())))
}

/// Reads to the end, or one byte past the limit.
async fn read_bounded(from: impl AsyncRead + Unpin, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Keeps the first `limit` bytes and reads on, so that the writer is never blocked.
async fn read_and_drain(
    mut from: impl AsyncRead + Unpin,
    limit: usize,
) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut from)
        .take(limit as u64)
        .read_to_end(&mut bytes)
        .await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

fn failed(program: &str, error: impl ToString) -> SpeechError {
    SpeechError::Failed {
        program: program.to_owned(),
        error: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_and_voice_name_an_espeak_voice() {
        for (language, voice, expected) in [
            ("en-GB", "female", "en+f3"),
            ("en-US", "male", "en-us+m3"),
            ("de-DE", "", "de+f3"),
            ("zh-CN", "female", "cmn+f3"),
            ("es-MX", "male", "es-419+m3"),
            ("nl", "+whisper", "nl+whisper"),
            ("nl", "mb-nl2", "mb-nl2"),
        ] {
            let choice = VoiceChoice {
                language: language.into(),
                voice: voice.into(),
                rate: 1.0,
            };
            assert_eq!(espeak_voice(&choice), expected);
        }
    }
}
