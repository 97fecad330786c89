"""Send uses to Tallymark: ``Client`` batches, retries and spools them; nothing here blocks its caller.

Standard library only.
"""

from .client import Client, Use
from .middleware import AsgiMiddleware, WsgiMiddleware
from .version import __version__

__all__ = ["AsgiMiddleware", "Client", "Use", "WsgiMiddleware", "__version__"]
