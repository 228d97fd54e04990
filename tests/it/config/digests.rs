//! The digests by which gateways of one store see that their configurations differ.

use std::collections::BTreeSet;

use campanile_settings::Digests;

use super::{CANARY, load_files};
use crate::own_mapping::ACME;

const STORE: &str = "[store]\nurl = 'postgres://campanile:hunter2@db/campanile'\n";

const SAME: &str = "
[providers.ucloud.prod]
key = 'canary-7f3a91d05c'
labels = { env = 'prod' }
[sinks.webhook.oncall]
url = 'https://oncall.example.com/hook'
[[routes]]
when = \"severity == 'critical'\"
sinks = ['webhook/oncall']
";

fn digests(text: &str) -> Digests {
    of(text, &[])
}

fn of(text: &str, variables: &[(&str, &str)]) -> Digests {
    let text = format!("{STORE}{text}");
    let loaded = load_files(&[("campanile.toml", &text)], variables).1;
    loaded.unwrap().digests
}

/// The parts that differ.
fn differing<'a>(one: &'a Digests, other: &'a Digests) -> BTreeSet<&'a str> {
    let all = one.keys().chain(other.keys()).map(String::as_str);
    all.filter(|part| one.get(*part) != other.get(*part))
        .collect()
}

#[test]
fn a_part_that_differs_is_named_and_no_other_one() {
    let one = digests(SAME);
    let changes = [
        (
            "oncall.example.com",
            "backup.example.com",
            "sinks.webhook.oncall",
        ),
        ("'critical'", "'error'", "routes"),
        (CANARY, "another-7f3a91d05c", "providers.ucloud.prod"),
        ("env = 'prod'", "env = 'test'", "providers.ucloud.prod"),
    ];
    for (from, to, part) in changes {
        let other = digests(&SAME.replace(from, to));
        assert_eq!(differing(&one, &other), [part].into(), "{from} -> {to}");
    }
    let more = format!("{SAME}[sinks.webhook.second]\nurl = 'https://second.example.com/'\n");
    assert_eq!(
        differing(&one, &digests(&more)),
        ["sinks.webhook.second"].into()
    );
}

#[test]
fn what_each_machine_has_for_itself_and_how_a_file_is_laid_out_make_no_difference() {
    let one = digests(SAME);
    let own = "[server]\nlisten = '0.0.0.0:9000'\nworkers = 7\n[admin]\nlisten = '127.0.0.1:9001'\n[log]\nlevel = 'debug'\n";
    assert_eq!(
        differing(&one, &digests(&format!("{own}{SAME}"))),
        [].into()
    );
    let laid_out = SAME.replace("[sinks", "# who is on call\n[sinks");
    assert_eq!(differing(&one, &digests(&laid_out)), [].into());
    let shared = "[server]\nbody_bytes_max = 2048\n";
    assert_eq!(
        differing(&one, &digests(&format!("{shared}{SAME}"))),
        ["server"].into()
    );
}

#[test]
fn a_secret_counts_with_its_value_from_any_place() {
    let one = digests(SAME);
    let from_variable = SAME.replace(&format!("'{CANARY}'"), "{ env = 'UCLOUD_KEY' }");
    let same = of(&from_variable, &[("UCLOUD_KEY", CANARY)]);
    assert_eq!(differing(&one, &same), [].into());
    let old = of(&from_variable, &[("UCLOUD_KEY", "the-key-of-last-year")]);
    assert_eq!(differing(&one, &old), ["providers.ucloud.prod"].into());
}

#[test]
fn a_digest_says_nothing_to_who_does_not_know_the_password_of_the_store() {
    let one = digests(SAME);
    let text = format!("{}{SAME}", STORE.replace("hunter2", "another"));
    let other = load_files(&[("campanile.toml", &text)], &[]).1.unwrap();
    let parts: BTreeSet<&str> = one.keys().map(String::as_str).collect();
    assert_eq!(differing(&one, &other.digests), parts);
    assert!(!format!("{one:?}").contains(CANARY));
}

#[test]
fn a_mapping_counts_with_what_it_says_also_in_a_file_of_its_own() {
    let config = |mapping: &str| format!("{STORE}[mappings.acme]\n{mapping}\n{SAME}");
    let load = |files: &[(&str, &str)]| load_files(files, &[]).1.unwrap().digests;
    let named = config("file = 'vendors/acme.toml'");
    let own_file = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("vendors")).unwrap();
        std::fs::write(folder.path().join("vendors/acme.toml"), text).unwrap();
        let file = folder.path().join("campanile.toml");
        std::fs::write(&file, &named).unwrap();
        campanile::config::load(&[file], &super::environment(&[]))
            .unwrap()
            .digests
    };
    let here = load(&[("campanile.toml", &config(ACME))]);
    assert_eq!(differing(&here, &own_file(ACME)), [].into());
    let changed = ACME.replace("item.prio", "item.level");
    assert_eq!(
        differing(&here, &own_file(&changed)),
        ["mappings.acme"].into()
    );
}
