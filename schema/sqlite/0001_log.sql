-- The log of a waft store, shared by all daemons.  An append writes one row of
-- log and one entry of log_channel, nothing else.
--
-- application_id and user_version are set by the program: user_version is the
-- number of the last file of this folder that was applied.

-- epoch: part of every position; a new one makes all old positions void.
CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value TEXT NOT NULL
) WITHOUT ROWID;

-- A name is written once and then stands as a number in the log: a third fewer
-- pages written for each commit.
CREATE TABLE channel (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	name TEXT NOT NULL UNIQUE,
	stored INTEGER NOT NULL,      -- 0: deleted, and not published to since
	deleted_seq INTEGER NOT NULL, -- ids up to it do not count as duplicates
	last_seq INTEGER NOT NULL,    -- its newest item, kept when that is trimmed
	last_time INTEGER NOT NULL
);

-- kind: 0 item, 1 subscription, 2 its end, 3 channel deleted, 4 channel
-- created (enum entry_kind), 5 a trimmed item of which only the id is left.
-- id: the item's; of kinds 1 and 2 the name of the channel, which need not be
-- a stored one.  Seq has no gaps but those that trimming makes: a process that
-- finds one has missed something and reads its memory of the log anew.
CREATE TABLE log (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	kind INTEGER NOT NULL,
	channel INTEGER NOT NULL,
	prev_seq INTEGER NOT NULL,
	id TEXT NOT NULL,
	prev_id TEXT,
	time INTEGER NOT NULL,
	data BLOB
);
-- With kind in it the index alone answers counts; it costs a byte.
CREATE INDEX log_channel ON log (channel, kind) WHERE kind = 0;
CREATE INDEX log_other ON log (kind) WHERE kind > 0;

CREATE TABLE sub (
	n INTEGER PRIMARY KEY,
	owner TEXT NOT NULL,
	channel TEXT NOT NULL,
	address TEXT NOT NULL,
	since INTEGER NOT NULL,
	time INTEGER NOT NULL,
	state INTEGER NOT NULL,
	reason TEXT,
	UNIQUE (channel, owner, address)
);
CREATE INDEX sub_address ON sub (address);

-- What follows seq is held back for owner, up to pin-size.
CREATE TABLE pin (
	owner TEXT PRIMARY KEY,
	seq INTEGER NOT NULL
) WITHOUT ROWID;

-- One process at a time trims.
CREATE TABLE lease (
	name TEXT PRIMARY KEY,
	holder TEXT NOT NULL,
	until INTEGER NOT NULL
) WITHOUT ROWID;
