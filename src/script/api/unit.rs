//! Conferences, players and recorders, and what they share with legs: media and handlers.

use rhai::{Array, Dynamic, Engine, Map, NativeCallContext};

use super::super::command::{Command, RecordOptions, Sound, UnitCommand};
use super::super::event;
use super::super::handle::{Answer, Conference, Leg, Player, Recorder, Unit, refuse};
use super::super::instance::UnitKind;
use super::super::turn::with;
use super::session::{add_unit, connect, disconnect};
use super::{Entry, entry, function, handler, leg, options};
use crate::id::UnitId;

pub(super) const ENTRIES: &[Entry] = &[
    entry("conference", "id", "Its id, such as `u3-06dqjvep03zevfqf`."),
    entry("conference", "label", "The label that it was made with."),
    entry(
        "conference",
        "send_media_to(unit)",
        "Is heard by another unit.",
    ),
    entry(
        "conference",
        "stop_media_to(unit)",
        "Is not heard by it any more.",
    ),
    entry(
        "conference",
        "play(source, #{loop, gain_db})",
        "Plays to all members.",
    ),
    entry(
        "conference",
        "say(text, #{voice, language, rate})",
        "Speaks to all members.",
    ),
    entry(
        "conference",
        "stop_playback()",
        "Stops what plays; no event follows.",
    ),
    entry(
        "conference",
        "record(#{name, stereo})",
        "Records what it hears; gives a recorder.",
    ),
    entry(
        "conference",
        "members()",
        "The legs in it, in the order in which they joined.",
    ),
    entry("conference", "lock(on)", "Nobody may be added."),
    entry(
        "conference",
        "max_members(n)",
        "At most so many members; 0 for no limit.",
    ),
    entry(
        "conference",
        "stop()",
        "Ends it; its members hear nothing of it any more.",
    ),
    entry("conference", "on(event, handler)", "Adds a handler."),
    entry(
        "conference",
        "off(event)",
        "Removes all handlers of that event.",
    ),
    entry("player", "id", "Its id."),
    entry("player", "start()", "Plays from the beginning."),
    entry("player", "pause()", "Stops for a while."),
    entry("player", "resume()", "Goes on."),
    entry("player", "stop()", "Ends it."),
    entry("player", "send_media_to(unit)", "Is heard by another unit."),
    entry(
        "player",
        "stop_media_to(unit)",
        "Is not heard by it any more.",
    ),
    entry("player", "on(event, handler)", "Adds a handler."),
    entry(
        "player",
        "off(event)",
        "Removes all handlers of that event.",
    ),
    entry("recorder", "id", "Its id."),
    entry("recorder", "pause()", "Records nothing for a while."),
    entry("recorder", "resume()", "Goes on."),
    entry(
        "recorder",
        "stop()",
        "Ends the recording; `record_stopped` has its URL.",
    ),
    entry("recorder", "on(event, handler)", "Adds a handler."),
    entry(
        "recorder",
        "off(event)",
        "Removes all handlers of that event.",
    ),
];

/// The event whose reports cost work, so that they are asked for with the first handler.
const SPEAKER: &str = "active_speaker";

pub(super) fn register(engine: &mut Engine) {
    register_media::<Leg>(engine);
    register_media::<Conference>(engine);
    register_media::<Player>(engine);
    register_unit::<Conference>(engine);
    register_unit::<Player>(engine);
    register_unit::<Recorder>(engine);
    register_pause::<Player>(engine);
    register_pause::<Recorder>(engine);
    register_conference(engine);
    function(
        engine,
        "start",
        |ctx: NativeCallContext, player: &mut Player| start(&ctx, *player),
    );
}

fn register_media<T: Unit + Clone>(engine: &mut Engine) {
    function(
        engine,
        "send_media_to",
        |ctx: NativeCallContext, from: &mut T, to: Dynamic| {
            connect(&ctx, &Dynamic::from(*from), &to)
        },
    );
    function(
        engine,
        "stop_media_to",
        |ctx: NativeCallContext, from: &mut T, to: Dynamic| {
            disconnect(&ctx, &Dynamic::from(*from), &to)
        },
    );
}

