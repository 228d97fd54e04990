//! The style sheet, the script and the icons, compiled in. Their addresses contain a hash, so a browser keeps them.

use std::sync::LazyLock;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use flate2::Compression;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::answer;
use crate::api::STATIC_PATH;

struct Asset {
    address: String,
    kind: &'static str,
    bytes: &'static [u8],
    gzipped: Bytes,
}

impl Asset {
    fn new(name: &str, ending: &str, kind: &'static str, bytes: &'static [u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let hash = u64::from_be_bytes(digest.first_chunk().copied().unwrap_or_default());
        Self {
            address: format!("{STATIC_PATH}{name}-{hash:016x}.{ending}"),
            kind,
            bytes,
            // Once for the life of the process.
            gzipped: answer::gzipped(bytes, Compression::best()).into(),
        }
    }
}

struct Assets {
    style: Asset,
    script: Asset,
    icons: Asset,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: Asset::new(
        "page",
        "css",
        "text/css; charset=utf-8",
        include_bytes!("assets/page.css"),
    ),
    script: Asset::new(
        "page",
        "js",
        "text/javascript; charset=utf-8",
        include_bytes!("assets/page.js"),
    ),
    icons: Asset::new(
        "icons",
        "svg",
        "image/svg+xml",
        include_bytes!("assets/icons.svg"),
    ),
});

/// The addresses of the assets, for templates.
#[derive(Serialize)]
pub(super) struct Addresses {
    style: &'static str,
    script: &'static str,
    icons: &'static str,
}

pub(super) fn addresses() -> Addresses {
    Addresses {
        style: &ASSETS.style.address,
        script: &ASSETS.script.address,
        icons: &ASSETS.icons.address,
    }
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    for asset in [&ASSETS.style, &ASSETS.script, &ASSETS.icons] {
        let serve = move |request: HttpRequest| async move { shown(asset, &request) };
        config.route(&asset.address, web::get().to(serve));
    }
}

fn shown(asset: &Asset, request: &HttpRequest) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(asset.kind)
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"));
    if answer::takes_gzip(request.headers()) {
        return answer::compressed(&mut answer, asset.gzipped.clone());
    }
    answer.body(asset.bytes)
}
