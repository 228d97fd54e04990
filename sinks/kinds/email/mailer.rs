//! The sink: one mail for each recipient.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lettre::Message as Mail;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};

use super::letter::{self, Length, Letter};
use super::session::{Fault, Session, Step};
use super::verdict::Verdict;
use super::{Server, Settings};
use crate::words::Locale;
use crate::{Class, Delivered, Failure, Message, Sink, Worth};

/// Deliveries of which some recipients have the mail and some do not yet.
const UNFINISHED_MAX: usize = 1024;

/// The sink.
pub(super) struct Mailer {
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) locale: Locale,
    pub(super) timeout: Duration,
    pub(super) unfinished: Mutex<VecDeque<(String, BTreeSet<usize>)>>,
}

/// What became of the recipients.
#[derive(Default)]
struct Tally {
    taken: usize,
    length: Length,
    refused: Vec<String>,
    later: Vec<Failure>,
}

impl Mailer {
    async fn deliver(
        &self,
        session: &mut Session<'_>,
        message: &Message,
    ) -> Result<Delivered, Failure> {
        let mut tally = Tally::default();
        let served = self.served(&message.delivery_id);
        for (index, to) in self.settings.to.iter().enumerate() {
            if served.contains(&index) {
                continue;
            }
            match self.send_to(session, to, message, &mut tally.length).await {
                Ok(words) => {
                    self.serve(&message.delivery_id, index);
                    tally.taken += 1;
                    tracing::debug!(
                        sink = self.name,
                        response = words,
                        "the mail server took a mail"
                    );
                }
                Err(fault) => tally.add(&to.email, &fault)?,
            }
        }
        let result = tally.result(served.len(), self.settings.to.len());
        if result.is_ok() {
            self.unfinished()
                .retain(|(delivery, _)| *delivery != message.delivery_id);
        }
        result
    }

    async fn send_to(
        &self,
        session: &mut Session<'_>,
        to: &Mailbox,
        message: &Message,
        length: &mut Length,
    ) -> Result<String, Fault> {
        let from = &self.settings.from.email;
        let mail = |length| self.mail(to, message, length).map_err(Fault::Ended);
        let sent = session
            .send(from, &to.email, &mail(*length)?.formatted())
            .await;
        match sent {
            Err(Fault::Refused(step, refusal))
                if *length == Length::Whole
                    && refusal.verdict(step) == Verdict::All(Class::TooLarge, None) =>
            {
                *length = Length::Short;
                session
                    .send(from, &to.email, &mail(Length::Short)?.formatted())
                    .await
            }
            sent => sent,
        }
    }

    fn letter(&self, message: &Message, length: Length) -> Result<Letter, Failure> {
        letter::letter(&self.locale, &self.settings.language, message, length)
    }

    fn mail(&self, to: &Mailbox, message: &Message, length: Length) -> Result<Mail, Failure> {
        let Letter {
            subject,
            text,
            html,
        } = self.letter(message, length)?;
        let domain = self.settings.from.email.domain();
        let delivery = &message.delivery_id;
        let mut mail = Mail::builder()
            .from(self.settings.from.clone())
            .to(to.clone())
            .subject(subject)
            .date(SystemTime::from(message.at))
            .message_id(Some(format!("<{delivery}@{domain}>")));
        if message.only().is_some() {
            // The root of the conversation. Nobody has that mail, and mail programs thread by it all the same.
            let root = format!("<{}@{domain}>", self.episode(message));
            mail = mail.in_reply_to(root.clone()).references(root);
        }
        for (name, value) in headers(message, domain) {
            let name = HeaderName::new_from_ascii_str(name);
            mail = mail.raw_header(HeaderValue::new(name, value));
        }
        let part = |kind, body| SinglePart::builder().header(kind).body::<String>(body);
        let parts = MultiPart::alternative().boundary(boundary(delivery));
        let parts = parts
            .singlepart(part(ContentType::TEXT_PLAIN, text))
            .singlepart(part(ContentType::TEXT_HTML, html));
        let built = mail.multipart(parts);
        built.map_err(|_| Failure::new(Class::Poison, "the mail cannot be built from this alert"))
    }

    /// The same for all messages of a problem from firing to resolved, and another for each sink.
    fn episode(&self, message: &Message) -> String {
        let opening = message.opened.as_ref().or(message.alerts.first());
        let opening = opening.map(|alert| alert.id.as_str()).unwrap_or_default();
        let hash = Sha256::digest(format!("{}/{opening}", self.name));
        hex::encode(&hash[..16])
    }

    fn unfinished(&self) -> MutexGuard<'_, VecDeque<(String, BTreeSet<usize>)>> {
        self.unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The recipients that got this delivery in an earlier attempt.
    fn served(&self, delivery: &str) -> BTreeSet<usize> {
        let unfinished = self.unfinished();
        let found = unfinished.iter().find(|(known, _)| known == delivery);
        found.map(|(_, served)| served.clone()).unwrap_or_default()
    }

    /// Noted at once: the attempt can still end at any moment.
    fn serve(&self, delivery: &str, index: usize) {
        let mut unfinished = self.unfinished();
        if let Some((_, served)) = unfinished.iter_mut().find(|(known, _)| known == delivery) {
            served.insert(index);
            return;
        }
        if unfinished.len() >= UNFINISHED_MAX {
            unfinished.pop_front();
        }
        unfinished.push_back((delivery.to_owned(), BTreeSet::from([index])));
    }

