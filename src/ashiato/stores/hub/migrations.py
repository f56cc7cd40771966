"""The schema of the hub's own tables, version by version, forward only; written as in `stores.migrations`.

The hub is a participant of the data space too: its keys, its issuer and its outbox are in the tables of the connector's chain.
Nothing of the hub is released yet: each room adds its tables to `HUB_VERSION_1`, at the end.
"""

from collections.abc import Sequence

from ashiato.stores.migrations import Chain

_KEY = "{TEXT} NOT NULL"

REGISTRY = (
    f"CREATE TABLE party (party_id {_KEY} PRIMARY KEY, state {_KEY}, body {_KEY})",
    "CREATE INDEX party_by_state ON party (state, party_id)",
    f"CREATE TABLE party_number (number {_KEY} PRIMARY KEY, party_id {_KEY})",
    "CREATE INDEX party_number_by_party ON party_number (party_id)",
    f"""CREATE TABLE party_step (party_id {_KEY}, sequence BIGINT NOT NULL, body {_KEY},
        PRIMARY KEY (party_id, sequence))""",
)

# Only hashes of identifiers: whoever has the database can try guesses, and reads no names of parts.
IDENTITIES = (
    f"CREATE TABLE thing_identity (identity_id {_KEY} PRIMARY KEY, owner_id {_KEY}, body {_KEY})",
    "CREATE INDEX thing_identity_by_owner ON thing_identity (owner_id, identity_id)",
    f"CREATE TABLE thing_identity_name (digest {_KEY} PRIMARY KEY, identity_id {_KEY})",
)

# `billing_count_by_month` holds all that a closing reads.
BILLING = (
    f"""CREATE TABLE billing_usage (usage_id {_KEY} PRIMARY KEY, provider {_KEY}, consumer {_KEY}, state {_KEY},
        body {_KEY})""",
    "CREATE INDEX billing_usage_by_state ON billing_usage (state, usage_id)",
    f"""CREATE TABLE billing_trade (trade_id BIGINT NOT NULL PRIMARY KEY, provider {_KEY}, consumer {_KEY}, item {_KEY},
        kind {_KEY}, UNIQUE (provider, consumer, item, kind))""",
    """CREATE TABLE billing_count (usage_id {BYTES} NOT NULL PRIMARY KEY, trade_id BIGINT NOT NULL,
        billed_in INTEGER NOT NULL, day INTEGER NOT NULL, events INTEGER NOT NULL, quantity BIGINT NOT NULL)""",
    """CREATE INDEX billing_count_by_month ON billing_count (billed_in, trade_id, day, events, quantity)""",
    f"CREATE TABLE billing_clock (clock {_KEY} PRIMARY KEY, open_month INTEGER NOT NULL)",
    f"CREATE TABLE billing_cut (month BIGINT NOT NULL PRIMARY KEY, body {_KEY})",
    f"CREATE TABLE billing_closing (month BIGINT NOT NULL PRIMARY KEY, counted {_KEY}, body {_KEY})",
    f"CREATE TABLE billing_rule (kind {_KEY}, rule_id {_KEY}, body {_KEY}, PRIMARY KEY (kind, rule_id))",
    f"""CREATE TABLE billing_document (digest {_KEY} PRIMARY KEY, issuer {_KEY}, kind {_KEY}, sequence BIGINT NOT NULL,
        recipient {_KEY}, month {_KEY}, body {_KEY}, UNIQUE (issuer, kind, sequence))""",
    "CREATE INDEX billing_document_by_recipient ON billing_document (recipient, digest)",
    f"CREATE TABLE billing_payment (digest {_KEY}, payment_id {_KEY}, body {_KEY}, PRIMARY KEY (digest, payment_id))",
)

