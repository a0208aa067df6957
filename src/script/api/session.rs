//! The session itself: its end, internal calls, media between two units, and the object `session`.

use rhai::{Dynamic, Engine, FuncRegistration, Map, NativeCallContext};

use super::super::command::{Command, LegInfo};
use super::super::handle::{Answer, Conference, Leg, Player, Recorder, Session, refuse, unit_of};
use super::super::instance::{UnitKind, UnitRecord};
use super::super::turn::{Running, with};
use super::{Entry, data, entry, function, options};
use crate::id::{LegId, UnitId};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "",
        "terminate()",
        "Ends the session and every leg in it. The handler runs to its end.",
    ),
    entry(
        "",
        "call_conference(name, #{caller_id, display_name, headers})",
        "Calls the shared session of that name, which begins when it is called first. Gives this \
         session's leg of the call. Headers have names that begin with `X-`.",
    ),
    entry(
        "",
        "forward_to_user_direct(leg)",
        "Forwards a waiting call to the user that it dialled. Signalling passes through, media \
         goes between the two. The caller gets 480 when the user is not there; the call ends when \
         either side ends it.",
    ),
    entry(
        "",
        "create_conference(label)",
        "A mixer: each member hears all others.",
    ),
    entry(
        "",
        "create_player(source, #{loop, gain_db})",
        "Plays a file or tone to every unit that it is sent to, from now on. With a map \
         `#{say: \"text\", voice, language, rate}` as source it speaks.",
    ),
    entry(
        "",
        "create_recorder(#{name, stereo})",
        "Records what is sent to it.",
    ),
    entry(
        "",
        "send_media_between(a, b)",
        "Each of the two hears the other.",
    ),
    entry(
        "",
        "stop_media_between(a, b)",
        "Undoes `send_media_between`.",
    ),
    entry(
        "session",
        "id",
        "Its id, such as `s7-06dqjvep03zevfqf`, unique over restarts and machines.",
    ),
    entry("session", "rule", "The rule that made it."),
    entry("session", "application", "The application of the rule."),
    entry(
        "session",
        "conference_name",
        "The name that was called; empty if it was not.",
    ),
    entry("session", "variables", "A map of the rule's variables."),
    entry(
        "session",
        "custom_data",
        "Text of your own, written to the log when the session ends; can be set.",
    ),
];

pub(super) fn register(engine: &mut Engine) {
    function(engine, "terminate", |ctx: NativeCallContext| {
        with(&ctx, |running| running.push(&ctx, Command::Terminate))
    });
    function(
        engine,
        "call_conference",
        |ctx: NativeCallContext, name: &str| call_conference(&ctx, name, &Map::new()),
    );
    function(
        engine,
        "call_conference",
        |ctx: NativeCallContext, name: &str, options: Map| call_conference(&ctx, name, &options),
    );
    function(
        engine,
        "forward_to_user_direct",
        |ctx: NativeCallContext, leg: Leg| {
            with(&ctx, |running| {
                running.push(&ctx, Command::ForwardDirect { leg: leg.0 })
            })
        },
    );
    function(engine, "create_conference", |ctx: NativeCallContext| {
        create_conference(&ctx, "")
    });
    function(
        engine,
        "create_conference",
        |ctx: NativeCallContext, label: &str| create_conference(&ctx, label),
    );
    function(
        engine,
        "create_player",
        |ctx: NativeCallContext, source: Dynamic| create_player(&ctx, &source, &Map::new()),
    );
    function(
        engine,
        "create_player",
        |ctx: NativeCallContext, source: Dynamic, options: Map| {
            create_player(&ctx, &source, &options)
        },
    );
    function(engine, "create_recorder", |ctx: NativeCallContext| {
        create_recorder(&ctx, &Map::new())
    });
    function(
        engine,
        "create_recorder",
        |ctx: NativeCallContext, options: Map| create_recorder(&ctx, &options),
    );
    function(
        engine,
        "send_media_between",
        |ctx: NativeCallContext, a: Dynamic, b: Dynamic| {
            connect(&ctx, &a, &b)?;
            connect(&ctx, &b, &a)
        },
    );
    function(
        engine,
        "stop_media_between",
        |ctx: NativeCallContext, a: Dynamic, b: Dynamic| {
            disconnect(&ctx, &a, &b)?;
            disconnect(&ctx, &b, &a)
        },
    );
    register_object(engine);
}

fn register_object(engine: &mut Engine) {
    property(engine, "id", |running| {
        let about = &running.tables.about;
        about.run.name(about.id).to_string().into()
    });
    property(engine, "rule", |running| {
        running.tables.about.rule.clone().into()
    });
    property(engine, "application", |running| {
        running.tables.about.application.clone().into()
    });
    property(engine, "conference_name", |running| {
        running.tables.about.conference_name.clone().into()
    });
    property(engine, "variables", |running| {
        let variables = running.tables.about.variables.iter();
        let map: Map = variables
            .map(|(name, value)| (name.into(), data::from_json(value.clone())))
            .collect();
        Dynamic::from_map(map)
    });
    property(engine, "custom_data", |running| {
        running.tables.custom_data.clone().into()
    });
    FuncRegistration::new_setter("custom_data")
        .with_purity(true)
        .register_into_engine(
            engine,
            |ctx: NativeCallContext, _: &mut Session, text: &str| set_custom_data(&ctx, text),
        );
}

