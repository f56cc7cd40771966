"""The tables as the statements see them; `migrations` makes them.

Every key begins with the participant, so that no statement can name a row without saying whose it is. Three indexes do not,
because what uses them serves all participants at once: due deliveries, expired tokens, old presentations. Instants are epoch
milliseconds. Documents and records are JSON in `body`; a column beside it exists only where a statement searches by it.
"""

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
)

METADATA = MetaData()
OF_PARTICIPANT: BindParameter[str] = bindparam("participant_id", type_=Text())


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _instant(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _bytes(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


PARTICIPANT = Table("participant", METADATA, _key("participant_id"), _text("slug"), _text("body"))

ASSET = Table(
    "asset",
    METADATA,
    _key("participant_id"),
    _key("asset_id"),
    _text("data_item"),
    _text("part_group"),
    _text("body"),
)
ASSET_RECORD = Table("asset_record", METADATA, _key("participant_id"), _key("asset_id"), _bytes("body"))
POLICY = Table("policy", METADATA, _key("participant_id"), _key("policy_id"), _text("body"))
OFFER = Table(
    "offer",
    METADATA,
    _key("participant_id"),
    _key("offer_id"),
    _text("data_item", nullable=True),
    _text("part_group", nullable=True),
    _text("body"),
)
CATALOG_ENTRY = Table(
    "catalog_entry",
    METADATA,
    _key("participant_id"),
    _key("asset_id"),
    _key("offer_id"),
    _text("offering_id"),
    _text("body"),
)
CATALOG_AUDIENCE = Table(
    "catalog_audience",
    METADATA,
    _key("participant_id"),
    _key("audience"),
    _key("asset_id"),
    _key("offer_id"),
    _instant("from_ms", nullable=True),
    _instant("until_ms", nullable=True),
    _text("data_item"),
    _text("part_group"),
)

NEGOTIATION = Table(
    "negotiation",
    METADATA,
    _key("participant_id"),
    _key("own_pid"),
    _text("role"),
    _text("peer_id"),
    _text("peer_pid", nullable=True),
    _text("state"),
    _count("is_open"),
    _text("body"),
)
NEGOTIATION_CONTEXT = Table(
    "negotiation_context", METADATA, _key("participant_id"), _key("own_pid"), _text("body")
)
APPROVABLE = Table("approvable", METADATA, _key("participant_id"), _key("own_pid"), _text("body"))

AGREEMENT = Table(
    "agreement",
    METADATA,
    _key("participant_id"),
    _key("agreement_id"),
    _text("role"),
    _text("peer_id"),
    _text("asset_id"),
    _text("framework_id", nullable=True),
    _instant("agreed_ms"),
    _count("is_usable"),
    _text("body"),
)
FRAMEWORK = Table(
    "framework", METADATA, _key("participant_id"), _key("framework_id"), _text("peer_id"), _text("body")
)
PAPER = Table("paper", METADATA, _key("participant_id"), _key("paper_id"), _text("peer_id"), _text("body"))
PAPER_SCAN = Table("paper_scan", METADATA, _key("participant_id"), _key("paper_id"), _bytes("scan"))
CONTRACT_TEXT = Table("contract_text", METADATA, _key("participant_id"), _key("text_sha256"), _text("body"))

TRANSFER = Table(
    "transfer",
    METADATA,
    _key("participant_id"),
    _key("own_pid"),
    _text("role"),
    _text("peer_id"),
    _text("peer_pid", nullable=True),
    _text("agreement_id"),
    _text("state"),
    _count("is_open"),
    _text("body"),
)
TRANSFER_CONTEXT = Table("transfer_context", METADATA, _key("participant_id"), _key("own_pid"), _text("body"))
ACCESS = Table(
    "access",
    METADATA,
    _key("participant_id"),
    _key("access_id"),
    _text("agreement_id"),
    _text("transfer_pid"),
    _instant("started_ms"),
    _text("body"),
)
RECEIVED = Table("received", METADATA, _key("participant_id"), _key("received_id"), _text("body"))
FETCH = Table(
    "fetch_order",
    METADATA,
    _key("participant_id"),
    _key("fetch_id"),
    _text("negotiation_pid", nullable=True),
    _text("transfer_pid", nullable=True),
    _text("body"),
)

# `ready_ms` is the instant from which any node may claim the delivery: its due time, or the end of the lease of `node_id`.
OUTBOX = Table(
    "outbox",
    METADATA,
    _key("participant_id"),
    _key("process_id"),
    Column("sequence", Integer, primary_key=True),
    _text("delivery_id"),
    _text("kind"),
    _text("message_name"),
    _text("address"),
    _text("audience"),
    _bytes("body"),
    _instant("created_ms"),
    _instant("due_ms"),
    _count("attempts_count"),
    _instant("ready_ms"),
    _text("node_id", nullable=True),
)

HISTORY_COUNTER = Table(
    "history_counter", METADATA, _key("participant_id"), Column("last_sequence", BigInteger, nullable=False)
)
HISTORY = Table(
    "history",
    METADATA,
    _key("participant_id"),
    Column("sequence", BigInteger, primary_key=True),
    _instant("at_ms"),
    _text("event"),
    _text("process_id"),
    _text("peer_id"),
    _text("details"),
)
SEEN_TOKEN = Table(
    "seen_token",
    METADATA,
    _key("participant_id"),
    _key("issuer"),
    _key("token_id"),
    _instant("expires_ms"),
)
WEBHOOK = Table("webhook", METADATA, _key("participant_id"), _key("webhook_id"), _text("body"))

VAULT_ITEM = Table(
    "vault_item",
    METADATA,
    _key("participant_id"),
    _key("received_id"),
    _text("agreement_id"),
    _text("state"),
    _text("body"),
)
VAULT_USE = Table(
    "vault_use",
    METADATA,
    _key("participant_id"),
    _key("use_id"),
    _text("agreement_id"),
    _text("app"),
    _text("purpose"),
    _instant("at_ms"),
    _text("body"),
)
VAULT_ACCOUNT = Table("vault_account", METADATA, _key("participant_id"), _key("agreement_id"), _text("body"))
RECEIPT = Table(
    "receipt",
    METADATA,
    _key("participant_id"),
    _key("agreement_id"),
    Column("sequence", BigInteger, primary_key=True),
    _text("body"),
)
RECEIPT_WATCH = Table("receipt_watch", METADATA, _key("participant_id"), _key("agreement_id"), _text("body"))
APP = Table("app", METADATA, _key("participant_id"), _key("app_id"), _text("body"))
APP_TOKEN = Table(
    "app_token", METADATA, _key("participant_id"), _key("token_sha256"), _text("app_id"), _text("body")
)
PRESENTATION = Table(
    "presentation",
    METADATA,
    _key("participant_id"),
    _key("peer_id"),
    _instant("fetched_ms"),
    _text("body"),
)
PARTNER_GROUP = Table("partner_group", METADATA, _key("participant_id"), _key("group_id"), _text("body"))
PARTNER_GROUP_MEMBER = Table(
    "partner_group_member", METADATA, _key("participant_id"), _key("member_id"), _key("group_id")
)
DECLARED_FACT = Table(
    "declared_fact", METADATA, _key("participant_id"), _key("agreement_id"), _key("name"), _text("body")
)
OBLIGATION = Table(
    "obligation",
    METADATA,
    _key("participant_id"),
    _key("obligation_id"),
    _text("agreement_id"),
    _text("state"),
    _count("is_open"),
    _text("body"),
)


def _shelf(name: str, *further: Column[int]) -> Table:
    return Table(
        name, METADATA, _key("participant_id"), _key("record_id"), _text("peer_id"), *further, _text("body")
    )


HELD_CREDENTIAL = _shelf("held_credential")
CREDENTIAL_REQUEST = _shelf("credential_request")
CREDENTIAL_OFFER = _shelf("credential_offer")
CREDENTIAL_TYPE = _shelf("credential_type")
CREDENTIAL_GRANT = _shelf("credential_grant")
ISSUANCE_REQUEST = _shelf("issuance_request", _count("is_open"))
ISSUED_CREDENTIAL = _shelf("issued_credential")
STATUS_LIST = _shelf("status_list")
STATUS_BITS = Table("status_bits", METADATA, _key("participant_id"), _key("record_id"), _bytes("bits"))
DID_LOG = Table(
    "did_log",
    METADATA,
    _key("participant_id"),
    Column("sequence", BigInteger, primary_key=True),
    _text("body"),
)


def _supply_shelf(name: str, *more: Column[str]) -> Table:
    return Table(
        name,
        METADATA,
        _key("participant_id"),
        _key("record_id"),
        _text("of_id"),
        *more,
        _text("body"),
    )


TRADING_PARTNER = _supply_shelf("trading_partner")
PLANT = _supply_shelf("plant")
PART = _supply_shelf("part")
BATCH = _supply_shelf("batch", _text("plant_id"))
ITEM = _supply_shelf("item", _text("serial"), _text("batch_id"), _text("plant_id"))
TRADE_LINK = _supply_shelf("trade_link", _text("part_id"), _text("standing"))
CHAIN_CHANGE = Table(
    "chain_change", METADATA, _key("participant_id"), Column("changes_count", BigInteger, nullable=False)
)
SUPPLY_IDENTIFIER = Table(
    "supply_identifier", METADATA, _key("participant_id"), _key("identifier"), _text("subject")
)
BILL = Table("bill", METADATA, _key("participant_id"), _key("part_id"), _key("version"), _text("body"))
BILL_LINE = Table(
    "bill_line",
    METADATA,
    _key("participant_id"),
    _key("part_id"),
    _key("version"),
    _key("component_id"),
)
# `until_ms` is `FARTHEST_MS` while the component is still in: so one comparison serves both.
HOLDING = Table(
    "holding",
    METADATA,
    _key("participant_id"),
    _key("holder"),
    _key("component"),
    Column("from_ms", BigInteger, primary_key=True),
    _instant("until_ms"),
    _text("quantity"),
    _text("unit"),
)

# Lists are read for the whole node: the participant is always the store itself, "".
TRUST_LIST_EDITION = Table(
    "trust_list_edition",
    METADATA,
    _key("participant_id"),
    _key("signer"),
    _key("place"),
    _instant("number"),
    _text("sha256"),
)
SUPPLY_REQUEST = Table(
    "supply_request",
    METADATA,
    _key("participant_id"),
    _key("own_id"),
    _text("side"),
    _text("peer_id"),
    _text("request_id"),
    _text("tree_id"),
    _text("above_tree_id"),
    _text("mark"),
    _text("state"),
    _count("is_open"),
    _instant("trades"),
    _instant("completed"),
    _instant("closed"),
    _text("body"),
)
SUPPLY_REQUEST_LINK = Table(
    "supply_request_link", METADATA, _key("participant_id"), _key("above_id"), _key("below_id")
)
SUPPLY_ANSWER = Table(
    "supply_answer",
    METADATA,
    _key("participant_id"),
    _key("own_id"),
    Column("version", Integer, primary_key=True),
    Column("is_late", Integer, primary_key=True),
    _text("fetch_id"),
    _text("body"),
)
ANSWER_RULE = Table(
    "answer_rule",
    METADATA,
    _key("participant_id"),
    _key("rule_id"),
    _text("data_item"),
    _text("part_id"),
    _text("body"),
)
SUPPLY_MESSAGE = Table(
    "supply_message", METADATA, _key("participant_id"), _key("peer_id"), _key("message_id"), _text("body")
)
SUPPLY_LINE = Table("supply_line", METADATA, _key("participant_id"), _key("peer_id"), _text("body"))
WITNESSED_LOG = Table(
    "witnessed_log",
    METADATA,
    _key("participant_id"),
    _key("origin_sha256"),
    _text("origin"),
    _instant("size_count"),
    _bytes("root"),
    _text("note"),
    _instant("at_ms"),
)
CARBON_ROW = Table(
    "carbon_row", METADATA, _key("participant_id"), _key("template"), _key("row_id"), _text("body")
)
CARBON_BACKGROUND = Table(
    "carbon_background", METADATA, _key("participant_id"), _key("background_id"), _text("body")
)
CARBON_BACKGROUND_PIECE = Table(
    "carbon_background_piece",
    METADATA,
    _key("participant_id"),
    _key("background_id"),
    Column("number", Integer, primary_key=True),
    _bytes("content"),
)
OWN_WORD = Table(
    "own_word",
    METADATA,
    _key("participant_id"),
    _key("sha256"),
    _text("kind"),
    _text("subject_id"),
    _text("body"),
)
OWN_WORD_BASIS = Table(
    "own_word_basis",
    METADATA,
    _key("participant_id"),
    _key("peer_id"),
    _key("basis_sha256"),
    _key("sha256"),
)
WORD_NOTICE = Table(
    "word_notice", METADATA, _key("participant_id"), _key("peer_id"), _key("sha256"), _text("body")
)
