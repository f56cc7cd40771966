"""The schema of a connector's database, version by version, forward only.

A version is a list of statements that both engines understand; `{TEXT}` is text compared byte by byte, `{BYTES}` is a blob,
`{BODY.name}` is the text member of that name in the JSON of the column `body`, `{NUMBERED}` a primary key that counts up.
A statement that begins with `{ON sqlite}` or `{ON postgresql}` is run there only.
Versions that were released are never changed: a new one is appended.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ashiato.stores.errors import StoreTooNew

_KEY = "{TEXT} NOT NULL"

VERSION_1 = (
    f"CREATE TABLE participant (participant_id {_KEY} PRIMARY KEY, slug {_KEY} UNIQUE, body {_KEY})",
    f"""CREATE TABLE asset (participant_id {_KEY}, asset_id {_KEY}, data_item {_KEY}, part_group {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, asset_id))""",
    "CREATE INDEX asset_by_data_item ON asset (participant_id, data_item, asset_id)",
    "CREATE INDEX asset_by_part_group ON asset (participant_id, part_group, asset_id)",
    f"""CREATE TABLE asset_record (participant_id {_KEY}, asset_id {_KEY}, body {{BYTES}} NOT NULL,
        PRIMARY KEY (participant_id, asset_id))""",
    f"""CREATE TABLE policy (participant_id {_KEY}, policy_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, policy_id))""",
    f"""CREATE TABLE offer (participant_id {_KEY}, offer_id {_KEY}, data_item {{TEXT}}, part_group {{TEXT}}, body {_KEY},
        PRIMARY KEY (participant_id, offer_id))""",
    "CREATE INDEX offer_by_class ON offer (participant_id, data_item, part_group)",
    f"""CREATE TABLE catalog_entry (participant_id {_KEY}, asset_id {_KEY}, offer_id {_KEY}, offering_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, asset_id, offer_id), UNIQUE (participant_id, offering_id))""",
    "CREATE INDEX catalog_entry_by_offer ON catalog_entry (participant_id, offer_id, asset_id)",
    f"""CREATE TABLE catalog_audience (participant_id {_KEY}, audience {_KEY}, asset_id {_KEY}, offer_id {_KEY},
        from_ms BIGINT, until_ms BIGINT, data_item {_KEY}, part_group {_KEY},
        PRIMARY KEY (participant_id, audience, asset_id, offer_id))""",
    """CREATE INDEX catalog_audience_by_data_item
        ON catalog_audience (participant_id, audience, data_item, asset_id, offer_id)""",
    """CREATE INDEX catalog_audience_by_part_group
        ON catalog_audience (participant_id, audience, part_group, asset_id, offer_id)""",
    "CREATE INDEX catalog_audience_by_asset ON catalog_audience (participant_id, asset_id, offer_id)",
    f"""CREATE TABLE negotiation (participant_id {_KEY}, own_pid {_KEY}, role {_KEY}, peer_id {_KEY}, peer_pid {{TEXT}},
        state {_KEY}, is_open INTEGER NOT NULL, body {_KEY},
        PRIMARY KEY (participant_id, own_pid), UNIQUE (participant_id, peer_id, peer_pid, role))""",
    "CREATE INDEX negotiation_open ON negotiation (participant_id, peer_id) WHERE is_open = 1",
    f"""CREATE TABLE negotiation_context (participant_id {_KEY}, own_pid {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, own_pid))""",
    f"""CREATE TABLE approvable (participant_id {_KEY}, own_pid {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, own_pid))""",
    f"""CREATE TABLE agreement (participant_id {_KEY}, agreement_id {_KEY}, role {_KEY}, peer_id {_KEY}, asset_id {_KEY},
        framework_id {{TEXT}}, agreed_ms BIGINT NOT NULL, is_usable INTEGER NOT NULL, body {_KEY},
        PRIMARY KEY (participant_id, agreement_id))""",
    "CREATE INDEX agreement_by_peer ON agreement (participant_id, peer_id, agreement_id)",
    "CREATE INDEX agreement_by_asset ON agreement (participant_id, asset_id, peer_id)",
    """CREATE INDEX agreement_by_framework ON agreement (participant_id, framework_id, agreement_id)
        WHERE framework_id IS NOT NULL""",
    f"""CREATE TABLE framework (participant_id {_KEY}, framework_id {_KEY}, peer_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, framework_id))""",
    "CREATE INDEX framework_by_peer ON framework (participant_id, peer_id)",
    f"""CREATE TABLE paper (participant_id {_KEY}, paper_id {_KEY}, peer_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, paper_id))""",
    "CREATE INDEX paper_by_peer ON paper (participant_id, peer_id)",
    f"""CREATE TABLE paper_scan (participant_id {_KEY}, paper_id {_KEY}, scan {{BYTES}} NOT NULL,
        PRIMARY KEY (participant_id, paper_id),
        FOREIGN KEY (participant_id, paper_id) REFERENCES paper (participant_id, paper_id) ON DELETE CASCADE)""",
    f"""CREATE TABLE transfer (participant_id {_KEY}, own_pid {_KEY}, role {_KEY}, peer_id {_KEY}, peer_pid {{TEXT}},
        agreement_id {_KEY}, state {_KEY}, is_open INTEGER NOT NULL, body {_KEY},
        PRIMARY KEY (participant_id, own_pid), UNIQUE (participant_id, peer_id, peer_pid, role))""",
    "CREATE INDEX transfer_by_agreement ON transfer (participant_id, agreement_id, own_pid)",
    f"""CREATE TABLE transfer_context (participant_id {_KEY}, own_pid {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, own_pid))""",
    f"""CREATE TABLE access (participant_id {_KEY}, access_id {_KEY}, agreement_id {_KEY}, started_ms BIGINT NOT NULL,
        body {_KEY}, PRIMARY KEY (participant_id, access_id))""",
    "CREATE INDEX access_by_start ON access (participant_id, started_ms, access_id)",
    "CREATE INDEX access_by_agreement ON access (participant_id, agreement_id, started_ms, access_id)",
    f"""CREATE TABLE received (participant_id {_KEY}, received_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, received_id))""",
    f"""CREATE TABLE fetch_order (participant_id {_KEY}, fetch_id {_KEY}, negotiation_pid {{TEXT}}, transfer_pid {{TEXT}},
        body {_KEY}, PRIMARY KEY (participant_id, fetch_id))""",
    "CREATE INDEX fetch_order_by_negotiation ON fetch_order (participant_id, negotiation_pid)",
    "CREATE INDEX fetch_order_by_transfer ON fetch_order (participant_id, transfer_pid)",
    f"""CREATE TABLE outbox (participant_id {_KEY}, process_id {_KEY}, sequence INTEGER NOT NULL, delivery_id {_KEY},
        kind {_KEY}, message_name {_KEY}, address {_KEY}, audience {_KEY}, body {{BYTES}} NOT NULL,
        created_ms BIGINT NOT NULL, due_ms BIGINT NOT NULL, attempts_count INTEGER NOT NULL, ready_ms BIGINT NOT NULL,
        node_id {{TEXT}},
        PRIMARY KEY (participant_id, process_id, sequence), UNIQUE (participant_id, delivery_id))""",
    "CREATE INDEX outbox_by_ready ON outbox (ready_ms)",
    f"CREATE TABLE history_counter (participant_id {_KEY} PRIMARY KEY, last_sequence BIGINT NOT NULL)",
    f"""CREATE TABLE history (participant_id {_KEY}, sequence BIGINT NOT NULL, at_ms BIGINT NOT NULL, event {_KEY},
        process_id {_KEY}, peer_id {_KEY}, details {_KEY}, PRIMARY KEY (participant_id, sequence))""",
    "CREATE INDEX history_by_process ON history (participant_id, process_id, sequence)",
    f"""CREATE TABLE seen_token (participant_id {_KEY}, issuer {_KEY}, token_id {_KEY}, expires_ms BIGINT NOT NULL,
        PRIMARY KEY (participant_id, issuer, token_id))""",
    "CREATE INDEX seen_token_by_expiry ON seen_token (expires_ms)",
    f"""CREATE TABLE webhook (participant_id {_KEY}, webhook_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, webhook_id))""",
)

# The vault, receipts and apps.
VAULT_OF_VERSION_2 = (
    f"""CREATE TABLE vault_item (participant_id {_KEY}, received_id {_KEY}, agreement_id {_KEY}, state {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, received_id))""",
    "CREATE INDEX vault_item_by_agreement ON vault_item (participant_id, agreement_id, received_id)",
    f"""CREATE TABLE vault_use (participant_id {_KEY}, use_id {_KEY}, agreement_id {_KEY}, app {_KEY}, purpose {_KEY},
        at_ms BIGINT NOT NULL, body {_KEY}, PRIMARY KEY (participant_id, use_id))""",
    "CREATE INDEX vault_use_by_agreement ON vault_use (participant_id, agreement_id, at_ms, use_id)",
    f"""CREATE TABLE vault_account (participant_id {_KEY}, agreement_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, agreement_id))""",
    f"""CREATE TABLE receipt (participant_id {_KEY}, agreement_id {_KEY}, sequence BIGINT NOT NULL, body {_KEY},
        PRIMARY KEY (participant_id, agreement_id, sequence))""",
    f"""CREATE TABLE receipt_watch (participant_id {_KEY}, agreement_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, agreement_id))""",
    f"""CREATE TABLE app (participant_id {_KEY}, app_id {_KEY}, body {_KEY}, PRIMARY KEY (participant_id, app_id))""",
    f"""CREATE TABLE app_token (participant_id {_KEY}, token_sha256 {_KEY}, app_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, token_sha256))""",
    "CREATE INDEX app_token_by_app ON app_token (participant_id, app_id)",
)

# What counterparties presented.
STANDINGS_OF_VERSION_2 = (
    f"""CREATE TABLE presentation (participant_id {_KEY}, peer_id {_KEY}, fetched_ms BIGINT NOT NULL, body {_KEY},
        PRIMARY KEY (participant_id, peer_id))""",
    "CREATE INDEX presentation_by_age ON presentation (fetched_ms)",
)

TRANSFERS_OF_VERSION_2 = (
    "ALTER TABLE access ADD COLUMN transfer_pid {TEXT} NOT NULL DEFAULT ''",
    "UPDATE access SET transfer_pid = {BODY.transfer_pid}",
    "CREATE INDEX access_by_transfer ON access (participant_id, transfer_pid, started_ms, access_id)",
    "CREATE INDEX transfer_open ON transfer (participant_id, peer_id) WHERE is_open = 1",
)

# What the owner says of partners and of now, and what is owed.
RIGHTS_OF_VERSION_2 = (
    f"CREATE TABLE partner_group (participant_id {_KEY}, group_id {_KEY}, body {_KEY}, PRIMARY KEY (participant_id, group_id))",
    f"""CREATE TABLE partner_group_member (participant_id {_KEY}, member_id {_KEY}, group_id {_KEY},
        PRIMARY KEY (participant_id, member_id, group_id))""",
    "CREATE INDEX partner_group_member_by_group ON partner_group_member (participant_id, group_id)",
    f"""CREATE TABLE declared_fact (participant_id {_KEY}, agreement_id {_KEY}, name {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, agreement_id, name))""",
    f"""CREATE TABLE obligation (participant_id {_KEY}, obligation_id {_KEY}, agreement_id {_KEY}, state {_KEY},
        is_open INTEGER NOT NULL, body {_KEY}, PRIMARY KEY (participant_id, obligation_id))""",
    "CREATE INDEX obligation_by_agreement ON obligation (participant_id, agreement_id, is_open, obligation_id)",
    "CREATE INDEX obligation_by_state ON obligation (participant_id, state, obligation_id)",
)


# Credentials held and issued: the tables are alike.
WALLET_OF_VERSION_2 = (
    *(
        statement
        for name in (
            "held_credential",
            "credential_request",
            "credential_offer",
            "credential_type",
            "credential_grant",
            "issued_credential",
            "status_list",
        )
        for statement in (
            f"""CREATE TABLE {name} (participant_id {_KEY}, record_id {_KEY}, peer_id {_KEY}, body {_KEY},
                PRIMARY KEY (participant_id, record_id))""",
            f"CREATE INDEX {name}_by_peer ON {name} (participant_id, peer_id, record_id)",
        )
    ),
    f"""CREATE TABLE issuance_request (participant_id {_KEY}, record_id {_KEY}, peer_id {_KEY}, is_open INTEGER NOT NULL,
        body {_KEY}, PRIMARY KEY (participant_id, record_id))""",
    "CREATE INDEX issuance_request_by_peer ON issuance_request (participant_id, peer_id, record_id)",
    "CREATE INDEX issuance_request_open ON issuance_request (participant_id, peer_id) WHERE is_open = 1",
    f"""CREATE TABLE status_bits (participant_id {_KEY}, record_id {_KEY}, bits {{BYTES}} NOT NULL,
        PRIMARY KEY (participant_id, record_id))""",
)

# What became of hosted DID documents.
DID_LOG_OF_VERSION_2 = (
    f"""CREATE TABLE did_log (participant_id {_KEY}, sequence BIGINT NOT NULL, body {_KEY},
        PRIMARY KEY (participant_id, sequence))""",
)

# The chain of a company: plants, parts, bills, items, partners, links.
SUPPLY_OF_VERSION_2 = (
    *(
        statement
        for name, more in (
            ("trading_partner", ""),
            ("plant", ""),
            ("part", ""),
            ("batch", f"plant_id {_KEY},"),
            ("trade_link", f"part_id {_KEY}, standing {_KEY},"),
        )
        for statement in (
            f"""CREATE TABLE {name} (participant_id {_KEY}, record_id {_KEY}, of_id {_KEY}, {more} body {_KEY},
                PRIMARY KEY (participant_id, record_id))""",
            f"CREATE INDEX {name}_by_of ON {name} (participant_id, of_id, record_id)",
        )
    ),
    f"""CREATE TABLE item (participant_id {_KEY}, record_id {_KEY}, of_id {_KEY}, serial {_KEY}, batch_id {_KEY},
        plant_id {_KEY}, body {_KEY}, PRIMARY KEY (participant_id, record_id), UNIQUE (participant_id, of_id, serial))""",
    "CREATE INDEX trade_link_by_standing ON trade_link (participant_id, of_id, standing)",
    "CREATE INDEX trade_link_by_part ON trade_link (participant_id, part_id, record_id)",
    "CREATE INDEX batch_by_plant ON batch (participant_id, plant_id) WHERE plant_id <> ''",
    "CREATE INDEX item_by_plant ON item (participant_id, plant_id) WHERE plant_id <> ''",
    "CREATE INDEX item_by_of ON item (participant_id, of_id, record_id)",
    "CREATE INDEX item_by_batch ON item (participant_id, batch_id, record_id)",
    f"CREATE TABLE chain_change (participant_id {_KEY} PRIMARY KEY, changes_count BIGINT NOT NULL)",
    f"""CREATE TABLE supply_identifier (participant_id {_KEY}, identifier {_KEY}, subject {_KEY},
        PRIMARY KEY (participant_id, identifier))""",
    "CREATE INDEX supply_identifier_by_subject ON supply_identifier (participant_id, subject)",
    f"""CREATE TABLE bill (participant_id {_KEY}, part_id {_KEY}, version {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, part_id, version))""",
    f"""CREATE TABLE bill_line (participant_id {_KEY}, part_id {_KEY}, version {_KEY}, component_id {_KEY},
        PRIMARY KEY (participant_id, part_id, version, component_id))""",
    "CREATE INDEX bill_line_by_component ON bill_line (participant_id, component_id, part_id)",
    f"""CREATE TABLE holding (participant_id {_KEY}, holder {_KEY}, component {_KEY}, from_ms BIGINT NOT NULL,
        until_ms BIGINT NOT NULL, quantity {_KEY}, unit {_KEY},
        PRIMARY KEY (participant_id, holder, component, from_ms))""",
    "CREATE INDEX holding_by_component ON holding (participant_id, component, holder, from_ms)",
)

# What was in force of signed trust lists, for the whole node.
TRUST_LISTS_OF_VERSION_2 = (
    f"""CREATE TABLE trust_list_edition (participant_id {_KEY}, signer {_KEY}, place {_KEY}, number BIGINT NOT NULL,
        sha256 {_KEY}, PRIMARY KEY (participant_id, signer, place))""",
)

# Requests for data along the supply chain.
REQUESTS_OF_VERSION_2 = (
    f"""CREATE TABLE supply_request (participant_id {_KEY}, own_id {_KEY}, side {_KEY}, peer_id {_KEY}, request_id {_KEY},
        tree_id {_KEY}, above_tree_id {_KEY}, mark {_KEY}, state {_KEY}, is_open INTEGER NOT NULL, trades BIGINT NOT NULL,
        completed BIGINT NOT NULL, closed BIGINT NOT NULL, body {_KEY},
        PRIMARY KEY (participant_id, own_id), UNIQUE (participant_id, peer_id, request_id, side))""",
    "CREATE INDEX supply_request_by_tree ON supply_request (participant_id, tree_id, side, peer_id)",
    "CREATE INDEX supply_request_by_above ON supply_request (participant_id, above_tree_id) WHERE above_tree_id <> ''",
    "CREATE INDEX supply_request_by_mark ON supply_request (participant_id, mark) WHERE mark <> ''",
    "CREATE INDEX supply_request_open ON supply_request (participant_id, peer_id, side) WHERE is_open = 1",
    f"""CREATE TABLE supply_request_link (participant_id {_KEY}, above_id {_KEY}, below_id {_KEY},
        PRIMARY KEY (participant_id, above_id, below_id))""",
    "CREATE INDEX supply_request_link_by_below ON supply_request_link (participant_id, below_id, above_id)",
    f"""CREATE TABLE supply_answer (participant_id {_KEY}, own_id {_KEY}, version INTEGER NOT NULL, is_late INTEGER NOT NULL,
        fetch_id {_KEY}, body {_KEY}, PRIMARY KEY (participant_id, own_id, version, is_late))""",
    "CREATE INDEX supply_answer_by_fetch ON supply_answer (participant_id, fetch_id) WHERE fetch_id <> ''",
    f"""CREATE TABLE answer_rule (participant_id {_KEY}, rule_id {_KEY}, data_item {_KEY}, part_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, rule_id))""",
    "CREATE INDEX answer_rule_by_part ON answer_rule (participant_id, data_item, part_id)",
    f"""CREATE TABLE supply_message (participant_id {_KEY}, peer_id {_KEY}, message_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, peer_id, message_id))""",
    f"CREATE TABLE supply_line (participant_id {_KEY}, peer_id {_KEY}, body {_KEY}, PRIMARY KEY (participant_id, peer_id))",
)

# What people filled in: factors, activity data, answers.
CARBON_ROWS_OF_VERSION_2 = (
    f"""CREATE TABLE carbon_row (participant_id {_KEY}, template {_KEY}, row_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, template, row_id))""",
)
# Background databases, packed, in pieces.
CARBON_BACKGROUNDS_OF_VERSION_2 = (
    f"""CREATE TABLE carbon_background (participant_id {_KEY}, background_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, background_id))""",
    f"""CREATE TABLE carbon_background_piece (participant_id {_KEY}, background_id {_KEY}, number INTEGER NOT NULL,
        content {{BYTES}} NOT NULL, PRIMARY KEY (participant_id, background_id, number))""",
)

# What the company signed for its apps and people, what that was computed from, and what partners say of theirs.
WORDS_OF_VERSION_2 = (
    f"""CREATE TABLE own_word (participant_id {_KEY}, sha256 {_KEY}, kind {_KEY}, subject_id {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, sha256), UNIQUE (participant_id, kind, subject_id))""",
    f"""CREATE TABLE own_word_basis (participant_id {_KEY}, peer_id {_KEY}, basis_sha256 {_KEY}, sha256 {_KEY},
        PRIMARY KEY (participant_id, peer_id, basis_sha256, sha256))""",
    "CREATE INDEX own_word_basis_of ON own_word_basis (participant_id, sha256)",
    f"""CREATE TABLE word_notice (participant_id {_KEY}, peer_id {_KEY}, sha256 {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, peer_id, sha256))""",
)

WITNESSED_OF_VERSION_2 = (
    f"""CREATE TABLE witnessed_log (participant_id {_KEY}, origin_sha256 {_KEY}, origin {_KEY}, size_count BIGINT NOT NULL,
        root {{BYTES}} NOT NULL, note {_KEY}, at_ms BIGINT NOT NULL, PRIMARY KEY (participant_id, origin_sha256))""",
)

VERSION_2 = (
    *VAULT_OF_VERSION_2,
    *STANDINGS_OF_VERSION_2,
    *RIGHTS_OF_VERSION_2,
    *TRANSFERS_OF_VERSION_2,
    *WALLET_OF_VERSION_2,
    *DID_LOG_OF_VERSION_2,
    *SUPPLY_OF_VERSION_2,
    *TRUST_LISTS_OF_VERSION_2,
    *REQUESTS_OF_VERSION_2,
    *CARBON_ROWS_OF_VERSION_2,
    *WITNESSED_OF_VERSION_2,
    *CARBON_BACKGROUNDS_OF_VERSION_2,
    *WORDS_OF_VERSION_2,
    f"""CREATE TABLE contract_text (participant_id {_KEY}, text_sha256 {_KEY}, body {_KEY},
        PRIMARY KEY (participant_id, text_sha256))""",
)

CONNECTOR: Sequence[Sequence[str]] = (VERSION_1, VERSION_2)


class Chain(NamedTuple):
    """The versions of the tables of one program, and the table that holds the number of the one that stands."""

    table: str
    versions: Sequence[Sequence[str]]


class Ground(Protocol):
    """One open transaction that no other process migrates beside, in the types of its engine."""

    text_type: str
    bytes_type: str
    engine: str
    """The name of the engine, as in the marks of statements that only one of them runs."""
    numbered_type: str
    """The type of a key that the engine counts up by itself."""
    member_of_body: str
    """SQL for a member of the JSON in `body`, as text; `NAME` stands for the member's."""

    def execute(self, sql: str) -> None:
        """Run a statement without a result."""

    def version(self, table: str) -> int | None:
        """The number in a table such as `schema_version`, None where the table is empty."""


