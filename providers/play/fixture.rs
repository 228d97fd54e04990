//! The fixtures: one raw request and what must come of it, compiled in.
//!
//! The same files feed the laws, the end-to-end tests, the benches and `campanile send`. The build script lists the
//! folder `fixtures/`, so that a new file there is all that a new case needs.

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

/// The public half of the proof, where there is one.
pub const USER: &str = "campanile-fixture-user";

/// The topic of fixtures that come by one.
pub const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:campanile";

/// The same at Huawei.
pub const TOPIC_URN: &str = "urn:smn:cn-north-4:00000000000000000000000000000000:campanile";

/// The tenant of fixtures that come with a token of an identity provider.
pub const TENANT: &str = "7e4a4701-0000-4000-8000-00000000f1c5";

/// For whom such tokens are issued: one application, by its address and by its id.
pub const AUDIENCES: [&str; 2] = [
    "api://campanile-fixture",
    "ca4a411e-0000-4000-8000-00000000f1c5",
];

/// When every fixture comes: what they sign as their time is near it.
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
    /// What must come of it, as JSON: a list of alerts, or `{"refused": 403}`, `{"unreadable": {"place": "..."}}`,
    /// `{"ignored": "..."}`. Empty while nobody has written it.
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
    /// The request as the server hands it to a provider: the secret at the end of the path is taken as its key, and what
    /// its proof asks for is fetched.
    pub fn callback(&self) -> Result<Callback, Malformed> {
        let mut call = self.arrived()?;
        call.fetched = self.served(&call).into_iter().collect();
        Ok(call)
    }

    /// What a stand-in for the vendor's hosts serves.
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

    /// Whether it comes with a token of an identity provider, and without a path key: its case is named so.
    fn is_by_token(&self) -> bool {
        self.case.starts_with("jwt-")
    }

    /// A source that believes the fixtures of this provider. It asks for a path key if any of them has the right one, or
    /// for a token if this one is about tokens.
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
