//! Records of one host, and which of them may be switched.

use crate::{Class, Failure};

/// More records of one host are not read: the list would not fit into a response.
pub(super) const RECORDS_MAX: usize = 100;
/// One alert switches at most so many records, on different lines: their ids must fit into a handle.
const SWITCHED_MAX: usize = 20;

/// What the records have in common.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// The zone.
    pub(super) domain: String,
    /// The host inside the zone.
    pub(super) name: String,
    /// Such as `A`.
    pub(super) kind: String,
    /// The vendor's word for a group of visitors. None means every line.
    pub(super) line: Option<String>,
}

/// A record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) line: String,
    pub(super) value: String,
    pub(super) on: bool,
    /// The vendor's own monitor may switch it too.
    pub(super) watched: bool,
}

impl Record {
    /// The value alone names the server; names of hosts can have a dot at the end and are not case-sensitive.
    fn has(&self, value: &str) -> bool {
        let plain = |text: &str| text.trim().trim_end_matches('.').to_ascii_lowercase();
        plain(&self.value) == plain(value)
    }
}

impl Host {
    /// For people: `www.example.com A`.
    pub(super) fn shown(&self) -> String {
        let Self {
            domain, name, kind, ..
        } = self;
        match name.as_str() {
            "@" => format!("{domain} {kind}"),
            name => format!("{name}.{domain} {kind}"),
        }
    }

    /// Whether it is a record of this host.
    pub(super) fn has(&self, record: &Record) -> bool {
        let same_line = self.line.as_ref().is_none_or(|line| *line == record.line);
        let same_name = record.name.eq_ignore_ascii_case(&self.name);
        same_name && same_line && record.kind.eq_ignore_ascii_case(&self.kind)
    }

    /// The records that an alert is about: those with this value, or the only one.
    pub(super) fn wanted<'r>(
        &self,
        records: &'r [Record],
        value: Option<&str>,
    ) -> Result<Vec<&'r Record>, Failure> {
        let refused = |problem: &str| {
            let reason = format!("{problem}; nothing was switched");
            Err(Failure::new(Class::Operator, reason))
        };
        let host = self.shown();
        let found: Vec<_> = records
            .iter()
            .filter(|record| value.is_none_or(|value| record.has(value)))
            .collect();
        match (found.len(), value) {
            (0, Some(value)) => {
                let value: String = value.chars().take(40).collect();
                refused(&format!(
                    "{host} has no record with the value `{value}`: check `value`, `sub_domain`, `type` and `line`"
                ))
            }
            (0, None) => refused(&format!(
                "{host} has no record: check `domain`, `sub_domain`, `type` and `line`"
            )),
            (2.., None) => refused(&format!(
                "{host} has {} records: set `value` to the one of the server",
                found.len()
            )),
            (count, _) if count > SWITCHED_MAX => refused(&format!(
                "{host} has {count} records with this value, more than {SWITCHED_MAX}: set `line`"
            )),
            _ => Ok(found),
        }
    }

    /// Why these records must not be switched off together, if so. A record for which `going` holds counts as off.
    pub(super) fn below_floor(
        &self,
        records: &[Record],
        off: &[&Record],
        floor: usize,
        going: impl Fn(&Record) -> bool,
    ) -> Option<String> {
        let chosen = |record: &Record| off.iter().any(|one| one.id == record.id);
        off.iter().find_map(|one| {
            let stays = records.iter().filter(|record| {
                record.line == one.line && record.on && !chosen(record) && !going(record)
            });
            let stays = stays.count();
            let host = self.shown();
            (stays < floor).then(|| {
                format!(
                    "{host} would have {stays} records on line `{}`, and `floor` is {floor}: nothing was switched",
                    one.line
                )
            })
        })
    }
}
