//! The tables, and the migration of older databases.
//!
//! Only plain features are used: no triggers, functions, extensions or partial indexes. Tables with a row for each alert are
//! partitioned by `seq`, so retention drops whole files ([`super::partition`]).

use tokio_postgres::GenericClient;

use super::session::Session;
use super::{partition, version};
use crate::Error;

/// The step at index N migrates a database from level N to N + 1. A released step is never changed.
const STEPS: &[&str] = &[STEP_1, STEP_2, STEP_3, STEP_4];

const STEP_1: &str = "
    CREATE TABLE name (
        kind text NOT NULL, id int GENERATED ALWAYS AS IDENTITY, name text NOT NULL,
        PRIMARY KEY (kind, id)
    );
    -- Routes are too long for an index over the text itself.
    CREATE UNIQUE INDEX name_by_hash ON name (kind, md5(name));

    CREATE TABLE sink (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);

    -- Places: 40 bits, because an id contains its place.
    CREATE SEQUENCE place AS bigint MAXVALUE 1099511627775 CACHE 1;

    -- Drawn by every transaction that changes something and draws no place: see `version.rs`.
    CREATE SEQUENCE change AS bigint CACHE 1;

    -- The one gate against duplicates.
    CREATE TABLE dedup (key uuid PRIMARY KEY, content bigint NOT NULL, seq bigint NOT NULL);
    CREATE INDEX dedup_by_seq ON dedup USING brin (seq) WITH (pages_per_range = 32, autosummarize = on);

    -- Duplicates that were dropped. The row also makes the commit wait for the standby that has the original.
    CREATE TABLE duplicate (at timestamptz NOT NULL, source int NOT NULL, n int NOT NULL);

    -- One request of a vendor; seq is the place of its first new alert, or its own when it has none. `packed` is compressed
    -- already. `last` is the place of its last new alert.
    CREATE TABLE callback (
        seq bigint NOT NULL, last bigint NOT NULL, batch bigint NOT NULL, received timestamptz NOT NULL, source int NOT NULL,
        alerts int NOT NULL, raw_bytes int NOT NULL, arrival_bytes int, routes int, packed bytea NOT NULL,
        PRIMARY KEY (seq)
    ) PARTITION BY RANGE (seq);
    ALTER TABLE callback ALTER packed SET STORAGE EXTERNAL;

    CREATE TABLE alert (
        seq bigint NOT NULL, callback bigint NOT NULL, fingerprint bigint NOT NULL, received timestamptz NOT NULL,
        id uuid NOT NULL, episode uuid, source int NOT NULL, body_at int NOT NULL, body_bytes int NOT NULL,
        status smallint NOT NULL, severity smallint NOT NULL,
        PRIMARY KEY (seq)
    ) PARTITION BY RANGE (seq);
    CREATE INDEX alert_by_fingerprint ON alert (fingerprint, seq);
    CREATE INDEX alert_by_group ON alert (source, severity, seq);

    CREATE TABLE attempt (
        seq bigint NOT NULL, at timestamptz NOT NULL, sink int NOT NULL, took_ms bigint NOT NULL, attempt int NOT NULL,
        verdict smallint NOT NULL, code int, worth smallint, remark text, note text,
        PRIMARY KEY (seq, at, sink, attempt)
    ) PARTITION BY RANGE (seq);

    -- Problems that fire, each with its newest alert.
    CREATE TABLE problem (
        fingerprint bigint NOT NULL, source int NOT NULL, severity smallint NOT NULL, episode uuid NOT NULL, newest bigint NOT NULL,
        PRIMARY KEY (source, fingerprint)
    ) WITH (fillfactor = 70);

    -- What is pending, and nothing else. No index over due: a retry then updates no index.
    CREATE TABLE pending (
        seq bigint NOT NULL, lane bigint NOT NULL, since timestamptz NOT NULL, due timestamptz, sink int NOT NULL,
        attempts int NOT NULL DEFAULT 0, code int, retried boolean NOT NULL DEFAULT false, error text,
        PRIMARY KEY (sink, seq)
    ) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
            autovacuum_vacuum_cost_delay = 0);
    CREATE INDEX pending_by_seq ON pending (seq);

    CREATE TABLE dead (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, seq bigint NOT NULL, lane bigint NOT NULL, at timestamptz NOT NULL,
        sink int NOT NULL, attempts int NOT NULL, code int, class text NOT NULL, error text NOT NULL
    );
    CREATE INDEX dead_by_seq ON dead (seq);

    CREATE TABLE quarantine (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, received timestamptz NOT NULL, source int NOT NULL,
        faults text NOT NULL, raw bytea NOT NULL, arrival bytea NOT NULL
    );

    -- What operators did.
    CREATE TABLE audit (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, act uuid NOT NULL UNIQUE, at timestamptz NOT NULL,
        who text NOT NULL, role text NOT NULL, via text NOT NULL, client text NOT NULL, caller text, action text NOT NULL,
        target text NOT NULL, count bigint NOT NULL, detail text NOT NULL
    );

    -- How many alerts arrived in a minute since 1970. A commit adds its own rows to `counted`, so that no two commits wait
    -- for one row; pruning adds them up in `tally`.
    CREATE TABLE counted (minute int NOT NULL, source int NOT NULL, severity smallint NOT NULL, status smallint NOT NULL,
        n int NOT NULL);
    CREATE INDEX counted_by_minute ON counted USING brin (minute) WITH (pages_per_range = 8, autosummarize = on);
    CREATE TABLE tally (
        minute int NOT NULL, source int NOT NULL, severity smallint NOT NULL, status smallint NOT NULL, n bigint NOT NULL,
        PRIMARY KEY (minute, source, severity, status)
    );

    -- What a sink returned for an episode. ended is the last place that was drawn when prune found the episode closed.
    CREATE TABLE handle (
        episode uuid NOT NULL, sink int NOT NULL, source int NOT NULL, fingerprint bigint NOT NULL, ended bigint,
        handle text NOT NULL,
        PRIMARY KEY (episode, sink)
    );

    -- The gateways that share this database. beat grows while one lives; a dead one stays dead. config: digests of its parts.
    CREATE TABLE gateway (
        id uuid PRIMARY KEY, beat bigint NOT NULL DEFAULT 0, dead boolean NOT NULL DEFAULT false,
        leaving boolean NOT NULL DEFAULT false, name text NOT NULL, sinks int[] NOT NULL, config text NOT NULL DEFAULT '',
        state text NOT NULL DEFAULT ''
    ) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200);

    -- Which gateway delivers for a sink. epoch grows with every change of the owner. look_from: older deliveries are pending
    -- again from this place on. handover: what the last worker left, at left_at. died: the last owner was declared dead.
    CREATE TABLE lease (
        sink int PRIMARY KEY, owner uuid, epoch bigint NOT NULL DEFAULT 0, paused boolean NOT NULL DEFAULT false, look_from bigint,
        handover text, left_at timestamptz, died boolean NOT NULL DEFAULT false
    ) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200);

    -- One row. pruned: everything below was old. forgotten: dedup keys below were removed. id_random: a part of ids.
    CREATE TABLE meta (
        level int NOT NULL, pruned bigint NOT NULL DEFAULT 0, forgotten bigint NOT NULL DEFAULT 0,
        id_random int NOT NULL DEFAULT (random() * 4095)::int, probe bigint NOT NULL DEFAULT 0
    );
    INSERT INTO meta (level) VALUES (0);
