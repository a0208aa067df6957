//! What a script reads of a leg and asks of it. A command to a leg that has ended does nothing.

use rhai::{Array, Dynamic, Engine, FnPtr, Map, NativeCallContext};

use super::super::command::{Command, LegCommand};
use super::super::event;
use super::super::handle::{Answer, Leg, kind_of, refuse};
use super::super::instance::{Handlers, LegRecord, UnitKind};
use super::super::limits::Limits;
use super::super::turn::with;
use super::session::add_unit;
use super::{Entry, entry, function, handler, options};

pub(super) const ENTRIES: &[Entry] = &[
    entry("leg", "id", "Its id, such as `l12-06dqjvep03zevfqf`."),
    entry("leg", "incoming", "Whether it called us."),
    entry("leg", "source", "`phone`, `web` or `internal`."),
    entry("leg", "caller_id", "Who calls."),
    entry("leg", "display_name", "The name that the caller gives."),
    entry("leg", "destination", "What was dialled."),
    entry(
        "leg",
        "number",
        "The other party's number, in both directions.",
    ),
    entry("leg", "headers", "Headers of the INVITE."),
    entry(
        "leg",
        "state",
        "`alerting`, `early`, `connected` or `ended`.",
    ),
    entry(
        "leg",
        "user",
        "The logged-in user; empty when there is none.",
    ),
    entry(
        "headers",
        "headers[\"X-Name\"]",
        "A header in any letter case; `()` when there is none.",
    ),
    entry(
        "leg",
        "answer(#{headers})",
        "Answers; `connected` follows when media flows.",
    ),
    entry("leg", "ring()", "Tells the caller that it rings."),
    entry(
        "leg",
        "reject(code, reason)",
        "Refuses the call with a code from 400 to 699; 603 when none is given.",
    ),
    entry(
        "leg",
        "hangup(#{headers, reason})",
        "Ends it, whatever its state. `reason` is a word or sentence for the other side's Reason \
         header and `text`; `replaced` says that the same caller joined again.",
    ),
    entry(
        "leg",
        "start_early_media()",
        "Lets the caller hear us before the answer.",
    ),
    entry(
        "leg",
        "play(source, #{loop, gain_db})",
        "Plays a file below the prompts folder, a finished recording by its `url`, or a tone \
         (`tone:busy`, `tone:ringback:us`), instead of what plays. A telephone or browser hears it \
         before the answer too, from `start_early_media()` on.",
    ),
    entry(
        "leg",
        "say(text, #{voice, language, rate})",
        "Speaks a text, instead of what plays; before the answer like `play`.",
    ),
    entry(
        "leg",
        "stop_playback()",
        "Stops what plays; no event follows.",
    ),
    entry(
        "leg",
        "detect_digits(kinds)",
        "Which key presses become `digit` events: `true`, `false`, or a list of \
         `telephone_event`, `in_band`, `info`.",
    ),
    entry(
        "leg",
        "send_digits(digits)",
        "Presses keys: `0-9 * # A-D`, `p` is a pause.",
    ),
    entry(
        "leg",
        "send_message(text)",
        "Sends a text message of at most 8192 bytes.",
    ),
    entry("leg", "send_info(mime, body, headers)", "Sends a SIP INFO."),
    entry(
        "leg",
        "send_media_to(unit)",
        "Is heard by another unit; several sources are summed.",
    ),
    entry("leg", "stop_media_to(unit)", "Is not heard by it any more."),
    entry(
        "leg",
        "record(#{name, stereo})",
        "Records what it says and what it hears; gives a recorder.",
    ),
    entry("leg", "mute(on)", "Nobody hears it."),
    entry("leg", "deafen(on)", "It hears nobody."),
    entry(
        "leg",
        "gain(in_db, out_db)",
        "Louder or softer: what it says, what it hears.",
    ),
    entry(
        "leg",
        "on(event, handler)",
        "Adds a handler; several run in order.",
    ),
    entry("leg", "off(event)", "Removes all handlers of that event."),
];

/// Digits that can be sent.
const DIGITS: &str = "0123456789*#ABCDabcdp";
/// Digits of one command.
const DIGITS_MAX: usize = 100;

