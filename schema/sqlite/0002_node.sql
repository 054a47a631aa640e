-- What an owner has said of a channel over XMPP (XEP-0060): a text that the
-- store does not look into, and the seq of the row of the log (kind 6) that
-- brought it; 0: nothing was said.  A row of kind 6 says in prev_seq which
-- node_seq it was made from.
ALTER TABLE channel ADD COLUMN node BLOB;
ALTER TABLE channel ADD COLUMN node_seq INTEGER NOT NULL DEFAULT 0;
CREATE INDEX channel_node ON channel (name) WHERE node_seq > 0;