fn register_unit<T: Unit + Clone>(engine: &mut Engine) {
    engine.register_get("id", |ctx: NativeCallContext, unit: &mut T| {
        let id = unit.unit();
        with(&ctx, |running| Ok(running.name(id)))
    });
    function(engine, "stop", |ctx: NativeCallContext, unit: &mut T| {
        stop(&ctx, unit.unit())
    });
    function(
        engine,
        "on",
        |ctx: NativeCallContext, unit: &mut T, name: &str, h: Dynamic| {
            on(&ctx, unit.unit(), name, &h)
        },
    );
    function(
        engine,
        "off",
        |ctx: NativeCallContext, unit: &mut T, name: &str| off(&ctx, unit.unit(), name),
    );
}

fn register_pause<T: Unit + Clone>(engine: &mut Engine) {
    function(engine, "pause", |ctx: NativeCallContext, unit: &mut T| {
        push(&ctx, unit.unit(), UnitCommand::Pause { on: true })
    });
    function(engine, "resume", |ctx: NativeCallContext, unit: &mut T| {
        push(&ctx, unit.unit(), UnitCommand::Pause { on: false })
    });
}

fn register_conference(engine: &mut Engine) {
    type C = Conference;
    function(
        engine,
        "play",
        |ctx: NativeCallContext, c: &mut C, source: &str| {
            play(&ctx, *c, options::play(source, &Map::new())?)
        },
    );
    function(
        engine,
        "play",
        |ctx: NativeCallContext, c: &mut C, source: &str, options: Map| {
            play(&ctx, *c, options::play(source, &options)?)
        },
    );
    function(
        engine,
        "say",
        |ctx: NativeCallContext, c: &mut C, text: &str| say(&ctx, *c, text, &Map::new()),
    );
    function(
        engine,
        "say",
        |ctx: NativeCallContext, c: &mut C, text: &str, options: Map| say(&ctx, *c, text, &options),
    );
    function(
        engine,
        "stop_playback",
        |ctx: NativeCallContext, c: &mut C| push(&ctx, c.0, UnitCommand::StopPlayback),
    );
    function(engine, "record", |ctx: NativeCallContext, c: &mut C| {
        record(&ctx, *c, RecordOptions::default())
    });
    function(
        engine,
        "record",
        |ctx: NativeCallContext, c: &mut C, options: Map| {
            record(&ctx, *c, options::record(&options)?)
        },
    );
    function(engine, "members", |ctx: NativeCallContext, c: &mut C| {
        members(&ctx, *c)
    });
    function(
        engine,
        "lock",
        |ctx: NativeCallContext, c: &mut C, on: bool| push(&ctx, c.0, UnitCommand::Lock { on }),
    );
    function(
        engine,
        "max_members",
        |ctx: NativeCallContext, c: &mut C, members: Dynamic| match u32::try_from(options::whole(
            &members, "members",
        )?) {
            Ok(members) => push(&ctx, c.0, UnitCommand::MaxMembers { members }),
            Err(_) => refuse("`max_members` takes 0 or a positive number"),
        },
    );
    engine.register_get("label", |ctx: NativeCallContext, c: &mut C| label(&ctx, *c));
}

/// A command to a unit, unless it was stopped.
fn push(ctx: &NativeCallContext, unit: UnitId, command: UnitCommand) -> Answer<()> {
    with(ctx, |running| match running.tables.units.get(&unit) {
        Some(_) => running.push(ctx, Command::Unit { unit, command }),
        None => Ok(()),
    })
}

fn stop(ctx: &NativeCallContext, unit: UnitId) -> Answer<()> {
    push(ctx, unit, UnitCommand::Stop)?;
    with(ctx, |running| {
        // A recorder still has to tell where its recording is.
        let keep = running
            .tables
            .units
            .get(&unit)
            .is_some_and(|u| u.kind == UnitKind::Recorder);
        if !keep {
            running.tables.units.remove(&unit);
        }
        Ok(())
    })
}

