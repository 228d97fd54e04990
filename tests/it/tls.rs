//! TLS on the listeners, asked with a real TLS client: it serves, it takes new files, it keeps the old ones when the new
//! ones are bad, and a handshake has a deadline.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::gateway::preamble;
use crate::patience::{output, within};
use crate::process::Process;

/// Certificates for `localhost` and 127.0.0.1 that signed themselves.
const FILES: [(&str, &[u8]); 6] = [
    ("first.pem", include_bytes!("tls/first.pem")),
    ("first.key", include_bytes!("tls/first.key")),
    ("second.pem", include_bytes!("tls/second.pem")),
    ("second.key", include_bytes!("tls/second.key")),
    ("expired.pem", include_bytes!("tls/expired.pem")),
    ("expired.key", include_bytes!("tls/expired.key")),
];

fn file(name: &str) -> &'static [u8] {
    let found = FILES.iter().find(|(known, _)| *known == name);
    found.unwrap().1
}

/// A folder with a configuration whose listeners serve TLS with the files `tls.pem` and `tls.key`.
fn folder(certificate: &str, key: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), certificate, key);
    let path = folder.path().display();
    let tls = format!("tls = {{ certificate = \"{path}/tls.pem\", key = \"{path}/tls.key\" }}\n");
    let text = preamble(folder.path())
        .replace(
            "[server]\n",
            &format!("[server]\nhead_timeout = \"1s\"\nbody_timeout = \"300s\"\n{tls}"),
        )
        .replace("[admin]\n", &format!("[admin]\n{tls}"));
    let source = "[providers.ucloud.prod]\nopen = true\n[sinks.stdout.out]\n";
    std::fs::write(folder.path().join("campanile.toml"), text + source).unwrap();
    folder
}

fn put(folder: &Path, certificate: &str, key: &str) {
    std::fs::write(folder.join("tls.pem"), file(certificate)).unwrap();
    std::fs::write(folder.join("tls.key"), file(key)).unwrap();
}

/// A client that trusts one certificate and nothing else.
async fn connect(process: &Process, trusted: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_slice(file(trusted)).unwrap();
    roots.add(trusted).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let tcp = TcpStream::connect(process.public).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// One request on a connection that stays open: the status line of its answer.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    within("an answer over TLS", asked(stream)).await
}

async fn asked(stream: &mut TlsStream<TcpStream>) -> String {
    let asked = b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(asked).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let line = String::from_utf8(answer).unwrap();
    // The rest of the answer: its head, and as many bytes as the head says.
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await.unwrap()));
    }
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn both_listeners_serve_tls_and_no_plain_http() {
    let folder = folder("first.pem", "first.key");
    let process = Process::start(folder.path()).await;
    let _already = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(file("first.pem")).unwrap()])
        .build()
        .unwrap();
    let alarm = r#"{"SessionID": "1", "MetricName": "MemUsage", "AlarmTime": 1470822697}"#;
    let public = format!("https://{}/callback/ucloud/prod", process.public);
    let answer = client.post(public).body(alarm).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let admin = format!("https://{}/healthz", process.admin);
    assert_eq!(client.get(admin).send().await.unwrap().status(), 200);
    let plain = format!("http://{}/healthz", process.admin);
    assert!(client.get(plain).send().await.is_err());
    assert!(process.output().contains("listening on https://"));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_files_are_shown_to_new_connections_and_end_no_old_one() {
    let folder = folder("first.pem", "first.key");
    let process = Process::start(folder.path()).await;
    let mut old = connect(&process, "first.pem").await.unwrap();
    assert!(ask(&mut old).await.starts_with("HTTP/1.1 404"));
    put(folder.path(), "second.pem", "second.key");
    process.logs_times("reloaded its config", 1).await;
    assert!(ask(&mut old).await.starts_with("HTTP/1.1 404"));
    assert!(connect(&process, "first.pem").await.is_err());
    let mut new = connect(&process, "second.pem").await.unwrap();
    assert!(ask(&mut new).await.starts_with("HTTP/1.1 404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_new_file_leaves_the_old_certificate_in_force_and_is_logged() {
    let folder = folder("first.pem", "first.key");
    let process = Process::start(folder.path()).await;
    put(folder.path(), "first.pem", "second.key");
    process.logs_times("did not reload its config", 1).await;
    process
        .logs_times("does not belong to the certificate", 1)
        .await;
    let mut still = connect(&process, "first.pem").await.unwrap();
    assert!(ask(&mut still).await.starts_with("HTTP/1.1 404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_end_is_cut_off() {
    let folder = folder("first.pem", "first.key");
    let process = Process::start(folder.path()).await;
    // Only the limit of the handshake can end these: the whole request may take five minutes.
    // Nothing at all, and the beginning of a record of 512 bytes.
    for beginning in [&b""[..], &[22, 3, 1, 2, 0, 1, 0]] {
        let mut tcp = TcpStream::connect(process.public).await.unwrap();
        tcp.write_all(beginning).await.unwrap();
        let what = format!("an end of the connection after {beginning:?}");
        let _reset = within(&what, tcp.read_to_end(&mut Vec::new())).await;
    }
}

fn campanile(folder: &TempDir, arguments: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    let config = folder.path().join("campanile.toml");
    let output = output(command.args(arguments).arg("--config").arg(config));
    let said = [&*output.stdout, &*output.stderr].concat();
    (output, String::from_utf8(said).unwrap())
}

#[test]
fn check_names_the_file_that_cannot_be_used() {
    for (certificate, key, words) in [
        (
            "first.pem",
            "second.key",
            "does not belong to the certificate",
        ),
        (
            "first.key",
            "first.key",
            "does not contain a certificate in PEM form",
        ),
        (
            "first.pem",
            "first.pem",
            "does not contain a private key in PEM form",
        ),
    ] {
        let folder = folder(certificate, key);
        let (output, said) = campanile(&folder, &["check"]);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
        assert!(!said.contains("PRIVATE KEY-----M"), "{said}");
    }
    let folder = folder("first.pem", "first.key");
    std::fs::remove_file(folder.path().join("tls.key")).unwrap();
    let (output, said) = campanile(&folder, &["check"]);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("tls.key, which cannot be read"), "{said}");
}

#[test]
fn an_expired_certificate_is_a_warning_that_says_since_when() {
    let folder = folder("expired.pem", "expired.key");
    let (output, said) = campanile(&folder, &["check"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let words = "tls.pem expired at 2020-01-02T00:00:00Z";
    assert_eq!(said.matches(words).count(), 2, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_reach_a_gateway_on_this_machine_by_its_config() {
    let folder = folder("first.pem", "first.key");
    let process = Process::start(folder.path()).await;
    // The config has port 0, which only the process knows.
    let config = folder.path().join("campanile.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let (server, admin) = text.split_once("[admin]").unwrap();
    let listen = format!("listen = \"{}\"", process.admin);
    let admin = admin.replace("listen = \"127.0.0.1:0\"", &listen);
    let other = tempfile::tempdir().unwrap();
    let text = format!("{server}[admin]{admin}");
    std::fs::write(other.path().join("campanile.toml"), text).unwrap();
    let (output, said) = campanile(&other, &["sinks", "status"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("stdout/out"), "{said}");
}
