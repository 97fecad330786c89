"""Tallymark records every use once, durably, and answers every question from it."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallymark.client import Answer as Answer
    from tallymark.client import Client as Client
    from tallymark.client import connect as connect

__version__ = "0.1.0"
__all__ = ["Answer", "Client", "__version__", "connect"]


def __getattr__(name: str) -> Any:
    # The client is loaded when it is first asked for, so that `import tallymark` stays light.
    if name in __all__:
        return getattr(importlib.import_module("tallymark.client"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
