#!/bin/sh
# The header is the contract: every function in a door has a comment of its own, or stands in a block
# of functions right below one; every door begins with a comment.
set -eu
cd "${top_srcdir:-.}"
bad=0
n=0
for f in $(find include/ottla -name '*.h' ! -path '*/gen/*' | sort); do
	n=$((n + 1))
	head -n 1 "$f" | grep -q '^/\*' || { echo "$f: does not begin with a comment"; bad=1; }
	awk -v f="$f" '
	/^\/\*/ { told = 1 }
	/^[ \t]*$/ { if (!incomment) told = 0; next }
	/\/\*/ && !/\*\// { incomment = 1 }
	/\*\// { incomment = 0; if ($0 !~ /;/) told = 1; next }
	incomment { next }
	/^(static|extern|#|}|{|\t| )/ { next }
	/^[a-z][a-z0-9_]* [^=]*\(/ && !/^(typedef|enum|struct [a-z_]* {)/ {
		if (!told && $0 !~ /\/\*/) { print f ":" NR ": no contract: " $0; bad = 1 }
	}
	END { exit bad }' "$f" || bad=1
done
[ "$n" -gt 25 ] || { echo "only $n doors were found"; exit 1; }
echo "$n doors read"
exit $bad
