"""What stands for a command when it is decided what came before."""

from tallymark.collect.claims import command_claim
from tallymark.core.event import IdentityLink


def test_links_that_one_item_makes_between_other_kinds_of_ids_do_not_conflict() -> None:
    device = IdentityLink("old", "ana", "m-1", 5, "anonymous", "user", "alias")
    user = IdentityLink("old", "ana", "m-1", 5, "user", "user", "alias")
    retried = IdentityLink("old", "ana", "m-1", 9, "user", "user", "alias")

    assert command_claim(device).id != command_claim(user).id
    assert command_claim(retried) == command_claim(user)
