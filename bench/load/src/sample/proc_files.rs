//! The forms of the files in `/proc`.

use std::time::Duration;

/// `USER_HZ` is 100 on every Linux of today.
const MILLIS_PER_TICK: u64 = 10;

/// What `/proc/PID/stat` tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stat {
    pub parent: u32,
    /// Of the process itself.
    pub cpu: Duration,
    /// Of its children that have ended.
    pub cpu_ended: Duration,
    pub threads: u32,
}

/// Positions in `/proc/PID/stat` after the name, which may hold anything.
const PARENT: usize = 1;
const USER_TICKS: usize = 11;
const THREADS: usize = 17;

pub(super) fn stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().take(THREADS + 1).collect();
    let number = |field: usize| fields.get(field)?.parse::<u64>().ok();
    let ticks = |count: u64| Duration::from_millis(count * MILLIS_PER_TICK);
    let [user, system, user_ended, system_ended] =
        [0, 1, 2, 3].map(|more| number(USER_TICKS + more));
    Some(Stat {
        parent: u32::try_from(number(PARENT)?).ok()?,
        cpu: ticks(user? + system?),
        cpu_ended: ticks(user_ended? + system_ended?),
        threads: u32::try_from(number(THREADS)?).ok()?,
    })
}

/// A field of `/proc/PID/status` or `smaps_rollup`, with its colon; 0 if it is not there.
pub(super) fn field_kib(text: &str, field: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The time that all cores together were busy since the start of the machine, from `/proc/stat`.
pub(super) fn busy(text: &str) -> Option<Duration> {
    let fields = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = fields.split_whitespace().map_while(|tick| tick.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq; what follows is counted in these, or stolen.
    let [user, nice, system, _idle, _wait, irq, soft_irq, ..] = ticks[..] else { return None };
    Some(Duration::from_millis((user + nice + system + irq + soft_irq) * MILLIS_PER_TICK))
}

#[cfg(test)]
mod tests {
    use super::{Stat, busy, field_kib, stat};
    use std::time::Duration;

    #[test]
    fn fields_are_found_behind_any_name() {
        let text = "7 (a b) c) S 3 7 7 0 -1 4194560 1 0 0 0 100 20 5 6 20 0 9 0 123456 0";
        let ms = Duration::from_millis;
        let found = Stat { parent: 3, cpu: ms(1_200), cpu_ended: ms(110), threads: 9 };
        assert_eq!((stat(text), stat("7 (x) S"), stat("")), (Some(found), None, None));
        assert_eq!(field_kib("VmHWM:\t  100 kB\nVmRSS:\t   90 kB\n", "VmRSS:"), 90);
        assert_eq!(field_kib("", "VmRSS:"), 0);
    }

    #[test]
    fn an_idle_or_waiting_core_is_not_busy() {
        let text = "cpu  10 1 20 9000 700 3 4 0 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(busy(text), Some(Duration::from_millis(380)));
        assert_eq!(busy("intr 1"), None);
    }
}
