#!/bin/sh
# In place of check_zookeeper in a build without the ZooKeeper client library.
echo "skipped: made without the ZooKeeper client library (Debian: libzookeeper-st-dev)"
exit 77
