-- The outcomes of at most one attempt for each delivery: $1..$14 arrays, one element for each outcome.
-- $15 is this gateway, $16 and $17 the sinks and the epochs of their leases. If one lease is gone, nothing is written. $15 is null
-- for a store that nobody has joined. $18 is what the worker leaves for the next one; null leaves nothing new. $19 are the parts of
-- the sinks in $16.
WITH fence AS MATERIALIZED (
    SELECT l.sink, l.part, l.epoch FROM lease l JOIN unnest($16::int[], $19::int[], $17::bigint[]) AS h(sink, part, epoch)
        ON l.sink = h.sink AND l.part = h.part AND l.epoch = h.epoch
    WHERE l.owner = $15::uuid FOR SHARE OF l
), tried AS MATERIALIZED (
    SELECT * FROM unnest($1::int[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::int[], $6::int[], $7::smallint[],
                         $8::timestamptz[], $9::text[], $10::text[], $11::smallint[], $12::text[], $13::text[], $14::text[])
        WITH ORDINALITY AS t(sink, seq, at, took_ms, attempt, code, verdict, due, class, error, worth, remark, note, handle, ord)
    WHERE $15::uuid IS NULL OR (SELECT count(*) FROM fence) = cardinality($16::int[])
), gone AS (
    DELETE FROM pending p USING tried t WHERE p.sink = t.sink AND p.seq = t.seq AND t.verdict <> 1
    RETURNING p.sink, p.seq, p.lane
), later AS (
    UPDATE pending p SET attempts = t.attempt, due = t.due, code = t.code, error = t.error FROM tried t
    WHERE p.sink = t.sink AND p.seq = t.seq AND t.verdict = 1
    RETURNING p.sink, p.seq, p.lane
), letters AS (
    INSERT INTO dead (sink, seq, lane, at, attempts, code, class, error)
    SELECT t.sink, t.seq, g.lane, t.at, t.attempt, t.code, t.class, t.error
    FROM gone g JOIN tried t USING (sink, seq) WHERE t.verdict = 2 ORDER BY t.ord
), applied AS MATERIALIZED (
    SELECT t.* FROM (SELECT * FROM gone UNION ALL SELECT * FROM later) p JOIN tried t USING (sink, seq)
), noted AS (
    INSERT INTO attempt (seq, at, sink, took_ms, attempt, verdict, code, worth, remark, note)
    SELECT seq, at, sink, took_ms, attempt, verdict, code, worth, remark, note FROM applied
    ON CONFLICT (seq, at, sink, attempt) DO UPDATE SET took_ms = excluded.took_ms, verdict = excluded.verdict,
        code = excluded.code, worth = excluded.worth, remark = excluded.remark, note = excluded.note
), returned AS (
    INSERT INTO handle (episode, sink, source, fingerprint, handle)
    SELECT DISTINCT ON (coalesce(a.episode, a.id), t.sink)
        coalesce(a.episode, a.id), t.sink, a.source, a.fingerprint, t.handle
    FROM applied t JOIN alert a USING (seq) WHERE t.handle IS NOT NULL
    ORDER BY coalesce(a.episode, a.id), t.sink, t.ord DESC
    ON CONFLICT (episode, sink) DO UPDATE SET handle = excluded.handle, ended = NULL
), kept AS (
    INSERT INTO handover (sink, part, epoch, left_at, said)
    SELECT f.sink, f.part, f.epoch, clock_timestamp(), $18::text FROM fence f
    WHERE $18::text IS NOT NULL AND (SELECT count(*) FROM fence) = cardinality($16::int[])
)
-- The draw changes the version of the store (`version.rs`).
SELECT count(*), (SELECT count(*) FROM fence), CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('change') END FROM applied
