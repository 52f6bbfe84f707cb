//! The row about a disk that is full: a server whose store is a small file system of its own.
//!
//! The file system is mounted in a namespace of the server's own, which needs no rights. Where a
//! machine forbids even that, there is no disk to fill: the test says so and ends.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use async_nats::{Request, client::RequestErrorKind};
use bytes::Bytes;
use chassis::config::Url;
use chassis::{Nats, NatsConfig};
use tempfile::TempDir;

use super::cluster::free_ports;
use super::{Answer, answer, stream};

/// What one message takes of the 16 MB, and far more of them than fit.
const MESSAGE_BYTES: usize = 64 * 1024;
const MESSAGES_MAX: u64 = 1_000;

/// How long a write waits for an answer that does not come.
const SILENCE: Duration = Duration::from_secs(2);

/// Runs in the namespace; answers each word on its input once it is done. The server is restarted
/// within, because the file system lives as long as the namespace.
const KEEPER: &str = r#"
mount -t tmpfs -o size=16m tmpfs "$1/disk" || exit 1
echo mounted
while read -r word; do
  case $word in
    run) nats-server --config "$1/nats.conf" >>"$1/log" 2>&1 & server=$! ;;
    kill) kill -9 $server; wait $server 2>>"$1/log" ;;
    grow) mount -o remount,size=64m "$1/disk" ;;
  esac
  echo "$word"
done
"#;

struct SmallDisk {
    keeper: Child,
    words: ChildStdin,
    done: BufReader<ChildStdout>,
    url: String,
    // Last, so that the server is dead when it is removed.
    _folder: TempDir,
}

impl SmallDisk {
    /// `None` where nothing may be mounted.
    fn mount() -> Option<SmallDisk> {
        let folder = tempfile::Builder::new().prefix("usher-test-").tempdir().unwrap();
        let path = folder.path();
        let port = free_ports(1)[0];
        std::fs::create_dir(path.join("disk")).unwrap();
        let store = path.join("disk/jetstream");
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\n\
             jetstream {{ store_dir: \"{}\", max_file_store: 1GB, max_memory_store: 1MB }}\n",
            store.display()
        );
        std::fs::write(path.join("nats.conf"), config).unwrap();
        // The namespace of processes ends with the keeper, and that with the test's thread.
        let mut keeper = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "unshare", "--user", "--map-root-user", "--mount"])
            .args(["--pid", "--fork", "--kill-child", "sh", "-c", KEEPER, "sh"])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let words = keeper.stdin.take().unwrap();
        let done = BufReader::new(keeper.stdout.take().unwrap());
        let url = format!("nats://127.0.0.1:{port}");
        let mut disk = SmallDisk { keeper, words, done, url, _folder: folder };
        (disk.next_line() == "mounted").then_some(disk)
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.words, "{word}").unwrap();
        assert_eq!(self.next_line(), word);
    }

    fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.done.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    async fn nats(&self) -> Nats {
        let config = NatsConfig { url: Url::new(&self.url), ..NatsConfig::default() };
        Nats::connect(&config, "test").await.unwrap()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.keeper.kill().unwrap();
        self.keeper.wait().unwrap();
    }
}

#[tokio::test]
async fn a12_a_full_disk_is_silence_and_loses_nothing_acknowledged() {
    let Some(mut disk) = SmallDisk::mount() else {
        eprintln!("not checked: this machine lets nobody mount, not even in a namespace");
        return;
    };
    disk.tell("run");
    let nats = disk.nats().await;
    nats.ensure_stream(&stream()).await.unwrap();
    let write = async |nats: &Nats| {
        let payload = Bytes::from(vec![7; MESSAGE_BYTES]);
        let request = Request::new().payload(payload).timeout(Some(SILENCE));
        let written = nats.client.send_request("s.a", request).await;
        written.map(|message| answer(&message.payload)).map_err(|error| error.kind())
    };
    let mut acknowledged = 0;
    let full = loop {
        match write(&nats).await {
            Ok(answer) => assert_eq!(answer, Answer::Stored(acknowledged + 1)),
            Err(error) => break error,
        }
        acknowledged += 1;
        assert!(acknowledged < MESSAGES_MAX, "the disk must fill up");
    };
    assert!(100 < acknowledged, "{acknowledged} fitted");
    assert_eq!(full, RequestErrorKind::TimedOut, "a full disk is not told, it is silence");
    assert_eq!(write(&nats).await, Err(RequestErrorKind::TimedOut), "and stays silent");
    for word in ["kill", "grow", "run"] {
        disk.tell(word);
    }
    let nats = disk.nats().await;
    let stream = nats.jetstream.get_stream("S").await.unwrap();
    let last = stream.cached_info().state.last_sequence;
    // What was under way when the disk was full is unknown: one at most of each that timed out.
    assert!(acknowledged <= last && last <= acknowledged + 2, "{last} of {acknowledged}");
    for sequence in 1..=acknowledged {
        let message = stream.get_raw_message(sequence).await.unwrap();
        assert_eq!(message.payload.len(), MESSAGE_BYTES, "{sequence} was acknowledged");
    }
    assert_eq!(write(&nats).await, Ok(Answer::Stored(last + 1)), "there is space again");
}
