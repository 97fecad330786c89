"""Run as ``python -m scripts.reference``."""

from . import write

write()