fn start(ctx: &NativeCallContext, player: Player) -> Answer<()> {
    let kind = with(ctx, |running| {
        Ok(running.tables.units.get(&player.0).map(|u| u.kind.clone()))
    })?;
    match kind {
        Some(UnitKind::Player {
            sound,
            looped,
            gain_db,
        }) => push(
            ctx,
            player.0,
            UnitCommand::Play {
                sound,
                looped,
                gain_db,
            },
        ),
        Some(UnitKind::Conference { .. } | UnitKind::Recorder) | None => Ok(()),
    }
}

fn play(
    ctx: &NativeCallContext,
    conference: Conference,
    (sound, looped, gain_db): (Sound, bool, f32),
) -> Answer<()> {
    push(
        ctx,
        conference.0,
        UnitCommand::Play {
            sound,
            looped,
            gain_db,
        },
    )
}

fn say(ctx: &NativeCallContext, conference: Conference, text: &str, options: &Map) -> Answer<()> {
    let sound = with(ctx, |running| {
        options::speech(&running.limits, text, options)
    })?;
    play(ctx, conference, (sound, false, 0.0))
}

fn record(
    ctx: &NativeCallContext,
    conference: Conference,
    options: RecordOptions,
) -> Answer<Recorder> {
    with(ctx, |running| {
        // For a conference that was stopped the recorder gets `record_failed`.
        let recorder = add_unit(running, UnitKind::Recorder)?;
        let command = UnitCommand::Record { recorder, options };
        running.push(
            ctx,
            Command::Unit {
                unit: conference.0,
                command,
            },
        )?;
        Ok(Recorder(recorder))
    })
}

fn label(ctx: &NativeCallContext, conference: Conference) -> Answer<String> {
    with(ctx, |running| {
        let record = running.tables.units.get(&conference.0);
        Ok(match record.map(|record| &record.kind) {
            Some(UnitKind::Conference { label, .. }) => label.clone(),
            Some(UnitKind::Player { .. } | UnitKind::Recorder) | None => String::new(),
        })
    })
}

fn members(ctx: &NativeCallContext, conference: Conference) -> Answer<Array> {
    with(ctx, |running| {
        Ok(
            match running
                .tables
                .units
                .get(&conference.0)
                .map(|record| &record.kind)
            {
                Some(UnitKind::Conference { members, .. }) => {
                    members.iter().map(|leg| Dynamic::from(Leg(*leg))).collect()
                }
                Some(UnitKind::Player { .. } | UnitKind::Recorder) | None => Array::new(),
            },
        )
    })
}

fn on(ctx: &NativeCallContext, unit: UnitId, name: &str, value: &Dynamic) -> Answer<()> {
    let Some(name) = event::known(event::UNIT_EVENTS, name) else {
        return refuse(format!(
            "conferences, players and recorders have no event \"{name}\""
        ));
    };
    with(ctx, |running| {
        let handler = handler(running, value)?;
        let Some(record) = running.tables.units.get_mut(&unit) else {
            return Ok(());
        };
        let watched = record.handlers.contains_key(SPEAKER);
        leg::add_handler(&mut record.handlers, name, handler, &running.limits)?;
        if name == SPEAKER && !watched {
            let command = UnitCommand::WatchSpeakers { on: true };
            running.push(ctx, Command::Unit { unit, command })?;
        }
        Ok(())
    })
}

fn off(ctx: &NativeCallContext, unit: UnitId, name: &str) -> Answer<()> {
    let Some(name) = event::known(event::UNIT_EVENTS, name) else {
        return refuse(format!(
            "conferences, players and recorders have no event \"{name}\""
        ));
    };
    with(ctx, |running| {
        let Some(record) = running.tables.units.get_mut(&unit) else {
            return Ok(());
        };
        if record.handlers.remove(name).is_some() && name == SPEAKER {
            let command = UnitCommand::WatchSpeakers { on: false };
            running.push(ctx, Command::Unit { unit, command })?;
        }
        Ok(())
    })
}
