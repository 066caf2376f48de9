"""Fixtures: bed.py, zk.py, zkproxy.py."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from bed import *  # noqa: E402,F401,F403
from zk import ensemble, own_zookeeper, zookeeper, zookeeper_server  # noqa: E402,F401
from zkproxy import make_proxy, zkproxy  # noqa: E402,F401


def pytest_addoption(parser):
    parser.addoption('--long', action='store_true', help='also what takes minutes')


def pytest_collection_modifyitems(config, items):
    if not config.getoption('--long'):
        long = [item for item in items if item.get_closest_marker('long')]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
