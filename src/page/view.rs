//! What every page knows of its reader: language, time zone, theme, role and address.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use super::answer::Page;
use super::language::Language;
use super::moment::{Moment, length};
use super::templates::TEMPLATES;
use super::{answer, assets, help, menu, preferences};
use crate::api::{Role, Via, Who, who};
use crate::http::Gateway;

/// The reader of a page.
pub(super) struct View {
    pub(super) language: Language,
    zone: TimeZone,
    theme: &'static str,
    now: Timestamp,
    who: Option<Who>,
    /// The path and the query of the page.
    here: String,
    path: String,
    gzip: bool,
    /// The sinks that get nothing now. Empty for a reader who is not let in.
    pub(super) stopped: Vec<String>,
    /// The number of dead letters, for the menu.
    dead: String,
}

/// All that a page depends on, but for the time and the store.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Reading {
    language: Language,
    zone: Option<String>,
    theme: &'static str,
    who: Option<Who>,
    here: String,
    gzip: bool,
    stopped: Vec<String>,
    dead: String,
}

impl View {
    /// The reader who sent this request.
    pub(super) fn of(request: &HttpRequest, gateway: &Gateway) -> Self {
        let wish = preferences::Preferences::of(request);
        let path_and_query = request.uri().path_and_query();
        Self {
            language: wish.language,
            zone: wish.zone,
            theme: wish.theme,
            now: gateway.clock.now(),
            who: who(request),
            here: path_and_query.map_or_else(|| "/".to_owned(), ToString::to_string),
            path: request.path().to_owned(),
            gzip: answer::takes_gzip(request.headers()),
            stopped: who(request).map_or_else(Vec::new, |_| stopped(gateway)),
            dead: menu::dead(request),
        }
    }

    /// What makes this page differ from that of another reader.
    pub(super) fn reading(&self) -> Reading {
        Reading {
            language: self.language,
            zone: self.zone.iana_name().map(str::to_owned),
            theme: self.theme,
            who: self.who.clone(),
            here: self.here.clone(),
            gzip: self.gzip,
            stopped: self.stopped.clone(),
            dead: self.dead.clone(),
        }
    }

    /// The query of the page.
    pub(super) fn query(&self) -> &str {
        self.here.split_once('?').map_or("", |(_, query)| query)
    }

    /// The same reader, at this time.
    pub(super) fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// The same reader, for a page with a secret: the length of a compressed page depends on its secret.
    pub(super) fn uncompressed(self) -> Self {
        Self {
            gzip: false,
            ..self
        }
    }

    /// The address of the login that leads back to this page.
    pub(super) fn login(&self) -> String {
        let next = serde_urlencoded::to_string([("next", &self.here)]);
        format!("/login?{}", next.unwrap_or_default())
    }

    /// A time as this reader sees it.
    pub(super) fn moment(&self, at: Timestamp) -> Moment {
        Moment::of(at, self.now, &self.zone, self.language)
    }

    /// The time between two times, for this reader.
    pub(super) fn between(&self, from: Timestamp, to: Timestamp) -> String {
        length(to.as_second() - from.as_second(), self.language)
    }

    /// Whether deliveries of this sink wait until it works again. Then the time of their next attempt means nothing.
    pub(super) fn is_stopped(&self, sink: &str) -> bool {
        self.stopped.iter().any(|stopped| stopped == sink)
    }

    /// A time in the zone of this reader.
    pub(super) fn zoned(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone.clone())
    }

    /// Now, for this reader.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// The page of a template. The template sees `data` as `page`.
    pub(super) fn page(&self, template: &str, data: impl Serialize) -> HttpResponse {
        self.page_with(StatusCode::OK, template, data)
    }

    /// The page of a template, with another status.
    pub(super) fn page_with(
        &self,
        status: StatusCode,
        template: &str,
        data: impl Serialize,
    ) -> HttpResponse {
        self.rendered(status, template, data).answer()
    }

    /// The same, before it is sent.
    pub(super) fn rendered(
        &self,
        status: StatusCode,
        template: &str,
        data: impl Serialize,
    ) -> Page {
        match self.render(template, data) {
            Ok(html) => Page::html(status, html, self.gzip),
            Err(error) => {
                tracing::error!(
                    template,
                    %error, "a page cannot be rendered"
                );
                Page::broken()
            }
        }
    }

    fn render(&self, template: &str, data: impl Serialize) -> Result<String, minijinja::Error> {
        let languages = Language::ALL.map(Language::tag);
        let reader = context! {
            w => self.language.words(),
            lang => self.language.tag(),
            languages,
            themes => preferences::THEMES,
            theme => self.theme,
            zone => self.zone.iana_name().unwrap_or("UTC"),
            now => Value::from(Serde(self.moment(self.now))),
            here => &self.here,
            path => &self.path,
            help => help::part(&self.path),
            failing_sinks => self.stopped.len(),
            menu => Value::from(Serde(menu::MENU)),
            dead => &self.dead,
            assets => Value::from(Serde(assets::addresses())),
            may => Value::from(Serde(May::of(self.who.as_ref()))),
            reader => Value::from(Serde(self.who.as_ref().map(Reader::of))),
            page => Value::from(Serde(data)),
        };
        TEMPLATES.get_template(template)?.render(reader)
    }
}

/// Sinks to which nothing is sent: their circuit breaker is open, or they are paused.
fn stopped(gateway: &Gateway) -> Vec<String> {
    let states = gateway.sinks.states().into_iter();
    let stopped = states.filter(|sink| sink.state.is_stopped());
    stopped.map(|sink| sink.name.to_string()).collect()
}

/// What the reader may do, for templates.
#[derive(Serialize)]
struct May {
    operate: bool,
    administer: bool,
}

impl May {
    fn of(who: Option<&Who>) -> Self {
        let may = |role| who.is_some_and(|who| who.role >= role);
        Self {
            operate: may(Role::Operator),
            administer: may(Role::Admin),
        }
    }
}

/// Who the reader is, for templates.
#[derive(Serialize)]
struct Reader {
    name: String,
    role: &'static str,
    /// Whether a cookie shows who they are, which they can remove.
    can_leave: bool,
    /// Whether nothing shows who they are.
    anyone: bool,
}

impl Reader {
    fn of(who: &Who) -> Self {
        Self {
            name: who.name.clone(),
            role: who.role.as_str(),
            can_leave: who.via == Via::Cookie,
            anyone: who.via == Via::Open,
        }
    }
}
