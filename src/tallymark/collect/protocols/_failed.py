"""Lines of a file that gave no event, sent along so that they are kept and counted as well."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from tallymark.collect.protocol import Caller
from tallymark.core.errors import CODES, Refused
from tallymark.core.event import Failed
from tallymark.core.settings import Settings

from ._checks import check_id
from ._wire import WireFailed

_LONGEST_MESSAGE = 1000


def failed_lines(
    given: Sequence[WireFailed] | UnsetType, caller: Caller, settings: Settings
) -> list[Failed]:
    """Return the lines as failed items; raises Refused unless the owner of the folder sends them.

    From anybody else they would be claims about events that nobody can look into.
    """
    if given is UNSET:
        return []
    if caller.kind != "local":
        raise Refused("failed is for the owner's own loads.", code="RESERVED_KEY", path="failed")
    return [_failed(line, settings) for line in given]


def _failed(line: WireFailed, settings: Settings) -> Failed:
    code = CODES.get(line.code)
    if code is None:
        raise Refused(f"There is no code {line.code[:100]!r}.", path="failed.code")
    message = line.message.replace("\0", "")
    check_id(line.id, "failed.id", settings.max_id_bytes)
    return Failed(
        code=code.code,
        stage=code.stage,
        message=message if len(message) <= _LONGEST_MESSAGE else code.meaning,
        id=line.id,
        raw=line.raw[: settings.max_failed_bytes],
        raw_bytes=max(line.raw_bytes, len(line.raw)),
        line=line.line,
    )
