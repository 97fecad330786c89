"""Where a use took place, as it may be kept: addresses scrubbed, and what a user agent tells in its place.

``Places`` does it for a whole request, which tells of few campaigns and user agents, so that each is
looked at once. What is remembered of a query ends with the request: what the policy takes off it may
be anybody's secret.
"""

from typing import Final, TypeAlias

from msgspec import structs

from tallymark.core.event import Context
from tallymark.core.policy import Policy
from tallymark.privacy.scrub import (
    LONGEST_REMEMBERED,
    Address,
    scrub_ip,
    scrub_path,
    scrub_query,
    scrub_url,
    scrubber,
    with_query,
)

from .enrich import NOBODY, Agent, user_agent

_NOWHERE: Final = Context()

Sender: TypeAlias = tuple[str | None, str | None, str | None, str | None]
"""Name and version of the library, locale and time zone."""
_NO_SENDER: Final[Sender] = (None, None, None, None)


class Places:
    """Makes contexts of one request: what the step ``scrub_context`` leaves of them.

    ``sent_by`` is the user agent of the request, None if it says nothing of the person. ``met_robot``
    tells whether any use so far was a robot's.
    """

    def __init__(self, policy: Policy, sent_by: str | None) -> None:
        self._policy = policy
        self._sent_by = sent_by
        self._clean = scrubber(policy)
        self._queries: dict[str, Address] = {}
        self._agents: dict[str | None, Agent] = {None: NOBODY}
        self.met_robot = False

    @property
    def nowhere(self) -> Context:
        """The context of a use that tells of none."""
        return self.kept(_NOWHERE)

    def page(
        self,
        url: str | None,
        title: str | None,
        referrer: str | None,
        path: str | None = None,
        agent: str | None = None,
        sender: Sender = _NO_SENDER,
    ) -> Context:
        """Return the context of a use that tells no more than its page, user agent and ``sender``."""
        told = agent or self._sent_by
        machine = self._agents.get(told) or self._agent(told)
        campaign: tuple[tuple[str, str], ...] = ()
        if url is not None:
            address = self._address(url)
            url, campaign = address.url, address.campaign
        if referrer is not None:
            referrer = self._address(referrer).url
        if path is not None:
            path = scrub_path(path, self._policy)
        name, version, locale, zone = sender
        # By their places: a name costs as much as a value, and ``*sender`` twice as much as all of them.
        made = Context(
            url, path, None, title, referrer, None, None, None, None, None, None,
            machine.device_type, None, None, machine.os, machine.os_version,
            machine.browser, machine.browser_version, None, None, name, version, locale, zone,
            user_agent=agent if told is None else None,
        )  # fmt: skip
        return structs.replace(made, **dict(campaign)) if campaign else made

    def kept(self, told: Context) -> Context:
        """Return what may be kept of any context.

        What the client says itself goes before the campaign of its page, and before what its user agent
        suggests.
        """
        kept: dict[str, str | None] = {}
        if told.ip is not None and (ip := scrub_ip(told.ip, self._policy.ip)) != told.ip:
            kept["ip"] = ip
        if (url := told.page_url) is not None:
            page = self._address(url)
            if page.url != url:
                kept["page_url"] = page.url
            if page.campaign:
                kept |= {name: got for name, got in page.campaign if not getattr(told, name)}
        if (referrer := told.referrer) is not None:
            clean = self._address(referrer).url
            if clean != referrer:
                kept["referrer"] = clean
        if (path := told.page_path) is not None:
            clean = scrub_path(path, self._policy)
            if clean != path:
                kept["page_path"] = clean
        raw = told.user_agent or self._sent_by
        if raw is not None and not self._policy.keep_user_agent:
            machine = self._agents.get(raw) or self._agent(raw)
            return structs.replace(
                told,
                device_type=told.device_type or machine.device_type,
                os=told.os or machine.os,
                os_version=told.os_version or machine.os_version,
                browser=told.browser or machine.browser,
                browser_version=told.browser_version or machine.browser_version,
                user_agent=None,
                **kept,
            )
        return structs.replace(told, **kept) if kept else told

    def is_bot(self, agent: str | None) -> bool:
        """Return whether whoever sent a use by this user agent is a robot."""
        told = agent or self._sent_by
        return (self._agents.get(told) or self._agent(told)).is_bot

    def _agent(self, told: str | None) -> Agent:
        found = self._agents[told] = user_agent(told)
        self.met_robot = self.met_robot or found.is_bot
        return found

    def _address(self, url: str) -> Address:
        if "?" not in url and "#" not in url and len(url) <= LONGEST_REMEMBERED:
            return self._clean(url)
        if "#" in url or len(url) > LONGEST_REMEMBERED:
            return scrub_url(url, self._policy)
        base, _, query = url.partition("?")
        asked = self._queries.get(query) or self._query(query)
        return with_query(self._clean(base), asked)

    def _query(self, query: str) -> Address:
        found = self._queries[query] = scrub_query(query, self._policy)
        return found
