//! A field of an alert that a rewrite may change. It may not change which problem or which message the alert is about.

use campanile_model::{Alert, Severity};

use super::{Field, NotAField, nearest};

/// A field that may be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Field);

/// The most labels of an alert, as in mappings.
pub const LABELS_MAX: usize = 256;

/// The most bytes of one value that is set.
pub const VALUE_BYTES_MAX: usize = 4 * 1024;

/// The targets with a fixed name.
const OWN: &[&str] = &[
    "severity",
    "title",
    "description",
    "resource.type",
    "resource.name",
    "resource.region",
    "resource.account",
];

/// A value that an alert cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The severity does not exist.
    #[error("{0}")]
    Word(String),
    /// It is longer than [`VALUE_BYTES_MAX`].
    #[error("the value has {0} bytes; the limit is {VALUE_BYTES_MAX}")]
    Long(usize),
    /// The alert has [`LABELS_MAX`] labels already.
    #[error("the alert has {LABELS_MAX} labels already")]
    Labels,
    /// A title cannot be empty.
    #[error("a title cannot be empty")]
    Title,
}

impl Target {
    /// The target with this name.
    ///
    /// # Errors
    /// The name is not a field, or not one that may be set.
    pub fn parse(name: &str) -> Result<Self, NotAField> {
        let field = Field::parse(name).map_err(|not| NotAField {
            nearest: not.nearest.filter(|near| is_known(near)),
            ..not
        })?;
        if is_known(name) {
            return Ok(Self(field));
        }
        Err(NotAField {
            message: "cannot be changed: it says which problem, message or measurement the alert is about".to_owned(),
            nearest: nearest(name, OWN.iter().copied()).map(str::to_owned),
        })
    }

    /// The field.
    pub fn field(&self) -> &Field {
        &self.0
    }

    /// Whether it is the severity.
    pub fn is_severity(&self) -> bool {
        self.0 == Field::Own("severity")
    }

    /// Its name, such as `labels.team`.
    pub fn name(&self) -> String {
        match &self.0 {
            Field::Own(name) => (*name).to_owned(),
            Field::Label(name) => format!("labels.{name}"),
            Field::Raw(name) => format!("raw.{name}"),
        }
    }

    /// Sets the field. An empty text removes a label and a part of the resource.
    ///
    /// # Errors
    /// The alert cannot take the value. It stays as it is.
    pub fn set(&self, alert: &mut Alert, value: String) -> Result<(), Unfit> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(Unfit::Long(value.len()));
        }
        let resource = &mut alert.resource;
        let part = match &self.0 {
            Field::Label(name) => return set_label(alert, name, value),
            Field::Own("severity") => {
                alert.severity =
                    value
                        .parse()
                        .map_err(|word: <Severity as std::str::FromStr>::Err| {
                            Unfit::Word(word.to_string())
                        })?;
                return Ok(());
            }
            Field::Own("title") => {
                let line = in_one_line(&value);
                if line.is_empty() {
                    return Err(Unfit::Title);
                }
                alert.title = line;
                return Ok(());
            }
            Field::Own("description") => {
                alert.description = value;
                return Ok(());
            }
            Field::Own("resource.type") => &mut resource.kind,
            Field::Own("resource.name") => &mut resource.name,
            Field::Own("resource.region") => &mut resource.region,
            Field::Own("resource.account") => &mut resource.account,
            Field::Own(_) | Field::Raw(_) => return Ok(()),
        };
        *part = Some(value).filter(|value| !value.is_empty());
        Ok(())
    }
}

fn is_known(name: &str) -> bool {
    OWN.contains(&name) || name.starts_with("labels.")
}

fn set_label(alert: &mut Alert, name: &str, value: String) -> Result<(), Unfit> {
    if value.is_empty() {
        alert.labels.remove(name);
        return Ok(());
    }
    if alert.labels.len() >= LABELS_MAX && !alert.labels.contains_key(name) {
        return Err(Unfit::Labels);
    }
    alert.labels.insert(name.to_owned(), value);
    Ok(())
}

fn in_one_line(text: &str) -> String {
    let lines = text.split(['\n', '\r']).map(str::trim);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample_alerts;

    fn target(name: &str) -> Target {
        Target::parse(name).unwrap()
    }

    #[test]
    fn every_target_is_set_and_read_back() {
        for name in OWN.iter().copied().chain(["labels.team", "labels.k8s.pod"]) {
            let [_, mut alert] = sample_alerts();
            let value = if name == "severity" { "error" } else { "new" };
            assert_eq!(target(name).set(&mut alert, value.to_owned()), Ok(()));
            assert_eq!(target(name).field().of(&alert), value, "{name}");
            assert_eq!(target(name).name(), name);
        }
    }

    #[test]
    fn what_names_the_problem_or_the_message_cannot_be_set() {
        for name in [
            "fingerprint",
            "message_id",
            "status",
            "source",
            "starts_at",
            "received_at",
            "resource.id",
            "metric.name",
            "raw.severity",
        ] {
            let said = Target::parse(name).unwrap_err().message;
            assert!(said.contains("cannot be changed"), "{name}: {said}");
        }
        let near = |name: &str| Target::parse(name).unwrap_err().nearest;
        assert_eq!(near("severty").as_deref(), Some("severity"));
        assert_eq!(near("label.team").as_deref(), Some("labels.team"));
        assert_eq!(near("fingerprnt"), None);
    }

    #[test]
    fn a_value_that_does_not_fit_changes_nothing() {
        let [mut alert, _] = sample_alerts();
        let before = alert.clone();
        let word = target("severity").set(&mut alert, "P1".to_owned());
        assert!(word.unwrap_err().to_string().contains("critical, error"));
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        let long = target("labels.team").set(&mut alert, long);
        assert_eq!(long, Err(Unfit::Long(VALUE_BYTES_MAX + 1)));
        let title = target("title").set(&mut alert, " \n ".to_owned());
        assert_eq!(title, Err(Unfit::Title));
        assert_eq!(alert, before);
        for number in 0..LABELS_MAX {
            let _full = target(&format!("labels.l{number}")).set(&mut alert, "x".to_owned());
        }
        assert_eq!(alert.labels.len(), LABELS_MAX);
        let more = target("labels.more").set(&mut alert, "x".to_owned());
        assert_eq!(more, Err(Unfit::Labels));
        assert_eq!(
            target("labels.team").set(&mut alert, "y".to_owned()),
            Ok(())
        );
    }

    #[test]
    fn an_empty_text_removes_a_label_and_a_title_has_one_line() {
        let [mut alert, _] = sample_alerts();
        target("labels.team")
            .set(&mut alert, String::new())
            .unwrap();
        target("resource.region")
            .set(&mut alert, String::new())
            .unwrap();
        target("title")
            .set(&mut alert, "a\r\n b".to_owned())
            .unwrap();
        assert!(!alert.labels.contains_key("team"));
        assert_eq!((alert.resource.region, &*alert.title), (None, "a b"));
    }
}
