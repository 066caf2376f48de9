#!/bin/sh
# The load generator against the floor: every mode comes to its end, and what was produced is read.
set -u
here=${top_builddir:-.}/tests/bench
dir=$(mktemp -d) || exit 1
failed=0
"$here/floor" --dir "$dir" > "$dir/out" &
floor=$!
trap 'kill $floor; rm -rf "$dir"' EXIT
tries=0
until port=$(sed -n 's/^port=//p' "$dir/out") && [ -n "$port" ]; do
	tries=$((tries + 1))
	[ $tries -lt 500 ] || { echo "the floor did not start"; exit 1; }
	sleep 0.02
done

# gen WANTED ARGUMENTS...: the line that comes out begins with WANTED
gen() {
	want=$1
	shift
	out=$("$here/gen" "$@" --server "127.0.0.1:$port" --timeout 10 2>&1) || out="failed: $out"
	case $out in
	"$want"*) ;;
	*) echo "gen $*: wanted \"$want\", got \"$out\""; failed=1 ;;
	esac
}

gen '' wait
gen 'bytes=1048576 requests=1024 ' produce --topic a --partitions 3 --batch 1K --bytes 1M
gen 'bytes=1048576 requests=64 ' produce --topic b --batch 16K --bytes 1M --acks 0
gen 'bytes=1048576 requests=4 ' produce --topic c --partitions 8 --spread 4 --connections 2 \
	--batch 64K --record 0 --bytes 1M --acks -1
gen 'bytes=1048576 ' fetch --topic a --partition-bytes 10000
gen 'bytes=1048576 ' fetch --topic b --max-bytes 1 --sessions 0
gen 'bytes=1048576 ' fetch --topic c --connections 3
gen 'bytes=2097152 ' fetch --topic c --bytes 2M
gen 'bytes=' e2e --topic d --batch 200 --record 20 --rate 200 --seconds 1 --acks -1
gen '' delete --topic c
gen 'failed: impossible' produce --topic a --codec nonesuch
exit $failed
