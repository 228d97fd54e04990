-- Callbacks without alerts that were copied from SQLite, where they have no place of their own: seq is the next place. id is
-- negative, and grows with seq.
CREATE TABLE unplaced (
    id bigint PRIMARY KEY, seq bigint NOT NULL, received timestamptz NOT NULL, source int NOT NULL,
    raw_bytes int NOT NULL, arrival_bytes int, routes int, packed bytea NOT NULL
);
ALTER TABLE unplaced ALTER packed SET STORAGE EXTERNAL;
CREATE INDEX unplaced_by_seq ON unplaced (seq);
