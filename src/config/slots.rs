//! Every setting that holds a secret, from the table of settings.

use campanile_settings::SecretKind;

use super::settings::{INNER, SECTIONS, SOURCE, Setting};

/// A setting that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSlot {
    /// The table, such as `admin` or `sinks.webhook`; of a source, a sink or a token without its name.
    pub table: String,
    /// The setting.
    pub name: String,
    /// What may stand there.
    pub kind: SecretKind,
}

/// Every setting that holds a secret, for tests that look where secrets go.
pub fn secret_slots() -> Vec<SecretSlot> {
    let sections = SECTIONS.iter();
    let mut tables: Vec<(String, Vec<Setting>)> = sections
        .map(|(name, _, settings)| ((*name).to_owned(), settings.to_vec()))
        .collect();
    for inner in INNER {
        let table = format!("{}.{}", inner.section, inner.key);
        tables.push((table, inner.settings.to_vec()));
    }
    for provider in campanile_providers::all() {
        let own = provider.about().settings.iter();
        let all = SOURCE.iter().chain(own).cloned().collect();
        tables.push((format!("providers.{}", provider.name()), all));
    }
    for kind in campanile_sinks::kinds() {
        let table = format!("sinks.{}", kind.about().name);
        tables.push((table, campanile_sinks::settings_of(&**kind)));
    }
    let slots = tables.into_iter().flat_map(|(table, settings)| {
        let slot = move |setting: Setting| {
            Some(SecretSlot {
                table: table.clone(),
                kind: setting.takes.secret()?,
                name: setting.name.into_owned(),
            })
        };
        settings.into_iter().filter_map(slot)
    });
    slots.collect()
}
