"""How often signing in failed lately, by address and by name; bounds guessing."""

from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import TallymarkError

MOST = 10
WITHIN_SECONDS = 15 * 60
_MOST_NAMES = 10_000


class Attempts:
    """Remembers failures of the last minutes, of so many names at most."""

    def __init__(self) -> None:
        self._failed: dict[str, list[int]] = {}

    def check(self, *names: str, now: int) -> None:
        """Raise SIGN_IN_LIMITED while one of the names failed too often."""
        for name in names:
            lately = self._lately(name, now)
            if len(lately) >= MOST:
                wait = (lately[0] + WITHIN_SECONDS * MICROSECONDS - now) // MICROSECONDS + 1
                raise TallymarkError(
                    "Signing in failed too often.",
                    code="SIGN_IN_LIMITED",
                    retry_after_seconds=wait,
                )

    def fail(self, *names: str, now: int) -> None:
        """Note a failure of each name."""
        for name in names:
            lately = [*self._lately(name, now), now]
            self._failed.pop(name, None)
            while len(self._failed) >= _MOST_NAMES:
                del self._failed[next(iter(self._failed))]
            self._failed[name] = lately[-MOST:]

    def succeed(self, name: str) -> None:
        """Forget the failures of a name."""
        self._failed.pop(name, None)

    def _lately(self, name: str, now: int) -> list[int]:
        since = now - WITHIN_SECONDS * MICROSECONDS
        return [at for at in self._failed.get(name, ()) if at > since]
