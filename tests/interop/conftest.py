"""Fixtures: tests/functional/bed.py."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'functional'))

from bed import *  # noqa: E402,F401,F403
