//! Any text as a part of a proof: headers, a certificate, a distinguished name, hexadecimal digits, base64. A sender
//! without the secret is never accepted, and a decoded value is encoded as the same text.

use std::sync::LazyLock;

use campanile_model::{Callback, Fault};
use campanile_providers::fixture::CERTIFICATE;
use campanile_providers::trust::signature::Encoding;
use campanile_providers::{
    About, Answer, Certified, Hash, Outcome, Player, Proof, Provider, Reading, Source, verify,
};

use crate::{Seeds, request};

/// The name that the gateway requires in a client certificate.
const CLIENT: &str = "alerts.example.com";

/// The input: a line that names the kind of the rest (the name of a vendor for headers, or `pem`, `name`, `hex`,
/// `base64`), and the rest.
pub fn holds(bytes: &[u8]) {
    let end = bytes
        .iter()
        .position(|b| *b == b'\n')
        .unwrap_or(bytes.len());
    let (kind, rest) = bytes.split_at(end);
    let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    let text = String::from_utf8_lossy(rest);
    match kind {
        b"pem" => certificate(rest),
        b"name" => client(&text),
        b"hex" => decoded(Encoding::Hex, &text),
        b"base64" => decoded(Encoding::Base64, &text),
        vendor => headers(&String::from_utf8_lossy(vendor), rest),
    }
}

/// The headers of every fixture, and texts for the other kinds of proof.
pub fn seeds() -> Seeds {
    let headers = request::every_fixture().map(|fixture| {
        let head = fixture.request.split(|b| *b == b'\n').skip(1);
        let head: Vec<_> = head.take_while(|line| line.trim_ascii() != b"").collect();
        let proves = |line: &&[u8]| !line.starts_with(b"Host") && !line.starts_with(b"User-Agent");
        let head: Vec<_> = head.into_iter().filter(proves).collect();
        [fixture.provider.as_bytes(), b"\n", &head.join(&b"\n"[..])].concat()
    });
    let others: [&[u8]; 5] = [
        b"name\nCN=alerts.example.com,O=Example",
        b"name\nOU=x+cn = \\61lerts.example.com,O=a\\,b",
        b"hex\n00ff7f80AB",
        b"base64\nAP9/gKs=",
        b"base64\nAP9/gA",
    ];
    let pem = [b"pem\n", CERTIFICATE].concat();
    headers
        .chain(others.map(<[u8]>::to_vec))
        .chain([pem])
        .collect()
}

/// The vendor's first alarm, with these headers instead of its own.
fn headers(vendor: &str, lines: &[u8]) {
    let provider = request::addressed(&format!("/callback/{vendor}/"));
    let Some(fixture) = request::firing(provider.name()) else {
        return;
    };
    let body = fixture.callback().map(|call| call.body).unwrap_or_default();
    let key = format!("POST /callback/{}/fixture/key HTTP/1.1\n", provider.name());
    let raw = [key.as_bytes(), lines, b"\n\n", &body].concat();
    let Ok(call) = Callback::from_http(&raw) else {
        return;
    };
    let call = request::served(call);
    let known = verify(provider, &call, request::source(provider.name()));
    let again = verify(provider, &call.clone(), request::source(provider.name()));
    assert_eq!(known, again, "verified differently the second time");
    let call = request::with_strange_certificate(&call);
    let guarded = request::guarded(provider.name());
    assert!(
        verify(provider, &call, &guarded).is_err(),
        "a sender without the secret is accepted"
    );
    let _consent = provider.handshake(&call);
}

fn decoded(encoding: Encoding, text: &str) {
    if let Some(bytes) = encoding.decode(text) {
        let back = encoding.decode(&encoding.encode(&bytes));
        assert_eq!(
            back,
            Some(bytes),
            "a decoded value is encoded as a different text"
        );
    }
}

/// A certificate from the vendor's host, with a message that it did not sign.
fn certificate(pem: &[u8]) {
    for hash in [Hash::Sha1, Hash::Sha256] {
        let certified = Certified {
            url: String::new(),
            certificate: Some(pem.into()),
            now: campanile_providers::fixture::RECEIVED_AT.parse().ok(),
            hash,
            message: b"not signed by any key".to_vec(),
            signature: vec![1; 256],
        };
        let asking = Asking(Proof::Certified(certified));
        let believed = verify(&asking, &Callback::default(), &Source::default());
        assert!(believed.is_err(), "a sender without the secret is accepted");
    }
}

fn client(given: &str) {
    let mut call = Callback::default();
    call.client_certificate = Some(given.to_owned());
    let source = Source {
        client_certificates: vec![CLIENT.to_owned()],
        ..Source::default()
    };
    let believed = verify(&Asking(Proof::Nothing), &call, &source).is_ok();
    let bare = given.trim() == CLIENT;
    let names = given.to_ascii_lowercase().matches("cn").count();
    assert!(
        !believed || bare || names > 0,
        "a name of another kind is accepted"
    );
}

/// Requires one proof from every caller.
pub(crate) struct Asking(pub(crate) Proof<'static>);

impl Player for Asking {}

impl Provider for Asking {
    fn about(&self) -> &About {
        static ABOUT: LazyLock<About> = LazyLock::new(About::default);
        &ABOUT
    }

    fn recognizes(&self, _: &Callback) -> bool {
        false
    }

    fn proof<'a>(&self, _: &'a Callback, _: &'a Source) -> Proof<'a> {
        self.0.clone()
    }

    fn read(&self, _: &Callback, _: &Source) -> Result<Reading, Fault> {
        Ok(Reading::default())
    }

    fn answer(&self, _: &Callback, _: &Outcome<'_>) -> Answer {
        Answer::text(200, "")
    }
}
