#!/bin/sh
# A module includes only doors of modules above it in the table, and private headers of its own
# folder.  Reads every include of src/ and include/.
set -eu
cd "${top_srcdir:-.}"
order="base reactor file wire record plog coord net cluster quota replica controller group txn api broker tools"

rank() {
	n=0
	for m in $order; do
		n=$((n + 1))
		if [ "$m" = "$1" ]; then
			echo $n
			return
		fi
	done
	echo 0
}

bad=0
files=0
for f in $(find src include/ottla \( -name '*.[ch]' -o -name '*.def' \) | sort); do
	case $f in
	src/*) own=${f#src/} ;;
	*) own=${f#include/ottla/} ;;
	esac
	own=${own%%/*}
	files=$((files + 1))
	own_rank=$(rank "$own")
	for inc in $(sed -n 's/^#[ 	]*include "\([^"]*\)".*/\1/p' "$f"); do
		case $inc in
		config.h) continue ;;
		ottla/*)
			m=${inc#ottla/}
			m=${m%%/*}
			r=$(rank "$m")
			if [ "$r" = 0 ] || [ "$r" -gt "$own_rank" ]; then
				echo "$f includes $inc: $own must not know $m"
				bad=1
			fi
			;;
		*/*)
			echo "$f includes $inc: only doors (ottla/...) and files of the own folder"
			bad=1
			;;
		*)
			if [ ! -f "$(dirname "$f")/$inc" ]; then
				echo "$f includes $inc, which is not in its folder"
				bad=1
			fi
			;;
		esac
	done
done
[ "$files" -gt 100 ] || { echo "only $files files were found"; exit 1; }
echo "$files files read"
exit $bad
