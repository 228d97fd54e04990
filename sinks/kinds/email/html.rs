//! The HTML of a mail: one table, styles in place, no pictures and no scripts. Every value is escaped here.

use std::fmt::Write as _;

use campanile_model::Link;

use crate::words::{Entry, Locale};

/// A digest.
pub(super) struct Digest<'a> {
    /// Such as `37 alerts`.
    pub(super) count: &'a str,
    /// How many of each word.
    pub(super) tally: &'a str,
    /// Those that are listed, the worst first.
    pub(super) list: &'a [Entry<'a>],
    /// How many are not.
    pub(super) rest: usize,
    /// The operator's own text in place of the list.
    pub(super) own: Option<&'a str>,
}

const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,'PingFang SC','PingFang TC','Microsoft YaHei','Microsoft JhengHei','Noto Sans CJK SC',Arial,sans-serif";
/// Mail programs that show no dark colours ignore this; the styles in place are for light ones.
const DARK: &str = "@media (prefers-color-scheme:dark){body,.back{background:#111418!important}.card{background:#1c2127!important}\
.card td{color:#e6e9ed!important;border-color:#333a42!important}.card td.quiet,.card span.quiet{color:#a3adb8!important}\
.card td.band{color:#ffffff!important}.card a{color:#8ab8ff!important}}";

/// The colour of a level: dark enough for white text on it.
fn colour(level: &str) -> &'static str {
    match level {
        "critical" => "#b3261e",
        "error" => "#b54708",
        "warning" => "#8a6100",
        "info" => "#1d5fbf",
        "resolved" => "#1b7a3d",
        _ => "#4b5563",
    }
}

/// The whole page around the rows of the table.
pub(super) fn page(language: &str, subject: &str, rows: &str, footer: &str) -> String {
    let (subject, footer) = (escaped(subject), escaped(footer));
    format!(
        "<!doctype html>\n<html lang=\"{language}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{subject}</title><style>{DARK}</style></head>\n\
         <body class=\"back\" style=\"margin:0;padding:12px 8px;background:#eef0f3;{FONT}\">\n\
         <table class=\"card\" role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" \
         style=\"width:100%;max-width:640px;margin:0 auto;background:#ffffff;border-collapse:collapse;{FONT}\">\n\
         {rows}<tr><td class=\"quiet\" colspan=\"2\" style=\"padding:12px 16px;border-top:1px solid #e3e6ea;\
         font-size:12px;line-height:1.5;color:#5b6570;word-break:break-all\">{footer}</td></tr>\n</table></body></html>\n"
    )
}

/// The rows of one alert.
pub(super) fn one(entry: &Entry<'_>, own: Option<&str>, locale: &Locale) -> String {
    let mut rows = String::new();
    band(
        &mut rows,
        colour(entry.level),
        &format!("{} {}", entry.sign, entry.word),
        &entry.title,
    );
    if let Some((main, more)) = entry.first.split_first() {
        wide(
            &mut rows,
            "padding:14px 16px 4px;font-size:19px;line-height:1.4;font-weight:700",
            &escaped(main),
        );
        for line in more {
            wide(
                &mut rows,
                "padding:0 16px 8px;font-size:15px;line-height:1.4",
                &escaped(line),
            );
        }
    }
    if let Some(own) = own {
        quoted(&mut rows, own);
    } else {
        facts(&mut rows, entry, locale);
    }
    for link in &entry.links {
        button(&mut rows, link, locale);
    }
    rows
}

fn facts(rows: &mut String, entry: &Entry<'_>, locale: &Locale) {
    if !entry.description.is_empty() && entry.description != entry.title {
        quoted(rows, &entry.description);
    }
    for (word, text) in &entry.facts {
        fact(rows, word, &escaped(text));
    }
    if !entry.labels.is_empty() {
        let labels: Vec<_> = entry.labels.iter().map(|label| escaped(label)).collect();
        fact(rows, locale.own("labels"), &labels.join("<br>"));
    }
}

