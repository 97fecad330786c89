"""Every expected failure, as one tree and one table of stable codes.

    TallymarkError
    ├── Refused          what was sent cannot be accepted as it is (4xx; retrying will not help)
    │   └── InvalidQuery     a question that cannot be asked
    ├── NotAllowed       the key is missing, unknown, revoked or of the wrong kind
    ├── NotFound         no such project, route, insight or object
    ├── Unavailable      cannot be done now; retry after ``retry_after_seconds``
    │   └── QuestionStopped  a question hit its time, memory or row limit
    └── Broken           what lies on disk is not what was written

A code is public API: it never changes its meaning. Codes are upper case, the field's own words for
the reasons of a failed event, and the same code is used in an HTTP answer, a failed event and a
metric label. Anything that is not a ``TallymarkError`` is a bug.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Code(Struct, frozen=True):
    """One stable error code: where it arises, the HTTP status it gives and what to do about it."""

    code: str
    stage: str
    status: int
    meaning: str
    fix: str

    @property
    def is_retryable(self) -> bool:
        """Whether the same may succeed at another time, so that its sender may send it again."""
        return self.status in (408, 425, 429) or self.status >= 500


_TABLE: tuple[Code, ...] = (
    # transport
    Code("BODY_TOO_LARGE", "transport", 413, "The request body is over the limit.", "Send smaller batches, or raise `max_body_bytes`."),
    Code("BODY_INCOMPLETE", "transport", 400, "The body ended before its stated length.", "Send the whole body; nothing of this request was stored."),
    Code("EVENT_TOO_LARGE", "transport", 413, "One event is over the limit.", "Move large values out of the event, or raise `max_event_bytes`."),
    Code("BATCH_TOO_LONG", "transport", 413, "The batch holds more events than allowed.", "Split the batch, or raise `max_batch_events`."),
    Code("UNSUPPORTED_ENCODING", "transport", 415, "The Content-Encoding is not one we decode.", "Use gzip, deflate, br, zstd or none, and only one of them."),
    Code("DECOMPRESS_LIMIT", "transport", 413, "The body inflates beyond the limit.", "Send smaller batches, or raise `max_inflated_bytes`."),
    Code("DECOMPRESS_CORRUPT", "transport", 400, "The compressed body is damaged.", "Check the compressor and that the whole body was sent."),
    Code("UNSUPPORTED_MEDIA", "transport", 415, "The Content-Type is not one we read.", "Use application/json, application/x-ndjson or text/plain."),
    Code("METHOD_NOT_ALLOWED", "transport", 405, "The route does not answer this method.", "See the API reference for the methods of this route."),
    Code("RATE_LIMITED", "transport", 429, "Too many requests for now.", "Wait for `Retry-After` seconds and send again."),
    Code("STORAGE_PRESSURE", "transport", 503, "The event log cannot take more now.", "Retry after `Retry-After` seconds; the server heals by itself once the disk does."),
    # auth
    Code("AUTH_MISSING", "auth", 401, "No key was given.", "Send `Authorization: Bearer <key>`."),
    Code("AUTH_INVALID", "auth", 401, "The key is unknown, damaged or revoked.", "Make a key with `tallymark keys create`."),
    Code("AUTH_WRONG_KIND", "auth", 403, "This kind of key may not do this.", "Public keys (pk_) only write; use a secret (sk_) or read (rk_) key."),
    Code("ORIGIN_REFUSED", "auth", 403, "The key is for pages of certain sites, and this is none of them.", "Add the origin named in the message when you make a key, or take a key without origins."),
    Code("AUTH_IN_URL", "auth", 400, "A secret key was sent in the URL, where proxies and logs keep it.", "Send it in the Authorization header, and rotate this key."),
    Code("SIGNED_OUT", "auth", 401, "Nobody is signed in, or no longer.", "Sign in again."),
    Code("SIGN_IN_FAILED", "auth", 401, "The e-mail address and the password do not belong together.", "Try again, or ask an owner for a new link to set the password."),
    Code("SIGN_IN_LIMITED", "auth", 429, "Too many attempts to sign in.", "Wait for `Retry-After` seconds."),
    Code("ROLE_TOO_LOW", "auth", 403, "Your role in the project does not allow this.", "Ask an owner or an admin of the project for it."),
    Code("CSRF_INVALID", "auth", 403, "A call that changes something came without the token that goes with the cookie.", "Send `csrf` of `/tm/v1/session` in the X-CSRF-Token header."),
    Code("INVITATION_INVALID", "auth", 400, "The link was used already, or is too old.", "Ask an owner for a new one, or start the server again for the first."),
    Code("PASSWORD_WEAK", "auth", 400, "The password is too short or too easily guessed.", "Take at least 12 characters, such as four words."),
    Code("USER_EXISTS", "auth", 409, "There is a user of this address already.", "Change what that user may do instead."),
    Code("SHARE_ENDED", "auth", 410, "The link was revoked, has expired, or what it showed is gone.", "Ask whoever sent it for a new one."),
    Code("SHARE_LOCKED", "auth", 401, "The link needs its password.", "Ask whoever sent it."),
    Code("SHARE_PERSONAL", "auth", 403, "What would be shown tells single people apart, and is shown to nobody by a link.", "Share a question that counts people instead of naming them."),
    Code("SHARE_SMALL", "auth", 403, "Small groups cannot be kept back in what would be shown.", "Share another question, or make a link that tells groups of any size."),
    Code("LAST_OWNER", "auth", 409, "Nobody else could let others in.", "Make somebody else an owner first."),
    # decode
    Code("JSON_SYNTAX", "decode", 400, "The body is not valid JSON.", "Check the JSON; the message names the byte."),
    Code("JSON_DEPTH", "decode", 400, "The JSON is nested too deeply.", "Flatten the properties."),
    Code("JSON_NUMBER", "decode", 400, "A number is not finite or too long to keep exactly.", "Send NaN and Infinity as null, and very long numbers as text."),
    Code("PROTO_SYNTAX", "decode", 400, "The body is not a valid protobuf message of its kind.", "Check that it was sent to the address of its signal, and whole."),
    Code("METRIC_UNKNOWN", "decode", 400, "The message names a metric by an alias that no birth has told.", "Have the edge node publish its birth again, or follow with `--rebirth ask`."),
    Code("UTF8_INVALID", "decode", 400, "The body is not UTF-8 text.", "Encode the body as UTF-8 without a byte order mark."),
    Code("SURROGATE", "decode", 400, "A string holds half of a surrogate pair.", "Repair the text before sending."),
    Code("NUL_CHAR", "decode", 400, "A string holds a NUL character.", "Remove \\u0000 before sending."),
    Code("LINE_UNREADABLE", "decode", 400, "A line of a file is not in the stated format.", "Look at the kept line; check the format and the mapping."),
    # envelope
    Code("MISSING_FIELD", "envelope", 400, "A required field is missing.", "Add the field named in `path`."),
    Code("BAD_FIELD", "envelope", 400, "A field has the wrong type or an unknown name.", "See the event reference for the field named in `path`."),
    Code("BAD_ID", "envelope", 400, "An id is empty or holds control characters.", "Send a UUID or another plain text id."),
    Code("ID_TOO_LONG", "envelope", 400, "An id is longer than allowed.", "Shorten it to `max_id_bytes`."),
    Code("NAME_INVALID", "envelope", 400, "The event name is empty, too long or holds control characters.", "Use a short plain name such as `signup`."),
    Code("TOO_MANY_PROPS", "envelope", 400, "The event has more properties than allowed.", "Send fewer, or nest rarely used ones in one object."),
    Code("KEY_TOO_LONG", "envelope", 400, "A property name is longer than allowed.", "Shorten it to `max_key_bytes`."),
    Code("RESERVED_KEY", "envelope", 400, "The field is set by the server and cannot be sent.", "Remove it; see the event reference."),
    Code("TIME_UNPARSABLE", "envelope", 400, "The time is not an RFC 3339 time with an offset, nor whole milliseconds since 1970.", "Send for example 2026-11-22T10:00:00Z."),
    Code("TIME_FUTURE", "envelope", 400, "The time lies too far in the future.", "Check the client's clock."),
    Code("TIME_TOO_OLD", "envelope", 400, "The time lies before 1970.", "Check the client's clock."),
    Code("STRICT_BATCH", "envelope", 422, "Another item of a strict request failed, so nothing of it was stored.", "Repair the failed items and send all of them again."),
    Code("NOT_KEPT", "envelope", 202, "What was sent is no use and no change, such as a session replay; it is counted and not kept.", "Nothing to do."),
    # privacy
    Code("OPT_OUT", "privacy", 202, "The person opted out; nothing was kept but this count.", "Nothing to do."),
    Code("CONSENT_DENIED", "privacy", 202, "The person said no to this purpose; nothing was kept but this count.", "Nothing to do."),
    Code("CONSENT_UNPARSABLE", "privacy", 202, "A consent string or time cannot be read, which is no consent; nothing was kept but this count.", "Send the TC or GPP string whole, as the consent manager gave it, in `tcf` or `gpp` of `consent`."),
    Code("CONSENT_UNKNOWN", "privacy", 202, "Nobody has said yes yet, and the project asks first; nothing was kept but this count.", "Send the person's choice as `consent`, or see `pre_consent` in the policy."),
    Code("GPC", "privacy", 202, "The browser sent Global Privacy Control; nothing was kept but this count.", "Nothing to do."),
    Code("DNT", "privacy", 202, "The browser sent Do Not Track, and the project drops such events; nothing was kept but this count.", "Nothing to do."),
    Code("IDENTIFY_IN_COOKIELESS", "privacy", 202, "Who somebody is may not be kept here; the link or profile was counted only.", "Ask for consent first, or see `consent` in the policy."),
    Code("PII_BLOCKED", "privacy", 400, "A property looks like personal data, and the project sets such events aside.", "Leave it out, or declare it in `properties` of the policy."),
    # identity
    Code("ILLEGAL_ID", "identity", 400, "The id is a placeholder, not a person.", "Leave the id out when nobody is known."),
    Code("MERGE_REFUSED", "identity", 409, "Two identified people are never merged silently.", "Link them explicitly if they are one person."),
    Code("MERGE_LOOP", "identity", 409, "The claim links an id to itself.", "Nothing to do."),
    Code("ALIAS_FANOUT", "identity", 409, "A person would have more ids than allowed.", "Send ids that last, or raise `max_ids_per_person`."),
    Code("LINK_RETRACTED", "identity", 409, "The two ids were told apart, so that seeing them together links them no more.", "Link them explicitly if they are one person."),
    Code("LINK_UNKNOWN", "identity", 404, "There is no link between the two ids to take back.", "See `tallymark who` for the links of a person."),
    # schema
    Code("UNPLANNED_EVENT", "schema", 400, "The tracking plan has no event of this name.", "Add it to the plan, or send the name the plan has."),
    Code("UNPLANNED_PROP", "schema", 400, "The tracking plan has no such property on this event.", "Add it to the plan, or leave it out."),
    Code("SCHEMA_MISSING", "schema", 400, "The tracking plan does not have the version the event names.", "Push the plan with that version, or send one it has."),
    Code("SCHEMA_TYPE", "schema", 400, "A property has another type than the tracking plan says.", "Send the type named in the message."),
    Code("SCHEMA_ENUM", "schema", 400, "A property has a value that is not in the tracking plan's list.", "Send one of the listed values."),
    Code("SCHEMA_REQUIRED", "schema", 400, "A property the tracking plan requires is missing.", "Send the property named in `path`."),
    Code("SCHEMA_RANGE", "schema", 400, "A number lies outside the tracking plan's range.", "Send a number within it."),
    Code("SCHEMA_PATTERN", "schema", 400, "A text does not match the tracking plan's pattern.", "Send text that matches it."),
    Code("VERSION_RETIRED", "schema", 400, "The tracking plan has retired this version of the event.", "Send a version that is live."),
    # meter
    Code("VALUE_NOT_NUMERIC", "meter", 400, "The value is not a number.", "Send a JSON number, not text."),
    Code("VALUE_NONFINITE", "meter", 400, "The value does not fit 29 digits before and 9 after the point.", "Scale the unit."),
    Code("CURRENCY_INVALID", "meter", 400, "Revenue needs a three-letter ISO 4217 currency.", "Send for example `\"currency\": \"EUR\"`."),
    Code("METER_KEY_KIND", "meter", 403, "A public key may not send a metered value; it could forge bills.", "Send value and unit from a server with a secret key (sk_)."),
    # dedupe
    Code("DUPLICATE", "dedupe", 202, "The same event came before; it counts once.", "Nothing to do."),
    Code("DUPLICATE_CONFLICT", "dedupe", 409, "An event with this id but other content came before; this one is kept but not counted.", "Give every event its own id."),
    # load
    Code("ENRICH_FAILED", "enrich", 500, "A derived field could not be computed; the event counts without it.", "Report the kept event."),
    Code("STORE_REJECTED", "store", 500, "The store could not take the event after several tries; it is kept for replay.", "Report the kept event."),
    Code("LOG_DAMAGED", "store", 500, "A batch of the log no longer matches its checksum.", "Run `tallymark verify`, then restore the lost positions from a backup."),
    # query
    Code("QUERY_INVALID", "query", 400, "The question cannot be asked as it stands.", "The page of the insight in the reference lists what can be asked."),
    Code("TIMEZONE_UNKNOWN", "query", 400, "The time zone is not an IANA name.", "Use a name such as Europe/Berlin."),
    Code("QUERY_TOO_LARGE", "query", 400, "The question would give more rows or buckets than allowed.", "Shorten the range or use a longer interval."),
    Code("QUERY_CANCELLED", "query", 499, "Whoever asked the question cancelled it, or went away.", "Ask again if the answer is still wanted."),
    Code("QUERY_STOPPED", "query", 503, "The question reached its time or memory limit.", "Shorten the range, filter more, or raise the limit."),
    Code("CURSOR_INVALID", "query", 400, "The page cursor is not one we gave out.", "Start again without a cursor."),
    # service
    Code("NOT_FOUND", "service", 404, "There is nothing here.", "See the API reference for the routes."),
    Code("PROJECT_UNKNOWN", "service", 404, "No such project.", "List projects with `tallymark keys list`."),
    Code("PROJECT_EXISTS", "service", 409, "The project exists already.", "Choose another name."),
    Code("SITE_EXISTS", "service", 409, "A site of that name is registered for this protocol already.", "Remove it from its project first, or choose another name."),
    Code("CHANGED_MEANWHILE", "service", 409, "Somebody else saved it since you opened it.", "Look at what they saved, or save yours as something new."),
    Code("STORE_AWAY", "service", 503, "The store process is restarting.", "Retry in a moment; collection goes on."),
    Code("SERVER_AWAY", "service", 503, "The server cannot be reached.", "Start it with `tallymark serve`, or check the address."),
    Code("STORE_MOVED", "service", 503, "The store holds a commit that seemed to fail.", "Nothing to do; loading begins again from what the store holds."),
    Code("STORE_DAMAGED", "service", 503, "The store's file is damaged.", "It is rebuilt from the log by itself; if the log was trimmed, restore a backup."),
    Code("CATALOG_AWAY", "service", 503, "The catalog cannot be written now.", "Check the disk and permissions; collection goes on."),
    Code("CATALOG_DAMAGED", "service", 500, "The catalog file is damaged.", "Restore `catalog.db` from a backup; the events are not touched."),
    Code("DATA_DIR_IN_USE", "service", 409, "Another server uses this data folder.", "Stop it, or use another folder with `--data`."),
    Code("ALREADY_FOLLOWED", "service", 409, "Another process follows the same already.", "Stop it first, or let it go on: one is enough."),
    Code("CANNOT_LISTEN", "service", 503, "What is to be followed cannot be reached.", "Check the address, and that nothing else listens there."),
    Code("SETTING_INVALID", "service", 400, "A setting has a wrong value.", "See the settings reference."),
    Code("FILE_UNREADABLE", "service", 400, "The file cannot be read as the stated format.", "Check the path, the format and the mapping."),
    Code("BACKUP_INVALID", "service", 400, "The backup is incomplete or does not match its manifest.", "Use another backup."),
    Code("VERSION_UNKNOWN", "service", 409, "The data was written by a newer version.", "Upgrade Tallymark; downgrading the data is not possible."),
    Code("PLAN_INVALID", "service", 400, "A file of the tracking plan, or of repairs, says something that cannot be.", "The message names the file and the key; see `tallymark plan lint`."),
    Code("PLAN_BREAKS", "service", 409, "The tracking plan breaks what was sent until now.", "Give the event a new MODEL, the first number of its version; or push with `--breaking`."),
    Code("DEFINITION_INVALID", "service", 400, "A definition says something that cannot be.", "The message names the definition and the key; `tallymark apply --dry-run` names file and line."),
    Code("DEFINITION_CHANGED", "service", 409, "Somebody changed the definitions in the meantime.", "Read them again, and make your change to what holds now."),
    Code("EXTRA_MISSING", "service", 400, "An optional package is not installed.", "Install the extra the message names."),
    Code("INTERNAL", "service", 500, "A bug on our side.", "Report it with the request id."),
)  # fmt: skip

CODES: dict[str, Code] = {code.code: code for code in _TABLE}


class TallymarkError(Exception):
    """An expected failure: a stable ``code``, a message that names the value, a hint that helps."""

    default_code = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        path: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        known = CODES[code or self.default_code]
        self.code = known.code
        self.status = known.status
        self.stage = known.stage
        self.message = message
        self.hint = hint or known.fix
        self.path = path
        self.retry_after_seconds = retry_after_seconds


class Refused(TallymarkError):
    """What was sent cannot be accepted as it is."""

    default_code = "BAD_FIELD"


class InvalidQuery(Refused):
    """A question that cannot be asked."""

    default_code = "QUERY_INVALID"


class NotAllowed(TallymarkError):
    """The key is missing, unknown, revoked or of the wrong kind."""

    default_code = "AUTH_INVALID"


class NotFound(TallymarkError):
    """No such project, route, insight or object."""

    default_code = "NOT_FOUND"


class Unavailable(TallymarkError):
    """Cannot be done now; the same request may be sent again later."""

    default_code = "STORAGE_PRESSURE"


class QuestionStopped(Unavailable):
    """A question reached its time, memory or row limit."""

    default_code = "QUERY_STOPPED"


class Broken(TallymarkError):
    """What lies on disk is not what was written."""

    default_code = "LOG_DAMAGED"


KINDS: Final[Mapping[str, type[TallymarkError]]] = {
    kind.__name__: kind
    for kind in (
        Refused, InvalidQuery, NotAllowed, NotFound, Unavailable, QuestionStopped, Broken
    )
}  # fmt: skip


def misfit(error: Exception) -> tuple[str, str | None]:
    """Return what a decoder found not to fit, beginning with the field it is about, and that field.

    The field is None where it is the whole. msgspec writes ``Expected `int` >= 1 - at `$.top```.
    """
    what, _, place = str(error).partition(" - at `$")
    field = place.removesuffix("`").removeprefix(".") or None
    return (f"{field}: {what}." if field else f"{what}."), field
