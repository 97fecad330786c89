"""What a project allows to be kept of the people it counts; applied before the log."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

IpRule: TypeAlias = Literal["drop", "mask", "full"]

# Campaign parameters carry no personal data by design and make attribution possible.
CAMPAIGN_PARAMETERS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")


class Policy(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The privacy choices of a project."""

    ip: Annotated[
        IpRule,
        Meta(description="drop: never kept; mask: /24 for IPv4 and /48 for IPv6; full: kept."),
    ] = "drop"
    url_parameters: Annotated[
        tuple[str, ...], Meta(description="Query parameters of page and referrer that are kept.")
    ] = CAMPAIGN_PARAMETERS
    redact_paths: Annotated[
        bool,
        Meta(
            description="Replace path segments that look like e-mail, UUID, long number or token."
        ),
    ] = True
    keep_user_agent: Annotated[
        bool, Meta(description="Keep the raw user agent; otherwise only its families are kept.")
    ] = False
