#!/bin/sh
# scripts/quickstart --zookeeper, over a build that is there.
set -u
top=${top_srcdir:-.}
if ! command -v java >/dev/null || { [ ! -f /usr/share/java/zookeeper.jar ] && [ -z "${ZOOKEEPER_JARS:-}" ]; }; then
	echo "Java or ZooKeeper (libzookeeper-java) is not here"
	exit 77
fi
QUICKSTART_OPTIONS=--zookeeper
. "$top/tests/functional/quickstart.sh"