/// The rows of a digest.
pub(super) fn many(digest: &Digest<'_>, locale: &Locale) -> String {
    let mut rows = String::new();
    let worst = digest.list.first().map_or("unknown", |entry| entry.level);
    band(
        &mut rows,
        colour(worst),
        "",
        &format!("📦 {}", digest.count),
    );
    let tally = whole(digest.tally.split(" · "));
    wide(
        &mut rows,
        "padding:14px 16px 10px;font-size:16px;line-height:1.6;font-weight:600",
        &tally,
    );
    if let Some(own) = digest.own {
        quoted(&mut rows, own);
        return rows;
    }
    for entry in digest.list {
        row(&mut rows, entry);
    }
    if digest.rest > 0 {
        let more = format!("… {} {}", digest.rest, locale.own("more"));
        wide(
            &mut rows,
            "padding:10px 16px;border-top:1px solid #e3e6ea;font-size:15px",
            &escaped(&more),
        );
    }
    rows
}

/// What the link is called.
pub(super) fn link_title<'a>(link: &'a Link, locale: &'a Locale) -> &'a str {
    match link.title.trim() {
        "" => locale.own("open"),
        title => title,
    }
}

fn band(rows: &mut String, colour: &str, word: &str, title: &str) {
    let word = match word {
        "" => String::new(),
        word => format!(
            "<span style=\"font-size:14px;font-weight:700;letter-spacing:.04em\">{}</span><br>",
            escaped(word)
        ),
    };
    let _infallible = writeln!(
        rows,
        "<tr><td class=\"band\" colspan=\"2\" style=\"padding:14px 16px;background:{colour};color:#ffffff\">{word}\
         <span style=\"font-size:20px;line-height:1.35;font-weight:700;word-break:break-word\">{}</span></td></tr>",
        escaped(title)
    );
}

/// Parts that are broken between, not within.
fn whole<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let parts: Vec<_> = parts.map(escaped).collect();
    let last = parts.len().saturating_sub(1);
    let parts = parts.iter().enumerate().map(|(number, part)| {
        let mark = if number < last { " ·" } else { "" };
        // A long part must not make the table wider than a phone.
        match part.chars().count() {
            0..=36 => format!("<span style=\"white-space:nowrap\">{part}{mark}</span>"),
            _ => format!("{part}{mark}"),
        }
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn wide(rows: &mut String, style: &str, html: &str) {
    let _infallible = writeln!(
        rows,
        "<tr><td colspan=\"2\" style=\"{style};color:#1a1f24;word-break:break-word\">{html}</td></tr>"
    );
}

/// The vendor's or the operator's text with its own lines.
fn quoted(rows: &mut String, text: &str) {
    let text = escaped(text).replace('\n', "<br>\n");
    wide(
        rows,
        "padding:6px 16px 12px;font-size:15px;line-height:1.5",
        &text,
    );
}

fn fact(rows: &mut String, word: &str, html: &str) {
    let _infallible = writeln!(
        rows,
        "<tr><td class=\"quiet\" style=\"padding:7px 8px 7px 16px;border-top:1px solid #e3e6ea;font-size:14px;line-height:1.5;\
         color:#5b6570;vertical-align:top;white-space:nowrap\">{}</td>\
         <td style=\"padding:7px 16px 7px 8px;border-top:1px solid #e3e6ea;font-size:15px;line-height:1.5;color:#1a1f24;\
         width:100%;word-break:break-word\">{html}</td></tr>",
        escaped(word)
    );
}

fn row(rows: &mut String, entry: &Entry<'_>) {
    let _infallible = writeln!(
        rows,
        "<tr><td colspan=\"2\" style=\"padding:9px 16px;border-top:1px solid #e3e6ea;\
         font-size:15px;line-height:1.45;color:#1a1f24;word-break:break-word\">{} <b>{}</b> {}<br>\
         <span class=\"quiet\" style=\"font-size:13px;color:#5b6570\">{}</span></td></tr>",
        entry.sign,
        escaped(entry.word),
        escaped(&entry.title),
        whole(entry.parts()),
    );
}

fn button(rows: &mut String, link: &Link, locale: &Locale) {
    let (url, title) = (escaped(&link.url), escaped(link_title(link, locale)));
    let link = format!(
        "<a href=\"{url}\" style=\"font-size:16px;font-weight:600;color:#1d5fbf\">{title}</a>"
    );
    wide(
        rows,
        "padding:12px 16px;border-top:1px solid #e3e6ea",
        &link,
    );
}

/// Text for HTML and for the values of attributes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
