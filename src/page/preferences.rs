//! The preferences of a reader: language, time zone and theme, in cookies.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::answer;
use super::form::path_back;
use super::language::Language;
use crate::api::Failing;

const LANGUAGE: &str = "campanile-language";
const THEME: &str = "campanile-theme";
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
        let zone = wanted_zone(request.query_string()).or_else(|| cookie(ZONE));
        Self {
            language: language.unwrap_or_else(|| Language::preferred(request.headers())),
            zone: zone
                .and_then(|name| TimeZone::get(&name).ok())
                .unwrap_or(TimeZone::UTC),
            theme: theme.unwrap_or("auto"),
        }
    }
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
    let language = wish.language.as_deref().and_then(Language::of_tag);
    let theme = wish.theme.as_deref().and_then(known);
    for (name, value) in [(LANGUAGE, language.map(Language::tag)), (THEME, theme)] {
        if let Some(value) = value {
            // Fails only for a cookie that is not valid, and these are constants.
            let _added = answer.add_cookie(&cookie(name, value));
        }
    }
    Ok(answer)
}

fn cookie(name: &'static str, value: &'static str) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .same_site(SameSite::Lax)
        .max_age(Duration::days(365))
        .finish()
}