fn property(engine: &mut Engine, name: &str, read: fn(&mut Running) -> Dynamic) {
    engine.register_get(name, move |ctx: NativeCallContext, _: &mut Session| {
        with(&ctx, |running| Ok(read(running)))
    });
}

fn set_custom_data(ctx: &NativeCallContext, text: &str) -> Answer<()> {
    with(ctx, |running| {
        if text.len() > running.limits.message_bytes {
            return refuse(format!(
                "`custom_data` has at most {} bytes",
                running.limits.message_bytes
            ));
        }
        text.clone_into(&mut running.tables.custom_data);
        running.push(
            ctx,
            Command::SetCustomData {
                text: text.to_owned(),
            },
        )
    })
}

fn call_conference(ctx: &NativeCallContext, name: &str, options: &Map) -> Answer<Leg> {
    let options = options::call(options)?;
    if name.is_empty() {
        return refuse("the name of the conference is empty");
    }
    with(ctx, |running| {
        let plain = running.tables.about.conference_name.is_empty();
        if plain && running.tables.live_legs() >= running.limits.legs {
            return refuse(format!(
                "more than {} legs in one session",
                running.limits.legs
            ));
        }
        let leg = LegId(running.fresh_id()?);
        let headers = options.headers.iter();
        running.tables.add_leg(LegInfo {
            id: leg,
            incoming: false,
            source: "internal".to_owned(),
            caller_id: options.caller_id.clone(),
            display_name: options.display_name.clone(),
            destination: name.to_owned(),
            number: name.to_owned(),
            headers: headers
                .map(|(n, v)| (n.to_ascii_lowercase(), v.clone()))
                .collect(),
            user: String::new(),
        });
        running.push(
            ctx,
            Command::CallConference {
                leg,
                name: name.to_owned(),
                options,
            },
        )?;
        Ok(Leg(leg))
    })
}

/// A new unit of `kind`, within the limits.
pub(super) fn add_unit(running: &mut Running, kind: UnitKind) -> Answer<UnitId> {
    let is_player = |kind: &UnitKind| matches!(kind, UnitKind::Player { .. });
    let of_kind = is_player(&kind);
    let alive = running
        .tables
        .units
        .values()
        .filter(|unit| is_player(&unit.kind) == of_kind)
        .count();
    let (limit, what) = if of_kind {
        (running.limits.players, "players")
    } else {
        (running.limits.units, "conferences and recorders")
    };
    if alive >= limit {
        return refuse(format!("more than {limit} {what} in one session"));
    }
    let unit = UnitId(running.fresh_id()?);
    running.tables.units.insert(unit, UnitRecord::new(kind));
    Ok(unit)
}

fn create_conference(ctx: &NativeCallContext, label: &str) -> Answer<Conference> {
    with(ctx, |running| {
        let label = label.to_owned();
        let kind = UnitKind::Conference {
            label: label.clone(),
            members: Vec::new(),
        };
        let unit = add_unit(running, kind)?;
        running.push(ctx, Command::CreateConference { unit, label })?;
        Ok(Conference(unit))
    })
}

fn create_player(ctx: &NativeCallContext, source: &Dynamic, options: &Map) -> Answer<Player> {
    with(ctx, |running| {
        let (sound, looped, gain_db) = if let Ok(map) = source.as_map_ref() {
            let mut voice = map.clone();
            let Some(text) = options::text(&map, "say")? else {
                return refuse("a map as source has the text as `say`");
            };
            voice.remove("say");
            let sound = options::speech(&running.limits, &text, &voice)?;
            // The file name is never used: only the options are read.
            let (_, looped, gain_db) = options::play("speech", options)?;
            (sound, looped, gain_db)
        } else if let Ok(source) = source.as_immutable_string_ref() {
            options::play(&source, options)?
        } else {
            return refuse("the source of a player is a file, a tone or `#{say: \"…\"}`");
        };
        let kind = UnitKind::Player {
            sound: sound.clone(),
            looped,
            gain_db,
        };
        let unit = add_unit(running, kind)?;
        running.push(
            ctx,
            Command::CreatePlayer {
                unit,
                sound,
                looped,
                gain_db,
            },
        )?;
        Ok(Player(unit))
    })
}

fn create_recorder(ctx: &NativeCallContext, options: &Map) -> Answer<Recorder> {
    let options = options::record(options)?;
    with(ctx, |running| {
        let unit = add_unit(running, UnitKind::Recorder)?;
        running.push(ctx, Command::CreateRecorder { unit, options })?;
        Ok(Recorder(unit))
    })
}

/// `from` is heard by `to`.
pub(super) fn connect(ctx: &NativeCallContext, from: &Dynamic, to: &Dynamic) -> Answer<()> {
    let (from, to) = (unit_of(from)?, unit_of(to)?);
    with(ctx, |running| {
        if ended(running, from) || ended(running, to) {
            return Ok(());
        }
        running.push(ctx, Command::Connect { from, to })
    })
}

/// `from` is not heard by `to` any more.
pub(super) fn disconnect(ctx: &NativeCallContext, from: &Dynamic, to: &Dynamic) -> Answer<()> {
    let (from, to) = (unit_of(from)?, unit_of(to)?);
    with(ctx, |running| {
        if ended(running, from) || ended(running, to) {
            return Ok(());
        }
        running.push(ctx, Command::Disconnect { from, to })
    })
}

/// Legs that have ended and units that were stopped take no commands.
fn ended(running: &mut Running, unit: UnitId) -> bool {
    !running.tables.units.contains_key(&unit) && running.tables.live_leg(LegId(unit.0)).is_none()
}
