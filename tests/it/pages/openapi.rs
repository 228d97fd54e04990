//! `docs/openapi.json` is what `/api/v1/openapi.json` says.

use super::hold_one;
use crate::standing::Standing;

#[tokio::test(flavor = "multi_thread")]
async fn the_file_with_the_description_of_the_api_is_the_one_that_is_served() {
    let gateway = Standing::with(vec![]).await;
    let described = gateway.ask("GET", "/api/v1/openapi.json", "").await.json();
    let text = serde_json::to_string_pretty(&described).unwrap();
    hold_one("openapi.json", text + "\n");
}
