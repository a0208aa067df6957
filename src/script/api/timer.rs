//! Timers: `after`, `every`, `cancel`.

use rhai::{Dynamic, Engine, NativeCallContext};

use super::super::command::Command;
use super::super::handle::{Answer, Timer, refuse};
use super::super::instance::TimerRecord;
use super::super::turn::{Running, with};
use super::{Entry, entry, function, handler, options};
use crate::id::TimerId;

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "",
        "after(ms, handler)",
        "Calls the handler once, after so many whole milliseconds. Gives a timer.",
    ),
    entry(
        "",
        "every(ms, handler)",
        "Calls it again and again, at most every 10 ms; the timer is cancelled when it fails too \
         often. Gives a timer.",
    ),
    entry("timer", "cancel()", "The timer fires no more."),
];

/// The longest time of a timer: a day.
const AFTER_MS_MAX: i64 = 24 * 60 * 60 * 1000;
/// The shortest time between two calls of a repeating timer.
const EVERY_MS_MIN: i64 = 10;

pub(super) fn register(engine: &mut Engine) {
    function(
        engine,
        "after",
        |ctx: NativeCallContext, ms: Dynamic, h: Dynamic| set(&ctx, &ms, &h, false),
    );
    function(
        engine,
        "every",
        |ctx: NativeCallContext, ms: Dynamic, h: Dynamic| set(&ctx, &ms, &h, true),
    );
    function(
        engine,
        "cancel",
        |ctx: NativeCallContext, timer: &mut Timer| {
            let timer = timer.0;
            with(&ctx, |running| match running.tables.timers.remove(&timer) {
                Some(_) => running.push(&ctx, Command::CancelTimer { timer }),
                None => Ok(()),
            })
        },
    );
}

fn set(ctx: &NativeCallContext, ms: &Dynamic, value: &Dynamic, repeat: bool) -> Answer<Timer> {
    let ms = options::whole(ms, "milliseconds")?;
    let least = if repeat { EVERY_MS_MIN } else { 0 };
    if !(least..=AFTER_MS_MAX).contains(&ms) {
        return refuse(format!(
            "a timer runs from {least} ms to a day, not {ms} ms"
        ));
    }
    with(ctx, |running| {
        let handler = handler(running, value)?;
        let waiting = running.tables.timers.values();
        let waiting = waiting
            .filter(|timer| matches!(timer, TimerRecord::Script { .. }))
            .count();
        if waiting >= running.limits.timers {
            return refuse(format!(
                "more than {} timers in one session",
                running.limits.timers
            ));
        }
        let record = TimerRecord::Script {
            handler,
            repeat,
            failures: 0,
        };
        start(running, ctx, ms.unsigned_abs(), record, repeat).map(Timer)
    })
}

/// A new timer; none begins when the session ends.
pub(super) fn start(
    running: &mut Running,
    ctx: &NativeCallContext,
    after_ms: u64,
    record: TimerRecord,
    repeat: bool,
) -> Answer<TimerId> {
    if running.tables.terminating {
        return refuse("no timer can be set in `on_terminating`");
    }
    let timer = TimerId(running.fresh_id()?);
    running.tables.timers.insert(timer, record);
    running.push(
        ctx,
        Command::SetTimer {
            timer,
            after_ms,
            repeat,
        },
    )?;
    Ok(timer)
}
