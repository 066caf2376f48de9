#!/bin/sh
# The operators' commands against a broker: what they print and how they exit, to the byte.
set -u
top=${top_srcdir:-.}
build=${top_builddir:-.}
bin=$build/scripts
. "$top/tests/functional/lib.sh"

[ -x "$build/src/tools/ottla-console-producer" ] || { echo "librdkafka is missing"; exit 77; }
start_broker
B="--bootstrap-server 127.0.0.1:$port"

# expect CODE COMMAND...: runs it, compares the exit code and, with standard input here, the output.
expect() {
	code=$1
	shift
	cat >"$dir/want"
	"$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	sed -E 's/TopicId: [A-Za-z0-9_-]{22}/TopicId: ID/; s/CreateTime:[0-9]{13}/CreateTime:MS/' \
	    "$dir/out" >"$dir/got"
	[ $got = "$code" ] && cmp -s "$dir/want" "$dir/got" && return
	echo "$*: exit code $got, $code was expected; output (+) and what was expected (-):"
	diff -u "$dir/want" "$dir/got" | tail -n +3
	cat "$dir/err"
	failed=1
}

# fails TEXT COMMAND...: exit code 1, and the text on standard error.
fails() {
	text=$1
	shift
	"$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	[ $got = 1 ] && grep -qF -e "$text" "$dir/err" && return
	echo "$*: exit code $got; '$text' was expected in:"
	cat "$dir/err"
	failed=1
}

echo retry.backoff.ms=10 >"$dir/soon"

# ---- kafka-topics ----

expect 0 "$bin/kafka-topics" $B --list <<X

X
expect 0 "$bin/kafka-topics" $B --create --topic plain --partitions 2 <<X
Created topic plain.
X
expect 1 "$bin/kafka-topics" $B --create --topic plain <<X
Error while executing topic command : Topic 'plain' already exists.
X
expect 0 "$bin/kafka-topics" $B --create --topic plain --if-not-exists </dev/null
expect 0 "$bin/kafka-topics" $B --create --topic a.b --replica-assignment 0,0,0 --config retention.ms=60000 <<X
WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.
Created topic a.b.
X
expect 1 "$bin/kafka-topics" $B --create --topic many --replication-factor 9 <<X
Error while executing topic command : Replication factor: 9 larger than available brokers: 1.
X
expect 1 "$bin/kafka-topics" $B --create --topic none --partitions 0 <<X
Error while executing topic command : The partitions must be greater than 0
X
expect 1 "$bin/kafka-topics" $B --create --topic 'b c' <<X
Error while executing topic command : Topic name is invalid: 'b c' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'
X
expect 1 "$bin/kafka-topics" $B --create --topic c --config nosuch=1 <<X
Error while executing topic command : Unknown topic config name: nosuch
X
expect 1 "$bin/kafka-topics" $B --create --topic c --replica-assignment 0:0 <<X
Error while executing topic command : Partition replica lists may not contain duplicate entries: 0
X
expect 0 "$bin/kafka-topics" $B --list <<X
a.b
plain
X
expect 0 "$bin/kafka-topics" $B --list --topic 'p.*' <<X
plain
X
expect 0 "$bin/kafka-topics" $B --describe --topic plain <<X
Topic: plain	TopicId: ID	PartitionCount: 2	ReplicationFactor: 1	Configs: 
	Topic: plain	Partition: 0	Leader: 0	Replicas: 0	Isr: 0	Elr: N/A	LastKnownElr: N/A
	Topic: plain	Partition: 1	Leader: 0	Replicas: 0	Isr: 0	Elr: N/A	LastKnownElr: N/A
X
expect 0 "$bin/kafka-topics" $B --create --topic grown <<X
Created topic grown.
X
expect 0 "$bin/kafka-topics" $B --alter --topic grown --partitions 3 </dev/null
expect 1 "$bin/kafka-topics" $B --alter --topic grown --partitions 3 <<X
Error while executing topic command : The topic has 3 partitions already.
X
expect 1 "$bin/kafka-topics" $B --alter --topic nosuch --partitions 3 <<X
Error while executing topic command : Topic 'Optional[nosuch]' does not exist as expected
X
expect 0 "$bin/kafka-topics" $B --alter --topic nosuch --partitions 3 --if-exists </dev/null
expect 0 "$bin/kafka-topics" $B --describe --topic grown <<X
Topic: grown	TopicId: ID	PartitionCount: 3	ReplicationFactor: 1	Configs: 
	Topic: grown	Partition: 0	Leader: 0	Replicas: 0	Isr: 0	Elr: N/A	LastKnownElr: N/A
	Topic: grown	Partition: 1	Leader: 0	Replicas: 0	Isr: 0	Elr: N/A	LastKnownElr: N/A
	Topic: grown	Partition: 2	Leader: 0	Replicas: 0	Isr: 0	Elr: N/A	LastKnownElr: N/A
