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

HUB_VERSION_1 = (*REGISTRY, *IDENTITIES)

HUB_VERSIONS: Sequence[Sequence[str]] = (HUB_VERSION_1,)
HUB_CHAIN = Chain("hub_schema_version", HUB_VERSIONS)
