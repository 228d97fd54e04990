//! The lines of a source, for an operator who has none yet.

use std::fmt::Write as _;

use campanile_providers::Provider;
use campanile_settings::Setting;

/// The proof of vendors that can only call an address.
pub const PATH_KEY: &str = "path key";

/// Whether a source of this vendor has this setting.
pub fn has(provider: &dyn Provider, setting: &str) -> bool {
    named(provider, setting).is_some()
}

fn named<'p>(provider: &'p dyn Provider, setting: &str) -> Option<&'p Setting> {
    let settings = &provider.about().settings;
    settings.iter().find(|known| known.name == setting)
}

/// The prefix of the variables for the secrets of a vendor.
pub fn variable(provider: &dyn Provider) -> String {
    provider.name().to_uppercase().replace('-', "_")
}

/// The table of a source with this name. Its secret is `fresh`, or a variable of the environment.
pub fn source(provider: &dyn Provider, name: &str, fresh: Option<&str>) -> String {
    let (vendor, proof) = (provider.name(), &provider.about().proof);
    let secret = |what: &str| {
        fresh.map_or_else(
            || format!("{{ env = \"{}_{what}\" }}", variable(provider)),
            |fresh| format!("\"{fresh}\""),
        )
    };
    let key = format!("key = {}", secret("KEY"));
    let mut text = format!("[providers.{vendor}.{name}]\n");
    if has(provider, "token") {
        let own = "   # if the vendor shows a token of its own, write that one";
        let note = if fresh.is_some() { own } else { "" };
        // Writing to a string cannot fail.
        let _written = writeln!(text, "token = {}{note}", secret("TOKEN"));
        if proof.contains("basic") {
            text += "# user = \"campanile\"   # with Basic authorization\n";
        }
        if proof.contains(PATH_KEY) {
            let also = "# instead, or in addition: the last part of the address,";
            let _written = writeln!(text, "# {key}   {also} .../{name}/<key>");
        }
    } else {
        let note = match fresh {
            Some(_) => "the last part of the address",
            None => "the last part of the address; make it long and random",
        };
        let _written = writeln!(text, "{key}   # {note}");
    }
    if let Some(topics) = named(provider, "topics") {
        let _written = writeln!(text, "topics = {}   # those of yours", topics.example);
    }
    if has(provider, "audience") {
        text += "# audience = [\"api://campanile\"]   # instead, or in addition: a token (JWT) for this audience\n";
        if has(provider, "tenant") {
            text +=
                "# tenant = \"00000000-0000-0000-0000-000000000000\"   # goes with `audience`\n";
        }
    }
    text + "# allow_from = [\"192.0.2.0/24\"]   # restricts the callers, if the vendor publishes its addresses\n"
}
