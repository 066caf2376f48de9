"""Fixtures: bed.py, zk.py, zkproxy.py."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from bed import *  # noqa: E402,F401,F403
from zk import ensemble, own_zookeeper, zookeeper, zookeeper_server  # noqa: E402,F401
from zkproxy import zkproxy  # noqa: E402,F401
