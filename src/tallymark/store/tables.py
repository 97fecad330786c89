"""Every table of a project's store: columns, types, units and keys.

All instants are BIGINT microseconds since 1970 UTC. Surrogate keys are positive; NULL means "none".
``seq`` orders everything: log position x 65536 + index in the batch.
"""

from msgspec import Struct

SCHEMA_VERSION = 5
SEQ_PER_BATCH = 65_536
# Names are chosen by whoever sends events, so the list of them must end somewhere. Beyond it a name
# is kept with its events all the same, and can be asked about.
MOST_PROPERTIES = 10_000


class Column(Struct, frozen=True):
    """One column: its name, SQL type and meaning."""

    name: str
    type: str
    meaning: str


class Table(Struct, frozen=True):
    """One table and what a row of it is."""

    name: str
    row: str
    columns: tuple[Column, ...]

    def ddl(self) -> str:
        """Return the CREATE TABLE statement."""
        columns = ",\n  ".join(f'"{column.name}" {column.type}' for column in self.columns)
        return f"CREATE TABLE {self.name} (\n  {columns}\n)"


def _table(name: str, row: str, *columns: tuple[str, str, str]) -> Table:
    return Table(name, row, tuple(Column(*column) for column in columns))


EVENT = _table(
    "event", "one counted use",
    ("seq", "BIGINT", "place in the log"),
    ("event_id", "VARCHAR", "the client's id, or ours if it gave none"),
    ("event_key", "INTEGER", "name, see event_name"),
    ("kind", "VARCHAR", "track, page, screen …"),
    ("time_us", "BIGINT", "when it happened, as we believe it"),
    ("time_client_us", "BIGINT", "when the client said it happened"),
    ("time_sent_us", "BIGINT", "when the client said it sent it"),
    ("received_us", "BIGINT", "when we received it"),
    ("time_rule", "VARCHAR", "client, repaired, clamped or received"),
    ("actor_key", "BIGINT", "the id as asserted: user id, else anonymous id; see actor"),
    ("anon_key", "BIGINT", "the anonymous id, if one was sent; see actor"),
    ("person_key", "BIGINT", "the person resolved at load; what changed later is in person_override"),
    ("account_key", "BIGINT", "the account group; see account"),
    ("session_key", "BIGINT", "given or computed session; see session"),
    ("session_rule", "VARCHAR", "given by the client, or computed from pauses"),
    ("source", "VARCHAR", "public part of the key that sent it"),
    ("protocol", "VARCHAR", "wire protocol it came by"),
    ("page_url", "VARCHAR", "page address, scrubbed"),
    ("path", "VARCHAR", "path of the page"),
    ("host", "VARCHAR", "host of the page"),
    ("title", "VARCHAR", "title of the page"),
    ("referrer", "VARCHAR", "referring address, scrubbed"),
    ("referrer_host", "VARCHAR", "host of the referrer"),
    ("channel", "VARCHAR", "marketing channel, from referrer and campaign"),
    ("utm_source", "VARCHAR", "campaign source"),
    ("utm_medium", "VARCHAR", "campaign medium"),
    ("utm_campaign", "VARCHAR", "campaign name"),
    ("utm_term", "VARCHAR", "campaign term"),
    ("utm_content", "VARCHAR", "campaign content"),
    ("device_type", "VARCHAR", "desktop, mobile, tablet, tv, bot or other"),
    ("device_brand", "VARCHAR", "device maker"),
    ("device_model", "VARCHAR", "device model"),
    ("browser", "VARCHAR", "browser family"),
    ("browser_version", "VARCHAR", "browser major version"),
    ("os", "VARCHAR", "operating system family"),
    ("os_version", "VARCHAR", "operating system version"),
    ("app_name", "VARCHAR", "application"),
    ("app_version", "VARCHAR", "application version"),
    ("library_name", "VARCHAR", "SDK that sent it"),
    ("library_version", "VARCHAR", "its version"),
    ("locale", "VARCHAR", "language and country of the client"),
    ("client_timezone", "VARCHAR", "IANA zone of the client"),
    ("country", "VARCHAR", "country of the client"),
    ("region", "VARCHAR", "region of the client"),
    ("city", "VARCHAR", "city of the client"),
    ("screen_width", "INTEGER", "pixels"),
    ("screen_height", "INTEGER", "pixels"),
    ("ip", "VARCHAR", "address, as far as the project's policy keeps it"),
    ("user_agent", "VARCHAR", "as sent, as far as the project's policy keeps it"),
    ("is_bot", "BOOLEAN", "the user agent is a known robot"),
    ("value", "DECIMAL(38,9)", "metered quantity"),
    ("unit", "VARCHAR", "unit of value"),
    ("revenue", "DECIMAL(38,9)", "money, in currency"),
    ("currency", "VARCHAR", "ISO 4217"),
    ("groups", "VARCHAR", "groups other than the account, as JSON"),
    ("flags", "VARCHAR", "quality flags, comma-separated"),
    ("prop_text", "VARIANT", "properties that are text"),
    ("prop_number", "VARIANT", "properties that are numbers, each DECIMAL(38,9)"),
    ("prop_other", "VARIANT", "properties that are booleans, null, lists or objects; as text, numbers that prop_number has rounded"),
)  # fmt: skip