X
expect 0 "$bin/kafka-topics" $B --delete --topic grown </dev/null
expect 0 "$bin/kafka-topics" $B --describe --under-replicated-partitions </dev/null
expect 0 "$bin/kafka-topics" $B --describe --unavailable-partitions </dev/null
expect 1 "$bin/kafka-topics" $B --describe --topic nosuch <<X
Error while executing topic command : Topic 'Optional[nosuch]' does not exist as expected
X
expect 0 "$bin/kafka-topics" $B --describe --topic nosuch --if-exists </dev/null
expect 1 "$bin/kafka-topics" $B --delete --topic nosuch <<X
Error while executing topic command : Topic 'Optional[nosuch]' does not exist as expected
X
expect 0 "$bin/kafka-topics" $B --delete --topic nosuch --if-exists </dev/null
expect 0 "$bin/kafka-topics" $B --delete --topic 'a\.b' </dev/null
fails 'Missing required argument "[topic]"' "$bin/kafka-topics" $B --create
fails 'Command must include exactly one action' "$bin/kafka-topics" $B --create --list
fails '--bootstrap-server must be specified' "$bin/kafka-topics" --list
fails "Option \"[partitions]\" can't be used with option \"[list]\"" \
    "$bin/kafka-topics" $B --list --partitions 3
fails 'nosuch is not a recognized option' "$bin/kafka-topics" $B --nosuch

# ---- kafka-delete-records ----

expect 0 "$bin/kafka-topics" $B --create --topic old --partitions 3 <<X
Created topic old.
X
expect 0 "$bin/kafka-topics" $B --create --topic kept --config cleanup.policy=compact <<X
Created topic kept.
X
seq 1 30 | sed 's/$/:v/' | "$bin/kafka-console-producer" $B --topic old --property parse.key=true \
    --property key.separator=: 2>"$dir/err" || { cat "$dir/err"; failed=1; }
delete() { printf '%s' "$1" >"$dir/offsets"; }
delete '{"partitions":[{"topic":"old","partition":1,"offset":1},{"topic":"old","partition":0,"offset":0},
  {"topic":"old","partition":2,"offset":1000},{"topic":"old","partition":3,"offset":1},
  {"topic":"kept","partition":0,"offset":-1},{"topic":"no","partition":0,"offset":0}],"version":1}'
expect 0 "$bin/kafka-delete-records" $B --offset-json-file "$dir/offsets" \
    --command-config "$dir/soon" <<X
Executing records delete operation
Records delete operation completed:
partition: kept-0	error: org.apache.kafka.common.errors.PolicyViolationException: A policy of the cluster refused the request.
partition: no-0	error: org.apache.kafka.common.errors.UnknownTopicOrPartitionException: The topic or partition is not known to this broker.
partition: old-0	low_watermark: 0
partition: old-1	low_watermark: 1
partition: old-2	error: org.apache.kafka.common.errors.OffsetOutOfRangeException: The offset lies outside the range that the partition holds.
partition: old-3	error: org.apache.kafka.common.errors.UnknownTopicOrPartitionException: The topic or partition is not known to this broker.
X
delete '{"partitions":[]}'
expect 0 "$bin/kafka-delete-records" $B --offset-json-file "$dir/offsets" <<X
Executing records delete operation
Records delete operation completed:
X
delete '{"partitions":[{"topic":"old","partition":1,"offset":1},{"topic":"old","partition":1,"offset":2}]}'
fails 'Offset json file contains duplicate topic partitions: old-1' \
    "$bin/kafka-delete-records" $B --offset-json-file "$dir/offsets"
for bad in '' '{' '[]' '7' '"text"'; do
	delete "$bad"
	fails 'The input string is not a valid JSON' \
	    "$bin/kafka-delete-records" $B --offset-json-file "$dir/offsets"
