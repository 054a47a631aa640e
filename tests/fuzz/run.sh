#!/bin/sh
# usage: run.sh BUILD SECONDS [SECONDS_OF_THE_OTHERS [FUZZER]]
#
# Runs every fuzzer of a build directory, each from its kept corpus, two at a
# time: those of the gateway's pure cores for SECONDS, the others as long or as
# the third argument says.  The last line counts them; ends with 1 when one found
# something.
set -eu
build=$1 seconds=$2 others=${3:-$2}
here=$(cd "$(dirname "$0")" && pwd)

if [ $# -lt 4 ]; then
	names=$(cd "$build/fuzz" && ls | sed -n 's/^fuzz_\([a-z0-9_]*\)$/\1/p')
	for name in $names; do rm -f "$build/$name.passed"; done
	printf '%s\n' $names |
	    xargs -P 2 -I NAME sh "$0" "$build" "$seconds" "$others" NAME
	passed=0 failed=0
	for name in $names; do
		if [ -f "$build/$name.passed" ]; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
		fi
	done
	echo "$passed passed, $failed failed, 0 skipped"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
	exit
fi

name=$4
case $name in
body | http | sasl | session) ;;
*) seconds=$others ;;
esac
mkdir -p "$build/corpus/$name"
set -- "$build/corpus/$name"
[ ! -d "$here/corpus/$name" ] || set -- "$@" "$here/corpus/$name"
[ ! -f "$here/$name.dict" ] || set -- "$@" "-dict=$here/$name.dict"
if "$build/fuzz/fuzz_$name" "$@" -max_total_time="$seconds" -max_len=65536 \
    -timeout=10 -artifact_prefix="$build/$name-" -verbosity=0 \
    -print_final_stats=1 >"$build/$name.log" 2>&1; then
	: >"$build/$name.passed"
else
	echo "FAILED fuzz $name"
	sed -n 's/.*; Base64: /input in base64: /p' "$build/$name.log"
	tail -n 60 "$build/$name.log"
fi
runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log")
echo "fuzz $name: ${runs:-0} runs in $seconds s"
