"""Tallymark from Python: ``tallymark.connect(path_or_url)``.

>>> with tallymark.connect("data") as tm:
...     tm.send({"name": "signup", "user_id": "ana"})
...     tm.wait()
...     tm.ask("trends", series=[{"event": "signup"}]).to_pandas()
"""

from pathlib import Path

from tallymark.core.errors import Refused

from .answer import Answer
from .client import Client, SendResult
from .private import ensure_served, front_socket
from .transport import Transport

__all__ = ["Answer", "Client", "SendResult", "connect"]


def connect(
    path_or_url: str | Path,
    *,
    key: str | None = None,
    project: str | None = None,
    starts: bool = True,
) -> Client:
    """Return a client of the server at a URL, or of the one that serves a data folder.

    A URL needs a ``key``, and the key names its project. A folder needs none, because only its
    owner can open its socket; ``project`` chooses the project. If nobody serves the folder, a
    private server runs until the client closes, unless ``starts`` is False: then calls fail while
    nobody serves it. Raises Unavailable SERVER_AWAY if none starts.
    """
    address = str(path_or_url)
    if address.startswith(("http://", "https://")):
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return Client(Transport(address, headers=headers), project=project)
    if "://" in address:
        raise Refused(
            f"{address!r} is neither a folder nor an http(s) address.",
            code="SETTING_INVALID",
            hint="Give a data folder such as ./data, or an address such as http://127.0.0.1:8410.",
        )
    data = Path(path_or_url).expanduser().absolute()
    server = ensure_served(data) if starts else None
    return Client(Transport(front_socket(data), headers={}), project=project, server=server)
