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
_NO_ADDRESS: Final = Address("")

Sender: TypeAlias = tuple[str | None, str | None, str | None, str | None]
"""Name and version of the library, locale and time zone."""
_NO_SENDER: Final[Sender] = (None, None, None, None)


class Places:
    """Makes contexts of one request: what ``mask_ip``, ``scrub_urls`` and ``derive_agent`` leave of them.

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
        self.nowhere = self.kept(_NOWHERE)

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
        address = _NO_ADDRESS if url is None else self._address(url)
        if referrer is not None:
            referrer = self._address(referrer).url
        # By their places: a name costs as much as a value.
        made = Context(
            None if url is None else address.url,
            None if path is None else scrub_path(path, self._policy),
            None,
            title,
            referrer,
            None,
            None,
            None,
            None,
            None,
            None,
            machine.device_type,
            None,
            None,
            machine.os,
            machine.os_version,
            machine.browser,
            machine.browser_version,
            None,
            None,
            *sender,
            user_agent=agent if told is None else None,
        )
        return structs.replace(made, **dict(address.campaign)) if address.campaign else made

    def kept(self, told: Context) -> Context:
        """Return what may be kept of any context."""
        if told.ip is not None:
            told = structs.replace(told, ip=scrub_ip(told.ip, self._policy.ip))
        told = scrubbed(told, self._policy)
        raw = told.user_agent or self._sent_by
        return told if raw is None else derived(told, self._agents.get(raw) or self._agent(raw))

    def is_bot(self, agent: str | None) -> bool:
        """Return whether whoever sent a use by this user agent is a robot."""
        told = agent or self._sent_by
        return (self._agents.get(told) or self._agent(told)).is_bot

    def _agent(self, told: str | None) -> Agent:
        found = self._agents[told] = user_agent(told)
        self.met_robot = self.met_robot or found.is_bot
        return found

    def _address(self, url: str) -> Address:
        if "#" in url or len(url) > LONGEST_REMEMBERED:
            return scrub_url(url, self._policy)
        if "?" not in url:
            return self._clean(url)
        base, _, query = url.partition("?")
        asked = self._queries.get(query) or self._query(query)
        return with_query(self._clean(base), asked)

    def _query(self, query: str) -> Address:
        found = self._queries[query] = scrub_query(query, self._policy)
        return found


def scrubbed(context: Context, policy: Policy) -> Context:
    """Return a context with page and referrer scrubbed; the campaign moves out of the query before it goes."""
    changed: dict[str, str] = {}
    if (url := context.page_url) is not None:
        page = scrub_url(url, policy)
        if page.url != url:
            changed["page_url"] = page.url
        if page.campaign:
            changed |= {name: got for name, got in page.campaign if not getattr(context, name)}
    if (referrer := context.referrer) is not None:
        kept = scrub_url(referrer, policy).url
        if kept != referrer:
            changed["referrer"] = kept
    if (path := context.page_path) is not None:
        kept = scrub_path(path, policy)
        if kept != path:
            changed["page_path"] = kept
    return structs.replace(context, **changed) if changed else context


def derived(context: Context, agent: Agent) -> Context:
    """Return a context with what a user agent tells in its place.

    What the client says itself goes before what its user agent suggests.
    """
    return structs.replace(
        context,
        browser=context.browser or agent.browser,
        browser_version=context.browser_version or agent.browser_version,
        os=context.os or agent.os,
        os_version=context.os_version or agent.os_version,
        device_type=context.device_type or agent.device_type,
        user_agent=None,
    )
