-- Attaches waft to Prosody (tested with 0.12).  Debian: put it into
-- /etc/prosody/conf.d/waft.cfg.lua; elsewhere `Include` it at the end of
-- prosody.cfg.lua.  Then restart: a reload does not add a component.

-- Where components connect.  XEP-0114 is not encrypted: keep it on loopback, or
-- in a tunnel.
component_ports = { 5347 }
component_interfaces = { "127.0.0.1" }

-- The largest stanza that a component may send; a larger one ends its stream.
-- 512 KiB is the default.  It must be above `stanza-max` of waft (128K) and
-- what splicing an address in adds.
component_stanza_size_limit = 512 * 1024

-- mod_limits, if you use it, throttles clients and other servers (its c2s,
-- s2sin and s2sout), never components: nothing is needed for waft there.

-- The domain of the channels.  Users of every VirtualHost here find it; users
-- of other servers do when DNS has it (SRV _xmpp-server._tcp, or an address).
Component "push.example.org"
	-- The same as `secret` of the section `component` in waft.conf.
	component_secret = "change-me"
	-- When waft or its machine dies without a word, take its new link at
	-- once instead of refusing it (`reason=conflict`) until the old one is
	-- noticed to be dead.
	component_conflict_resolve = "kick_old"