EVENT_NAME = _table(
    "event_name", "one event name",
    ("event_key", "INTEGER", "surrogate"),
    ("name", "VARCHAR", "as sent"),
)  # fmt: skip

ACTOR = _table(
    "actor", "one id as asserted; the only table that holds raw user and anonymous ids",
    ("actor_key", "BIGINT", "surrogate"),
    ("id_kind", "VARCHAR", "user or anonymous"),
    ("id", "VARCHAR", "as sent"),
    ("first_seq", "BIGINT", "where it was first seen"),
)  # fmt: skip

IDENTITY_LINK = _table(
    "identity_link", "one claim that two ids are one person, with what became of it",
    ("seq", "BIGINT", "where it was claimed"),
    ("one_key", "BIGINT", "actor; the anonymous one, if only one is"),
    ("one_kind", "VARCHAR", "user or anonymous"),
    ("other_key", "BIGINT", "actor"),
    ("other_kind", "VARCHAR", "user or anonymous"),
    ("how", "VARCHAR", "identify, alias, merge or retract"),
    ("outcome", "VARCHAR", "linked, retracted, refused or ignored"),
    ("reason", "VARCHAR", "reason code of what was refused or ignored, else empty"),
)  # fmt: skip

PERSON_OVERRIDE = _table(
    "person_override", "one actor with stored events that became another person",
    ("seq", "BIGINT", "the claim that did it"),
    ("actor_key", "BIGINT", "see actor"),
    ("was_key", "BIGINT", "the person before"),
    ("into_key", "BIGINT", "the person since"),
    ("is_folded", "BOOLEAN", "the events themselves name the person since"),
)  # fmt: skip

ACCOUNT = _table(
    "account", "one account (customer)",
    ("account_key", "BIGINT", "surrogate"),
    ("id", "VARCHAR", "as sent"),
    ("first_seq", "BIGINT", "where it was first seen"),
)  # fmt: skip

OTHER_GROUP = _table(
    "other_group", "one group of another type than account",
    ("group_key", "BIGINT", "surrogate"),
    ("group_type", "VARCHAR", "as sent"),
    ("id", "VARCHAR", "as sent"),
    ("first_seq", "BIGINT", "where it was first seen"),
)  # fmt: skip

MEMBERSHIP = _table(
    "membership", "one statement that somebody belongs to a group",
    ("seq", "BIGINT", "where it came"),
    ("actor_key", "BIGINT", "user id, else anonymous id; see actor"),
    ("group_type", "VARCHAR", "as sent"),
    ("group_key", "BIGINT", "see account if the type is account, else other_group"),
    ("time_us", "BIGINT", "when it holds from"),
)  # fmt: skip

SESSION = _table(
    "session", "one session id as given; computed sessions have a key only",
    ("session_key", "BIGINT", "surrogate"),
    ("id", "VARCHAR", "as sent"),
    ("first_seq", "BIGINT", "where it was first seen"),
)  # fmt: skip

