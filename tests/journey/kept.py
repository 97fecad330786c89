"""What a server keeps beside events: the changes of profiles, links and memberships in its log."""

from contextlib import closing
from typing import Any

from tests.faults.server import Server

from tallymark.core.event import Command, GroupMembership, IdentityLink, ProfileOp
from tallymark.log.codec import decode_batch
from tallymark.log.sqlite import SqliteLog


def commands(server: Server) -> list[Command]:
    """Return every command that was acknowledged, oldest first, repetitions too."""
    with closing(SqliteLog(server.project / "log.db", readonly=True)) as log:
        records = log.read(0, max_bytes=1 << 40, max_items=1 << 40)
    return [command for record in records for command in decode_batch(record).commands]


def changes(server: Server, subject: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what was done to the profile of a person or group, in order."""
    found = [one for one in commands(server) if isinstance(one, ProfileOp)]
    return [(one.op, one.properties) for one in found if one.subject == subject]


def links(server: Server, *ids: str) -> set[tuple[str, str, str]]:
    """Return the claims about these ids: one, other and how."""
    found = [one for one in commands(server) if isinstance(one, IdentityLink)]
    return {(one.one, one.other, one.how) for one in found if one.one in ids or one.other in ids}


def memberships(server: Server, user: str) -> list[tuple[str, str]]:
    """Return the groups that a user was said to belong to."""
    found = [one for one in commands(server) if isinstance(one, GroupMembership)]
    return [(one.group_type, one.group_id) for one in found if one.user_id == user]
