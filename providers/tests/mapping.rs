//! The form of mappings, by mappings made for the purpose; the laws over all vendors are in `laws.rs`.

use campanile_providers::{Mapping, Provider, catalog, catalog_files, fixtures};

#[test]
fn every_mapping_of_the_catalogue_is_without_a_mistake() {
    let mut told = String::new();
    for (name, text) in catalog_files() {
        for mistake in Mapping::parse(name, text).err().unwrap_or_default() {
            told += &format!("providers/catalog/{name}.toml, {mistake}\n");
        }
    }
    assert!(told.is_empty(), "{told}");
    assert_eq!(catalog().len(), catalog_files().len());
}

/// `CAMPANILE_EXPLAIN=zabbix/firing` prints where every field of that fixture came from.
#[test]
fn explain_says_where_every_field_came_from() {
    let asked = std::env::var("CAMPANILE_EXPLAIN").unwrap_or_else(|_| "alertmanager/firing".into());
    let (name, case) = asked.split_once('/').expect("vendor/case");
    let mapping = catalog()
        .iter()
        .find(|m| m.name() == name)
        .expect("a vendor of the catalogue");
    let fixture = fixtures(name)
        .iter()
        .find(|f| f.case == case)
        .expect("a case of it");
    let call = fixture.callback().expect("a request");
    let explained = mapping.explain(&call, &fixture.source()).expect("readable");
    for e in &explained {
        println!("{:<28} {:<50} {}", e.field, e.expression, e.value);
    }
    if asked == "alertmanager/firing" {
        let starts = explained
            .iter()
            .find(|e| e.field == "[0].starts_at")
            .expect("told");
        assert_eq!(starts.place, "body.alerts[0].startsAt");
        assert_eq!(starts.value, "2026-01-01T08:15:30.123Z");
        let region = explained
            .iter()
            .find(|e| e.field == "[0].resource.region")
            .expect("told");
        assert!(region.default && region.value.is_empty());
    }
}
