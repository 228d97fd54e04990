//! The fixtures: raw requests with their expected results, compiled in.
//!
//! The laws, the end-to-end tests, the benches and `campanile send` use the same files. The build script lists the folder
//! `fixtures/`, so a new case needs only its files there.

pub use super::key::{CERTIFICATE, KEYS};
use crate::source::Source;
use crate::trust::needed::Document;
use campanile_model::Secret;
use campanile_model::{Callback, Fetched, Malformed};
use campanile_settings::Values;

/// The secret at the end of the path of fixtures whose proof is the path key.
pub const KEY: &str = "campanile-fixture-key";

/// The secret of fixtures that the vendor signs.
pub const TOKEN: &str = "campanile-fixture-token";

/// The user name of the proof, if there is one.
pub const USER: &str = "campanile-fixture-user";

/// The topic of fixtures from AWS SNS.
pub const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:campanile";

/// The topic of fixtures from Huawei SMN.
pub const TOPIC_URN: &str = "urn:smn:cn-north-4:00000000000000000000000000000000:campanile";

/// The tenant of fixtures with a token of an identity provider.
pub const TENANT: &str = "7e4a4701-0000-4000-8000-00000000f1c5";

/// The audiences of such tokens: one application, by its address and by its id.
pub const AUDIENCES: [&str; 2] = [
    "api://campanile-fixture",
    "ca4a411e-0000-4000-8000-00000000f1c5",
];

/// The time of arrival of every fixture. Signed times in fixtures are near it.
pub const RECEIVED_AT: &str = "2026-01-01T00:00:00Z";

/// One case of one provider.
#[derive(Clone, Copy, Debug)]
pub struct Fixture {
    /// The provider's name.
    pub provider: &'static str,
    /// What it shows, such as `firing`.
    pub case: &'static str,
    /// The raw HTTP request.
    pub request: &'static [u8],
    /// The expected result as JSON: a list of alerts, or `{"refused": 403}`, `{"unreadable": {"place": "..."}}`,
    /// `{"ignored": "..."}`. Empty if it is not written yet.
    pub expected: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/fixtures.rs"));

/// The fixtures of a provider, in alphabetical order of their cases; none for an unknown one.
pub fn fixtures(provider: &str) -> &'static [Fixture] {
    ALL.binary_search_by_key(&provider, |(name, _)| name)
        .ok()
        .and_then(|at| ALL.get(at))
        .map_or(&[], |(_, fixtures)| fixtures)
}

/// The providers that have fixtures, in alphabetical order.
pub fn providers_with_fixtures() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

impl Fixture {
    /// The request as a provider gets it from the server: with the key from the end of its path, and with the document that
    /// its proof needs.
    pub fn callback(&self) -> Result<Callback, Malformed> {
        let mut call = self.arrived()?;
        call.fetched = self.served(&call).into_iter().collect();
        Ok(call)
    }

    /// The document that a test server serves in place of the vendor's host.
    fn served(&self, call: &Callback) -> Option<Fetched> {
        let provider = crate::by_name(self.provider)?;
        let needed = provider.proof(call, &self.source()).needs()?;
        let body = match needed.document {
            Document::Certificate => CERTIFICATE,
            Document::Key(_) => KEYS,
        };
        Some(Fetched {
            url: needed.url,
            body: body.into(),
        })
    }

    fn arrived(&self) -> Result<Callback, Malformed> {
        let mut call = Callback::from_http(self.request)?;
        let source = format!("/callback/{}/fixture/", self.provider);
        call.key = call.path.strip_prefix(&source).map(str::to_owned);
        call.received_at = RECEIVED_AT.parse().ok();
        Ok(call)
    }

    /// Whether it has a token of an identity provider and no path key. The name of its case says so.
    fn is_by_token(&self) -> bool {
        self.case.starts_with("jwt-")
    }

    /// A source that accepts the fixtures of this provider. It needs a path key if any of them has the right one, or a token
    /// of an identity provider if this one has such a token.
    pub fn source(&self) -> Source {
        let key = Secret::from(KEY);
        let has_key = |fixture: &Self| {
            let call = fixture.arrived().ok();
            call.and_then(|call| call.key)
                .is_some_and(|given| given == KEY)
        };
        let by_token = self.is_by_token();
        let keyed = !by_token && fixtures(self.provider).iter().any(has_key);
        Source {
            name: format!("{}/fixture", self.provider),
            keys: if keyed { vec![key] } else { Vec::new() },
            tokens: vec![Secret::from(TOKEN)],
            own: own_settings(by_token),
            ..Source::default()
        }
    }
}

/// What a source of any vendor may set for its own proof; of a token's issuer only where the fixture has a token.
fn own_settings(by_token: bool) -> Values {
    let topics = vec![TOPIC.to_owned(), TOPIC_URN.to_owned()];
    let own = Values::default().with("user", USER).with("topics", topics);
    if by_token {
        let audiences = AUDIENCES.map(str::to_owned).to_vec();
        own.with("tenant", TENANT).with("audience", audiences)
    } else {
        own
    }
}
