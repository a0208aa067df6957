//! Rows for speech: prompts, caches, limits, programs, espeak-ng.

use std::sync::atomic::AtomicU32;

use super::*;
use crate::audio::Rate;
use crate::run::clips::ClipSettings;
use crate::run::voice_program::{EspeakNg, VoiceCommand};

/// Answers each text with as many samples as it has characters, and counts.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU32>, Option<Arc<Semaphore>>);

impl Speech for Counted {
    fn identity(&self) -> String {
        "counted".to_owned()
    }

    fn synthesize<'a>(&'a self, text: &'a str, _: &'a VoiceChoice) -> Synthesis<'a> {
        Box::pin(async move {
            self.0.fetch_add(1, Ordering::SeqCst);
            if let Some(gate) = &self.1 {
                gate.acquire().await.expect("open").forget();
            }
            let samples = vec![100; text.len()];
            Ok(Clip {
                name: String::new(),
                rate: Rate::Hz8000,
                samples,
            })
        })
    }
}

fn speaker(dir: &Path, engine: Option<Box<dyn Speech>>) -> Speaker {
    let clips = Arc::new(Clips::new(ClipSettings::new(dir.join("prompts"))));
    let settings = SpeechSettings {
        data_dir: Some(dir.to_owned()),
        running_max: 1,
        waiting_max: 1,
        disk_files_max: 2,
        ..SpeechSettings::default()
    };
    Speaker::new(settings, engine, clips)
}

fn shell(dir: &Path, script: &str, timeout: Duration) -> Box<dyn Speech> {
    let file = dir.join("voice.sh");
    std::fs::write(&file, script).expect("a file");
    let file = file.display().to_string();
    let arguments = ["{language}", "{voice}", "{rate}"].map(str::to_owned);
    let arguments = std::iter::once(file).chain(arguments).collect();
    Box::new(VoiceCommand {
        program: "sh".to_owned(),
        arguments,
        timeout,
    })
}

static ANY: VoiceChoice = VoiceChoice {
    language: String::new(),
    voice: String::new(),
    rate: 0.0,
};
const TEN_S: Duration = Duration::from_secs(10);

#[test]
fn slugs() {
    for (text, expected) in [
        (
            "Please enter your PIN, then press #.",
            "please-enter-your-pin-then-press",
        ),
        ("  Hello --- World!  ", "hello-world"),
        ("Grüße, 世界", "grüße-世界"),
        ("../../etc/passwd", "etc-passwd"),
        ("#*!", ""),
        (&"ab ".repeat(40), &"ab-".repeat(27)[..80]),
    ] {
        assert_eq!(slug(text), expected, "{text:?}");
    }
}

#[tokio::test]
async fn a_recorded_prompt_wins_over_every_engine() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("prompts")).expect("a folder");
    let recorded = Clip {
        name: String::new(),
        rate: Rate::Hz8000,
        samples: vec![7; 80],
    };
    let bytes = wav_bytes(&recorded).expect("a WAV");
    std::fs::write(dir.path().join("prompts/good-bye.wav"), bytes).expect("a file");
    let engine = Counted::default();
    for engine in [None, Some(Box::new(engine.clone()) as Box<dyn Speech>)] {
        let clip = speaker(dir.path(), engine)
            .speak("Good bye!", &ANY)
            .await
            .expect("a clip");
        assert_eq!(
            (clip.name.as_str(), &clip.samples),
            ("good-bye.wav", &recorded.samples)
        );
    }
    assert_eq!(engine.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_text_is_spoken_once_also_after_a_restart_and_the_disk_is_bounded() {
    let dir = tempfile::tempdir().expect("a folder");
    let engine = Counted::default();
    let first = speaker(dir.path(), Some(Box::new(engine.clone())));
    for text in ["one", "one", " one "] {
        let clip = first.speak(text, &ANY).await.expect("a clip");
        assert_eq!((clip.name.as_str(), clip.samples.len()), ("one", 3));
    }
    assert_eq!(engine.0.load(Ordering::SeqCst), 1, "from memory");
    let restarted = speaker(dir.path(), Some(Box::new(engine.clone())));
    assert_eq!(
        restarted
            .speak("one", &ANY)
            .await
            .expect("a clip")
            .samples
            .len(),
        3
    );
    assert_eq!(engine.0.load(Ordering::SeqCst), 1, "from disk");
    let male = VoiceChoice {
        voice: "male".to_owned(),
        ..ANY.clone()
    };
    restarted.speak("one", &male).await.expect("a clip");
    restarted.speak("three", &male).await.expect("a clip");
    assert_eq!(
        engine.0.load(Ordering::SeqCst),
        3,
        "another voice, another text"
    );
    let files = std::fs::read_dir(dir.path().join("speech")).expect("the folder");
    let mut names: Vec<_> = files
        .map(|file| file.expect("a file").file_name())
        .collect();
    names.sort();
    assert_eq!(names.len(), 4, "two texts of two files: {names:?}");
}

#[tokio::test]
async fn what_cannot_be_spoken_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().expect("a folder");
    let silent = speaker(dir.path(), None);
    let missing = EspeakNg {
        program: "no-such-voice".to_owned(),
        timeout: TEN_S,
        ..EspeakNg::default()
    };
    let missing = speaker(dir.path(), Some(Box::new(missing)));
    let bad = VoiceChoice {
        voice: "-f/etc/passwd".to_owned(),
        ..ANY.clone()
    };
    for (speaker, text, voice, error) in [
        (
            &silent,
            "Hi",
            &ANY,
            "no speech engine is configured and there is no recorded prompt",
        ),
        (&silent, "  ", &ANY, "the text is empty"),
        (
            &silent,
            &*"x".repeat(1501),
            &ANY,
            "the text has 1501 characters; 1500 can be spoken",
        ),
        (
            &missing,
            "Hi",
            &ANY,
            "the speech program \"no-such-voice\" is not installed",
        ),
        (
            &missing,
            "Hi",
            &bad,
            "\"-f/etc/passwd\" is not the name of a language or voice",
        ),
    ] {
        let refused = speaker
            .speak(text, voice)
            .await
            .expect_err(error)
            .to_string();
        assert!(refused.starts_with(error), "{refused}");
    }
}

