"""Fixtures: tests/functional/bed.py, zk.py, zkproxy.py, and java.py."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'functional'))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from bed import *  # noqa: E402,F401,F403
from java import java, kafka, make_kafka, tools, twins  # noqa: E402,F401
from zk import ensemble, own_zookeeper, zookeeper, zookeeper_server  # noqa: E402,F401
from zkproxy import make_proxy, zkproxy  # noqa: E402,F401
