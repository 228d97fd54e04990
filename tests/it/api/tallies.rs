//! How many alerts arrived, by time.

use serde_json::json;

use super::standing;

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_counted_by_severity_and_status_in_steps_whose_number_has_a_limit() {
    let gateway = standing(5).await;
    let tallies = async |query: &str| {
        let path = format!("/api/v1/tallies{query}");
        gateway.ask("GET", &path, "").await
    };
    let day = tallies("").await.json();
    assert_eq!(day["step"], 5);
    let counted: Vec<_> = day["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["severity"].clone(),
                item["status"].clone(),
                item["count"].clone(),
            )
        })
        .collect();
    let of = |status: &str, count: u64| (json!("error"), json!(status), json!(count));
    assert_eq!(counted, [of("firing", 3), of("resolved", 2)]);
    let none = tallies("?source=probe/b").await.json();
    assert_eq!(none["items"], json!([]));
    for (query, status) in [
        (
            "?since=2026-01-01T00:00:00Z&until=2026-01-02T01:00:00Z&step=1",
            200,
        ),
        (
            "?since=2026-01-01T00:00:00Z&until=2026-01-02T01:01:00Z&step=1",
            400,
        ),
        (
            "?since=2026-01-01T00:00:00Z&until=2020-01-02T01:01:00Z",
            200,
        ),
        ("?since=0001-01-01T00:00:00Z", 400),
        ("?step=0", 400),
        ("?step=1441", 400),
    ] {
        let reply = tallies(query).await;
        assert_eq!(reply.status, status, "{query}: {}", reply.body);
    }
}