def _in_terms_of(ground: Ground, statement: str) -> str:
    for mark, words in (
        (f"{{ON {ground.engine}}}", ""),
        ("{TEXT}", ground.text_type),
        ("{BYTES}", ground.bytes_type),
        ("{NUMBERED}", ground.numbered_type),
    ):
        statement = statement.replace(mark, words)
    return re.sub(
        r"\{BODY\.(\w+)\}", lambda found: ground.member_of_body.replace("NAME", found[1]), statement
    )


def migrate(ground: Ground, versions: Sequence[Sequence[str]], table: str = "schema_version") -> None:
    """Bring the database to the last of `versions`, whose number stands in `table`; the caller commits.

    Raises `StoreTooNew`.
    """
    ground.execute(f"CREATE TABLE IF NOT EXISTS {table} (version INTEGER NOT NULL)")
    found = ground.version(table)
    if found is None:
        ground.execute(f"INSERT INTO {table} (version) VALUES (0)")  # noqa: S608  a name of our own
    present = found or 0
    if present > len(versions):
        raise StoreTooNew(present, len(versions))
    for statements in versions[present:]:
        for statement in statements:
            stated = _in_terms_of(ground, statement)
            if not stated.startswith("{ON "):
                ground.execute(stated)
    if present < len(versions):
        ground.execute(f"UPDATE {table} SET version = {len(versions):d}")  # noqa: S608  words of our own
