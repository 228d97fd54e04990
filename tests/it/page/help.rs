//! The docs under `/help`: each of them is there, and all links between them lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::open;
use crate::standing::{Standing, source};

/// The values of an attribute in a page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let opening = format!(" {attribute}=\"");
    let parts = page.split(&*opening).skip(1);
    parts.map(|part| part.split('"').next().unwrap()).collect()
}

/// Opens all pages of help from the list on, in this language. Returns the pages by address.
async fn crawl(gateway: &Standing, language: &str) -> BTreeMap<String, String> {
    let cookie = format!("cookie: campanile-language={language}\r\n");
    let mut pages = BTreeMap::new();
    let mut open_next = vec!["/help".to_owned()];
    while let Some(address) = open_next.pop() {
        if pages.contains_key(&address) {
            continue;
        }
        let reply = open(gateway, &address, &cookie).await;
        assert_eq!(reply.status, 200, "{address}");
        let page = reply.body.replace("&#x2f;", "/");
        for link in values(&page, "href") {
            let path = link.split('#').next().unwrap();
            if path.starts_with("/help") {
                open_next.push(path.to_owned());
            }
        }
        pages.insert(address, page);
    }
    pages
}

/// Faults of a page: its form, and links to what does not exist.
fn faults(address: &str, pages: &BTreeMap<String, String>) -> Vec<String> {
    let page = &pages[address];
    let mut faults = Vec::new();
    if !page.starts_with("<!doctype html>") {
        return faults;
    }
    if page.matches("<h1").count() != 1 || page.contains(" style=") || page.contains("<h4") {
        faults.push(format!("{address}: one h1, no style and no h4, please"));
    }
    let ids = values(page, "id");
    if ids.iter().collect::<BTreeSet<_>>().len() != ids.len() {
        faults.push(format!("{address}: two elements have one id"));
    }
    for link in values(page, "href") {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let path = if path.is_empty() { address } else { path };
        let to = pages.get(path);
        let exists = anchor.is_empty() || to.is_none_or(|to| values(to, "id").contains(&anchor));
        let leads = path.starts_with("http") || !path.contains(".md");
        if !exists || !leads {
            faults.push(format!("{address}: {link} leads nowhere"));
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_is_in_help_and_every_link_and_anchor_exists_in_each_language() {
    let gateway = Standing::with(vec![source("a")]).await;
    for language in ["en", "zh-Hant", "zh-Hans"] {
        let pages = crawl(&gateway, language).await;
        let faults: Vec<_> = pages
            .keys()
            .flat_map(|address| faults(address, &pages))
            .collect();
        assert!(faults.is_empty(), "{language}: {}", faults.join("\n"));
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        for folder in ["", "providers", "sinks"] {
            for entry in std::fs::read_dir(docs.join(folder)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let Some(name) = name.strip_suffix(".md") else {
                    continue;
                };
                let parts = ["/help", folder, name].into_iter();
                let parts = parts.filter(|part| !part.is_empty() && *part != "README");
                let address = parts.collect::<Vec<_>>().join("/").to_ascii_lowercase();
                assert!(pages.contains_key(&address), "{language}: {address}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_shows_a_document_in_the_language_of_the_reader_or_of_the_link() {
    let gateway = Standing::with(vec![source("a")]).await;
    let cookie = |language| format!("cookie: campanile-language={language}\r\n");
    for (address, reader, shown) in [
        ("/help/readme", "en", "en"),
        ("/help/readme", "zh-Hant", "zh-Hant"),
        ("/help/readme", "zh-Hans", "zh-Hans"),
        ("/help/readme?lang=en", "zh-Hans", "en"),
        ("/help/operations", "zh-Hant", "zh-Hant"),
        ("/help/operations", "zh-Hans", "zh-Hans"),
        ("/help/config", "zh-Hant", "en"),
    ] {
        let page = open(&gateway, address, &cookie(reader)).await.body;
        let article = format!("<article class=\"doc\" lang=\"{shown}\">");
        assert!(page.contains(&article), "{address} {reader}: {page}");
    }
    let page = open(&gateway, "/help/config", &cookie("zh-Hant"))
        .await
        .body;
    assert!(page.contains("本頁只有英文。"), "{page}");
    let reply = open(&gateway, "/help/nothing", "").await;
    assert_eq!(reply.status, 404);
    let rules = open(&gateway, "/help/files/prometheus-rules.yml", "").await;
    assert_eq!(rules.header("content-type"), "text/plain; charset=utf-8");
    assert!(rules.body.contains("CampanileDown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_an_error_leads_to_its_explanation_and_a_fingerprint_to_its_problem() {
    let gateway = Standing::with(vec![source("a")]).await;
    let reply = open(&gateway, "/problems/role_too_low", "").await;
    let to = reply.header("location");
    assert_eq!((reply.status, to), (303, "/help/problems#role_too_low"));
    let page = open(
        &gateway,
        "/help/problems",
        "cookie: campanile-language=zh-Hant\r\n",
    )
    .await;
    assert!(
        page.body.contains("<h2 id=\"role_too_low\">"),
        "{}",
        page.body
    );
    let reply = open(&gateway, "/problems/0123456789abcdef", "").await;
    assert_eq!(reply.status, 404);
    let page = open(&gateway, "/dead", "")
        .await
        .body
        .replace("&#x2f;", "/");
    assert!(
        page.contains("href=\"/help/operations#dead-letters\""),
        "{page}"
    );
}
