//! Addresses that are refused, proven by those who listen there: they must hear nothing. Error texts prove nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_sinks::http::client::{Client, Lookup, Request, Settings};
use campanile_sinks::http::guard::Egress;
use campanile_sinks::{Class, Failure};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::message;
use campanile_receiver::Play;
use campanile_receiver::scripted::Receiver;

/// Listens on one port of every address by which this machine can be reached without leaving it, and counts.
struct Ears {
    port: u16,
    heard: Arc<AtomicUsize>,
    _listening: JoinSet<()>,
}

impl Ears {
    async fn open() -> Self {
        let heard = Arc::new(AtomicUsize::new(0));
        let mut listening = JoinSet::new();
        // All of 127.0.0.0/8 and what leads there, 0.0.0.0; and IPv6 where the machine has it.
        let four = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = four.local_addr().unwrap().port();
        let six = TcpListener::bind(format!("[::1]:{port}")).await;
        for listener in [Some(four), six.ok()].into_iter().flatten() {
            let heard = Arc::clone(&heard);
            listening.spawn(async move {
                while let Ok(caller) = listener.accept().await {
                    heard.fetch_add(1, Ordering::SeqCst);
                    // Only now does the caller learn that it was heard.
                    drop(caller);
                }
            });
        }
        Self {
            port,
            heard,
            _listening: listening,
        }
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

fn settings(egress: Egress) -> Settings<'static> {
    Settings {
        egress,
        timeout: Duration::from_secs(10),
        ca_file: None,
        skip_tls_verification: false,
        proxy: None,
    }
}

async fn call(client: &Client, url: &str) -> Result<u16, Failure> {
    let request = Request {
        method: reqwest::Method::POST,
        url: url.parse().unwrap(),
        headers: reqwest::header::HeaderMap::new(),
        body: "{}".into(),
        at: message().at,
    };
    client.exchange(request).await.map(|answer| answer.status)
}

/// Ways to write addresses of this machine. A letter of full width, a dot of another script and a circled digit are what
/// browsers and this client's URLs read as the plain sign.
const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F.1",
    "0x7f.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "00177.0.0.1",
    "127.0.0.1.",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[2001:0:808:808::80ff:fffe]",
    "[fe80::5efe:7f00:1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "user:word@127.0.0.1",
    "good.example@127.0.0.1",
    "good.example:80@127.0.0.1",
    "good.example%2f@127.0.0.1",
    "１２７.0.0.1",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "127.0.0.%31",
    "%31%32%37.0.0.1",
    "127\u{ad}.0.0.1",
];

/// And of no machine at all; Linux takes the first for itself. These are refused whatever the operator wrote.
const NOWHERE: &[&str] = &[
    "0.0.0.0",
    "0",
    "0x0",
    "00",
    "0.0",
    "000.000.000.000",
    "0.0.0.1",
    "[::]",
    "[::ffff:0.0.0.0]",
    "[::ffff:0:0]",
    "[64:ff9b::]",
    "user@0.0.0.0",
    "０.0.0.0",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_refused_hears_nothing_however_it_is_written() {
    let ears = Ears::open().await;
    let public = Client::new(settings(Egress::PublicOnly)).unwrap();
    let any = Client::new(settings(Egress::Any)).unwrap();
    let port = ears.port;
    for (client, hosts) in [(&public, LOOPBACK), (&public, NOWHERE), (&any, NOWHERE)] {
        for host in hosts {
            let refused = call(client, &format!("http://{host}:{port}/")).await;
            assert_eq!(ears.heard(), 0, "{host} was called: {refused:?}");
            assert!(refused.is_err(), "{host}");
        }
    }
}

/// Else the test above would hold for a listener that is deaf.
#[tokio::test(flavor = "multi_thread")]
async fn the_listener_of_these_tests_hears_what_is_allowed() {
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "localhost",
        "[::ffff:127.0.0.1]",
        "good.example@127.0.0.1",
    ] {
        let ears = Ears::open().await;
        let client = Client::new(settings(Egress::Any));
        let port = ears.port;
        let _silent = call(&client.unwrap(), &format!("http://{host}:{port}/")).await;
        assert!(ears.heard() > 0, "{host} is not heard");
    }
}

