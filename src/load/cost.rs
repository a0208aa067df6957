//! CPU time and memory of another process, as Linux tells them in `/proc`.

use std::fs;

/// Ticks per second of the times in `/proc/PID/stat`; Linux has fixed it for user space.
const TICKS_PER_S: u64 = 100;

/// CPU time that a process has used, in milliseconds; nothing when it cannot be read.
pub(super) fn cpu_ms(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold spaces, so fields are counted from its closing parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let user: u64 = fields.get(11)?.parse().ok()?;
    let system: u64 = fields.get(12)?.parse().ok()?;
    Some((user + system) * 1000 / TICKS_PER_S)
}

/// Resident memory of a process in KiB; nothing when it cannot be read.
pub(super) fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
