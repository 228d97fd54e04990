//! A running rsyslog, which passes on what it has read.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use campanile_receiver::server::{Server, free_port};
use campanile_sinks::Sink;
use campanile_sinks::kinds::syslog::SyslogKind;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::process::Command;

use crate::build_kind;
use crate::server::file;

/// A server that needs longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Each message as rsyslog reads it.
const TEMPLATE: &str = r#"
template(name="read" type="list" option.jsonf="on") {
  property(outname="pri" name="pri" format="jsonf")
  property(outname="time" name="timestamp" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="process" name="procid" format="jsonf")
  property(outname="id" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
}
"#;

pub(super) struct Rsyslog {
    pub(super) server: Server,
    folder: TempDir,
    pub(super) port: u16,
    read: UdpSocket,
}

impl Rsyslog {
    pub(super) async fn start() -> Self {
        Self::with("", "").await
    }

    /// TLS, with this rule for the certificates of clients.
    pub(super) async fn tls(clients: &str) -> Self {
        let (authority, pem) = (file("authority.pem"), file("server.pem"));
        let global = format!(
            "defaultNetstreamDriver=\"gtls\" defaultNetstreamDriverCAFile=\"{authority}\" \
             defaultNetstreamDriverCertFile=\"{pem}\" defaultNetstreamDriverKeyFile=\"{pem}\""
        );
        let tcp = format!("StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"{clients}\"");
        Self::with(&global, &tcp).await
    }

    async fn with(global: &str, tcp: &str) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free());
        let read = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = read.local_addr().unwrap().port();
        let config = format!(
            "global(processInternalMessages=\"on\" {global})\n{TEMPLATE}\
             module(load=\"imudp\")\nmodule(load=\"imtcp\" {tcp})\n\
             input(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
             action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{to}\" protocol=\"udp\" template=\"read\")\n"
        );
        fs::write(folder.path().join("rsyslog.conf"), config).unwrap();
        let server = run(&folder).await;
        let rsyslog = Self {
            server,
            folder,
            port,
            read,
        };
        rsyslog.wait_until_it_listens().await;
        rsyslog
    }

    /// Killed, and started again with the same port.
    pub(super) async fn restarted(self) -> Self {
        self.server.end("KILL").await;
        let server = run(&self.folder).await;
        let rsyslog = Self { server, ..self };
        rsyslog.wait_until_it_listens().await;
        rsyslog
    }

    /// The messages of rsyslog itself go the same way. One says that the inputs listen.
    async fn wait_until_it_listens(&self) {
        while !self.any().await["text"].to_string().ends_with(" start\"") {}
    }

    async fn any(&self) -> Value {
        let mut datagram = vec![0; 65_536];
        let heard = tokio::time::timeout(PATIENCE, self.read.recv(&mut datagram)).await;
        let len = heard
            .expect("rsyslog has read a message; run scripts/test to install it")
            .unwrap();
        serde_json::from_slice(&datagram[..len]).unwrap()
    }

    /// The next message of the sink.
    pub(super) async fn next(&self) -> Value {
        loop {
            let read = self.any().await;
            if !read["app"].to_string().contains("rsyslogd") {
                return read;
            }
        }
    }

    pub(super) fn sink(&self, scheme: &str, more: &str) -> Arc<dyn Sink> {
        let host = if scheme == "tls" {
            "localhost"
        } else {
            "127.0.0.1"
        };
        let url = format!("url = '{scheme}://{host}:{}'\n{more}", self.port);
        build_kind(&SyslogKind, &url)
    }
}

/// A port that is free for TCP and for UDP.
pub(super) fn free() -> u16 {
    let port = free_port();
    let taken = std::net::UdpSocket::bind(("127.0.0.1", port)).is_err();
    if taken { free() } else { port }
}

/// `rsyslogd` prints nothing when it starts.
async fn run(folder: &TempDir) -> Server {
    let mut command = Command::new("sh");
    let script = "echo begins; exec rsyslogd -n -f rsyslog.conf -i \"$PWD/pid\"";
    command.args(["-c", script]).current_dir(folder.path());
    Server::start(&mut command, "begins").await
}
