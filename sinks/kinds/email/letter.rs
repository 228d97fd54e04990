//! The text of a mail: the subject, and the same facts as plain text and as HTML.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use campanile_model::Alert;

use super::html::{self, Digest};
use crate::words::{Entry, Locale, Room};
use crate::{Failure, Message};

/// A subject is shown whole by mail programs up to about this length.
const SUBJECT: Room = Room::Characters(78);
/// Alerts of a digest that are listed; the rest is a number.
const LISTED_MAX: usize = 30;
/// The vendor's text. Gmail hides what follows after 102 KB of HTML.
const DESCRIPTION: Room = Room::Characters(8000);

type Words = BTreeMap<String, BTreeMap<String, String>>;

/// The words that only this kind uses, by language.
pub(super) fn words(language: &str) -> &'static BTreeMap<String, String> {
    static WORDS: LazyLock<Words> = LazyLock::new(|| {
        toml::from_str(include_str!("words.toml")).expect("a table of text by language")
    });
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    WORDS.get(language).unwrap_or(&NONE)
}

/// How much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Length {
    /// Everything.
    #[default]
    Whole,
    /// Without the vendor's text and the labels: the server refused the whole as too large.
    Short,
}

/// What a mail says.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// The mail of a message.
pub(super) fn letter(
    locale: &Locale,
    language: &str,
    message: &Message,
    length: Length,
) -> Result<Letter, Failure> {
    let own = locale.own_text(message)?;
    let own = own.map(|text| DESCRIPTION.cut(&text));
    let (subject, text, html) = match message.only() {
        Some(alert) => {
            let entry = entry(locale, alert, message, length);
            let text = one_text(&entry, own.as_deref(), locale);
            let html = html::one(&entry, own.as_deref(), locale);
            (subject_of(&entry), text, html)
        }
        None => many(locale, message, length, own.as_deref()),
    };
    let footer = format!("{} {}", locale.own("footer"), message.delivery_id);
    Ok(Letter {
        text: format!("{text}\n-- \n{footer}\n"),
        html: html::page(language, &subject, &html, &footer),
        subject,
    })
}

fn entry<'a>(
    locale: &'a Locale,
    alert: &'a Alert,
    message: &'a Message,
    length: Length,
) -> Entry<'a> {
    let mut entry = locale.entry(alert, message);
    entry.description = match length {
        Length::Whole => DESCRIPTION.cut(&entry.description),
        Length::Short => String::new(),
    };
    if length == Length::Short {
        entry.labels.clear();
    }
    entry
}

/// The subject, the text and the HTML of a digest.
fn many(
    locale: &Locale,
    message: &Message,
    length: Length,
    own: Option<&str>,
) -> (String, String, String) {
    let most = match length {
        Length::Whole => LISTED_MAX,
        Length::Short => LISTED_MAX / 3,
    };
    // What is cut off is the least.
    let listed = Locale::ranked(message).into_iter().take(most);
    let list: Vec<_> = listed.map(|alert| locale.entry(alert, message)).collect();
    let count = format!("{} {}", message.alerts.len(), locale.own("alerts"));
    let digest = Digest {
        count: &count,
        tally: &locale.tally(message),
        list: &list,
        rest: message.alerts.len() - list.len(),
        own,
    };
    let subject = SUBJECT.cut(&format!("[{count}] {}", digest.tally));
    (
        subject,
        many_text(&digest, locale),
        html::many(&digest, locale),
    )
}

/// The state is in brackets: Gmail leaves those out when it looks for the mails of one conversation.
fn subject_of(entry: &Entry<'_>) -> String {
    let Entry {
        word,
        title,
        resource,
        ..
    } = entry;
    let subject = if title.contains(resource.as_str()) {
        format!("[{word}] {title}")
    } else {
        format!("[{word}] {title} · {resource}")
    };
    SUBJECT.cut(&subject)
}

fn one_text(entry: &Entry<'_>, own: Option<&str>, locale: &Locale) -> String {
    let Entry {
        sign,
        word,
        title,
        first,
        facts,
        labels,
        description,
        links,
        ..
    } = entry;
    let mut text = String::new();
    if !first.is_empty() {
        let _infallible = writeln!(text, "{}", first.join(" · "));
    }
    let _infallible = writeln!(text, "{sign} {word} {title}\n");
    if let Some(own) = own {
        let _infallible = writeln!(text, "{own}");
    } else {
        if !description.is_empty() && description != title {
            let _infallible = writeln!(text, "{description}\n");
        }
        for (word, fact) in facts {
            let _infallible = writeln!(text, "{word}: {fact}");
        }
        for label in labels {
            let _infallible = writeln!(text, "{}: {label}", locale.own("labels"));
        }
    }
    for link in links {
        let _infallible = writeln!(text, "\n{}: {}", html::link_title(link, locale), link.url);
    }
    text
}

fn many_text(digest: &Digest<'_>, locale: &Locale) -> String {
    let mut text = format!("{}\n", digest.tally);
    if let Some(own) = digest.own {
        let _infallible = writeln!(text, "\n{own}");
        return text;
    }
    for entry in digest.list {
        let Entry {
            sign, word, title, ..
        } = entry;
        let parts: Vec<_> = entry.parts().collect();
        let _infallible = write!(text, "\n{sign} {word} {title}\n   {}\n", parts.join(" · "));
    }
    if digest.rest > 0 {
        let _infallible = writeln!(text, "\n… {} {}", digest.rest, locale.own("more"));
    }
    text
}
