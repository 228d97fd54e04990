//! The preferences of a reader: language, time zone and theme, in cookies.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::answer;
use super::form::{Fields, path_back};
use super::language::Language;
use crate::api::Failing;

const LANGUAGE: &str = "campanile-language";
const THEME: &str = "campanile-theme";
/// Chosen by the reader.
const CHOSEN_ZONE: &str = "campanile-chosen-zone";
/// Set by `assets/page.js`, which knows the zone of the browser.
const ZONE: &str = "campanile-zone";

/// The themes. `auto` follows the browser.
pub(super) const THEMES: [&str; 3] = ["auto", "light", "dark"];

/// How a reader wants to see the pages.
pub(super) struct Preferences {
    pub(super) language: Language,
    pub(super) zone: TimeZone,
    pub(super) theme: &'static str,
}

impl Preferences {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let cookie = |name| request.cookie(name).map(|cookie| cookie.value().to_owned());
        let language = cookie(LANGUAGE).and_then(|tag| Language::of_tag(&tag));
        let theme = cookie(THEME).and_then(|theme| known(&theme));
        let wanted = wanted_zone(request.query_string()).or_else(|| chosen_zone(request));
        let zone = wanted.or_else(|| cookie(ZONE));
        Self {
            language: language.unwrap_or_else(|| Language::preferred(request.headers())),
            zone: zone
                .and_then(|name| TimeZone::get(&name).ok())
                .unwrap_or(TimeZone::UTC),
            theme: theme.unwrap_or("auto"),
        }
    }
}

/// The time zone that the reader chose on `/settings`.
pub(super) fn chosen_zone(request: &HttpRequest) -> Option<String> {
    let zone = request.cookie(CHOSEN_ZONE)?.value().to_owned();
    Some(zone).filter(|zone| !zone.is_empty())
}

fn known(theme: &str) -> Option<&'static str> {
    THEMES.into_iter().find(|known| *known == theme)
}

/// The zone in the address of the page, so that a link shows the same times to another reader.
fn wanted_zone(query: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
    let zone = pairs.into_iter().find(|(name, _)| name == "tz");
    zone.map(|(_, zone)| zone)
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/preferences", web::post().to(keep));
}

#[derive(Deserialize)]
struct Wish {
    next: String,
    language: Option<String>,
    theme: Option<String>,
}

/// Keeps a preference in a cookie and leads back to the page.
async fn keep(wish: web::Form<Wish>) -> Failing<HttpResponse> {
    let mut answer = answer::see(path_back(&wish.next)?);
    let (language, theme) = (wish.language.as_deref(), wish.theme.as_deref());
    add(&mut answer, language.unwrap_or(""), theme.unwrap_or(""));
    Ok(answer)
}

/// Keeps language, theme and time zone, and leads to this path. None if the zone is not known. An empty zone is that of the
/// browser.
pub(super) fn kept(path: &str, fields: &Fields, zone: &str) -> Option<HttpResponse> {
    if !zone.is_empty() && TimeZone::get(zone).is_err() {
        return None;
    }
    let mut answer = answer::see(path);
    add(&mut answer, fields.text("language"), fields.text("theme"));
    // A name of a zone is valid in a cookie.
    let _added = answer.add_cookie(&cookie(CHOSEN_ZONE, zone));
    Some(answer)
}

/// Adds the cookies of a known language and of a known theme.
fn add(answer: &mut HttpResponse, language: &str, theme: &str) {
    let language = Language::of_tag(language).map(Language::tag);
    for (name, value) in [(LANGUAGE, language), (THEME, known(theme))] {
        if let Some(value) = value {
            // Fails only for a cookie that is not valid, and these are constants.
            let _added = answer.add_cookie(&cookie(name, value));
        }
    }
}

fn cookie<'v>(name: &'static str, value: &'v str) -> Cookie<'v> {
    Cookie::build(name, value)
        .path("/")
        .same_site(SameSite::Lax)
        .max_age(Duration::days(365))
        .finish()
}
