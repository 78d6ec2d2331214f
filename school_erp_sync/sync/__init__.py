"""The engine, and the pure decisions it takes."""

from . import engine, merge, plan
