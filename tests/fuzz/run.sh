#!/bin/sh
# Runs every fuzzer of a build directory for so many seconds, each from its kept
# corpus; ends with 1 when one finds something.
set -eu
build=$1 seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
status=0
for program in "$build"/fuzz/fuzz_*; do
	case $program in *.*) continue ;; esac
	name=${program##*/fuzz_}
	mkdir -p "$build/corpus/$name"
	set -- "$build/corpus/$name"
	[ ! -d "$here/corpus/$name" ] || set -- "$@" "$here/corpus/$name"
	[ ! -f "$here/$name.dict" ] || set -- "$@" "-dict=$here/$name.dict"
	echo "== fuzz $name, $seconds s"
	"$program" "$@" -max_total_time="$seconds" -max_len=65536 -timeout=10 \
	    -artifact_prefix="$build/$name-" -verbosity=0 -print_final_stats=1 \
	    >"$build/$name.log" 2>&1 || { status=1; tail -n 60 "$build/$name.log"; }
	grep -a '^stat::' "$build/$name.log" || true
done
exit $status
