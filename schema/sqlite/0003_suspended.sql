-- Where a subscription that is, or was, suspended stopped (0: never was), and
-- the row of the log and the time that brought its state.
ALTER TABLE sub ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sub ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sub ADD COLUMN changed_time INTEGER NOT NULL DEFAULT 0;
UPDATE sub SET changed = n, changed_time = time;
