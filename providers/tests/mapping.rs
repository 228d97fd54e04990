//! The form of mappings, by mappings made for the purpose; the laws over all vendors are in `laws.rs`.

use campanile_providers::{Mapping, catalog, catalog_files};

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
