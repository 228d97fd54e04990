//! The pages for operators, on the admin listener.
//!
//! The server renders the HTML. Links and forms do everything; `assets/page.js` only updates a page that is open. A page
//! shows the values that the functions of `crate::api` return, so the page and the API never disagree.
//! `docs/CONTRIBUTING.md` says how a page is added.

mod alert;
mod answer;
mod assets;
mod audit;
mod callbacks;
mod dead;
mod dead_job;
mod deliveries;
mod failure;
mod field;
mod filter;
mod form;
mod help;
mod histogram;
mod language;
mod list;
mod live;
mod login;
mod looked;
mod menu;
mod moment;
mod preferences;
mod problem;
mod quarantine;
mod row;
mod settings;
mod setup;
mod shared;
mod silences;
mod sinks;
mod sources;
mod span;
mod sparkline;
mod templates;
mod trial;
mod view;
mod wizard;

use actix_web::web;

pub(crate) use failure::shown as failures;
pub(crate) use menu::counted;

/// The largest body of a form, in bytes.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// Adds the paths of all pages.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::FormConfig::default().limit(FORM_BYTES_MAX))
        .configure(assets::routes)
        .configure(preferences::routes)
        .configure(live::routes)
        .configure(login::routes)
        .configure(alert::routes)
        .configure(help::routes)
        .configure(problem::routes)
        .configure(callbacks::routes)
        .configure(quarantine::routes)
        .configure(sources::routes)
        .configure(setup::routes)
        .configure(wizard::routes)
        .configure(sinks::routes)
        .configure(silences::routes)
        .configure(trial::routes)
        .configure(deliveries::routes)
        .configure(audit::routes)
        .configure(settings::routes)
        .configure(dead::routes)
        .configure(dead_job::routes);
}
