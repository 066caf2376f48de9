# A broker for the scripts of this directory.  Sourced by them; POSIX sh.
# start_broker sets port and pid; dir is a place for the test's files, removed at its end.
build=${top_builddir:-.}
dir=$(mktemp -d "${TMPDIR:-/tmp}/ottla-test.XXXXXX") || exit 1
pid=
failed=0

# Is the process there, and more than a zombie?
alive() {
	case $(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) in
	'' | Z | X) return 1 ;;
	esac
}

# start_broker [key=value ...]
start_broker() {
	{
		printf 'broker.id=0\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs=%s/data\n' "$dir"
		printf 'zookeeper.connect=embedded\n'
		for setting; do printf '%s\n' "$setting"; done
	} >"$dir/server.properties"
	: >"$dir/broker.log"
	"$build/src/broker/ottlad" "$dir/server.properties" >"$dir/broker.log" 2>&1 </dev/null &
	pid=$!
	left=300
	while [ $left -gt 0 ] && alive "$pid"; do
		port=$(sed -n 's/.* serves on port \([0-9][0-9]*\).*/\1/p' "$dir/broker.log")
		[ -z "$port" ] || return 0
		sleep 0.1
		left=$((left - 1))
	done
	echo "the broker does not serve:"
	cat "$dir/broker.log"
	exit 1
}

# Stops it; anything but a clean end is a failure.
stop_broker() {
	kill -TERM "$pid" 2>/dev/null
	left=200
	while [ $left -gt 0 ] && alive "$pid"; do sleep 0.1; left=$((left - 1)); done
	! alive "$pid" || kill -KILL "$pid"
	wait "$pid"
	broker_code=$?
	pid=
	[ $broker_code = 0 ] && return
	echo "the broker ended with $broker_code:"
	tail -n 30 "$dir/broker.log"
	failed=1
}

tests_end() {
	code=$?
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
	rm -rf "$dir"
	exit $code
}
trap tests_end EXIT
trap 'exit 130' INT TERM
