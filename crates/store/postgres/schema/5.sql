-- The lowest level of a program that may run on these tables.
ALTER TABLE meta ADD COLUMN oldest int NOT NULL DEFAULT 1;
-- The level of the program of each gateway. Programs before this level do not say it.
ALTER TABLE gateway ADD COLUMN level int NOT NULL DEFAULT 4;
