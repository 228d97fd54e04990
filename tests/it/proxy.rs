//! Proxies that the environment names are not used.

use crate::gateway::preamble;
use crate::process::Process;
use crate::receiver::Receiver;
use crate::standing::post;

/// A proxy would look names up itself, where nothing judges what it finds.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_the_environment_names_hears_nothing() {
    let (proxy, receiver) = (Receiver::start([]).await, Receiver::start([]).await);
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "[providers.ucloud.prod]\nopen = true\n[sinks.webhook.oncall]\nurl = \"{}\"\n",
        receiver.url("/")
    );
    let file = folder.path().join("campanile.toml");
    std::fs::write(file, preamble(folder.path()) + &settings).unwrap();
    let names = [
        "http_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ];
    let export = |name: &str| format!("export {name}={}; ", proxy.url(""));
    let exports = names.map(export).concat() + "export NO_PROXY= no_proxy=;";
    let process = Process::start_after(&exports, folder.path()).await;
    let alarm = br#"{"SessionID":"1","MetricName":"load","AlarmTime":1470822697}"#;
    let reply = process.send(post("/callback/ucloud/prod", "", alarm)).await;
    assert_eq!(reply.status, 200);
    receiver.got_at_least(1).await;
    assert_eq!(proxy.connections(), 0);
    process.signal("TERM");
    process.ended().await;
}
