"""Annotations: what happened at an instant, beside the numbers it explains."""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from tallymark.catalog.annotations import LONGEST_TEXT, Annotation, AnnotationKind, Note
from tallymark.core.clock import rfc3339
from tallymark.core.errors import InvalidQuery, Refused
from tallymark.insights.ranges import instant_of, zone_of

from .bodies import json_answer
from .saved_routes import Removed, forget, who
from .services import Call, Route


class AnnotationToSave(Struct, frozen=True, forbid_unknown_fields=True):
    """An annotation to keep."""

    at: Annotated[str, Meta(description="RFC 3339 instant, such as 2026-11-22T10:00:00Z.", max_length=40)]  # fmt: skip
    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT)]
    kind: AnnotationKind = "note"


class ToldAnnotation(Struct, frozen=True):
    """What happened: an instant in UTC, a text, and of which kind it is."""

    id: str
    at: str
    text: str
    kind: AnnotationKind
    owner: str
    updated_at: int


class Annotations(Struct, frozen=True):
    """Every annotation of the project, by instant."""

    annotations: list[ToldAnnotation]


async def list_annotations(call: Call) -> Response:
    """Return every annotation of the project."""
    kept = call.services.catalog.annotations
    found = await asyncio.to_thread(kept.all, call.caller.project.id)
    return json_answer(Annotations([_told(one) for one in found]))


async def add_annotation(call: Call) -> Response:
    """Keep an annotation."""
    note = _note(await call.order(AnnotationToSave))
    project, now = call.params["project"], call.services.clock.now()
    kept = call.services.catalog.annotations
    made = await asyncio.to_thread(lambda: kept.add(project, note, who(call), now=now))
    return json_answer(_told(made), status=201)


async def change_annotation(call: Call) -> Response:
    """Replace what an annotation says."""
    note = _note(await call.order(AnnotationToSave))
    project, now = call.params["project"], call.services.clock.now()
    kept = call.services.catalog.annotations
    return json_answer(
        _told(await asyncio.to_thread(lambda: kept.change(project, call.params["id"], note, now=now)))
    )  # fmt: skip


async def remove_annotation(call: Call) -> Response:
    """Forget an annotation: one's own, or as an admin anybody's."""
    return await forget(call, call.services.catalog.annotations)


def _note(order: AnnotationToSave) -> Note:
    try:
        # A date alone is midnight somewhere, and where it is has to be said.
        if len(order.at) < len("2026-11-22T10:00Z"):
            raise InvalidQuery("It says no time of day.")
        at_us = instant_of(order.at, zone_of("UTC"), path="at")
    except InvalidQuery as error:
        raise Refused(
            f"{order.at!r} is no instant.", code="TIME_UNPARSABLE", path="at",
            hint="Use RFC 3339, such as 2026-11-22T10:00:00Z.",
        ) from error  # fmt: skip
    return Note(at_us, order.text, order.kind)


def _told(kept: Annotation) -> ToldAnnotation:
    return ToldAnnotation(
        kept.id, rfc3339(kept.at_us), kept.text, kept.kind, kept.owner, kept.updated_at
    )


ANNOTATION_ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/tm/v1/annotations", "read", list_annotations, "List the annotations.",
        answer=Annotations,
    ),
    Route(
        "POST", "/tm/v1/projects/{project}/annotations", "local", add_annotation,
        "Add an annotation.", body=AnnotationToSave, answer=ToldAnnotation, status=201,
        role="analyst",
    ),
    Route(
        "PUT", "/tm/v1/projects/{project}/annotations/{id}", "local", change_annotation,
        "Change an annotation.", body=AnnotationToSave, answer=ToldAnnotation, role="analyst",
    ),
    Route(
        "DELETE", "/tm/v1/projects/{project}/annotations/{id}", "local", remove_annotation,
        "Delete an annotation.", answer=Removed, role="analyst",
    ),
)  # fmt: skip
