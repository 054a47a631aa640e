#!/bin/sh
# Checks that #include points only down the list of layers, and that each foreign
# library is included by the one place that owns it.  Prints what breaks it.
set -eu
cd "$(dirname "$0")/.."
git grep -nE '^#include +"(common/|component/|bosh/|webhook/|cli/)' -- \
    'common/*' 'component/*' 'bosh/*' 'webhook/*' 'cli/*' | awk -F'[:"]' '
BEGIN {
	n = split("base http store xmpp channel fetch control", order, " ")
	for (i = 1; i <= n; i++)
		rank["common/" order[i]] = i
	rank["component"] = rank["bosh"] = rank["webhook"] = rank["cli"] = n + 1
}
function layer(path,    parts) {
	split(path, parts, "/")
	return parts[1] == "common" ? parts[1] "/" parts[2] : parts[1]
}
{
	from = layer($1); to = layer($4)
	if (!(from in rank) || !(to in rank)) {
		print $1 ":" $2 ": unknown layer: " $4; bad = 1
	} else if (from != to && rank[to] >= rank[from]) {
		print $1 ":" $2 ": " from " may not include " $4; bad = 1
	}
}
END { exit bad }'
owned() { # header, files that may include it
	found=$(git grep -lE "^#include +<$1" -- '*.c' '*.h' | grep -vE "$2" || true)
	[ -z "$found" ] || { echo "<$1> belongs to $2, not to: $found"; exit 1; }
}
owned 'strophe' '^component/link\.c$'
owned 'sqlite3' '^common/store/|^tests/'
owned 'expat' '^common/base/xml'
owned 'jansson' '^common/base/json\.h$'
owned 'confuse' '^common/base/conf'
owned 'curl/' '^common/fetch/'
owned 'openssl/' '^common/base/(crypto|auth)|^common/http/tls\.c$'
owned 'zlib' '^common/http/gzip\.c$|^tests/'
owned 'wslay/' '^common/http/websocket\.c$'
owned 'stringprep|idna' '^common/xmpp/jid\.c$'
echo "layers: ok"