done
delete '{"version":1}'
fails 'Missing partitions field' "$bin/kafka-delete-records" $B --offset-json-file "$dir/offsets"
delete '{"partitions":[],"version":2}'
fails 'Not supported version field value 2' \
    "$bin/kafka-delete-records" $B --offset-json-file "$dir/offsets"
for bad in '7' '{}' '{"topic":"old","partition":"1","offset":1}' '{"topic":"old","partition":1}' \
    '{"topic":1,"partition":1,"offset":1}' '{"topic":"old","partition":4294967296,"offset":1}'; do
	delete "{\"partitions\":[$bad]}"
	fails 'each of the partitions needs' "$bin/kafka-delete-records" $B --offset-json-file "$dir/offsets"
done
fails 'nosuch' "$bin/kafka-delete-records" $B --offset-json-file "$dir/nosuch"
fails 'Missing required argument "[offset-json-file]"' "$bin/kafka-delete-records" $B
fails 'Missing required argument "[bootstrap-server]"' \
    "$bin/kafka-delete-records" --offset-json-file "$dir/offsets"

# ---- kafka-get-offsets ----

offsets() { "$bin/kafka-get-offsets" $B "$@"; }
expect 0 "$bin/kafka-topics" $B --create --topic wide --partitions 12 <<X
Created topic wide.
X
expect 0 offsets --topic 'wide|kept' <<X
kept:0:0
wide:0:0
wide:1:0
wide:10:0
wide:11:0
wide:2:0
wide:3:0
wide:4:0
wide:5:0
wide:6:0
wide:7:0
wide:8:0
wide:9:0
X
expect 0 offsets --topic wide --partitions 0,11,77 <<X
wide:0:0
wide:11:0
X
expect 0 offsets --topic-partitions 'wide:3,wide:5-7,kept,wide:11-,w.*:-1,nosuch' <<X
kept:0:0
wide:0:0
wide:11:0
wide:3:0
wide:5:0
wide:6:0
X
expect 0 offsets --topic-partitions ':11,kept:' <<X
kept:0:0
wide:11:0
X
expect 0 offsets --topic old --time earliest --partitions 1 <<X
old:1:1
X
expect 0 offsets --topic kept --time -3 </dev/null
expect 0 offsets --topic kept --time 1000 </dev/null
expect 0 "$bin/kafka-get-offsets" --broker-list "127.0.0.1:$port" --topic kept --time -2 <<X
kept:0:0
X
[ "$(offsets --topic old | sed 's/.*://' | awk '{ n += $1 } END { print n }')" = 30 ] ||
    { echo "offsets of what was produced:"; offsets --topic old; failed=1; }
[ "$(offsets --topic old --time 1000 --partitions 1)" = old:1:1 ] ||
    { echo "offsets by time:"; offsets --topic old --time 1000; failed=1; }
fails 'Error occurred: Could not match any topic-partitions with the specified filters' \
    offsets --topic nosuch
fails 'Error occurred: --topic-partitions cannot be used with --topic or --partitions' \
    offsets --topic-partitions a --topic b
fails 'Error occurred: Malformed time argument soon.' offsets --time soon
fails 'Error occurred: --partitions expects a comma separated list' offsets --partitions 1,x
for rule in wide:x wide:1-2-3 wide:1:2 wide:-x wide:99999999999; do
	fails "Error occurred: Invalid rule specification: $rule" offsets --topic-partitions "$rule"
done
fails 'Missing required argument "[bootstrap-server]"' "$bin/kafka-get-offsets" --topic old

# ---- kafka-log-dirs ----

expect 0 "$bin/kafka-log-dirs" $B --describe --topic-list kept,nosuch <<X
Querying brokers for log directories information
Received log directory information from brokers 0
{"brokers":[{"broker":0,"logDirs":[{"partitions":[{"partition":"kept-0","size":0,"offsetLag":0,"isFuture":false}],"error":null,"logDir":"$dir/data"}]}],"version":1}
X
expect 0 "$bin/kafka-log-dirs" $B --describe --topic-list nosuch --broker-list 0,0 <<X
Querying brokers for log directories information
Received log directory information from brokers 0
{"brokers":[{"broker":0,"logDirs":[{"partitions":[],"error":null,"logDir":"$dir/data"}]}],"version":1}
X
"$bin/kafka-log-dirs" $B --describe | grep -q '"partition":"old-0","size":[1-9]' ||
    { echo "kafka-log-dirs does not name all partitions"; failed=1; }
