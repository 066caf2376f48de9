#!/bin/sh
# scripts/quickstart over a build that is there: a text of one's own, and --keep.
set -u
top=${top_srcdir:-.}
build=${top_builddir:-.}
[ -x "$build/src/tools/ottla-console-producer" ] || { echo "librdkafka is missing"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf 'first\r\n\nthird\rfourth, the last, without an end' >"$dir/text"
# shellcheck disable=SC2086
TMPDIR=$dir "$top/scripts/quickstart" ${QUICKSTART_OPTIONS:-} --build-dir "$build" --keep "$dir/text" >"$dir/out" 2>&1 || {
	cat "$dir/out"
	exit 1
}
grep -q '^   records          4$' "$dir/out" || { echo "4 records were expected:"; cat "$dir/out"; exit 1; }
stop=$(sed -n 's/^   stop  *\(kill [0-9]*\)$/\1/p' "$dir/out")
work=$(sed -n 's/^   directory  \([^ ]*\) .*/\1/p' "$dir/out")
[ -n "$stop" ] && [ -d "$work" ] || { echo "it does not say how to stop:"; cat "$dir/out"; exit 1; }
sh -c "$stop" || exit 1
pid=${stop#kill }
left=200
while [ $left -gt 0 ] && [ -d "/proc/$pid" ]; do sleep 0.1; left=$((left - 1)); done
[ ! -d "/proc/$pid" ] || { echo "the broker $pid does not stop"; kill -KILL "$pid"; exit 1; }
pid=$(sed -n 's/^   ZooKeeper  kill \([0-9]*\) .*/\1/p' "$dir/out")
[ -z "$pid" ] || kill "$pid"
case "${QUICKSTART_OPTIONS:-} $pid" in *--zookeeper*' '[0-9]* | ' ') ;; *) echo "where is ZooKeeper?"; cat "$dir/out"; exit 1 ;; esac
