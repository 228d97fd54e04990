//! What the paths of a protocol promise.

use std::collections::BTreeMap;

use campanile_providers::{Asks, Provider, Route, all};
use campanile_settings::Type;

fn routes() -> impl Iterator<Item = (&'static dyn Provider, &'static Route)> {
    let of = |provider: &'static dyn Provider| provider.about().routes.iter();
    let all = all().iter().map(|provider| &**provider);
    all.flat_map(move |provider| of(provider).map(move |route| (provider, route)))
}

#[test]
fn a_provider_lists_alerts_exactly_if_a_route_asks_for_a_list() {
    for provider in all() {
        let mut routes = provider.about().routes.iter();
        let asked = routes.any(|route| route.asks == Asks::List);
        assert_eq!(provider.list(&[]).is_some(), asked, "{}", provider.name());
    }
}

#[test]
fn the_switch_of_a_route_is_a_flag_that_its_provider_declares() {
    for (provider, route) in routes() {
        let Some(switch) = route.switch else { continue };
        let mut settings = provider.about().settings.iter();
        let declared = settings.any(|own| own.name == switch && matches!(own.takes, Type::Flag));
        assert!(declared, "{}: {switch}", provider.name());
    }
}

#[test]
fn providers_that_serve_the_same_path_ask_for_the_same_there() {
    let mut known = BTreeMap::new();
    for (provider, route) in routes() {
        let what = (route.asks, route.position);
        let first = *known.entry(route.path).or_insert(what);
        assert_eq!(what, first, "{} of {}", route.path, provider.name());
    }
}
