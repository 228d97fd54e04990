//! Programs of two releases on one database, while the newer one migrates it: with the steps of this release and of two later ones.

mod outgrown;

use std::sync::Arc;
use std::time::Duration;

use campanile_model::{Fingerprint, Severity, Status};
use campanile_receiver::postgres::Postgres as Server;
use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

use super::{STEPS, Step, level, migrate_by};
use crate::lease::Member;
use crate::postgres::Postgres;
use crate::postgres::address::Address;
use crate::postgres::pool::Fault;
use crate::postgres::session::Session;
use crate::{Appended, Arrival, Entry, Error, Inbox, Membership, NewAlert};

/// The next release adds, in two steps.
const ADDS: [&str; 2] = [
    "ALTER TABLE pending ADD COLUMN note text; ALTER TABLE alert ADD COLUMN more text;",
    "CREATE TABLE extra (seq bigint PRIMARY KEY); CREATE INDEX alert_by_more ON alert (more);",
];

/// The steps of this release, and then these.
fn steps(more: &[(&'static str, i32)]) -> Vec<Step> {
    let released = STEPS.iter().map(|step| (step.sql, step.oldest));
    let all = released.chain(more.iter().copied());
    all.map(|(sql, oldest)| Step { sql, oldest }).collect()
}

fn next_release() -> Vec<Step> {
    steps(&ADDS.map(|sql| (sql, 1)))
}

struct Place {
    server: Server,
    _folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            server: Server::start_with_alerts(folder.path(), "secret").await,
            _folder: folder,
        }
    }

    fn url(&self) -> String {
        let port = self.server.port;
        format!("postgres://campanile:secret@127.0.0.1:{port}/alerts?sslmode=disable")
    }

    /// A gateway of this release.
    async fn gateway(&self, id: u128) -> Gateway {
        self.gateway_at(level(), id).await
    }

    /// A gateway whose release has this level.
    async fn gateway_at(&self, level: i32, id: u128) -> Gateway {
        let mut address = Address::parse(&self.url()).unwrap();
        address.level = level;
        let store = Postgres::open_at(Arc::new(address), None).await.unwrap();
        store.join(member(id)).await.unwrap();
        let store = Arc::new(store);
        Gateway { store, id }
    }

    async fn session(&self) -> Session {
        let address = Arc::new(Address::parse(&self.url()).unwrap());
        address.connect_without_tables().await.ok().unwrap()
    }

    /// A program with these steps starts.
    async fn migrate(&self, steps: &[Step]) -> Result<(), Error> {
        let mut session = self.session().await;
        let migrated = migrate_by(steps, &mut session, "the database").await;
        migrated.map_err(|fault: Fault| fault.into_error(|error| Error::Open(format!("{error:?}"))))
    }

    async fn sql(&self, statement: &str) -> String {
        self.server.sql("alerts", statement).await
    }

    async fn level(&self) -> i32 {
        self.sql("SELECT level FROM meta").await.parse().unwrap()
    }

    /// Waits until the answer to a question is yes.
    async fn until(&self, question: &str) {
        let mut again = tokio::time::interval(Duration::from_millis(20));
        let asking = async {
            while self.sql(question).await != "t" {
                again.tick().await;
            }
        };
        let asked = tokio::time::timeout(Duration::from_mins(1), asking).await;
        asked.unwrap_or_else(|_| panic!("never true: {question}"));
    }
}

fn member(id: u128) -> Member {
    Member {
        id: Uuid::from_u128(id),
        name: format!("gateway-{id}"),
        sinks: Vec::new(),
        parts: Vec::new(),
        config: String::new(),
    }
}

struct Gateway {
    store: Arc<Postgres>,
    id: u128,
}

impl Gateway {
    /// It accepts an alert.
    async fn accepts(&self, number: u8) {
        self.appends(number).await.unwrap();
    }

    async fn appends(&self, number: u8) -> Result<Appended, Error> {
        let alert = NewAlert {
            key: [number; 16],
            content: 0,
            fingerprint: Fingerprint(u64::from(number)),
            status: Status::Firing,
            severity: Severity::Warning,
            body: b"{}".to_vec(),
            sinks: vec![1],
            said: String::new(),
        };
        let entry = Entry {
            source: "probe/one".into(),
            received_at: Timestamp::UNIX_EPOCH,
            callback: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            alerts: vec![alert],
            faults: Vec::new(),
            arrival: Arrival::default(),
        };
        self.store.append(entry).await
    }

    async fn beats(&self) -> Result<(), Error> {
        let id = Uuid::from_u128(self.id);
        let beaten = self.store.beat(id, String::new(), false).await?;
        assert!(beaten.is_some(), "it was declared dead");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed_in_any_step_leaves_tables_on_which_both_releases_go_on() {
    let place = Place::new().await;
    let old = place.gateway(1).await;
    let next = next_release();
    for (number, sql) in (0_u8..).zip(ADDS) {
        // The whole step is done, and not committed.
        let hangs: &'static str = format!("{sql} SELECT pg_sleep(600)").leak();
        let mut until_here = ADDS.map(|sql| (sql, 1));
        until_here[usize::from(number)].0 = hangs;
        let mut session = place.session().await;
        let killed = tokio::spawn(async move {
            let steps = steps(&until_here);
            migrate_by(&steps, &mut session, "").await.is_ok()
        });
        let sleeps = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        place.until(sleeps).await;
        killed.abort();
        assert!(killed.await.is_err());
        place.until(&sleeps.replace('>', "=")).await;
        assert_eq!(place.level().await, level() + i32::from(number));
        old.accepts(2 * number).await;
        // A program of the old release also starts.
        place
            .gateway(10 + u128::from(number))
            .await
            .accepts(2 * number + 1)
            .await;
        // The next one goes on with the step that was killed.
        place
            .migrate(&next[..=STEPS.len() + usize::from(number)])
            .await
            .unwrap();
    }
    assert_eq!(place.level().await, level() + 2);
    old.beats().await.unwrap();
    old.accepts(100).await;
    assert_eq!(place.sql("SELECT count(*) FROM alert").await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_waits_for_a_table_does_not_hold_up_the_alerts_of_the_old_release() {
    let place = Place::new().await;
    let old = place.gateway(1).await;
    // As pg_dump does.
    let reader = place.session().await;
    let reads = "BEGIN; SELECT FROM pending LIMIT 1; SELECT FROM alert LIMIT 1";
    reader.client.batch_execute(reads).await.unwrap();
    let mut session = place.session().await;
    let migrating = tokio::spawn(async move {
        let steps = next_release();
        migrate_by(&steps, &mut session, "").await.is_ok()
    });
    for number in 0..3 {
        let waits =
            "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'";
        place.until(waits).await;
        old.accepts(number).await;
        old.beats().await.unwrap();
    }
    assert_eq!(place.level().await, level());
    reader.client.batch_execute("COMMIT").await.unwrap();
    assert!(migrating.await.unwrap());
    assert_eq!(place.level().await, level() + 2);
    old.accepts(9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_programs_that_start_together_one_migrates_and_the_others_wait_for_it() {
    let place = Place::new().await;
    // A step cannot be done twice.
    let (one, other) = tokio::join!(place.migrate(STEPS), place.migrate(STEPS));
    assert!(one.and(other).is_ok());
    assert_eq!(place.level().await, level());
    let next = next_release();
    let (one, other) = tokio::join!(place.migrate(&next), place.migrate(&next));
    assert!(one.and(other).is_ok());
    assert_eq!(place.level().await, level() + 2);
}
