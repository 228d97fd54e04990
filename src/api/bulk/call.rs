//! The request for a bulk action, and its response.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::LOCATION;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};

use super::jobs::Jobs;
use super::{Act, Acted, act, selection};
use crate::api::error::ApiError;
use crate::api::types::{Job, Selection};
use crate::api::{Actor, Failing};
use crate::http::Gateway;

/// Who asks for an action, and what it needs.
pub(crate) struct Call {
    pub(crate) gateway: web::Data<Gateway>,
    jobs: web::Data<Jobs>,
    pub(crate) actor: Actor,
}

impl FromRequest for Call {
    type Error = ApiError;
    type Future = Ready<Failing<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let gateway = request.app_data::<web::Data<Gateway>>().cloned();
        let jobs = request.app_data::<web::Data<Jobs>>().cloned();
        let (Some(gateway), Some(jobs)) = (gateway, jobs) else {
            return ready(Err(ApiError::failed("the listener has no jobs")));
        };
        let call = Actor::of(request).map(|actor| Self {
            gateway,
            jobs,
            actor,
        });
        ready(call)
    }
}

impl Call {
    /// Does what the body says: with `background` as a job, else at once. `shown` makes the body of the response.
    pub(in crate::api) async fn answer<T: serde::Serialize>(
        self,
        action: Act,
        body: &[u8],
        shown: impl FnOnce(Acted) -> T,
    ) -> Failing<HttpResponse> {
        let wanted = selection(action, body)?;
        if wanted.background && !wanted.dry_run {
            let job = self.begin(action, wanted).await?;
            let at = format!("/api/v1/jobs/{}", job.id);
            let mut response = HttpResponse::Accepted();
            return Ok(response.insert_header((LOCATION, at)).json(job));
        }
        let acted = act(&self.gateway, action, &wanted, &self.actor).await?;
        Ok(HttpResponse::Ok().json(shown(acted)))
    }

    /// Begins an action in the background.
    pub(crate) async fn begin(&self, action: Act, wanted: Selection) -> Failing<Job> {
        let gateway = self.gateway.clone().into_inner();
        self.jobs.begin(gateway, action, wanted, &self.actor).await
    }
}
