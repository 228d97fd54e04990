//! What each route said of an alert, as text for the store. It is written and read here only.

use campanile_store::ArrivalRow;

use crate::pipeline::{Decision, Match};
use crate::snapshot::written::Written;

/// What each route said, one letter for each. Empty where every alert has the same sinks.
pub(super) fn said(decision: &Decision<'_>) -> String {
    let letters = decision.because.iter().map(|said| match said {
        Match::Yes => 'y',
        Match::No => 'n',
        Match::Failed => 'f',
        Match::Nested => 'c',
        Match::Skipped => 's',
    });
    letters.collect()
}

/// The routes of a stored alert, each with what it said.
pub(crate) fn routes(row: &ArrivalRow) -> Vec<(Written, Match)> {
    let text = row.arrival.routes.as_deref().unwrap_or("[]");
    let routes: Vec<Written> = serde_json::from_str(text).unwrap_or_default();
    let mut letters = row.said.chars();
    let match_of = |letter| match letter {
        Some('n') => Match::No,
        Some('f') => Match::Failed,
        Some('c') => Match::Nested,
        Some('s') => Match::Skipped,
        _ => Match::Yes,
    };
    let said = routes
        .into_iter()
        .map(|route| (route, match_of(letters.next())));
    said.collect()
}

#[cfg(test)]
mod tests {
    use campanile_store::Arrival;

    use super::*;

    fn row(routes: &str, said: &str) -> ArrivalRow {
        ArrivalRow {
            arrival: Arrival {
                routes: Some(routes.into()),
                ..Arrival::default()
            },
            said: said.to_owned(),
        }
    }

    #[test]
    fn routes_that_the_first_versions_stored_are_read() {
        let old = r#"[{"when":"severity == 'critical'","sinks":["webhook/a"]},{"when":null,"sinks":[]},{"when":"x","sinks":[]}]"#;
        let read = routes(&row(old, "nyf"));
        let said: Vec<_> = read.iter().map(|(_, said)| *said).collect();
        assert_eq!(said, [Match::No, Match::Yes, Match::Failed]);
        let first = &read[0].0;
        assert_eq!(first.when.as_deref(), Some("severity == 'critical'"));
        assert_eq!(
            (&*first.sinks, first.depth),
            (&["webhook/a".to_owned()][..], 0)
        );
        // Without letters every route applies.
        let all = routes(&row(old, ""));
        assert!(all.iter().all(|(_, said)| *said == Match::Yes));
    }

    #[test]
    fn a_route_without_the_new_settings_is_stored_as_the_first_versions_did() {
        let route = Written {
            when: Some("true".to_owned()),
            sinks: vec!["webhook/a".to_owned()],
            ..Written::default()
        };
        let text = serde_json::to_string(&route).unwrap_or_default();
        assert_eq!(text, r#"{"when":"true","sinks":["webhook/a"]}"#);
    }

    #[test]
    fn each_answer_of_a_route_has_its_letter() {
        let all = [
            Match::Yes,
            Match::No,
            Match::Failed,
            Match::Nested,
            Match::Skipped,
        ];
        let decision = Decision {
            because: all.to_vec(),
            ..Decision::default()
        };
        let five = format!("[{}]", [r#"{"sinks":[]}"#; 5].join(","));
        let read = routes(&row(&five, &said(&decision)));
        let read: Vec<_> = read.iter().map(|(_, said)| *said).collect();
        assert_eq!(read, all);
    }
}