CERTIFICATION = (
    f"CREATE TABLE accreditation (body_id {_KEY} PRIMARY KEY, body {_KEY})",
    f"""CREATE TABLE certification_case (case_id {_KEY} PRIMARY KEY, applicant_id {_KEY}, body_id {_KEY},
        body {_KEY})""",
    "CREATE INDEX certification_case_by_applicant ON certification_case (applicant_id, case_id)",
    "CREATE INDEX certification_case_by_body ON certification_case (body_id, case_id)",
    f"CREATE TABLE certificate (certificate_id {_KEY} PRIMARY KEY, words {_KEY}, body {_KEY})",
)

# Made by triggers, so that a restored table of keys is searched at once.
_WORDS_ADDED = "INSERT INTO hub_catalog_words (rowid, keys) VALUES (new.record_no, new.keys);"
_WORDS_REMOVED = "INSERT INTO hub_catalog_words (hub_catalog_words, rowid, keys) VALUES ('delete', old.record_no, old.keys);"
CATALOG = (
    f"""CREATE TABLE hub_catalog_record (record_no {{NUMBERED}}, iri {_KEY} UNIQUE, publisher {_KEY},
        modified_ms BIGINT NOT NULL, body {_KEY})""",
    f"""CREATE TABLE hub_catalog_withdrawal (iri {_KEY}, publisher {_KEY}, revision BIGINT NOT NULL,
        PRIMARY KEY (iri, publisher))""",
    f"CREATE TABLE hub_catalog_publisher (publisher {_KEY} PRIMARY KEY, seen_ms BIGINT NOT NULL)",
    f"""{{ON sqlite}}CREATE TABLE hub_catalog_keys (record_no BIGINT NOT NULL PRIMARY KEY, modified_ms BIGINT NOT NULL,
        keys {_KEY})""",
    """{ON sqlite}CREATE VIRTUAL TABLE hub_catalog_words USING fts5 (keys, content = 'hub_catalog_keys',
        content_rowid = 'record_no', tokenize = 'ascii', detail = none, columnsize = 0)""",
    f"{{ON sqlite}}CREATE TRIGGER hub_catalog_added AFTER INSERT ON hub_catalog_keys BEGIN {_WORDS_ADDED} END",
    f"{{ON sqlite}}CREATE TRIGGER hub_catalog_removed AFTER DELETE ON hub_catalog_keys BEGIN {_WORDS_REMOVED} END",
    f"""{{ON sqlite}}CREATE TRIGGER hub_catalog_changed AFTER UPDATE ON hub_catalog_keys
        BEGIN {_WORDS_REMOVED} {_WORDS_ADDED} END""",
    """{ON postgresql}CREATE TABLE hub_catalog_keys (record_no BIGINT PRIMARY KEY, modified_ms BIGINT NOT NULL,
        keys BIGINT[] NOT NULL)""",
    "{ON postgresql}CREATE INDEX hub_catalog_by_keys ON hub_catalog_keys USING gin (keys)",
)

LEDGER = (
    f"""CREATE TABLE ledger_head (log {_KEY} PRIMARY KEY, size_count BIGINT NOT NULL, signed_count BIGINT NOT NULL,
        signed_note {_KEY}, published_count BIGINT NOT NULL, published_note {_KEY})""",
    f"""CREATE TABLE ledger_tile (log {_KEY}, level BIGINT NOT NULL, number BIGINT NOT NULL, body {{BYTES}} NOT NULL,
        PRIMARY KEY (log, level, number))""",
    f"""CREATE TABLE ledger_batch (log {_KEY}, member {_KEY}, sha256 {_KEY}, first_index BIGINT NOT NULL,
        entries_count INTEGER NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (log, member, sha256))""",
)

HUB_VERSION_1 = (*REGISTRY, *IDENTITIES, *BILLING, *CERTIFICATION, *CATALOG, *LEDGER)

HUB_VERSIONS: Sequence[Sequence[str]] = (HUB_VERSION_1,)
HUB_CHAIN = Chain("hub_schema_version", HUB_VERSIONS)
