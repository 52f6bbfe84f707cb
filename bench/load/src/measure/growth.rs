//! What a line costs a system on this machine: memory for each who waits, and calls of Redis and
//! time on a core while they poll.

use crate::sample::{cpu, named, resident_kib};
use crate::system::{Calls, RedisCounters, made_between};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Places that join before memory is looked at: the first joins open connections and fill pools,
/// which no longer line does again.
pub const FIRST: u32 = 10_000;

/// Until what a measurement has left behind is done.
const REST: Duration = Duration::from_secs(3);

/// The system in a data folder.
pub struct Inside {
    data: PathBuf,
    redis: RedisCounters,
}

/// What is taken by those who are in line.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    usher_kib: u64,
    redis_kib: u64,
    /// As Redis itself counts what it has allocated.
    redis_used_bytes: u64,
}

/// What was called and taken so far.
pub struct Look {
    at: Instant,
    calls: Calls,
    usher_cpu: Duration,
}

impl Inside {
    pub async fn open(data: &Path) -> anyhow::Result<Self> {
        Ok(Self { data: data.to_owned(), redis: RedisCounters::open(data).await? })
    }

    pub async fn memory(&mut self) -> anyhow::Result<Memory> {
        tokio::time::sleep(REST).await;
        let named = named(&self.data);
        let resident = |name: &str| {
            let kib = named.get(name).and_then(|pid| resident_kib(*pid));
            kib.with_context(|| format!("{name} does not run"))
        };
        Ok(Memory {
            usher_kib: resident("usher")?,
            redis_kib: resident("redis")?,
            redis_used_bytes: self.redis.used_bytes().await?,
        })
    }

    pub async fn look(&mut self) -> anyhow::Result<Look> {
        let calls = self.redis.calls().await?;
        let usher_cpu = cpu(&self.data).get("usher").copied().context("usher does not run")?;
        Ok(Look { at: Instant::now(), calls, usher_cpu })
    }
}

impl Look {
    /// What came since then, in which so many polls were answered.
    pub fn until(&self, after: &Self, polls: u64) -> Value {
        let mut told = calls_json(&self.calls, &after.calls, polls);
        let took = after.usher_cpu.saturating_sub(self.usher_cpu).as_secs_f64();
        let cores = took / (after.at - self.at).as_secs_f64().max(f64::MIN_POSITIVE);
        told["usherCores"] = json!((cores * 1_000.0).round() / 1_000.0);
        told
    }
}

/// How much `after` is more than `before`, for each of those who have joined in between.
pub fn memory_json(before: Memory, after: Memory, joined: u64) -> Value {
    let grown = |before: u64, after: u64| wide(after) - wide(before);
    let each = |bytes: f64| (bytes / wide(joined).max(1.0) * 100.0).round() / 100.0;
    let usher = grown(before.usher_kib, after.usher_kib) * 1_024.0;
    let redis = grown(before.redis_kib, after.redis_kib) * 1_024.0;
    let redis_used = grown(before.redis_used_bytes, after.redis_used_bytes);
    json!({
        "joined": joined,
        "usherBytesPerWaiting": each(usher),
        "redisBytesPerWaiting": each(redis),
        "redisUsedBytesPerWaiting": each(redis_used),
        "usherGrowthBytes": usher, "redisGrowthBytes": redis, "redisUsedGrowthBytes": redis_used,
    })
}

/// The calls in a measurement of so many polls, by whatever the system does.
pub fn calls_json(before: &Calls, after: &Calls, polls: u64) -> Value {
    let made = made_between(before, after);
    let each = (0 < polls).then(|| wide(made.values().sum()) / wide(polls));
    json!({"redisCallsPerPoll": each, "redisCalls": made})
}

fn wide(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^53")]
    let wide = count as f64;
    wide
}

#[cfg(test)]
mod tests {
    use super::{Calls, Duration, Instant, Look, Memory, calls_json, memory_json};

    #[test]
    fn a_line_costs_what_has_grown_since_before_the_joins() {
        let before = Memory { usher_kib: 1_000, redis_kib: 500, redis_used_bytes: 1_000_000 };
        let after = Memory { usher_kib: 1_080, redis_kib: 490, redis_used_bytes: 1_125_000 };
        let told = memory_json(before, after, 10_240);
        assert_eq!(told["usherBytesPerWaiting"], 8.0);
        assert_eq!(told["redisBytesPerWaiting"], -1.0);
        assert_eq!(told["redisUsedBytesPerWaiting"], 12.21);
    }

    #[test]
    fn calls_are_told_for_each_poll_and_by_command() {
        let calls = |count| Calls::from([("getrange".to_owned(), count)]);
        let told = calls_json(&calls(5), &calls(30), 100);
        assert_eq!(told["redisCallsPerPoll"], 0.25);
        assert_eq!(told["redisCalls"]["getrange"], 25);
        assert_eq!(calls_json(&calls(5), &calls(5), 100)["redisCallsPerPoll"], 0.0);
        let at = Instant::now();
        let look = |seconds, cpu_ms, count| Look {
            at: at + Duration::from_secs(seconds),
            calls: calls(count),
            usher_cpu: Duration::from_millis(cpu_ms),
        };
        let told = look(0, 500, 5).until(&look(10, 4_500, 30), 100);
        assert_eq!(
            (told["usherCores"].as_f64(), told["redisCallsPerPoll"].as_f64()),
            (Some(0.4), Some(0.25))
        );
    }
}
