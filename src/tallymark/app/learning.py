"""What a process learns before its first thread; see ``core.structs``.

Apart from answering, because the front learns too and must not load the engine.
"""

from tallymark.collect.protocol import Protocol
from tallymark.core.registry import discover
from tallymark.core.structs import learn
from tallymark.insights.insight import Insight


def learn_all() -> None:
    """Import every insight and protocol and learn their structs, while there is one thread."""
    discover("tallymark.insights", Insight)
    discover("tallymark.collect.protocols", Protocol)
    learn()
