"""A parser for a command of many, of which one is used."""

import argparse
from collections.abc import Callable
from typing import Any


class LazyParser(argparse.ArgumentParser):
    """A parser whose flags are made when it is used: those of all insights take half a second."""

    def __init__(
        self, *args: Any, flags: Callable[[Any], None] | None = None, **named: Any
    ) -> None:
        super().__init__(*args, **named)
        self._missing = flags

    def complete(self) -> None:
        """Make the flags, unless they are made."""
        if self._missing is not None:
            make, self._missing = self._missing, None
            make(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as any parser does; raises SystemExit where the arguments are wrong."""
        self.complete()
        return super().parse_known_args(args, namespace)
