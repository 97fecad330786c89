"""The store that all questions of these tests are asked of."""

from collections.abc import Iterator

import pytest
from tests.insights.asking import Store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("insights"))
    yield made
    made.engine.close()
