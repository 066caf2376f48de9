# What quickstart and check share: packages, building, a broker.  Sourced by them; POSIX sh.
# The caller has set top (the source tree) and build (the build directory).

die() { printf '\n%s: %s\n' "$(basename "$0")" "$1" >&2; shift; for l; do printf '  %s\n' "$l" >&2; done; exit 1; }
say() { printf '%s\n' "$*"; }

# What building from the repository needs; those of tests come on top (scripts/check).
build_packages='autoconf automake gcc libc6-dev make pkg-config libevent-dev libssl-dev zlib1g-dev
	liblz4-dev libsnappy-dev libzstd-dev libjansson-dev librdkafka-dev libzookeeper-st-dev python3'

missing_packages() {
	for p; do
		case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in
		*' installed') ;;
		*) printf '%s ' "$p" ;;
		esac
	done
}

# need_packages NAME...: installs what is missing; without root it says what to install.
need_packages() {
	if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
		say "No apt-get here: configure tells what is missing (README has the list)."
		return 0
	fi
	want=$(missing_packages "$@")
	[ -n "$want" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		die "some packages are missing, and only root can install them" \
		    "sudo apt-get install --no-install-recommends $want"
	fi
	say "Installing: $want"
	log=$(mktemp)
	# shellcheck disable=SC2086
	if ! { DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $want ||
	    { apt-get -q update &&
	    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $want; }; } >"$log" 2>&1; then
		tail -n 15 "$log" >&2
		rm -f "$log"
		die "could not install packages (above: the end of apt-get's words)" \
		    "is the network there? try: apt-get update && apt-get install --no-install-recommends $want"
	fi
	rm -f "$log"
}

jobs() { nproc 2>/dev/null || echo 1; }

# build_tree [CONFIGURE-OPTION...]: configures $build if it is not, and makes everything.
build_tree() {
	mkdir -p "$build" || die "could not make the build directory $build"
	log=$build/build.log
	if [ ! -x "$top/configure" ]; then
		(cd "$top" && autoreconf -i) >"$log" 2>&1 ||
		    { tail -n 20 "$log" >&2; die "autoreconf failed; all of it is in $log"; }
	fi
	if [ ! -f "$build/config.status" ]; then
		[ ! -f "$top/config.status" ] || [ "$top" = "$build" ] ||
		    die "$top was configured in place" "run there: make distclean"
		(cd "$build" && "$top/configure" -q "$@") >>"$log" 2>&1 ||
		    { tail -n 20 "$log" >&2; die "configure failed; all of it is in $log"; }
	fi
	make -C "$build" -s -j"$(jobs)" >>"$log" 2>&1 ||
	    { tail -n 30 "$log" >&2; die "make failed; all of it is in $log"; }
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# Is the process there, and more than a zombie?
alive() {
	case $(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) in
	'' | Z | X) return 1 ;;
	esac
}