pub(super) fn register(engine: &mut Engine) {
    register_properties(engine);
    register_call(engine);
    register_sound(engine);
    register_messages(engine);
    function(
        engine,
        "mute",
        |ctx: NativeCallContext, leg: &mut Leg, on: bool| push(&ctx, *leg, LegCommand::Mute { on }),
    );
    function(
        engine,
        "deafen",
        |ctx: NativeCallContext, leg: &mut Leg, on: bool| {
            push(&ctx, *leg, LegCommand::Deafen { on })
        },
    );
    function(
        engine,
        "gain",
        |ctx: NativeCallContext, leg: &mut Leg, in_db: Dynamic, out_db: Dynamic| {
            let in_db = options::decibels(options::as_number(&in_db, "in_db")?, "in_db")?;
            let out_db = options::decibels(options::as_number(&out_db, "out_db")?, "out_db")?;
            push(&ctx, *leg, LegCommand::Gain { in_db, out_db })
        },
    );
    function(
        engine,
        "on",
        |ctx: NativeCallContext, leg: &mut Leg, name: &str, h: Dynamic| on(&ctx, *leg, name, &h),
    );
    function(
        engine,
        "off",
        |ctx: NativeCallContext, leg: &mut Leg, name: &str| off(&ctx, *leg, name),
    );
}

fn register_properties(engine: &mut Engine) {
    property(engine, "incoming", |leg| leg.info.incoming.into());
    property(engine, "source", |leg| leg.info.source.clone().into());
    property(engine, "caller_id", |leg| leg.info.caller_id.clone().into());
    property(engine, "display_name", |leg| {
        leg.info.display_name.clone().into()
    });
    property(engine, "destination", |leg| {
        leg.info.destination.clone().into()
    });
    property(engine, "number", |leg| leg.info.number.clone().into());
    property(engine, "user", |leg| leg.info.user.clone().into());
    property(engine, "headers", |leg| Dynamic::from(leg.headers.clone()));
    engine.register_get("id", |ctx: NativeCallContext, leg: &mut Leg| {
        let id = leg.0;
        with(&ctx, |running| Ok(running.name(id)))
    });
    engine.register_get("state", |ctx: NativeCallContext, leg: &mut Leg| {
        let id = leg.0;
        with(&ctx, |running| {
            let record = running.tables.legs.get(&id);
            Ok(record
                .map_or("ended", |record| record.state.word())
                .to_owned())
        })
    });
}

fn register_call(engine: &mut Engine) {
    function(engine, "answer", |ctx: NativeCallContext, leg: &mut Leg| {
        push(
            &ctx,
            *leg,
            LegCommand::Answer {
                headers: Vec::new(),
            },
        )
    });
    function(
        engine,
        "answer",
        |ctx: NativeCallContext, leg: &mut Leg, options: Map| {
            options::only(&options, &["headers"])?;
            let headers = options::headers(options.get("headers"))?;
            push(&ctx, *leg, LegCommand::Answer { headers })
        },
    );
    function(engine, "ring", |ctx: NativeCallContext, leg: &mut Leg| {
        push(&ctx, *leg, LegCommand::Ring)
    });
    function(engine, "reject", |ctx: NativeCallContext, leg: &mut Leg| {
        reject(&ctx, *leg, &Dynamic::from_int(603), "")
    });
    function(
        engine,
        "reject",
        |ctx: NativeCallContext, leg: &mut Leg, code: Dynamic| reject(&ctx, *leg, &code, ""),
    );
    function(
        engine,
        "reject",
        |ctx: NativeCallContext, leg: &mut Leg, code: Dynamic, reason: &str| {
            reject(&ctx, *leg, &code, reason)
        },
    );
    function(engine, "hangup", |ctx: NativeCallContext, leg: &mut Leg| {
        push(
            &ctx,
            *leg,
            LegCommand::Hangup {
                headers: Vec::new(),
                reason: String::new(),
            },
        )
    });
    function(
        engine,
        "hangup",
        |ctx: NativeCallContext, leg: &mut Leg, options: Map| {
            options::only(&options, &["headers", "reason"])?;
            let headers = options::headers(options.get("headers"))?;
            let reason = options::words(options.get("reason"))?;
            push(&ctx, *leg, LegCommand::Hangup { headers, reason })
        },
    );
    function(
        engine,
        "start_early_media",
        |ctx: NativeCallContext, leg: &mut Leg| push(&ctx, *leg, LegCommand::StartEarlyMedia),
    );
}

fn register_sound(engine: &mut Engine) {
    function(
        engine,
        "play",
        |ctx: NativeCallContext, leg: &mut Leg, source: &str| play(&ctx, *leg, source, &Map::new()),
    );
    function(
        engine,
        "play",
        |ctx: NativeCallContext, leg: &mut Leg, source: &str, options: Map| {
            play(&ctx, *leg, source, &options)
        },
    );
    function(
        engine,
        "say",
        |ctx: NativeCallContext, leg: &mut Leg, text: &str| say(&ctx, *leg, text, &Map::new()),
    );
    function(
        engine,
        "say",
        |ctx: NativeCallContext, leg: &mut Leg, text: &str, options: Map| {
            say(&ctx, *leg, text, &options)
        },
    );
    function(
        engine,
        "stop_playback",
        |ctx: NativeCallContext, leg: &mut Leg| push_sound(&ctx, *leg, LegCommand::StopPlayback),
    );
    function(
        engine,
        "detect_digits",
        |ctx: NativeCallContext, leg: &mut Leg, kinds: Dynamic| detect_digits(&ctx, *leg, &kinds),
    );
    function(engine, "record", |ctx: NativeCallContext, leg: &mut Leg| {
        record(&ctx, *leg, &Map::new())
    });
    function(
        engine,
        "record",
        |ctx: NativeCallContext, leg: &mut Leg, options: Map| record(&ctx, *leg, &options),
    );
}