";

const STEP_2: &str = "
    -- Callbacks without alerts that were copied from SQLite, where they have no place of their own: seq is the next place. id is
    -- negative, and grows with seq.
    CREATE TABLE unplaced (
        id bigint PRIMARY KEY, seq bigint NOT NULL, received timestamptz NOT NULL, source int NOT NULL,
        raw_bytes int NOT NULL, arrival_bytes int, routes int, packed bytea NOT NULL
    );
    ALTER TABLE unplaced ALTER packed SET STORAGE EXTERNAL;
    CREATE INDEX unplaced_by_seq ON unplaced (seq);
";

const STEP_3: &str = "
    -- A part is some lanes of a sink. parts: into how many parts a gateway divides each of its sinks; none means whole sinks.
    ALTER TABLE lease ADD part int NOT NULL DEFAULT 0;
    ALTER TABLE lease DROP CONSTRAINT lease_pkey, ADD PRIMARY KEY (sink, part);
    ALTER TABLE gateway ADD parts int[] NOT NULL DEFAULT '{}';
";

const STEP_4: &str = "
    -- alerts: how many are kept, without those that `counted` has.
    SET LOCAL statement_timeout = 0;
    ALTER TABLE meta ADD alerts bigint NOT NULL DEFAULT 0;
    UPDATE meta SET alerts = (SELECT count(*) FROM alert) - (SELECT coalesce(sum(n), 0) FROM counted);
";

/// The level that this program writes.
pub(super) fn level() -> i32 {
    i32::try_from(STEPS.len()).unwrap_or(i32::MAX)
}

/// Creates the tables or migrates them to this program's level. Two gateways that start together wait for each other. Returns
/// the level of a database that a newer program wrote, as an error.
pub(super) async fn migrate(
    session: &mut Session,
) -> Result<Result<(), i32>, tokio_postgres::Error> {
    let transaction = session.client.transaction().await?;
    // No lock of the tables themselves exists before they do.
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    let found = level_of(&transaction).await?.unwrap_or(0);
    if found > level() {
        return Ok(Err(found));
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.batch_execute(step).await?;
    }
    if found < level() {
        let set = "UPDATE meta SET level = $1";
        transaction.execute(set, &[&level()]).await?;
    }
    partition::ensure(&transaction).await?;
    version::change(&transaction).await?;
    transaction.commit().await?;
    Ok(Ok(()))
}

/// "CMPN", the number of the lock of a migration.
const LOCK: i64 = 0x434d_504e;

/// The level of the tables. None: there are none.
pub(super) async fn level_of(
    client: &impl GenericClient,
) -> Result<Option<i32>, tokio_postgres::Error> {
    let exists = "SELECT to_regclass('meta') IS NOT NULL";
    if !client.query_one(exists, &[]).await?.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client.query_one("SELECT level FROM meta", &[]).await?;
    Ok(Some(row.get(0)))
}

/// Whether another store is being copied into this one. The table exists only then.
pub(super) async fn is_copy(client: &impl GenericClient) -> Result<bool, tokio_postgres::Error> {
    let exists = "SELECT to_regclass('copy') IS NOT NULL";
    Ok(client.query_one(exists, &[]).await?.get(0))
}

/// The error for tables of a newer program.
pub(super) fn newer(shown: &str, level: i32) -> Error {
    Error::Open(format!(
        "{shown} was written by a newer Campanile (level {level}; this program supports at most {}). Run the newer version.",
        self::level()
    ))
}
