//! From what an operator asks for to a silence.

use campanile_language::Field;
use campanile_store::{SILENCE_TEXT_BYTES_MAX, Silence};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::api::Failing;
use crate::api::error::ApiError;
use crate::api::types::{OneOrMore, WantedSilence};
use crate::config::Matching;
use crate::config::windows::After;
use crate::snapshot::matcher::Matcher;

/// The longest silence of an operator. Longer ones are forgotten: write them into the configuration.
const LASTS_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The longest comment, in characters.
const COMMENT_CHARACTERS_MAX: usize = 500;

/// What matches, and its compiled form.
pub(super) fn matcher(wanted: &WantedSilence) -> Failing<(Matching, Matcher)> {
    let values = |values: &OneOrMore| match values {
        OneOrMore::One(value) => vec![value.clone()],
        OneOrMore::Many(values) => values.clone(),
    };
    let matches = wanted.matches.iter();
    let matching = Matching {
        matches: matches
            .map(|(field, wanted)| (field.clone(), values(wanted)))
            .collect(),
        regex: wanted.regex.clone(),
        when: wanted.when.clone(),
    };
    known(&matching)?;
    let compiled = Matcher::compile(&matching).map_err(|wrong| {
        let first = wrong.into_iter().next();
        let (setting, message) = first.map_or(("when", String::new()), |(setting, mistake)| {
            (setting, mistake.to_string())
        });
        ApiError::bad_request(format!("`{setting}` is not valid: {message}"))
            .at_pointer(&format!("/{setting}"))
    })?;
    if !wanted.everything && !matching.is_narrow() {
        return Err(ApiError::bad_request(
            "the silence matches every alert, also one without these fields. Name a value that not every alert has, or say \
             `everything`",
        ));
    }
    Ok((matching, compiled))
}

/// The values of each field can occur, and a list has some.
fn known(matching: &Matching) -> Failing<()> {
    for (name, values) in &matching.matches {
        let wrong = |message: String| ApiError::bad_request(message).at_pointer("/match");
        let field = Field::parse(name).map_err(|not| wrong(format!("`{name:.80}` {not}")))?;
        if values.is_empty() {
            return Err(wrong(format!("`{name:.80}` has no value")));
        }
        for value in values {
            field.takes(value).map_err(wrong)?;
        }
    }
    Ok(())
}

/// The silence.
pub(super) fn silence(
    wanted: &WantedSilence,
    matching: &Matching,
    who: &str,
    now: Timestamp,
) -> Failing<Silence> {
    let from = wanted.from.unwrap_or(now).max(now);
    let until = end(wanted.until, wanted.lasts.as_deref(), from, now)?;
    let after = match wanted.after.as_deref() {
        None => After::default(),
        Some(word) => After::of(word).ok_or_else(|| {
            let words = After::WORDS.join("` or `");
            ApiError::bad_request(format!("`after` is `{words}`")).at_pointer("/after")
        })?,
    };
    if wanted.comment.chars().count() > COMMENT_CHARACTERS_MAX {
        let message = format!("the comment has more than {COMMENT_CHARACTERS_MAX} characters");
        return Err(ApiError::bad_request(message).at_pointer("/comment"));
    }
    let matching = serde_json::to_string(matching).unwrap_or_default();
    if matching.len() > SILENCE_TEXT_BYTES_MAX {
        let message = format!("the silence is longer than {SILENCE_TEXT_BYTES_MAX} bytes");
        return Err(ApiError::bad_request(message));
    }
    Ok(Silence {
        from,
        until,
        matching,
        after: after.as_str().to_owned(),
        who: who.to_owned(),
        comment: wanted.comment.clone(),
    })
}

/// When it ends: at a time, or so long after it begins.
pub(super) fn end(
    until: Option<Timestamp>,
    lasts: Option<&str>,
    from: Timestamp,
    now: Timestamp,
) -> Failing<Timestamp> {
    let until = match (until, lasts) {
        (Some(until), None) => until,
        (None, Some(lasts)) => from
            .checked_add(duration(lasts)?)
            .map_err(|_| too_long("/for"))?,
        _ => {
            let message = "give either `for`, such as \"2h\", or `until`";
            return Err(ApiError::bad_request(message));
        }
    };
    if until <= from.max(now) {
        let message = "the end is not after the begin, or it is over already";
        return Err(ApiError::bad_request(message).at_pointer("/until"));
    }
    if until.duration_since(now) > LASTS_MAX {
        return Err(too_long("/until"));
    }
    Ok(until)
}

fn too_long(pointer: &str) -> ApiError {
    let message =
        "a silence ends at most 30 days from now. What is always quiet belongs into the routes";
    ApiError::bad_request(message).at_pointer(pointer)
}

/// Days have 24 hours.
fn duration(text: &str) -> Failing<SignedDuration> {
    let wrong = || {
        let message = "`for` is not a duration such as `30m`, `2h` or `1d 12h`";
        ApiError::bad_request(message).at_pointer("/for")
    };
    let span: Span = text.parse().map_err(|_| wrong())?;
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wrong())
}
