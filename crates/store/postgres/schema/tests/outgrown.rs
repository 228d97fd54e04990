//! A step that removes: it waits for older gateways, and nothing of theirs is written afterwards.

use std::time::Duration;

use uuid::Uuid;

use super::{ADDS, Gateway, Place, Step, level, member, next_release, steps};
use crate::postgres::Postgres;
use crate::{Error, Membership};

/// The release after the next removes what only the programs of this release use.
const REMOVES: &str = "ALTER TABLE meta DROP COLUMN probe;";

fn release_after_it() -> Vec<Step> {
    with_last_step(REMOVES)
}

fn with_last_step(removes: &'static str) -> Vec<Step> {
    steps(&[(ADDS[0], 1), (ADDS[1], 1), (removes, level() + 1)])
}

/// What an append and an operator change.
const WRITTEN: &str = "SELECT concat_ws(' ', p.last_value, p.is_called, c.last_value, n.last_value, s.last_value,
        (SELECT count(*) FROM alert), (SELECT count(*) FROM dedup), (SELECT count(*) FROM duplicate),
        (SELECT count(*) FROM pending), (SELECT string_agg(l::text, ',') FROM lease l))
    FROM place p, change c, name_id_seq n, sink_id_seq s";

impl Gateway {
    /// Each of its writers has a connection.
    async fn warms_up(&self) {
        for number in 0..8 {
            self.accepts(number).await;
        }
    }

    /// It is refused, and writes nothing.
    async fn is_outgrown(&self, place: &Place) {
        let before = place.sql(WRITTEN).await;
        for number in 0..12 {
            let appended = self.appends(number).await.map(drop);
            is_outgrown(appended, level() + 1);
        }
        is_outgrown(self.store.pause(1, true).await, level() + 1);
        assert_eq!(place.sql(WRITTEN).await, before);
    }
}

