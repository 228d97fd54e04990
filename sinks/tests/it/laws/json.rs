//! A body that says that it is JSON is JSON.

use campanile_receiver::Got;

use super::stage::{
    bare, exchange, firing, many, message, recipes, recovery, resolved, shown, success,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_says_that_it_is_json_is_json_for_alerts_without_optional_fields_too() {
    for kind in recipes() {
        let about = kind.about();
        let mut messages = vec![firing(), resolved(), bare()]
            .into_iter()
            .map(message)
            .collect::<Vec<_>>();
        messages.push(recovery(Some("C0FFEE-1")));
        if about.digest {
            messages.push(many(37));
        }
        for message in messages {
            let (got, _) = exchange(&**kind, "", &message, vec![success(&**kind)]).await;
            for got in got {
                assert!(is_well_formed(&got), "{}\n{}", about.name, shown(&got));
            }
        }
    }
}

/// One value, or several on lines of their own.
fn is_well_formed(got: &Got) -> bool {
    let declared = got.header("content-type").unwrap_or_default();
    let values = serde_json::Deserializer::from_slice(&got.body);
    let mut values = values.into_iter::<serde_json::Value>();
    !declared.contains("json") || values.all(|value| value.is_ok())
}
