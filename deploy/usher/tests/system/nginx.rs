//! A real nginx with the example's own file.

use crate::process::free_port;
use crate::wait::until;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const GATE: &str = include_str!("../../../nginx/usher-gate.conf");

/// Where Debian has it, which is not on every PATH.
const NGINX: &str = "/usr/sbin/nginx";

/// What the example runs in: one process that leaves nothing behind. A service of the package has
/// its own files and ports.
const AROUND: &str = "daemon off; master_process off; worker_processes 1; pid nginx.pid;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    include gate.conf;
}
";

pub struct Nginx {
    pub port: u16,
    child: Child,
    // Last, so that the process is gone when its folder is removed.
    folder: TempDir,
}

impl Nginx {
    /// Starts it before `site`, with the gate of the gateway at `usher`.
    pub async fn start(usher: SocketAddr, site: SocketAddr) -> Self {
        let folder = tempfile::Builder::new().prefix("usher-nginx-").tempdir().unwrap();
        let port = free_port();
        let places = [
            ("listen 80;", format!("listen 127.0.0.1:{port};")),
            ("127.0.0.1:8080", usher.to_string()),
            ("127.0.0.1:3000", site.to_string()),
        ];
        let mut gate = GATE.to_owned();
        for (written, own) in places {
            assert!(gate.contains(written), "the example has {written}");
            gate = gate.replace(written, &own);
        }
        fs::write(folder.path().join("gate.conf"), gate).unwrap();
        fs::write(folder.path().join("nginx.conf"), AROUND).unwrap();
        let mut command = Command::new(if Path::new(NGINX).exists() { NGINX } else { "nginx" });
        command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "error.log"]);
        let child = command.stdin(Stdio::null()).spawn();
        let child = child.expect("nginx is installed: deploy/test does it");
        let mut nginx = Self { port, child, folder };
        until("nginx to listen", async || {
            let ended = nginx.child.try_wait().unwrap();
            assert!(ended.is_none(), "nginx ended: {}", nginx.log());
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop)
        })
        .await;
        nginx
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
        if std::thread::panicking() {
            eprintln!("--- nginx:\n{}", self.log());
        }
    }
}
