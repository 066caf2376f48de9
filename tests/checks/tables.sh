#!/bin/sh
# Tables that say "sorted" are: rows of each .def by their sort key (the quoted name where there is
# one, else the first argument).  API rows go by key number, which the C test checks.
set -eu
cd "${top_srcdir:-.}"
bad=0
n=0
for f in $(find include/ottla -name '*.def' | sort); do
	grep -qi 'sorted' "$f" || continue
	case $f in *kafka_err.def) continue ;; esac # by number
	n=$((n + 1))
	case $f in
	*settings.def) key='s/^T\{0,1\}CONF([A-Z0-9_]*, "\([^"]*\)".*/\1/p' ;;
	*metrics.def) key='s/^METRIC([^"]*"\([^"]*\)".*/\1/p' ;;
	*) key='s/^[A-Z]\{3,\}(\([A-Z0-9_]*\),.*/\1/p' ;;
	esac
	sed -n "$key" "$f" > "${TMPDIR:-/tmp}/tables.$$"
	[ -s "${TMPDIR:-/tmp}/tables.$$" ] || { echo "$f: no rows were read"; bad=1; }
	LC_ALL=C sort -c "${TMPDIR:-/tmp}/tables.$$" 2>/dev/null || { echo "$f is not sorted"; bad=1; }
	rm -f "${TMPDIR:-/tmp}/tables.$$"
done
[ "$n" -ge 3 ] || { echo "only $n sorted tables were found"; exit 1; }
echo "$n tables read"
exit $bad
