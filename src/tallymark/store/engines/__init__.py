"""Implementations of the ``Engine`` protocol, one module each."""
