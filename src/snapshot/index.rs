//! Finds the routes of one level that can match an alert, without asking all of them.

use std::collections::HashMap;

use campanile_language::Field;
use campanile_model::Alert;

/// The equalities of one route: each field with the values that it may have.
pub(crate) type Equalities = Vec<(Field, Vec<String>)>;

/// The routes of one level by one of their equalities. A route without any is in `open`.
#[derive(Debug, Default)]
pub struct Index {
    /// By field, then by value: the places of the routes.
    filed: Vec<(Field, HashMap<String, Vec<usize>>)>,
    /// The places of the routes that every alert can match.
    open: Vec<usize>,
}

impl Index {
    /// Files each route under the equality that the fewest others share.
    pub(crate) fn of<'r>(routes: impl Iterator<Item = &'r Equalities> + Clone) -> Self {
        let mut shared: HashMap<(&Field, &str), usize> = HashMap::new();
        let all = routes.clone().flatten();
        for (field, value) in
            all.flat_map(|(field, values)| values.iter().map(move |value| (field, value)))
        {
            *shared.entry((field, value)).or_default() += 1;
        }
        let crowd = |(field, values): &&(Field, Vec<String>)| -> usize {
            let counts = values
                .iter()
                .filter_map(|value| shared.get(&(field, value.as_str())));
            counts.sum()
        };
        let mut index = Self::default();
        for (place, equalities) in routes.enumerate() {
            match equalities.iter().min_by_key(crowd) {
                Some((field, values)) => index.file(place, field, values),
                None => index.open.push(place),
            }
        }
        index
    }

    fn file(&mut self, place: usize, field: &Field, values: &[String]) {
        let at = self.filed.iter().position(|(known, _)| known == field);
        let at = at.unwrap_or_else(|| {
            self.filed.push((field.clone(), HashMap::new()));
            self.filed.len() - 1
        });
        let Some((_, by_value)) = self.filed.get_mut(at) else {
            return;
        };
        for value in values {
            let places = by_value.entry(value.clone()).or_default();
            // The same value twice in a list.
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }

    /// The places of the routes that can match, ascending.
    pub(crate) fn candidates(&self, alert: &Alert) -> Vec<usize> {
        let mut places = self.open.clone();
        for (field, by_value) in &self.filed {
            places.extend(by_value.get(&*field.of(alert)).into_iter().flatten());
        }
        places.sort_unstable();
        places
    }
}

#[cfg(test)]
mod tests {
    use campanile_language::sample_alerts;

    use super::*;

    fn equal(pairs: &[(&str, &[&str])]) -> Equalities {
        let pairs = pairs.iter();
        pairs
            .map(|(field, values)| {
                let values = values.iter().map(|value| (*value).to_owned());
                (Field::parse(field).unwrap(), values.collect())
            })
            .collect()
    }

    #[test]
    fn a_route_is_filed_under_the_equality_that_the_fewest_have() {
        let of_team = |team| {
            equal(&[
                ("severity", &["critical", "error"]),
                ("labels.team", &[team]),
            ])
        };
        let routes: Vec<_> = ["a", "b", "db", "c"].map(of_team).into();
        let index = Index::of(routes.iter());
        let [alert, bare] = sample_alerts();
        // Under the severity all four would be candidates.
        assert_eq!(index.candidates(&alert), [2]);
        assert_eq!(index.candidates(&bare), [0; 0]);
    }

    #[test]
    fn routes_without_an_equality_are_always_candidates_in_the_order_of_the_file() {
        let routes = [
            equal(&[("labels.team", &["db", "db"])]),
            equal(&[]),
            equal(&[("severity", &["critical"])]),
            equal(&[("labels.none", &["x", ""])]),
            equal(&[]),
        ];
        let index = Index::of(routes.iter());
        let [alert, bare] = sample_alerts();
        assert_eq!(index.candidates(&alert), [0, 1, 2, 3, 4]);
        assert_eq!(index.candidates(&bare), [1, 3, 4]);
    }
}
