-- The outcomes of at most one attempt for each delivery: $1..$14 arrays, one element for each outcome. Verdicts: 0 delivered,
-- 1 again, 2 dead, 3 held, 4 muted, 5 released. Of one problem, at most one is held or muted, and then it is the only one.
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
    DELETE FROM pending p USING tried t WHERE p.sink = t.sink AND p.seq = t.seq AND t.verdict NOT IN (1, 5)
    RETURNING p.sink, p.seq, p.lane
), unheld AS (
    DELETE FROM held h USING tried t WHERE h.sink = t.sink AND h.seq = t.seq AND t.verdict IN (4, 5)
    RETURNING h.sink, h.seq, h.fingerprint AS lane, t.verdict, t.at
), released AS (
    INSERT INTO pending (sink, seq, lane, since) SELECT sink, seq, lane, at FROM unheld WHERE verdict = 5
    ON CONFLICT DO NOTHING
), met AS MATERIALIZED (
    -- The problems for which something is muted, or was muted before. With no such row in the tables, nothing is read for it.
    SELECT t.sink, t.seq, t.at, t.verdict, t.error AS reason, a.source, a.fingerprint, coalesce(a.episode, a.id) AS episode,
        a.episode IS NULL AS opens, a.status = 0 AS fires
    FROM (SELECT sink, seq FROM gone UNION ALL SELECT sink, seq FROM unheld) p JOIN tried t USING (sink, seq)
        JOIN alert a USING (seq)
    WHERE t.verdict <> 5 AND ((SELECT EXISTS (SELECT FROM held) OR EXISTS (SELECT FROM untold)) OR t.verdict IN (3, 4))
), before AS MATERIALIZED (
    SELECT m.sink, m.seq, m.at, m.verdict, m.fires, h.seq AS held, h.reason FROM met m JOIN held h USING (sink, source, fingerprint)
    WHERE h.seq <> m.seq
), surpassed AS (
    DELETE FROM held h USING before b
    WHERE h.sink = b.sink AND h.seq = b.held AND b.held < b.seq AND (b.verdict IN (0, 2) OR b.verdict = 4 AND NOT b.fires)
), hold AS (
    INSERT INTO held (sink, source, fingerprint, seq, since, reason)
    SELECT sink, source, fingerprint, seq, at, reason FROM met WHERE verdict = 3
    ON CONFLICT (sink, source, fingerprint) DO UPDATE SET seq = excluded.seq, since = excluded.since, reason = excluded.reason
    WHERE held.seq < excluded.seq
), silent AS (
    -- The sink has got no firing alert of the episode. If the opening is not kept, it is taken to have got one.
    INSERT INTO untold (sink, source, fingerprint, episode)
    SELECT m.sink, m.source, m.fingerprint, m.episode FROM met m
    WHERE m.verdict IN (3, 4) AND m.fires AND (m.opens
        OR EXISTS (SELECT FROM untold u WHERE (u.sink, u.source, u.fingerprint, u.episode) = (m.sink, m.source, m.fingerprint, m.episode))
        OR EXISTS (SELECT FROM alert o WHERE o.fingerprint = m.fingerprint AND o.id = m.episode)
            AND NOT EXISTS (
                SELECT FROM alert b JOIN attempt s ON s.seq = b.seq AND s.sink = m.sink AND s.verdict IN (0, 2)
                WHERE b.fingerprint = m.fingerprint AND b.source = m.source AND b.seq < m.seq AND b.status = 0
                    AND coalesce(b.episode, b.id) = m.episode))
    ON CONFLICT (sink, source, fingerprint) DO UPDATE SET episode = excluded.episode
), told AS (
    DELETE FROM untold u USING met m
    WHERE (u.sink, u.source, u.fingerprint, u.episode) = (m.sink, m.source, m.fingerprint, m.episode)
        AND (m.verdict IN (0, 2) OR m.verdict = 4 AND NOT m.fires)
), ended AS (
    -- 0 muted, 1 folded into another alert.
    INSERT INTO outcome (seq, at, sink, ending, reason)
    SELECT seq, at, sink, 0, left(error, 300) FROM tried JOIN (SELECT sink, seq FROM gone UNION ALL SELECT sink, seq FROM unheld) p
        USING (sink, seq) WHERE verdict = 4
    UNION ALL
    SELECT held, at, sink, (verdict <> 4)::int, CASE WHEN verdict = 4 THEN reason ELSE 'alert ' || seq END FROM before
    WHERE held < seq AND (verdict IN (0, 2, 3) OR verdict = 4 AND NOT fires)
    UNION ALL
    SELECT seq, at, sink, 1, 'alert ' || held FROM before WHERE held > seq AND verdict = 3
    ON CONFLICT (seq, sink) DO UPDATE SET at = excluded.at, ending = excluded.ending, reason = excluded.reason
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
    WHERE t.verdict < 3
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