/// A resolver that gives these answers in turn, the last one again and again, and counts its questions.
fn resolver(answers: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
    let all = |answer: &&[&str]| {
        answer
            .iter()
            .map(|ip| ip.parse().unwrap())
            .collect::<Vec<IpAddr>>()
    };
    let mut answers: Vec<Vec<IpAddr>> = answers.iter().map(all).collect();
    answers.reverse();
    let (answers, asked) = (Mutex::new(answers), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_name| {
        count.fetch_add(1, Ordering::SeqCst);
        let mut answers = answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop()
        } else {
            answers.last().cloned()
        };
        let found: Vec<_> = answer
            .unwrap()
            .into_iter()
            .map(|ip| SocketAddr::new(ip, 0))
            .collect();
        Box::pin(std::future::ready(io::Result::Ok(found)))
    });
    (lookup, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_elsewhere_the_second_time_is_judged_the_second_time() {
    // What leads to this machine though it is refused always, and what only the cloud's metadata service has.
    for second in [
        "0.0.0.0",
        "::",
        "::ffff:0.0.0.0",
        "169.254.169.254",
        "fd00:ec2::254",
    ] {
        let receiver = Receiver::start([Play::AnswerAndClose(200)]).await;
        let (lookup, asked) = resolver(&[&["127.0.0.1"], &[second]]);
        let client = Client::asking(lookup, settings(Egress::Any)).unwrap();
        let url = format!("http://rebinding.example:{}/", receiver.address().port());
        assert_eq!(call(&client, &url).await, Ok(200));
        receiver.ended_at_least(1).await;
        let refused = call(&client, &url).await.unwrap_err();
        assert_eq!(refused.class, Class::Operator, "{second}: {refused}");
        assert_eq!(
            (receiver.connections(), asked.load(Ordering::SeqCst)),
            (1, 2),
            "{second}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_looked_up_once_a_connection_so_that_what_was_judged_is_what_is_called() {
    let ears = Ears::open().await;
    // Public at the first look, this machine at every later one: a client that looks twice calls this machine.
    let (lookup, asked) = resolver(&[&["192.0.2.1"], &["127.0.0.1"]]);
    let client = Client::asking(
        lookup,
        Settings {
            timeout: Duration::from_secs(1),
            ..settings(Egress::Any)
        },
    );
    let url = format!("http://rebinding.example:{}/", ears.port);
    let failed = call(&client.unwrap(), &url).await.unwrap_err();
    assert_eq!(failed.class, Class::Transient, "{failed}");
    assert_eq!((ears.heard(), asked.load(Ordering::SeqCst)), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_addresses_only_those_that_are_allowed_are_called() {
    let ears = Ears::open().await;
    let receiver = Receiver::start([]).await;
    let port = receiver.address().port();
    let all: &[&str] = &[
        "0.0.0.0",
        "169.254.169.254",
        "::",
        "127.0.0.1",
        "::ffff:0.0.0.0",
    ];
    let (lookup, _) = resolver(&[all]);
    let client = Client::asking(lookup, settings(Egress::Any)).unwrap();
    assert_eq!(
        call(&client, &format!("http://mixed.example:{port}/")).await,
        Ok(200)
    );
    let (lookup, _) = resolver(&[&["127.0.0.1", "::1", "10.0.0.1", "0.0.0.0"]]);
    let public = Client::asking(lookup, settings(Egress::PublicOnly)).unwrap();
    let refused = call(&public, &format!("http://mixed.example:{}/", ears.port)).await;
    assert_eq!(refused.unwrap_err().class, Class::Operator);
    assert_eq!(ears.heard(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_refused_address_is_not_followed() {
    let ears = Ears::open().await;
    for host in ["0.0.0.0", "127.0.0.1", "localhost", "[::1]"] {
        let to = format!("http://{host}:{}/latest/meta-data/", ears.port);
        for status in [301, 302, 303, 307, 308] {
            let receiver = Receiver::start([Play::with(status, "location", &to)]).await;
            let client = Client::new(settings(Egress::Any)).unwrap();
            assert_eq!(call(&client, &receiver.url("/")).await, Ok(status));
        }
        let refresh = Receiver::start([Play::with(200, "refresh", &format!("0;url={to}"))]).await;
        let client = Client::new(settings(Egress::Any)).unwrap();
        assert_eq!(call(&client, &refresh.url("/")).await, Ok(200));
    }
    assert_eq!(ears.heard(), 0);
}
