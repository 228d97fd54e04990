-- One batch of alerts of at most 256 callbacks: one statement, one transaction, one round trip.
-- $1..$10 arrays, one element for each alert; $11..$16 arrays, one element for each callback; $17 id_random; $18 the batch;
-- $19, $20 arrays, one element for each sink that the routes give an alert; $21 the minute of each callback; $22 for each alert:
-- whether it goes to these sinks only.
-- Each row of the answer also names the standbys that this commit waits for. The last row has the deliveries.
WITH input AS MATERIALIZED (
    -- The transaction gets its number before the place is drawn: `floor.rs` depends on this order.
    SELECT u.*, CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('place') END AS seq,
        (random() * 4194303)::bigint AS salt
    FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::int[], $5::bigint[], $6::smallint[], $7::smallint[], $8::int[],
                $9::int[], $10::bigint[], $22::boolean[])
        WITH ORDINALITY AS u(key, content, call, source, fingerprint, status, severity, body_at, body_bytes, ms, exact, ord)
), fresh AS (
    -- The one gate. Sorted: two batches that share keys wait in the same order and do not block each other.
    INSERT INTO dedup (key, content, seq) SELECT key, content, seq FROM input ORDER BY key
    ON CONFLICT (key) DO NOTHING RETURNING seq
), new AS MATERIALIZED (
    SELECT i.*,
        (lpad(to_hex(i.ms), 12, '0') || '7' || lpad(to_hex($17::int), 3, '0')
            || to_hex((-9223372036854775808)::bigint | (i.seq << 22) | i.salt))::uuid AS id,
        min(i.seq) OVER (PARTITION BY i.call) AS first, max(i.seq) OVER (PARTITION BY i.call) AS last,
        count(*) OVER (PARTITION BY i.call) AS alerts,
        count(*) FILTER (WHERE i.status = 1) OVER (
            PARTITION BY i.source, i.fingerprint ORDER BY i.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS run
    FROM input i JOIN fresh USING (seq)
), placed AS MATERIALIZED (
    -- An open episode lasts until the first resolved alert of the batch. Each later run has an episode of its own. An older build
    -- can have opened it: then its plan is not known. own: the alert goes to the sinks that the routes give it, and to no others.
    SELECT w.*, coalesce((w.open).episode, w.opener) AS episode, (w.open).plan AS plan, w.unknown OR w.exact
            OR (w.open).episode IS NULL AND NOT w.fires AS own
    FROM (
        SELECT n.*, first_value(n.id) OVER run_of AS opener, first_value(n.status) OVER run_of = 0 AS fires,
            (n.open).episode IS NOT NULL AND (n.open).plan IS NULL AS unknown,
            row_number() OVER (PARTITION BY n.source, n.fingerprint ORDER BY n.seq DESC) AS back
        FROM (
            -- One probe of the index for each alert: a join reads the whole table of problems while the planner takes it for small.
            SELECT n.*, CASE WHEN n.run = 0 THEN (
                SELECT p FROM problem p WHERE p.source = n.source AND p.fingerprint = n.fingerprint) END AS open
            FROM new n OFFSET 0
        ) n WINDOW run_of AS (PARTITION BY n.source, n.fingerprint, n.run ORDER BY n.seq)
    ) w
), planned AS MATERIALIZED (
    -- The sinks of each run of a problem, each with the first place that it is for: 0 for those of the open episode.
    SELECT source, fingerprint, run, sink, min(since) AS since FROM (
        SELECT t.source, t.fingerprint, t.run, o.sink, t.seq AS since
        FROM unnest($19::bigint[], $20::int[]) AS o(ord, sink) JOIN placed t USING (ord) WHERE t.status = 0
        UNION ALL
        SELECT t.source, t.fingerprint, t.run, unnest(t.plan), 0 FROM placed t WHERE t.id = t.opener
    ) sinks GROUP BY 1, 2, 3, 4
), going AS MATERIALIZED (
    SELECT t.seq, t.fingerprint, t.call, p.sink FROM placed t JOIN planned p USING (source, fingerprint, run)
    WHERE p.since <= t.seq AND NOT t.own
    UNION ALL
    SELECT t.seq, t.fingerprint, t.call, o.sink FROM unnest($19::bigint[], $20::int[]) AS o(ord, sink) JOIN placed t USING (ord)
    WHERE t.own
), standing AS MATERIALIZED (
    -- The problems that fire after this batch.
    SELECT t.source, t.fingerprint, t.severity, t.episode, t.seq, t.run,
        CASE WHEN NOT t.unknown THEN coalesce(p.sinks, '{}') END AS plan
    FROM placed t LEFT JOIN (
        SELECT source, fingerprint, run, array_agg(sink ORDER BY sink) AS sinks FROM planned GROUP BY 1, 2, 3
    ) p USING (source, fingerprint, run)
    WHERE t.back = 1 AND t.status = 0
), closed AS (
    DELETE FROM problem p USING placed t
    WHERE t.back = 1 AND t.status = 1 AND p.source = t.source AND p.fingerprint = t.fingerprint
), opened AS (
    INSERT INTO problem (source, fingerprint, severity, episode, newest, plan)
    SELECT source, fingerprint, severity, episode, seq, plan FROM standing WHERE run = 0 ORDER BY 1, 2
    ON CONFLICT (source, fingerprint) DO UPDATE
    SET severity = excluded.severity, episode = excluded.episode, newest = excluded.newest,
        -- Another gateway can have written the row since this statement read it.
        plan = CASE WHEN problem.plan @> excluded.plan THEN problem.plan
            WHEN problem.plan <@ excluded.plan THEN excluded.plan
            WHEN problem.plan IS NOT NULL AND excluded.plan IS NOT NULL
            THEN ARRAY(SELECT DISTINCT unnest(problem.plan || excluded.plan) ORDER BY 1) END
), reopened AS (
    -- Its row is that of an episode that ended in this batch.
    INSERT INTO problem (source, fingerprint, severity, episode, newest, plan)
    SELECT source, fingerprint, severity, episode, seq, plan FROM standing WHERE run > 0 ORDER BY 1, 2
    ON CONFLICT (source, fingerprint) DO UPDATE
    SET severity = excluded.severity, episode = excluded.episode, newest = excluded.newest, plan = excluded.plan
), called AS (
    INSERT INTO callback (seq, last, batch, received, source, alerts, raw_bytes, arrival_bytes, routes, packed)
    SELECT t.seq, t.last, $18, c.received, t.source, t.alerts, c.raw_bytes, c.arrival_bytes, c.routes, c.packed
    FROM placed t JOIN unnest($11::timestamptz[], $12::int[], $13::int[], $14::int[], $15::bytea[], $16::int[])
        AS c(received, raw_bytes, arrival_bytes, routes, packed, call) USING (call)
    WHERE t.seq = t.first
), kept AS (
    INSERT INTO alert (seq, callback, fingerprint, received, id, episode, source, body_at, body_bytes, status, severity, plan)
    SELECT t.seq, t.first, t.fingerprint, c.received, t.id, nullif(t.episode, t.id), t.source, t.body_at, t.body_bytes,
        t.status, t.severity, coalesce(g.sinks, '{}')
    FROM placed t JOIN unnest($11::timestamptz[], $16::int[]) AS c(received, call) USING (call)
        LEFT JOIN (SELECT seq, array_agg(sink ORDER BY sink) AS sinks FROM going GROUP BY 1) g ON g.seq = t.seq
), tallied AS (
    INSERT INTO counted (minute, source, severity, status, n)
    SELECT c.minute, t.source, t.severity, t.status, count(*)
    FROM placed t JOIN unnest($21::int[], $16::int[]) AS c(minute, call) USING (call) GROUP BY 1, 2, 3, 4
), due AS (
    INSERT INTO pending (sink, seq, lane, since)
    SELECT g.sink, g.seq, g.fingerprint, c.received
    FROM going g JOIN unnest($11::timestamptz[], $16::int[]) AS c(received, call) USING (call)
    ORDER BY 1, 2
), again AS MATERIALIZED (
    SELECT i.ord, i.key, i.source FROM input i WHERE NOT EXISTS (SELECT FROM fresh f WHERE f.seq = i.seq)
), repeated AS (
    -- A row, so that this commit waits until the original is on the standby too.
    INSERT INTO duplicate SELECT now(), source, count(*) FROM again GROUP BY source
)
SELECT ord, seq, id, NULL::bigint AS content, current_setting('synchronous_standby_names'), NULL::bigint[], NULL::int[] FROM new
UNION ALL
SELECT ord, NULL, NULL, (SELECT d.content FROM dedup d WHERE d.key = again.key), current_setting('synchronous_standby_names'),
    NULL, NULL
FROM again
UNION ALL
SELECT NULL, NULL, NULL, NULL, current_setting('synchronous_standby_names'), array_agg(seq), array_agg(sink) FROM going
