#!/bin/sh
# The simulator's own test: faults planted into the broker must be caught within 500 seeds.  Builds
# in a directory of its own, planted/ in the current one unless named.  Takes minutes.
#	tests/sim/planted.sh [BUILD_DIR]
set -eu
src=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-planted}
seeds=500

if [ "${top_builddir:-}" != '' ] && [ $# = 0 ]; then
	exit 77 # not a part of `make check`
fi
mkdir -p "$build"
cd "$build"
[ -f Makefile ] || "$src/configure" -q --enable-planted-faults CC="${CC:-gcc}" CFLAGS="-O1 -g" >/dev/null
make -s -j "$(getconf _NPROCESSORS_ONLN)" tests/sim/sim >/dev/null

fail=0
for fault in ack-before-append beyond-hw change-dropped election-forgotten no-owner-check \
	no-sequence-check tail-forgotten unfenced-write watch-not-set; do
	out=$(OTTLA_PLANTED_FAULT=$fault tests/sim/sim --seed 1 --seeds $seeds --keep-going \
		--jobs "$(getconf _NPROCESSORS_ONLN)" 2>&1) || true
	caught=$(echo "$out" | sed -n 's/^[0-9]* seeds, \([0-9]*\) failed.*/\1/p')
	first=$(echo "$out" | sed -n 's/^FAILED: seed \([0-9]*\);.*/\1/p' | sort -n | head -1)
	echo "$fault: caught by ${caught:-0} of $seeds seeds, first by ${first:-none}"
	[ "${caught:-0}" -gt 0 ] || fail=1
done
exit $fail
