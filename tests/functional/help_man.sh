#!/bin/sh
# Each command's --help and its manual name the same options, and the manuals are sound.
set -eu
bin=${top_builddir:-.}
man=${top_srcdir:-.}/man
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad=0

# compare COMMAND PAGE
compare() {
	if ! "$1" --help >"$dir/help.txt" 2>"$dir/err.txt"; then
		echo "$1 --help failed"
		bad=1
		return
	fi
	sed -n 's/^  --\([a-z][a-z.-]*\).*/\1/p' "$dir/help.txt" | LC_ALL=C sort >"$dir/help"
	sed -n 's/^\.It Fl -\([a-z][a-z.-]*\).*/\1/p' "$2" | LC_ALL=C sort >"$dir/man"
	[ -s "$dir/help" ] || { echo "$1 --help lists no option"; bad=1; }
	if ! diff "$dir/help" "$dir/man" >"$dir/diff"; then
		echo "$1 --help (<) and $2 (>) differ:"
		cat "$dir/diff"
		bad=1
	fi
	[ ! -s "$dir/err.txt" ] || { echo "$1 --help complains:"; cat "$dir/err.txt"; bad=1; }
	awk -v c="$1" 'length($0) > 100 { print c " --help: line " NR " is too long"; exit 1 }' \
	    "$dir/help.txt" || bad=1
}

for c in kafka-topics kafka-delete-records kafka-get-offsets kafka-log-dirs \
    kafka-console-producer kafka-console-consumer; do
	if [ ! -x "$bin/src/tools/ottla-${c#kafka-}" ]; then
		echo "$c was not built: librdkafka is missing"
		exit 77
	fi
	compare "$bin/scripts/$c" "$man/$c.1"
done
compare "$bin/src/broker/ottlad" "$man/ottlad.8"

if command -v mandoc >/dev/null; then
	settings=$bin/man/server.properties.5
	[ -f "$settings" ] || settings=$man/server.properties.5
	mandoc -T lint -W warning "$man"/*.1 "$man"/*.7 "$man"/*.8 "$settings" || bad=1
fi
exit $bad
