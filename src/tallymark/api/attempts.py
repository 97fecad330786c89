"""How often signing in failed lately, by address and by name; bounds guessing."""

from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import TallymarkError

# For an address of mail; one of the network may be that of a whole office.
MOST = 10
MOST_FROM_ONE_PLACE = 100
WITHIN_SECONDS = 15 * 60
_MOST_NAMES = 10_000


class Attempts:
    """Remembers failures of the last minutes, of so many names at most."""

    def __init__(self) -> None:
        self._failed: dict[str, list[int]] = {}

    def take(self, name: str, now: int, *, most: int = MOST) -> None:
        """Count an attempt as failed before it is made, so that many at once gain nothing.

        Raises SIGN_IN_LIMITED if there were too many lately.
        """
        lately = self._lately(name, now)
        if len(lately) >= most:
            wait = (lately[0] + WITHIN_SECONDS * MICROSECONDS - now) // MICROSECONDS + 1
            raise TallymarkError(
                "Signing in failed too often.", code="SIGN_IN_LIMITED", retry_after_seconds=wait
            )
        self._failed.pop(name, None)
        while len(self._failed) >= _MOST_NAMES:
            del self._failed[next(iter(self._failed))]
        self._failed[name] = [*lately, now]

    def give_back(self, name: str) -> None:
        """Take the last attempt for none, because it did not fail."""
        if lately := self._failed.get(name):
            lately.pop()

    def forget(self, name: str) -> None:
        """Forget the failures of a name."""
        self._failed.pop(name, None)

    def _lately(self, name: str, now: int) -> list[int]:
        since = now - WITHIN_SECONDS * MICROSECONDS
        return [at for at in self._failed.get(name, ()) if at > since]
