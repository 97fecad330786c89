"""The version of this distribution, which is not the server's."""

__version__ = "0.1.0"