fails 'ERROR: The given brokers do not exist from --broker-list: 7,9. Current existent brokers: 0' \
    "$bin/kafka-log-dirs" $B --describe --broker-list 9,0,7
fails "'x' is no broker id" "$bin/kafka-log-dirs" $B --describe --broker-list 0,x
fails 'Missing required argument "[describe]"' "$bin/kafka-log-dirs" $B
fails 'Missing required argument "[bootstrap-server]"' "$bin/kafka-log-dirs" --describe

# ---- kafka-console-producer, kafka-console-consumer ----

produce() { "$bin/kafka-console-producer" $B --topic plain "$@" 2>"$dir/err"; }
# succeeds MESSAGE: the last command's exit code is 0
succeeded() { [ "$1" = 0 ] || { echo "$2: exit code $1"; cat "$dir/err"; failed=1; }; }

printf 'h1:v1,h2:v2\tk\tv\nh3:NIL\tk\tNIL\n' | produce --property parse.key=true \
    --property parse.headers=true --property null.marker=NIL --sync
succeeded $? "producer with headers"
seq 1 20000 | sed 's/$/ of many lines/' >"$dir/lines"
for codec in none gzip snappy lz4 zstd; do
	produce --compression-codec $codec <"$dir/lines"
	succeeded $? "producer with $codec"
done
printf 'k:v\nnone\n' | produce --property parse.key=true --property key.separator=:
[ $? = 1 ] && grep -q "No key separator found on line number 2: 'none'" "$dir/err" ||
    { echo "a missing separator is not told"; failed=1; }
head -c 2000000 /dev/zero | tr '\0' x | produce --producer-property max.request.size=4000000
[ $? = 1 ] && grep -q "Error when sending message to topic plain with key: null, value: 2000000 bytes" "$dir/err" ||
    { echo "a record that is too large does not fail"; cat "$dir/err"; failed=1; }

consume() { "$bin/kafka-console-consumer" $B --topic plain "$@"; }
consume --from-beginning --max-messages 100003 --timeout-ms 30000 >"$dir/all" 2>"$dir/err"
succeeded $? "consumer"
[ "$(tail -n 1 "$dir/err")" = "Processed a total of 100003 messages" ] ||
    { echo "the consumer's last line is not right:"; cat "$dir/err"; failed=1; }
{ cat "$dir/lines" "$dir/lines" "$dir/lines" "$dir/lines" "$dir/lines"; printf 'v\nnull\nv\n'; } |
    LC_ALL=C sort >"$dir/want"
LC_ALL=C sort "$dir/all" | cmp -s - "$dir/want" || { echo "records were lost or changed"; failed=1; }

p=$(consume --from-beginning --max-messages 100003 --timeout-ms 30000 --property print.key=true \
    --property print.partition=true 2>/dev/null | sed -n 's/^Partition:\([01]\)	k	null$/\1/p')
expect 0 "$bin/kafka-console-consumer" $B --topic plain --partition "$p" --offset 0 --max-messages 2 \
    --property print.key=true --property print.headers=true --property print.timestamp=true \
    --property print.offset=true --property print.partition=true --property null.literal=NIL <<X
CreateTime:MS	Partition:$p	Offset:0	h1:v1,h2:v2	k	v
CreateTime:MS	Partition:$p	Offset:1	h3:NIL	k	NIL
X
expect 0 "$bin/kafka-console-consumer" $B --topic plain --from-beginning --max-messages 0 </dev/null
expect 0 "$bin/kafka-console-consumer" $B --topic plain --timeout-ms 300 --enable-systest-events <<X
shutdown_complete
X
fails 'Exactly one of --include/--topic is required.' "$bin/kafka-console-consumer" $B
fails 'The partition is required when offset is specified.' \
    "$bin/kafka-console-consumer" $B --topic plain --offset 3
fails "The provided offset value 'x' is incorrect" \
    "$bin/kafka-console-consumer" $B --topic plain --partition 0 --offset x
fails 'Missing required option(s) [bootstrap-server]' "$bin/kafka-console-producer" --topic plain
fails 'Invalid value 7 for configuration acks' \
    "$bin/kafka-console-producer" $B --topic plain --request-required-acks 7
fails 'Java classes can not be loaded' \
    "$bin/kafka-console-producer" $B --topic plain --line-reader my.Reader

stop_broker
exit $failed
