-- What a subscription was made by: 1 a request, 2 a presence subscription, 3
-- both.  One that presence made ends with it.
ALTER TABLE sub ADD COLUMN ways INTEGER NOT NULL DEFAULT 1;
