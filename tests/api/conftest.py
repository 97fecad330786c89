"""Servers for the tests of the HTTP surface."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Harness


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """A server that the tests of one module share."""
    with Harness(tmp_path_factory.mktemp("data")) as harness:
        yield harness


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Harness]:
    """A server of its own."""
    with Harness(tmp_path) as harness:
        yield harness