/// Waits until so many texts have their places.
async fn until_waiting(speaker: &Speaker, texts: usize) {
    while speaker.waiting.load(Ordering::Relaxed) < texts {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_hangs_keeps_the_next_text_for_a_while_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let gate = Arc::new(Semaphore::new(0));
    let engine = Counted(Arc::default(), Some(Arc::clone(&gate)));
    let speaker = speaker(dir.path(), Some(Box::new(engine)));
    let next = async {
        until_waiting(&speaker, 1).await;
        let begun = tokio::time::Instant::now();
        let refused = speaker.speak("next", &ANY).await;
        assert!(matches!(refused, Err(SpeechError::Busy)));
        assert_eq!(begun.elapsed(), TURN_MAX);
        gate.add_permits(1);
    };
    let (spoken, ()) = tokio::join!(speaker.speak("a", &ANY), next);
    assert_eq!(spoken.expect("spoken at last").samples.len(), 1);
}

#[tokio::test]
async fn texts_beyond_the_queue_are_refused_and_the_rest_are_spoken() {
    let dir = tempfile::tempdir().expect("a folder");
    let gate = Arc::new(Semaphore::new(0));
    let engine = Counted(Arc::default(), Some(Arc::clone(&gate)));
    let speaker = speaker(dir.path(), Some(Box::new(engine)));
    let open = async {
        until_waiting(&speaker, 2).await;
        assert!(matches!(
            speaker.speak("four", &ANY).await,
            Err(SpeechError::Busy)
        ));
        gate.add_permits(2);
    };
    let (a, b, ()) = tokio::join!(speaker.speak("a", &ANY), speaker.speak("bb", &ANY), open);
    assert_eq!(
        (a.expect("a").samples.len(), b.expect("b").samples.len()),
        (1, 2)
    );
}

#[tokio::test]
async fn any_program_can_speak() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = Clip {
        name: String::new(),
        rate: Rate::Hz16000,
        samples: vec![5; 320],
    };
    let bytes = wav_bytes(&clip).expect("a WAV");
    std::fs::write(dir.path().join("answer.wav"), bytes).expect("a file");
    let said = dir.path().join("said").display().to_string();
    let answer = dir.path().join("answer.wav").display().to_string();
    let script = format!("(cat; echo \"|$1|$2|$3\") > {said}; echo noise >&2; cat {answer}");
    let speaker = speaker(dir.path(), Some(shell(dir.path(), &script, TEN_S)));
    let voice = VoiceChoice {
        language: "nl-NL".into(),
        voice: "anna".into(),
        rate: 1.5,
    };
    let clip = speaker
        .speak("Hallo; $(exit 1)", &voice)
        .await
        .expect("a clip");
    assert_eq!((clip.rate, clip.samples.len()), (Rate::Hz16000, 320));
    let said = std::fs::read_to_string(said).expect("the script wrote it");
    assert_eq!(said, "Hallo; $(exit 1)|nl-NL|anna|1.5\n");
}

#[tokio::test]
async fn a_program_that_fails_or_hangs_is_ended_and_reported() {
    let dir = tempfile::tempdir().expect("a folder");
    for (script, timeout, error) in [
        (
            "exec sleep 1000",
            Duration::from_millis(50),
            "did not finish within 0 s",
        ),
        (
            "echo no such voice >&2; exit 3",
            TEN_S,
            "failed: exit status: 3: no such voice",
        ),
        ("exit 0", TEN_S, "gave no usable sound"),
        ("cat", TEN_S, "gave no usable sound"),
        (
            "exec cat /dev/zero",
            TEN_S,
            "it gave more than 32000000 bytes",
        ),
    ] {
        let speaker = speaker(dir.path(), Some(shell(dir.path(), script, timeout)));
        let refused = speaker
            .speak("Hi", &ANY)
            .await
            .expect_err(script)
            .to_string();
        assert!(refused.contains(error), "{script}: {refused}");
    }
}

/// Needs espeak-ng, which `make test` installs.
#[tokio::test]
async fn espeak_ng_speaks_by_language_voice_and_rate() {
    let dir = tempfile::tempdir().expect("a folder");
    let speaker = speaker(dir.path(), Some(Box::new(EspeakNg::default())));
    let text = "Hello, please enter your conference pin.";
    let female = speaker
        .speak(text, &ANY)
        .await
        .expect("espeak-ng is installed");
    assert!((1_000..6_000).contains(&female.duration_ms()), "{female:?}");
    let loudest = female
        .samples
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max();
    assert!(loudest > Some(3_000), "loudest sample {loudest:?}");
    let male = VoiceChoice {
        voice: "male".to_owned(),
        ..ANY.clone()
    };
    let male = speaker.speak(text, &male).await.expect("a voice");
    assert!(
        male.samples != female.samples,
        "the voice makes no difference"
    );
    let fast = VoiceChoice {
        rate: 2.0,
        ..ANY.clone()
    };
    let fast = speaker.speak(text, &fast).await.expect("a voice");
    assert!(
        fast.duration_ms() * 3 < female.duration_ms() * 2,
        "{fast:?} {female:?}"
    );
    let unknown = VoiceChoice {
        language: "xx-unknown".to_owned(),
        ..ANY.clone()
    };
    assert!(speaker.speak(text, &unknown).await.is_err());
}
