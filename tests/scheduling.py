"""Which tests one worker runs together, where several share the work."""

from typing import Final

from xdist.scheduler import LoadScopeScheduling

# Long tests that share nothing with those beside them.
_ALONE: Final = ("tests/insights/", "tests/faults/", "tests/docs/", "tests/cli/test_follow")


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Files go whole: each worker that has a test of one starts its server, and its browser, again."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(_ALONE) else nodeid.partition("::")[0]
