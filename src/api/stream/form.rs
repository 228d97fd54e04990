//! The two forms of a stream: server-sent events, and one JSON object for each line.

use actix_web::http::header::{ACCEPT, HeaderMap};
use bytes::{BufMut, BytesMut};
use campanile_store::Seq;

/// The form of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Events,
    Lines,
}

pub(super) const EVENTS: &str = "text/event-stream";
pub(super) const LINES: &str = "application/x-ndjson";

/// How long a browser waits before it connects again, in milliseconds.
const RETRY_MS: u32 = 2000;

impl Form {
    /// The form that the client accepts. Server-sent events if it names none.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let mut accepted = headers
            .get_all(ACCEPT)
            .filter_map(|value| value.to_str().ok());
        if accepted.any(|value| value.contains(LINES)) {
            return Self::Lines;
        }
        Self::Events
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Events => EVENTS,
            Self::Lines => LINES,
        }
    }

    /// The start: headers reach the client with it, and a client that gets nothing more knows its place.
    pub(super) fn start(self, place: Seq, out: &mut BytesMut) {
        if self == Self::Events {
            out.put_slice(format!("retry: {RETRY_MS}\n").as_bytes());
        }
        self.place(place, out);
    }

    /// A sign of life with the place. An event without data is not an event for a browser, but it keeps the id.
    pub(super) fn place(self, place: Seq, out: &mut BytesMut) {
        let text = match self {
            Self::Events => format!(": still here\nid: {place}\n\n"),
            Self::Lines => format!("{{\"id\":\"{place}\",\"event\":\"place\"}}\n"),
        };
        out.put_slice(text.as_bytes());
    }

    /// An event. `data` is JSON on one line.
    pub(super) fn event(self, name: &str, id: Option<Seq>, data: &[u8], out: &mut BytesMut) {
        let (head, tail) = match self {
            Self::Events => {
                let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
                (format!("{id}event: {name}\ndata: "), "\n\n")
            }
            Self::Lines => {
                let id = id.map_or_else(String::new, |id| format!("\"id\":\"{id}\","));
                (format!("{{{id}\"event\":\"{name}\",\"data\":"), "}\n")
            }
        };
        out.put_slice(head.as_bytes());
        out.put_slice(data);
        out.put_slice(tail.as_bytes());
    }
}