    /// One conversation within the timeout. The goodbye may not turn a success into a failure.
    async fn conversation<T>(
        &self,
        talk: impl AsyncFnOnce(&mut Session<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + self.timeout;
        let whole = async {
            let mut session = Session::open(&self.settings.server).await?;
            let result = talk(&mut session).await;
            Ok((session, result))
        };
        let late = || {
            let seconds = self.timeout.as_secs_f32();
            Failure::new(
                Class::Transient,
                format!("the mail server did not finish within {seconds} s"),
            )
        };
        let (session, result) = timeout_at(deadline, whole).await.map_err(|_| late())??;
        let _late = timeout_at(deadline, session.close()).await;
        result
    }

    async fn ask(&self) -> Result<String, Failure> {
        let Server { host, login, .. } = &self.settings.server;
        let logged_in = login.is_some();
        self.conversation(async |_| Ok(())).await?;
        Ok(if logged_in {
            format!("{host} accepts the connection and the credentials")
        } else {
            format!("{host} accepts the connection")
        })
    }
}

fn headers(message: &Message, domain: &str) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        // Vacation notices do not answer such a mail.
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
        ("List-Id", format!("<campanile.{domain}>")),
        ("X-Campanile-Id", message.delivery_id.clone()),
    ];
    if let Some(alert) = message.only() {
        headers.extend([
            ("X-Campanile-Status", alert.status.to_string()),
            ("X-Campanile-Severity", alert.severity.to_string()),
            ("X-Campanile-Source", alert.source.clone()),
        ]);
    }
    if Locale::urgent(message) {
        headers.push(("Importance", "high".to_owned()));
        headers.push(("X-Priority", "1".to_owned()));
    }
    headers
}

impl Tally {
    /// Goes on with the next recipient where that makes sense.
    fn add(&mut self, to: &lettre::Address, fault: &Fault) -> Result<(), Failure> {
        let Fault::Refused(Step::Recipient, refusal) = fault else {
            return Err(self.with_progress(fault.failure()));
        };
        let reason = format!("{to}: {}", refusal.reason(Step::Recipient));
        match refusal.verdict(Step::Recipient) {
            // The server wants no more commands.
            _ if refusal.code == 421 => return Err(self.with_progress(fault.failure())),
            Verdict::All(Class::Transient, wait) => self.later.push(Failure {
                retry_after: wait,
                ..Failure::new(Class::Transient, reason)
            }),
            _ => self.refused.push(reason),
        }
        Ok(())
    }

    fn with_progress(&self, failure: Failure) -> Failure {
        match self.taken {
            0 => failure,
            taken => Failure {
                reason: format!("{failure} ({taken} of the recipients have the mail)"),
                ..failure
            },
        }
    }

    /// A recipient that does not exist is named. One that can have the mail later gets it later, alone.
    fn result(self, before: usize, all: usize) -> Result<Delivered, Failure> {
        let have = before + self.taken;
        let reasons: Vec<_> = self
            .later
            .iter()
            .map(|failure| failure.reason.as_str())
            .collect();
        if let Some(first) = self.later.first() {
            let wait = self
                .later
                .iter()
                .filter_map(|failure| failure.retry_after)
                .min();
            return Err(Failure {
                // A wait would hold up the recipients that take their mail.
                retry_after: wait.filter(|_| have == 0),
                reason: format!(
                    "{have} of {all} recipients have the mail; {}",
                    reasons.join("; ")
                ),
                ..first.clone()
            });
        }
        if have == 0 {
            return Err(Failure::new(Class::Operator, self.refused.join("; ")));
        }
        let mut remark = String::new();
        if !self.refused.is_empty() {
            let _infallible = write!(
                remark,
                "not for every recipient: {}",
                self.refused.join("; ")
            );
        }
        if self.length == Length::Short {
            let and = if remark.is_empty() { "" } else { "; " };
            let _infallible = write!(
                remark,
                "{and}the server found the mail too large; it was sent without the vendor's text and the labels"
            );
        }
        Ok(Delivered {
            worth: Worth::Accepted,
            remark: Some(remark).filter(|remark| !remark.is_empty()),
            ..Delivered::default()
        })
    }
}

impl Sink for Mailer {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(self.conversation(async |session| self.deliver(session, message).await))
    }

    fn probe(&self, _at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        Some(Box::pin(self.ask()))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let Letter {
            subject,
            text,
            html,
        } = self.letter(message, Length::Whole)?;
        let Server { host, port, .. } = &self.settings.server;
        let mut out = format!(
            "SMTP {host}:{port}\nMAIL FROM:<{}>\n",
            self.settings.from.email
        );
        for to in &self.settings.to {
            let _infallible = writeln!(out, "RCPT TO:<{}>", to.email);
        }
        if let Some(to) = self.settings.to.first() {
            let headers = self.mail(to, message, Length::Whole)?.headers().to_string();
            let _infallible = write!(out, "\n{}", headers.replace('\r', ""));
        }
        Ok(format!(
            "{out}\nSubject, decoded: {subject}\n\n{text}\n{html}"
        ))
    }
}

/// The same on every attempt, and not in any text of a vendor.
fn boundary(delivery: &str) -> String {
    hex::encode(Sha256::digest(format!("boundary/{delivery}")))
}