SESSION_MOVE = _table(
    "session_move", "one stored event whose computed session changed because an earlier event came late",
    ("seq", "BIGINT", "where the load began that moved it"),
    ("event_seq", "BIGINT", "the event"),
    ("was_key", "BIGINT", "its session before"),
)  # fmt: skip

PROFILE = _table(
    "profile", "one profile operation, kept as history",
    ("seq", "BIGINT", "where it came"),
    ("subject_kind", "VARCHAR", "user, anonymous or a group type"),
    ("subject_key", "BIGINT", "see actor, account or other_group, by subject_kind"),
    ("op", "VARCHAR", "set, set_once, unset, add …"),
    ("time_us", "BIGINT", "when it holds from"),
    ("properties", "VARCHAR", "JSON, numbers as sent"),
)  # fmt: skip

PROFILE_VALUE = _table(
    "profile_value", "what one profile operation says of one property, ready for questions",
    ("seq", "BIGINT", "see profile"),
    ("subject_kind", "VARCHAR", "user, anonymous or a group type"),
    ("subject_key", "BIGINT", "see profile"),
    ("person_key", "BIGINT", "the person as known when it was loaded; NULL of a group"),
    ("time_us", "BIGINT", "when it holds from"),
    ("op", "VARCHAR", "see profile"),
    ("name", "VARCHAR", "the property; NULL of an operation on all of them"),
    ("text", "VARCHAR", "the value, if it is text or a number too large for the next column"),
    ("number", "DECIMAL(38,9)", "the value, if it is a number"),
    ("other", "VARCHAR", "the value as JSON, if it is neither or a number at full length"),
    ("is_long", "BOOLEAN", "a number that cannot be added up in the engine"),
)  # fmt: skip

PROFILE_PROPERTY = _table(
    "profile_property", "one way in which a property of people or groups was told",
    ("subject_kind", "VARCHAR", "user (any person) or a group type"),
    ("name", "VARCHAR", "as sent"),
    ("class", "VARCHAR", "text, number or other; empty if it says no value"),
    ("op", "VARCHAR", "set, set_once, unset, add …"),
    ("is_long", "BOOLEAN", "a number that cannot be added up in the engine"),
    ("first_seq", "BIGINT", "where it was first seen"),
)  # fmt: skip

PROPERTY = _table(
    "property", "one property name in one type class",
    ("name", "VARCHAR", "as sent"),
    ("class", "VARCHAR", "text, number or other"),
    ("events", "BIGINT", "how many counted events carry it"),
    ("first_seq", "BIGINT", "where it was first seen"),
    ("last_seq", "BIGINT", "where it was last seen"),
)  # fmt: skip

DEDUPE_KEY = _table(
    "dedupe_key", "the key of one counted event, or failed line of a file; outlives it, so dedupe has no horizon",
    ("key_hi", "UBIGINT", "first half of hash128(project, namespace, event id)"),
    ("key_lo", "UBIGINT", "second half"),
    ("seq", "BIGINT", "the event, or failed line, that holds it"),
    ("content", "UBIGINT", "digest of what the client said, to tell a duplicate from a conflict"),
)  # fmt: skip

DUPLICATE = _table(
    "duplicate", "one event, or failed line of a file, that came again and was not counted",
    ("seq", "BIGINT", "place in the log of the repetition"),
    ("first_seq", "BIGINT", "the event that counts"),
    ("received_us", "BIGINT", "when the repetition was received"),
)  # fmt: skip

