//! `/login` and `/logout`: a token becomes a cookie.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde::{Deserialize, Serialize};

use super::answer;
use super::form::path_back;
use super::view::View;
use crate::api::login::{Logins, log_in, log_out};
use crate::api::{Failing, who};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/login", web::get().to(show))
        .route("/login", web::post().to(submit))
        .route("/logout", web::post().to(leave));
}

/// What the template sees.
#[derive(Serialize)]
struct Login {
    /// The path to which the login leads.
    next: String,
    /// The key of the mistake in `login`, if there is one.
    mistake: Option<&'static str>,
}

#[derive(Deserialize)]
struct Aim {
    next: Option<String>,
}

impl Aim {
    /// The path to which the login leads. Any other address leads to the first page.
    fn path(&self) -> String {
        let next = self.next.as_deref().and_then(|next| path_back(next).ok());
        next.unwrap_or("/").to_owned()
    }
}

async fn show(
    request: HttpRequest,
    aim: web::Query<Aim>,
    gateway: web::Data<Gateway>,
) -> HttpResponse {
    let next = aim.path();
    if who(&request).is_some() {
        return answer::see(&next);
    }
    let login = Login {
        next,
        mistake: None,
    };
    View::of(&request, &gateway).page("login.html", login)
}

#[derive(Deserialize)]
struct Wish {
    token: String,
    #[serde(flatten)]
    aim: Aim,
}

async fn submit(
    request: HttpRequest,
    wish: web::Form<Wish>,
    gateway: web::Data<Gateway>,
    logins: web::Data<Logins>,
) -> Failing<HttpResponse> {
    let next = wish.aim.path();
    let error = match log_in(&request, &gateway, &logins, &wish.token).await {
        Ok(cookie) => {
            let mut answer = answer::see(&next);
            // Fails only for a cookie that is not valid, and this one is built of valid characters.
            let _added = answer.add_cookie(&cookie);
            return Ok(answer);
        }
        Err(error) => error,
    };
    let status = error.status_code();
    let mistake = match status {
        StatusCode::UNAUTHORIZED => "wrong",
        StatusCode::TOO_MANY_REQUESTS => "wait",
        _ => return Err(error),
    };
    let login = Login {
        next,
        mistake: Some(mistake),
    };
    Ok(View::of(&request, &gateway).page_with(status, "login.html", login))
}

async fn leave(request: HttpRequest, gateway: web::Data<Gateway>) -> HttpResponse {
    let mut answer = answer::see("/login");
    let _added = answer.add_cookie(&log_out(&request, &gateway));
    answer
}
