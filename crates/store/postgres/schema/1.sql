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

-- Callbacks without alerts that were copied from SQLite, where they have no place of their own: seq is the next place. id is
-- negative, and grows with seq.
CREATE TABLE unplaced (
    id bigint PRIMARY KEY, seq bigint NOT NULL, received timestamptz NOT NULL, source int NOT NULL,
    raw_bytes int NOT NULL, arrival_bytes int, routes int, packed bytea NOT NULL
);
ALTER TABLE unplaced ALTER packed SET STORAGE EXTERNAL;
CREATE INDEX unplaced_by_seq ON unplaced (seq);

-- plan: the sinks that the alert was for; NULL when it was copied from a SQLite file in which an older build took it.
CREATE TABLE alert (
    seq bigint NOT NULL, callback bigint NOT NULL, fingerprint bigint NOT NULL, received timestamptz NOT NULL,
    id uuid NOT NULL, episode uuid, source int NOT NULL, body_at int NOT NULL, body_bytes int NOT NULL,
    status smallint NOT NULL, severity smallint NOT NULL, plan int[],
    PRIMARY KEY (seq)
) PARTITION BY RANGE (seq);
CREATE INDEX alert_by_fingerprint ON alert (fingerprint, seq);
CREATE INDEX alert_by_group ON alert (source, severity, seq);

CREATE TABLE attempt (
    seq bigint NOT NULL, at timestamptz NOT NULL, sink int NOT NULL, took_ms bigint NOT NULL, attempt int NOT NULL,
    verdict smallint NOT NULL, code int, worth smallint, remark text, note text,
    PRIMARY KEY (seq, at, sink, attempt)
) PARTITION BY RANGE (seq);

-- Problems that fire, each with its newest alert. plan: the sinks that the firing alerts of the episode went to; NULL when it was
-- copied from a SQLite file in which an older build opened the episode.
CREATE TABLE problem (
    fingerprint bigint NOT NULL, source int NOT NULL, severity smallint NOT NULL, episode uuid NOT NULL, newest bigint NOT NULL,
    plan int[],
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

-- What a sink does not get now: the newest firing alert of a problem, until nothing mutes it or the problem is over.
CREATE TABLE held (
    fingerprint bigint NOT NULL, seq bigint NOT NULL, since timestamptz NOT NULL, sink int NOT NULL, source int NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (sink, source, fingerprint)
);
CREATE INDEX held_by_seq ON held (seq, sink);

-- Open episodes of which a sink has got no firing alert, because each of them was muted.
CREATE TABLE untold (
    fingerprint bigint NOT NULL, sink int NOT NULL, source int NOT NULL, episode uuid NOT NULL,
    PRIMARY KEY (sink, source, fingerprint)
);

-- What became of alerts that a sink does not get.
CREATE TABLE outcome (
    seq bigint NOT NULL, at timestamptz NOT NULL, sink int NOT NULL, ending smallint NOT NULL, reason text NOT NULL,
    PRIMARY KEY (seq, sink)
);

-- Silences of operators.
CREATE TABLE silence (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, made timestamptz NOT NULL, begins timestamptz NOT NULL,
    until timestamptz NOT NULL, matching text NOT NULL, after text NOT NULL, who text NOT NULL, comment text NOT NULL,
    ended timestamptz
);

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
-- parts: into how many parts it divides each of its sinks; none means whole sinks. level: that of its program.
CREATE TABLE gateway (
    id uuid PRIMARY KEY, beat bigint NOT NULL DEFAULT 0, dead boolean NOT NULL DEFAULT false,
    leaving boolean NOT NULL DEFAULT false, name text NOT NULL, sinks int[] NOT NULL, config text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT '', parts int[] NOT NULL, level int NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200);

-- Which gateway delivers for a part of a sink: for some of its lanes. epoch grows with every change of the owner. look_from:
-- older deliveries are pending again from this place on. died: the owner before was declared dead.
CREATE TABLE lease (
    sink int NOT NULL, part int NOT NULL DEFAULT 0, owner uuid, epoch bigint NOT NULL DEFAULT 0,
    paused boolean NOT NULL DEFAULT false, look_from bigint, died boolean NOT NULL DEFAULT false,
    PRIMARY KEY (sink, part)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200);

-- What the workers of a part left for the next one, with the epoch of their leases. The newest row counts; pruning removes the others.
-- Rows of their own: every settlement looks at the lease, and would read all its old versions while a transaction keeps them.
CREATE TABLE handover (
    id bigint GENERATED ALWAYS AS IDENTITY, sink int NOT NULL, part int NOT NULL, epoch bigint NOT NULL,
    left_at timestamptz NOT NULL, said text NOT NULL,
    PRIMARY KEY (sink, part, id)
);

-- One row. oldest: the lowest level of a program that may use the tables. pruned: everything below was old. forgotten: dedup
-- keys below were removed. id_random: a part of ids. alerts: how many are kept, without those that `counted` has.
CREATE TABLE meta (
    level int NOT NULL, oldest int NOT NULL, pruned bigint NOT NULL DEFAULT 0, forgotten bigint NOT NULL DEFAULT 0,
    id_random int NOT NULL DEFAULT (random() * 4095)::int, probe bigint NOT NULL DEFAULT 0,
    alerts bigint NOT NULL DEFAULT 0
);
INSERT INTO meta (level, oldest) VALUES (0, 0);
