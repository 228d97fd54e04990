//! The menu of every page, with the number of dead letters.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use serde::Serialize;

use super::answer;
use crate::api::{STATIC_PATH, dead, who};
use crate::http::Gateway;

/// Dead letters are counted up to this number. The menu shows more as `99+`.
const DEAD_MAX: u32 = 99;

/// A link of the menu.
#[derive(Serialize)]
pub(super) struct Entry {
    /// The key of its text.
    key: &'static str,
    href: &'static str,
    /// The letter that opens it after `g`.
    letter: char,
}

/// The pages of the menu.
pub(super) const MENU: &[Entry] = &[
    Entry::new("live", "/", 'l'),
    Entry::new("callbacks", "/callbacks", 'c'),
    Entry::new("sources", "/sources", 's'),
    Entry::new("sinks", "/sinks", 'k'),
    Entry::new("deliveries", "/deliveries", 'p'),
    Entry::new("dead", "/dead", 'd'),
    Entry::new("quarantine", "/quarantine", 'q'),
    Entry::new("silences", "/silences", 'm'),
    Entry::new("try", "/try", 't'),
];

impl Entry {
    const fn new(key: &'static str, href: &'static str, letter: char) -> Self {
        Self { key, href, letter }
    }
}

/// The number of dead letters, in the extensions of a request for a page.
struct Dead(usize);

/// Counts the dead letters for the menu. It runs after the reader is let in. The login has no number.
pub(crate) async fn counted(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let gateway = request.app_data::<web::Data<Gateway>>().cloned();
    if let Some(gateway) = gateway.filter(|_| is_page(&request)) {
        let most = DEAD_MAX.saturating_add(1);
        // The page itself says that the store cannot be read.
        let number = dead::count(&gateway, most).await.unwrap_or_default();
        request.extensions_mut().insert(Dead(number));
    }
    next.call(request).await
}

fn is_page(request: &ServiceRequest) -> bool {
    let path = request.path();
    let other = [STATIC_PATH, "/api/"];
    request.method() == Method::GET
        && answer::wants_page(request.headers())
        && who(request.request()).is_some()
        && !other.iter().any(|prefix| path.starts_with(prefix))
}

/// The number of dead letters as the menu shows it, empty for none.
pub(super) fn dead(request: &HttpRequest) -> String {
    let number = request.extensions().get::<Dead>().map_or(0, |dead| dead.0);
    let most = usize::try_from(DEAD_MAX).unwrap_or(usize::MAX);
    match number {
        0 => String::new(),
        number if number > most => format!("{most}+"),
        number => number.to_string(),
    }
}
