-- A part is some lanes of a sink. parts: into how many parts a gateway divides each of its sinks; none means whole sinks.
ALTER TABLE lease ADD part int NOT NULL DEFAULT 0;
ALTER TABLE lease DROP CONSTRAINT lease_pkey, ADD PRIMARY KEY (sink, part);
ALTER TABLE gateway ADD parts int[] NOT NULL DEFAULT '{}';
