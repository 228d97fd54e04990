//! The gateway's own alerts: callbacks that nobody sent. They are stored and routed as those of vendors.

use campanile_model::{Fingerprint, Report, Resource, Severity, Status};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Identified, Kept, Read, identity};

/// The source of the alerts about the gateway's own troubles.
pub const SOURCE: &str = "campanile/self";

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A sink fails: its circuit breaker is open, or its receiver answered 410.
    SinkFailing,
    /// A sink has dead letters.
    DeadLetters,
    /// A source was silent for longer than its `silent_after`.
    SilentSource,
    /// Commits take long.
    SlowStore,
    /// The disk of the store is nearly full.
    LowDisk,
    /// Another gateway of the store has another configuration.
    ConfigDiffers,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::SinkFailing,
        Self::DeadLetters,
        Self::SilentSource,
        Self::SlowStore,
        Self::LowDisk,
        Self::ConfigDiffers,
    ];

    /// The word for it in labels.
    pub fn word(self) -> &'static str {
        match self {
            Self::SinkFailing => "sink_failing",
            Self::DeadLetters => "dead_letters",
            Self::SilentSource => "silent_source",
            Self::SlowStore => "slow_store",
            Self::LowDisk => "low_disk",
            Self::ConfigDiffers => "config_differs",
        }
    }

    /// Whether the trouble is about a sink: its alert does not go through that sink.
    pub fn is_of_sink(self) -> bool {
        matches!(self, Self::SinkFailing | Self::DeadLetters)
    }

    fn severity(self) -> Severity {
        match self {
            Self::SilentSource | Self::SlowStore | Self::ConfigDiffers => Severity::Warning,
            Self::SinkFailing | Self::DeadLetters | Self::LowDisk => Severity::Critical,
        }
    }

    fn title(self, about: &str) -> String {
        match self {
            Self::SinkFailing => format!("{about}: the sink fails"),
            Self::DeadLetters => format!("{about}: the sink has dead letters"),
            Self::SilentSource => format!("{about}: the source is silent"),
            Self::SlowStore => "The store commits slowly".to_owned(),
            Self::LowDisk => "The disk of the store is nearly full".to_owned(),
            Self::ConfigDiffers => format!("{about}: the gateway has another configuration"),
        }
    }

    fn resource(self) -> &'static str {
        match self {
            Self::SinkFailing | Self::DeadLetters => "sink",
            Self::SilentSource => "source",
            Self::SlowStore | Self::LowDisk => "store",
            Self::ConfigDiffers => "gateway",
        }
    }
}

/// Which trouble of which part: the name of a sink, of a source or of a gateway, or `store`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// What is wrong.
    pub kind: Kind,
    /// With which part.
    pub about: String,
}

impl Trouble {
    /// The problem in which its alerts share.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("campanile", ["self", self.kind.word(), &self.about])
    }

    /// Its alert. `since` is when the trouble was first seen: with the status it identifies the message.
    pub fn alert(&self, status: Status, since: Timestamp, detail: &str, now: Timestamp) -> Kept {
        let id = format!("{}/{}/{since}:{status}", self.kind.word(), self.about);
        let mut report = Report::new(id, self.fingerprint(), status);
        report.severity = self.kind.severity();
        report.title = self.kind.title(&self.about);
        detail.clone_into(&mut report.description);
        report.resource = Resource {
            kind: Some(self.kind.resource().to_owned()),
            id: Some(self.about.clone()),
            ..Resource::default()
        };
        let labels = [("trouble", self.kind.word()), ("about", &self.about)];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        report.labels.extend(labels);
        report.starts_at = Some(since);
        report.ends_at = (status == Status::Resolved).then_some(now);
        let said = json!({"trouble": self.kind.word(), "about": self.about, "detail": detail});
        kept(SOURCE, report, &said, now)
    }
}

/// The callback of an alert that the gateway raises itself, with what it says as its body.
pub(super) fn kept(source: &str, report: Report, said: &Value, now: Timestamp) -> Kept {
    let alert = Identified {
        key: identity::key(source, &report.message_id),
        content: identity::content(&report),
        alert: report.into_alert(source, now),
    };
    Kept {
        received_at: now,
        raw: format!("POST /{source} HTTP/1.1\r\n\r\n{said}").into_bytes(),
        read: Read {
            alerts: vec![alert],
            ..Read::default()
        },
        stray: None,
        from: None,
        answer: None,
    }
}
