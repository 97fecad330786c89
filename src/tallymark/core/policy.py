"""What a project allows to be kept of the people it counts; applied before the log."""

from typing import Annotated, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

IpRule: TypeAlias = Literal["drop", "mask", "full"]
Purpose: TypeAlias = Literal[
    "essential", "measurement", "product", "performance", "personalization", "sharing"
]
Mode: TypeAlias = Literal["opt_out", "opt_in", "cookieless", "contract"]
Treatment: TypeAlias = Literal["drop", "hmac", "truncate"]
PURPOSES: frozenset[str] = frozenset(get_args(Purpose))

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
    consent: Annotated[
        Mode,
        Meta(
            description="opt_out: kept until somebody says no; opt_in: kept once somebody says yes;"
            " cookieless: kept without saying who until somebody says yes; contract: only account and"
            " quantity are kept."
        ),
    ] = "opt_out"
    pre_consent: Annotated[
        Literal["drop", "cookieless"],
        Meta(description="What becomes of events before anybody chose, where consent is opt_in."),
    ] = "drop"
    consent_days: Annotated[
        int,
        Meta(
            ge=0,
            le=3650,
            description="Days after which a yes counts as nothing said; 395 are 13 months. 0: it lasts.",
        ),
    ] = 395
    visitor_ids: Annotated[
        bool,
        Meta(
            description="Give events of browsers without any id an id of one day; else they are nobody's."
        ),
    ] = True
    purposes: Annotated[
        dict[str, Purpose],
        Meta(
            description="What events are collected for, by pattern of their name, such as `ad_*`."
        ),
    ] = {}
    gpc: Annotated[
        Literal["off", "sharing", "all"],
        Meta(
            description="What Global Privacy Control forbids: nothing; sharing and personalization;"
            " everything."
        ),
    ] = "sharing"
    dnt: Annotated[
        Literal["off", "cookieless", "drop"],
        Meta(description="What becomes of events of a browser that sends Do Not Track."),
    ] = "cookieless"
    explicit_overrides_signals: Annotated[
        bool,
        Meta(
            description="An explicit yes counts more than a browser's signal, except for sharing."
        ),
    ] = False
    properties: Annotated[
        dict[str, Treatment],
        Meta(
            description="What becomes of properties, by pattern of their name: drop; hmac, a keyed"
            " hash; truncate, three letters."
        ),
    ] = {}
    suspects: Annotated[
        Literal["off", "tag", "hmac", "drop", "quarantine"],
        Meta(
            description="What becomes of property values that look like e-mail, phone, card, IBAN,"
            " token or secret; tag only flags the event."
        ),
    ] = "tag"
