//! A baseline in a process of its own.

use crate::baseline::READY_LINE;
use crate::cli::BaselineName;
use crate::wire::Door;
use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum as _;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const READY_WAIT: Duration = Duration::from_mins(1);
const END_WAIT: Duration = Duration::from_mins(1);
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// A running baseline. It ends with this: dropping waits for it.
pub struct Baseline {
    pub door: Door,
    process: Child,
}

impl Baseline {
    /// Starts it with servers of its own, and returns when it serves. Blocking, for seconds; it
    /// dies with the thread that calls this. Its words go to files in `out`.
    pub fn start(name: BaselineName, body_bytes: usize, out: &Path) -> anyhow::Result<Self> {
        let value = name.to_possible_value().context("a baseline has a name")?;
        let name = value.get_name();
        let said = out.join(format!("{name}.out"));
        let log = File::create(out.join(format!("{name}.log")))?;
        let data = out.join(format!("{name}-data"));
        let own = std::env::current_exe().context("find this program's own binary")?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(own).args(["baseline", name]);
        command.arg("--data").arg(data).args(["--body-bytes", &body_bytes.to_string()]);
        command.stdin(Stdio::null()).stdout(File::create(&said)?).stderr(log);
        let process = command.spawn().with_context(|| format!("start {name}"))?;
        let mut baseline = Self { door: Door::new("http://127.0.0.1:1")?, process };
        baseline.door = baseline.ready(name, &said)?;
        Ok(baseline)
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    fn ready(&mut self, name: &str, said: &Path) -> anyhow::Result<Door> {
        let asked = Instant::now();
        loop {
            let text = fs::read_to_string(said)?;
            // A line is whole when its end is there.
            let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            if let Some(address) = lines.find_map(|line| line.strip_prefix(READY_LINE)) {
                return Door::new(address);
            }
            if let Some(status) = self.process.try_wait()? {
                let log = fs::read_to_string(said.with_extension("log")).unwrap_or_default();
                bail!("{name} has ended by itself: {status}\n{log}");
            }
            ensure!(asked.elapsed() < READY_WAIT, "{name} was not ready in time");
            std::thread::sleep(LOOK_PAUSE);
        }
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        let asked = Instant::now();
        // One that has ended already takes no signal, and is noticed at the first look.
        let told = kill_process(Pid::from_child(&self.process), Signal::TERM).is_ok();
        while told && asked.elapsed() < END_WAIT {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
