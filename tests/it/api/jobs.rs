//! Bulk actions in the background.

use serde_json::{Value, json};

use super::bulk::{send, with_letters};
use super::standing;
use crate::moody::Mood;
use crate::patience::{until, within};
use crate::standing::Standing;

async fn look(gateway: &Standing, job: &Value) -> Value {
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    gateway.ask("GET", &path, "").await.json()
}

/// The job when it has ended. What waits for the store goes on.
pub(crate) async fn ended(gateway: &Standing, job: &Value) -> Value {
    let ending = async {
        loop {
            gateway.store.go.notify_waiters();
            let job = look(gateway, job).await;
            if job["state"] != "running" {
                return job;
            }
        }
    };
    within("an end of the job", ending).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_in_the_background_answers_at_once_and_says_what_became_of_it() {
    let letters = [("disk", "firing"), ("disk", "resolved"), ("cpu", "firing")];
    let gateway = with_letters(&letters).await;
    let body = json!({"all": true, "leave_out_ended": true, "background": true});
    let path = "/api/v1/dead/retry";
    let reply = gateway.ask("POST", path, &body.to_string()).await;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let begun = reply.json();
    assert_eq!(
        (&begun["action"], &begun["who"]),
        (&json!("dead.retry"), &json!("token"))
    );
    let at = format!("/api/v1/jobs/{}", begun["id"].as_str().unwrap());
    assert_eq!(reply.header("location"), at);
    let job = ended(&gateway, &begun).await;
    assert_eq!(job["state"], "done", "{job}");
    for (name, number) in [("total", 3), ("done", 3), ("changed", 2), ("left_out", 1)] {
        assert_eq!(job[name], number, "{name}: {job}");
    }
    assert_eq!(job["results"], json!([{"id": 1, "reason": "ended"}]));
    let list = gateway.ask("GET", "/api/v1/jobs", "").await.json();
    assert_eq!(list["items"], json!([job]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_stopped_after_its_batch_and_the_rest_stays_as_it_was() {
    let gateway = standing(60).await;
    gateway.store.set(Mood::Stuck);
    let body = json!({"all": true, "background": true});
    let (_, job) = send(&gateway, "deliveries/drop", &body).await;
    let (status, refused) = send(&gateway, "deliveries/drop", &body).await;
    assert_eq!(
        (status, &refused["type"]),
        (409, &json!("/problems/job_running"))
    );
    let (status, _) = send(&gateway, "deliveries/retry", &body).await;
    assert_eq!(status, 202, "another action can run at the same time");
    until("the number of items of the job", async || {
        !look(&gateway, &job).await["total"].is_null()
    })
    .await;
    let stop = format!("/api/v1/jobs/{}/stop", job["id"].as_str().unwrap());
    let stopped = gateway.ask("POST", &stop, "").await;
    assert_eq!(stopped.json()["state"], "running");
    gateway.store.set(Mood::Well);
    let job = ended(&gateway, &job).await;
    assert_eq!(job["state"], "stopped", "{job}");
    let (done, changed) = (job["done"].as_u64().unwrap(), job["changed"].clone());
    assert!(done < 60 && changed == done, "{job}");
    let audit = gateway.ask("GET", "/api/v1/audit", "").await.json();
    let of = |action: &str| {
        let mut rows = audit["items"].as_array().unwrap().iter();
        rows.find(|row| row["action"] == action).cloned().unwrap()
    };
    let (stop, drop) = (of("jobs.stop"), of("deliveries.drop"));
    assert_eq!(
        (&stop["target"], &stop["count"]),
        (&json!("deliveries.drop"), &json!(1))
    );
    assert_eq!((&drop["target"], &drop["count"]), (&json!("all"), &changed));
    let left = gateway.ask("GET", "/api/v1/deliveries?limit=100", "").await;
    let left = u64::try_from(left.json()["items"].as_array().unwrap().len()).unwrap();
    assert_eq!(left, 60 - done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_says_why_it_failed_and_an_unknown_one_what_a_restart_does() {
    let gateway = with_letters(&[("disk", "firing")]).await;
    gateway.store.set(Mood::Failing);
    let body = json!({"all": true, "background": true});
    let (_, job) = send(&gateway, "dead/drop", &body).await;
    let job = ended(&gateway, &job).await;
    assert_eq!(job["state"], "failed");
    let why = job["error"].as_str().unwrap();
    assert!(why.contains("disk full"), "{why}");
    for path in [
        "/api/v1/jobs/1",
        "/api/v1/jobs/00000000-0000-0000-0000-000000000000",
    ] {
        let reply = gateway.ask("GET", path, "").await;
        assert_eq!(reply.status, 404);
        assert!(
            reply.body.contains("a restart ends all jobs"),
            "{}",
            reply.body
        );
    }
    // Of what was counted, one has gone: then no job begins.
    let body = json!({"all": true, "count": 2, "background": true});
    assert_eq!(send(&gateway, "dead/drop", &body).await.0, 409);
}
