//! What the responses of an SMTP server mean. The status alone does not say it: 535 is permanent and the mail is not to blame.

use std::time::Duration;

use lettre::transport::smtp::response::Response;

use super::session::Step;
use crate::{Class, Failure};

/// At most so much of a response is shown.
const WORDS_CHARACTERS_MAX: usize = 200;
/// Greylisting and limits of rate: a server that says so wants to see the mail again after some minutes.
const SOME_MINUTES: Duration = Duration::from_mins(5);
/// A limit for the day.
const LONG: Duration = Duration::from_hours(1);

/// What follows from a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is about the whole message, or the sink.
    All(Class, Option<Duration>),
    /// This recipient does not exist.
    NoSuchRecipient,
}

/// A negative response.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) words: String,
}

impl Refusal {
    /// What it means at this step.
    pub(super) fn verdict(&self, step: Step) -> Verdict {
        let (class, wait) = match self.code {
            _ if self.is_too_large() => (Class::TooLarge, None),
            // A full mailbox, and Gmail's limit for a day, have permanent codes and pass.
            _ if self.has(".2.2") => (Class::Transient, Some(SOME_MINUTES)),
            550 if self.has("5.4.5") => (Class::Transient, Some(LONG)),
            400..=499 => (Class::Transient, self.asks_for_time()),
            _ => return self.permanent(step),
        };
        Verdict::All(class, wait)
    }

    fn permanent(&self, step: Step) -> Verdict {
        match (step, self.code) {
            (Step::Recipient, 511 | 551 | 553) => Verdict::NoSuchRecipient,
            (Step::Recipient, 550) if !self.is_about_policy() => Verdict::NoSuchRecipient,
            (Step::Recipient, _) if self.has("5.1.") => Verdict::NoSuchRecipient,
            // Syntax, and content that cannot be taken. At an earlier step it would be the same for every mail.
            (Step::Content, 500..=503 | 555) => Verdict::All(Class::Poison, None),
            (Step::Content, _) if self.has("5.6.") => Verdict::All(Class::Poison, None),
            _ => Verdict::All(Class::Operator, None),
        }
    }

    /// One sentence for the operator.
    pub(super) fn reason(&self, step: Step) -> String {
        let Self { code, words } = self;
        let what = match (step, self.verdict(step)) {
            (_, Verdict::All(Class::TooLarge, _)) => "finds the mail too large",
            _ if self.is_about_credentials() => {
                "rejects the credentials: check `username` and `password`; many providers want an app password or authorization code"
            }
            (Step::Greeting, _) => "does not accept connections now",
            (Step::Login, _) => "does not log in this user",
            (Step::Sender, Verdict::All(Class::Operator, _)) => {
                "does not accept this sender: `from` must usually be the mailbox of `username`"
            }
            (Step::Sender, _) => "does not accept a mail now",
            (Step::Recipient, _) => "does not accept this recipient",
            (Step::Content, Verdict::All(Class::Operator, _)) => {
                "refuses the mail by its policy, such as one against spam"
            }
            (Step::Content, _) => "does not accept the mail",
        };
        let words: String = words.chars().take(WORDS_CHARACTERS_MAX).collect();
        let words = words.replace(char::is_control, " ");
        format!("the server {what}. It said: {code} {}", words.trim())
            .trim_end()
            .to_owned()
    }

    fn has(&self, enhanced: &str) -> bool {
        let first = self.words.split_whitespace().next().unwrap_or_default();
        match enhanced.strip_prefix('.') {
            // Any class: `4.2.2` and `5.2.2`.
            Some(rest) => first.split_once('.').is_some_and(|(_, tail)| tail == rest),
            None if enhanced.ends_with('.') => first.starts_with(enhanced),
            None => first == enhanced,
        }
    }

    fn is_about_credentials(&self) -> bool {
        let codes = ["5.7.8", "5.7.9", "5.7.14", "5.7.30", "5.7.57", "5.7.139"];
        let named = self.code >= 500 && codes.iter().any(|code| self.has(code));
        named || matches!(self.code, 530 | 534 | 535 | 538)
    }

    fn is_too_large(&self) -> bool {
        let full = self.has(".2.2");
        matches!(self.code, 523 | 552) && !full || self.code >= 500 && self.has(".3.4")
    }

    /// Relaying, blocked addresses: not the recipient's fault.
    fn is_about_policy(&self) -> bool {
        let words = self.words.to_ascii_lowercase();
        let relay = ["relay", "denied", "authenticat", "blocked", "spf"];
        self.has("5.7.") || relay.iter().any(|word| words.contains(word))
    }

    fn asks_for_time(&self) -> Option<Duration> {
        let words = self.words.to_ascii_lowercase();
        let named = ["greylist", "graylist", "rate limit", "too many"];
        let named = named.iter().any(|word| words.contains(word));
        (self.has("4.7.") || self.has("4.2.1") || named).then_some(SOME_MINUTES)
    }
}

/// The failure of a server that greets with a refusal.
pub(super) fn of_greeting(response: &Response) -> Failure {
    let words: Vec<_> = response.message().collect();
    let refusal = Refusal {
        code: response.code().into(),
        words: words.join(" "),
    };
    refusal.failure(Step::Greeting)
}

impl Refusal {
    /// The failure of an attempt that ended with it.
    pub(super) fn failure(&self, step: Step) -> Failure {
        let (class, wait) = match self.verdict(step) {
            Verdict::All(class, wait) => (class, wait),
            Verdict::NoSuchRecipient => (Class::Operator, None),
        };
        Failure {
            retry_after: wait,
            ..Failure::new(class, self.reason(step))
        }
    }
}