fn register_messages(engine: &mut Engine) {
    function(
        engine,
        "send_digits",
        |ctx: NativeCallContext, leg: &mut Leg, digits: &str| {
            if digits.is_empty() || digits.len() > DIGITS_MAX {
                return refuse(format!(
                    "between 1 and {DIGITS_MAX} digits are sent at once"
                ));
            }
            if digits.chars().any(|digit| !DIGITS.contains(digit)) {
                return refuse("digits are 0-9, *, #, A-D and p for a pause");
            }
            push(
                &ctx,
                *leg,
                LegCommand::SendDigits {
                    digits: digits.to_owned(),
                },
            )
        },
    );
    function(
        engine,
        "send_message",
        |ctx: NativeCallContext, leg: &mut Leg, text: &str| {
            with(&ctx, |running| fits(&running.limits, text))?;
            push(
                &ctx,
                *leg,
                LegCommand::SendMessage {
                    text: text.to_owned(),
                },
            )
        },
    );
    function(
        engine,
        "send_info",
        |ctx: NativeCallContext, leg: &mut Leg, mime: &str, body: &str| {
            send_info(&ctx, *leg, mime, body, &Dynamic::from_map(Map::new()))
        },
    );
    function(
        engine,
        "send_info",
        |ctx: NativeCallContext, leg: &mut Leg, mime: &str, body: &str, headers: Dynamic| {
            send_info(&ctx, *leg, mime, body, &headers)
        },
    );
}

fn property(engine: &mut Engine, name: &str, read: fn(&LegRecord) -> Dynamic) {
    engine.register_get(name, move |ctx: NativeCallContext, leg: &mut Leg| {
        let id = leg.0;
        with(&ctx, |running| {
            Ok(running.tables.legs.get(&id).map_or(Dynamic::UNIT, read))
        })
    });
}

/// A command to a leg, unless it has ended.
pub(super) fn push(ctx: &NativeCallContext, leg: Leg, command: LegCommand) -> Answer<()> {
    with(ctx, |running| match running.tables.live_leg(leg.0) {
        Some(_) => running.push(
            ctx,
            Command::Leg {
                leg: leg.0,
                command,
            },
        ),
        None => Ok(()),
    })
}

/// Like [`push`]; what `digits` played on this leg is replaced or stopped by it.
fn push_sound(ctx: &NativeCallContext, leg: Leg, command: LegCommand) -> Answer<()> {
    push(ctx, leg, command)?;
    with(ctx, |running| {
        super::digits::handle_prompt_finished(running, leg.0)
    })
}

fn reject(ctx: &NativeCallContext, leg: Leg, code: &Dynamic, reason: &str) -> Answer<()> {
    let code = options::whole(code, "codes")?;
    match u16::try_from(code) {
        Ok(code) if (400..700).contains(&code) && !reason.chars().any(char::is_control) => push(
            ctx,
            leg,
            LegCommand::Reject {
                code,
                reason: reason.to_owned(),
            },
        ),
        _ => refuse("a call is rejected with a code from 400 to 699 and a reason of one line"),
    }
}

fn play(ctx: &NativeCallContext, leg: Leg, source: &str, options: &Map) -> Answer<()> {
    let (sound, looped, gain_db) = options::play(source, options)?;
    push_sound(
        ctx,
        leg,
        LegCommand::Play {
            sound,
            looped,
            gain_db,
        },
    )
}

fn say(ctx: &NativeCallContext, leg: Leg, text: &str, options: &Map) -> Answer<()> {
    let sound = with(ctx, |running| {
        options::speech(&running.limits, text, options)
    })?;
    push_sound(
        ctx,
        leg,
        LegCommand::Play {
            sound,
            looped: false,
            gain_db: 0.0,
        },
    )
}