FAILED_EVENT = _table(
    "failed_event", "one refused, conflicting or quarantined item, kept for repair and replay",
    ("seq", "BIGINT", "place in the log"),
    ("received_us", "BIGINT", "when we received it"),
    ("source", "VARCHAR", "public part of the key that sent it"),
    ("protocol", "VARCHAR", "wire protocol it came by"),
    ("stage", "VARCHAR", "transport, decode, envelope …"),
    ("code", "VARCHAR", "stable reason code"),
    ("message", "VARCHAR", "what was wrong, naming the field"),
    ("path", "VARCHAR", "JSON path of the culprit, or the line of a file"),
    ("event_id", "VARCHAR", "if it could be read"),
    ("event_name", "VARCHAR", "if it could be read"),
    ("first_seq", "BIGINT", "for a conflict: the event that holds the id"),
    ("raw", "BLOB", "what was sent, cut at max_failed_bytes; empty once its time has ended"),
    ("raw_bytes", "BIGINT", "its full length"),
    ("status", "VARCHAR", "open, fixed, replayed, ignored or expired"),
    ("severity", "VARCHAR", "reject if its sender was told, quarantine if it was told of a success; NULL of a failure of the plan that an older version stored"),
    ("faults", "VARCHAR", "all that is wrong, as JSON, where more is known than code, path and message"),
    ("batch_index", "INTEGER", "its place in the request; NULL of a whole request, or if not known"),
    ("event_time_us", "BIGINT", "when it happened, if it had been read"),
    ("sdk_name", "VARCHAR", "SDK that sent it, if it said so"),
    ("sdk_version", "VARCHAR", "its version"),
    ("server_version", "VARCHAR", "the Tallymark that judged it; NULL if an older one did"),
    ("plan_version", "INTEGER", "the tracking plan that held then; NULL if none did"),
    ("attempts", "INTEGER", "how often it was tried: once, and once more for each replay"),
    ("replay_of", "BIGINT", "the failed event it was made of, if a replay was in conflict or not stored"),
    ("sampled", "INTEGER", "how many of its kind it stands for, those that came too fast to be kept included"),
)  # fmt: skip

CONSENT_RECORD = _table(
    "consent_record", "one choice of one person for one purpose: a proof, added and never changed",
    ("seq", "BIGINT", "place in the log"),
    ("subject", "VARCHAR", "keyed hash of the kind and id of who said it"),
    ("purpose", "VARCHAR", "essential, measurement, product, performance, personalization or sharing"),
    ("state", "VARCHAR", "granted or withdrawn; of a refusal nothing is kept"),
    ("at_us", "BIGINT", "when it was said"),
    ("received_us", "BIGINT", "when we received it"),
    ("source", "VARCHAR", "sdk, api, tcf, gpp or import"),
    ("policy_version", "VARCHAR", "the privacy text it is about, as the client names it"),
    ("ui_version", "VARCHAR", "the form it was said in, as the client names it"),
    ("raw", "VARCHAR", "the consent string it was read from"),
    ("jurisdiction", "VARCHAR", "as the client or the consent string names it"),
    ("expires_us", "BIGINT", "when it counts as nothing said; NULL if it lasts"),
    ("is_limited", "BOOLEAN", "that end was set by the policy of the project"),
    ("previous", "BIGINT", "the record that held before it, of the same subject and purpose"),
)  # fmt: skip

LEDGER = _table(
    "ledger", "how many items met one outcome in one minute, or some of them: lines are summed",
    ("minute_us", "BIGINT", "start of the minute of receipt"),
    ("source", "VARCHAR", "public part of the key that sent it"),
    ("protocol", "VARCHAR", "wire protocol it came by"),
    ("outcome", "VARCHAR", "received, accepted, duplicate, conflict, quarantined, dropped or rejected; observed stands beside these"),
    ("reason", "VARCHAR", "reason code, or empty"),
    ("items", "BIGINT", "how many"),
)  # fmt: skip

PROGRESS = _table(
    "progress", "one counter that moves in the same commit as the events",
    ("name", "VARCHAR", "log_position, next_actor_key …"),
    ("amount", "BIGINT", "its value"),
)  # fmt: skip

META = _table(
    "meta", "one fact about the store itself",
    ("name", "VARCHAR", "schema_version, project"),
    ("text", "VARCHAR", "its value"),
)  # fmt: skip

TABLES: tuple[Table, ...] = (
    EVENT, EVENT_NAME, ACTOR, IDENTITY_LINK, PERSON_OVERRIDE, ACCOUNT, OTHER_GROUP, MEMBERSHIP,
    SESSION, SESSION_MOVE, PROFILE, PROFILE_VALUE, PROFILE_PROPERTY, PROPERTY, DEDUPE_KEY, DUPLICATE, FAILED_EVENT, CONSENT_RECORD, LEDGER, PROGRESS, META,
)  # fmt: skip

BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}
