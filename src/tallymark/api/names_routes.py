"""The names a question may use, so that whoever asks can choose instead of remembering."""

from starlette.responses import Response

from .ask_routes import from_store
from .names_answers import Names
from .services import Call, Route


async def names(call: Call) -> Response:
    """Return the names of events, properties and fields."""
    return await from_store(call, "names")


NAMES_ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/tm/v1/names", "read", names, "List the events, properties and fields there are.",
        answer=Names,
    ),
)  # fmt: skip