fn detect_digits(ctx: &NativeCallContext, leg: Leg, kinds: &Dynamic) -> Answer<()> {
    let (mut telephone_event, mut in_band, mut info) = (false, false, false);
    if let Ok(on) = kinds.as_bool() {
        (telephone_event, in_band, info) = (on, on, on);
    } else if let Some(kinds) = kinds.read_lock::<Array>() {
        for kind in kinds.iter() {
            match kind.to_string().as_str() {
                "telephone_event" => telephone_event = true,
                "in_band" => in_band = true,
                "info" => info = true,
                other => {
                    return refuse(format!(
                        "there is no kind of digits `{other}`; known: telephone_event, in_band, \
                         info"
                    ));
                }
            }
        }
    } else {
        let what = kind_of(kinds);
        return refuse(format!(
            "`detect_digits` takes true, false or a list, not {what}"
        ));
    }
    with(ctx, |running| {
        if let Some(record) = running.tables.live_leg(leg.0) {
            record.detects_digits = telephone_event || in_band || info;
        }
        Ok(())
    })?;
    push(
        ctx,
        leg,
        LegCommand::DetectDigits {
            telephone_event,
            in_band,
            info,
        },
    )
}

fn fits(limits: &Limits, text: &str) -> Answer<()> {
    if text.len() > limits.message_bytes {
        return refuse(format!(
            "a message has at most {} bytes",
            limits.message_bytes
        ));
    }
    Ok(())
}

fn send_info(
    ctx: &NativeCallContext,
    leg: Leg,
    mime: &str,
    body: &str,
    headers: &Dynamic,
) -> Answer<()> {
    with(ctx, |running| fits(&running.limits, body))?;
    if !mime.contains('/') || mime.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse(format!("`{mime}` is not a type such as application/json"));
    }
    let headers = options::headers(Some(headers))?;
    push(
        ctx,
        leg,
        LegCommand::SendInfo {
            mime: mime.to_owned(),
            body: body.to_owned(),
            headers,
        },
    )
}

fn record(
    ctx: &NativeCallContext,
    leg: Leg,
    options: &Map,
) -> Answer<super::super::handle::Recorder> {
    let options = options::record(options)?;
    with(ctx, |running| {
        // For a leg that has ended the recorder gets `record_failed`.
        let recorder = add_unit(running, UnitKind::Recorder)?;
        let command = LegCommand::Record { recorder, options };
        running.push(
            ctx,
            Command::Leg {
                leg: leg.0,
                command,
            },
        )?;
        Ok(super::super::handle::Recorder(recorder))
    })
}

/// Adds a handler to those of one leg or unit, within their limits.
pub(super) fn add_handler(
    handlers: &mut Handlers,
    name: &'static str,
    handler: FnPtr,
    limits: &Limits,
) -> Answer<()> {
    let (of_event, in_all) = (limits.handlers_per_event, limits.handlers);
    if handlers.values().map(Vec::len).sum::<usize>() >= in_all {
        return refuse(format!("more than {in_all} handlers of one leg or unit"));
    }
    let list = handlers.entry(name).or_default();
    if list.len() >= of_event {
        return refuse(format!("more than {of_event} handlers of \"{name}\""));
    }
    list.push(handler);
    Ok(())
}

/// Events that only telephones and browsers have.
const WIRE_EVENTS: &[&str] = &[
    "hold",
    "unhold",
    "reconnecting",
    "reconnected",
    "media_timeout",
    "quality",
];

/// Reports of talk cost work, so they are asked for with the first handler.
fn reports_talk(name: &str) -> bool {
    matches!(name, "talk_started" | "talk_stopped")
}

fn on(ctx: &NativeCallContext, leg: Leg, name: &str, value: &Dynamic) -> Answer<()> {
    let Some(name) = event::known(event::LEG_EVENTS, name) else {
        return refuse(format!("a leg has no event \"{name}\""));
    };
    with(ctx, |running| {
        let handler = handler(running, value)?;
        let Some(record) = running.tables.live_leg(leg.0) else {
            return Ok(());
        };
        let is_internal = record.info.source == "internal";
        let was_on = record.handlers.keys().any(|name| reports_talk(name));
        let leg = leg.0;
        add_handler(&mut record.handlers, name, handler, &running.limits)?;
        if reports_talk(name) && !was_on {
            let command = LegCommand::DetectTalk { on: true };
            running.push(ctx, Command::Leg { leg, command })?;
        }
        if is_internal && WIRE_EVENTS.contains(&name) {
            let command = LegCommand::Expect { event: name };
            running.push(ctx, Command::Leg { leg, command })?;
        }
        Ok(())
    })
}

fn off(ctx: &NativeCallContext, leg: Leg, name: &str) -> Answer<()> {
    let Some(name) = event::known(event::LEG_EVENTS, name) else {
        return refuse(format!("a leg has no event \"{name}\""));
    };
    with(ctx, |running| {
        let Some(record) = running.tables.live_leg(leg.0) else {
            return Ok(());
        };
        let removed = record.handlers.remove(name).is_some();
        let still_on = record.handlers.keys().any(|name| reports_talk(name));
        if removed && reports_talk(name) && !still_on {
            let command = LegCommand::DetectTalk { on: false };
            running.push(
                ctx,
                Command::Leg {
                    leg: leg.0,
                    command,
                },
            )?;
        }
        Ok(())
    })
}
