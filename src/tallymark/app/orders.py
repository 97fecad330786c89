"""What the front tells a store process at its start.

A module of its own, so that the front need not import what only the store process runs: the engine
took a third of its start, and memory for nothing.
"""

from msgspec import Struct

from tallymark.core.settings import Settings


class StoreOrders(Struct, frozen=True):
    """What the front tells a store process at its start, as one line on standard input."""

    settings: Settings
    last_exit: int = 0