fn is_outgrown(result: Result<(), Error>, needed: i32) {
    let refused = result.unwrap_err();
    assert!(matches!(refused, Error::Outgrown(_)), "{refused}");
    let has = level();
    let words = format!(
        "needs level {needed} or newer, and this program has level {has}. Run the newer version."
    );
    assert!(refused.to_string().contains(&words), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_removes_waits_for_the_end_of_older_gateways_and_refuses_them_afterwards() {
    let place = Place::new().await;
    let runs = place.gateway(1).await;
    // Nothing was ever heard of it again.
    let _killed = place.gateway(2).await;
    let later = release_after_it();
    let refused = {
        let beating = async {
            let mut beats = tokio::time::interval(Duration::from_millis(200));
            loop {
                beats.tick().await;
                runs.beats().await.unwrap();
            }
        };
        tokio::select! {
            refused = place.migrate(&later) => refused.unwrap_err().to_string(),
            never = beating => never,
        }
    };
    assert!(
        refused.contains("gateway-1") && refused.contains("to the release before this one"),
        "{refused}"
    );
    // What only adds is done.
    assert_eq!(place.level().await, level() + 2);
    runs.accepts(1).await;
    runs.store.leave(Uuid::from_u128(1)).await.unwrap();
    place.migrate(&later).await.unwrap();
    assert_eq!(place.level().await, level() + 3);

    let said = "SELECT count(*) FROM gateway WHERE NOT dead";
    let before = place.sql(said).await;
    for refused in [
        Postgres::open(&place.url()).await.map(drop),
        runs.store.join(member(3)).await,
        runs.beats().await,
    ] {
        is_outgrown(refused, level() + 1);
    }
    assert_eq!(place.sql(said).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_was_frozen_writes_nothing_when_it_wakes_up_and_newer_ones_go_on() {
    let place = Place::new().await;
    let frozen = place.gateway(1).await;
    frozen.warms_up().await;
    place.migrate(&next_release()).await.unwrap();
    let between = place.gateway_at(level() + 2, 2).await;
    between.warms_up().await;
    let name = format!("application_name = 'campanile level {}'", level() + 2);
    let sessions = format!(
        "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE {name}"
    );
    let before = place.sql(&sessions).await;
    assert!(!before.is_empty());

    let later = release_after_it();
    let serving = async {
        let mut beats = tokio::time::interval(Duration::from_millis(100));
        for number in (0..=u8::MAX).cycle() {
            beats.tick().await;
            between.accepts(number).await;
            between.beats().await.unwrap();
        }
    };
    tokio::select! {
        migrated = place.migrate(&later) => migrated.unwrap(),
        () = serving => {}
    }
    assert_eq!(place.level().await, level() + 3);
    frozen.is_outgrown(&place).await;
    between.accepts(100).await;
    let after = place.sql(&sessions).await;
    let mut open = before.split(' ');
    let still_open = |pid| after.split(' ').any(|other| other == pid);
    assert!(open.all(still_open), "{before}: {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed_before_or_in_a_step_that_removes_leaves_older_gateways_refused() {
    let place = Place::new().await;
    let frozen = place.gateway(1).await;
    frozen.warms_up().await;
    place.migrate(&next_release()).await.unwrap();
    place.sql("UPDATE gateway SET dead = true").await;
    let mut session = place.session().await;
    let killed = tokio::spawn(async move {
        let steps = with_last_step("DROP TABLE handle; SELECT pg_sleep(600)");
        super::migrate_by(&steps, &mut session, "").await.is_ok()
    });
    let sleeps = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    place.until(sleeps).await;
    frozen.is_outgrown(&place).await;
    killed.abort();
    assert!(killed.await.is_err());
    place.until(&sleeps.replace('>', "=")).await;
    frozen.is_outgrown(&place).await;
    assert_eq!(place.level().await, level() + 2);

    // A kill after the tables refuse older gateways, and before their sessions are ended.
    let oldest = |oldest: i32| format!("UPDATE meta SET oldest = {oldest}");
    place.sql(&oldest(1)).await;
    frozen.warms_up().await;
    place.sql(&oldest(level() + 1)).await;
    place.migrate(&release_after_it()).await.unwrap();
    assert_eq!(place.level().await, level() + 3);
    frozen.is_outgrown(&place).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_refuse_an_older_gateway_on_its_open_sessions_too() {
    let place = Place::new().await;
    let (one, other) = (place.gateway(1).await, place.gateway(2).await);
    one.beats().await.unwrap();
    other.beats().await.unwrap();
    let written = "SELECT string_agg(g::text, ' ' ORDER BY id) FROM gateway g";
    let before = place.sql(written).await;
    let (needed, newer) = (level() + 1, "UPDATE meta SET oldest = oldest + 1");
    place.sql(newer).await;
    is_outgrown(one.beats().await, needed);
    is_outgrown(other.store.join(member(3)).await, needed);
    assert_eq!(place.sql(written).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_removes_waits_until_a_session_that_was_ended_is_gone() {
    let place = Place::new().await;
    let frozen = place.gateway(1).await;
    frozen.warms_up().await;
    place.sql("UPDATE gateway SET dead = true").await;
    let pid = "SELECT min(pid) FROM pg_stat_activity WHERE usename = 'campanile'";
    let pid = place.sql(pid).await;
    let signal = |name: &str| {
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args([name, &pid]).status().unwrap().success());
    };
    // It does what it is asked for later.
    signal("-STOP");
    let later = release_after_it();
    let goes_on = async {
        let refuses = format!("SELECT oldest = {} FROM meta", level() + 1);
        place.until(&refuses).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = place.level().await;
        signal("-CONT");
        before
    };
    let (migrated, before) = tokio::join!(place.migrate(&later), goes_on);
    migrated.unwrap();
    assert_eq!(before, level() + 2);
    assert_eq!(place.level().await, level() + 3);
    frozen.is_outgrown(&place).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_removes_is_not_done_if_the_sessions_of_older_gateways_cannot_be_ended() {
    let place = Place::new().await;
    let frozen = place.gateway(1).await;
    frozen.warms_up().await;
    place.sql("UPDATE gateway SET dead = true").await;
    // As some managed services do.
    let revoke = "REVOKE EXECUTE ON FUNCTION pg_terminate_backend FROM PUBLIC";
    place.sql(revoke).await;
    let refused = place.migrate(&release_after_it()).await.unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("permission denied") && refused.contains("Stop every older gateway"),
        "{refused}"
    );
    assert_eq!(place.level().await, level() + 2);

    drop(frozen);
    let open = "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'campanile'";
    place.until(open).await;
    place.migrate(&release_after_it()).await.unwrap();
    assert_eq!(place.level().await, level() + 3);
}
