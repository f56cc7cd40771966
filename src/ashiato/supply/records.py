"""What a company knows of its chain. Ids are its own; what others call the same thing stands among the identifiers."""

from enum import StrEnum

import msgspec

from ashiato.facts.identifiers import Identifier


class SubjectKind(StrEnum):
    """What an identifier can stand for."""

    PARTNER = "partner"
    PLANT = "plant"
    PART = "part"
    BATCH = "batch"
    ITEM = "item"


class Subject(msgspec.Struct, frozen=True, order=True):
    """One thing that an identifier stands for, by its kind and the company's own id of it."""

    kind: SubjectKind
    id: str

    @property
    def key(self) -> str:
        """`kind:id`, by which relations are stored."""
        return f"{self.kind}:{self.id}"

    @classmethod
    def of_key(cls, key: str) -> "Subject":
        """The subject with that key."""
        kind, _, found = key.partition(":")
        return cls(SubjectKind(kind), found)


class Sourcing(StrEnum):
    """Where a part comes from."""

    OWN = "own"
    """Made by this company."""
    PURCHASED = "purchased"
    """Bought: somebody else's own part."""


class TradingPartner(msgspec.Struct, frozen=True, kw_only=True):
    """A supplier or customer (仕入先・納入先), by its DID."""

    partner_id: str
    name: str = ""
    address: str = ""
    """Where it speaks the protocol; empty = looked up from the DID."""
    is_supplier: bool = False
    is_customer: bool = False
    identifiers: tuple[Identifier, ...] = ()
    created_ms: int = 0
    updated_ms: int = 0


class Plant(msgspec.Struct, frozen=True, kw_only=True):
    """A place where parts are made (事業所)."""

    plant_id: str
    name: str = ""
    address: str = ""
    country: str = ""
    """Two capitals of ISO 3166-1, or empty."""
    identifiers: tuple[Identifier, ...] = ()
    created_ms: int = 0
    updated_ms: int = 0


class PartType(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the parts master (部品マスタ). Amounts of it are given in `unit` or another unit of the same dimension."""

    part_id: str
    name: str = ""
    sourcing: Sourcing = Sourcing.OWN
    unit: str = "piece"
    revision: str = ""
    plant_id: str = ""
    """The company's own plant that makes or takes in the part; empty = not said."""
    properties: dict[str, object] = {}
    """What other systems want to keep with it; carried, never read."""
    identifiers: tuple[Identifier, ...] = ()
    created_ms: int = 0
    updated_ms: int = 0


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A lot of one part type."""

    batch_id: str
    part_id: str
    plant_id: str = ""
    quantity: str | None = None
    """How much of it there was, in the unit of the part; None = not said."""
    made_ms: int | None = None
    properties: dict[str, object] = {}
    identifiers: tuple[Identifier, ...] = ()
    created_ms: int = 0
    updated_ms: int = 0


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One serial item of a part type; a serial number is unique among the items of its part."""

    item_id: str
    part_id: str
    serial: str
    batch_id: str = ""
    plant_id: str = ""
    made_ms: int | None = None
    properties: dict[str, object] = {}
    identifiers: tuple[Identifier, ...] = ()
    created_ms: int = 0
    updated_ms: int = 0


class BillLine(msgspec.Struct, frozen=True, kw_only=True):
    """One component of a bill of material: `quantity` of it is in `Bill.output` of the parent."""

    component_id: str
    quantity: str
    unit: str
    loss: str = "0"
    """The share of what goes in that is lost on the way, 0 to below 1: quantity / (1 - loss) is needed."""
    position: str = ""
    """Tells two lines with the same component apart."""


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """A bill of material as planned (部品構成). Of the versions valid at an instant, the one that began last counts."""

    part_id: str
    version: str
    lines: tuple[BillLine, ...]
    output: str = "1"
    """How much of the parent the lines make, in the unit of the parent."""
    valid_from_ms: int = 0
    valid_until_ms: int | None = None
    created_ms: int = 0
    updated_ms: int = 0


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """As built: `holder` holds `quantity` of `component` from an instant (included) until another (not included)."""

    holder: Subject
    component: Subject
    quantity: str = "1"
    unit: str = "piece"
    from_ms: int = 0
    """0 = since ever."""
    until_ms: int | None = None
    """When it was taken out or replaced; None = it is still in."""

    def is_at(self, instant_ms: int) -> bool:
        """Whether the component is in the holder then."""
        return self.from_ms <= instant_ms and (self.until_ms is None or instant_ms < self.until_ms)


class Side(StrEnum):
    """Which side of a trade this company stands on."""

    BUYER = "buyer"
    """Our purchased part is the partner's part."""
    SUPPLIER = "supplier"
    """Our part is the partner's purchased part."""


class LinkState(StrEnum):
    """How far a trade link is."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class TradeLink(msgspec.Struct, frozen=True, kw_only=True):
    """ "My purchased part is your part" (取引関係): proposed by one side, true only when the other has confirmed it.

    Both sides keep the link under the same id, which the proposer chose.
    """

    link_id: str
    side: Side
    partner_id: str
    is_ours: bool
    """Whether this company proposed it."""
    own_part_id: str = ""
    """Empty in a proposal of the partner's until it is confirmed."""
    partner_part_id: str = ""
    """What the partner calls the part; empty until it said so."""
    partner_part_name: str = ""
    partner_unit: str = ""
    state: LinkState = LinkState.PROPOSED
    message: str = ""
    reason: str = ""
    """Why it was refused or withdrawn."""
    created_ms: int = 0
    updated_ms: int = 0


class LinkStanding(StrEnum):
    """What a link still asks for: an answer of this company, nothing while it stands, nothing any more."""

    WAITING = "waiting"
    STANDING = "standing"
    ENDED = "ended"

    @classmethod
    def of(cls, link: TradeLink) -> "LinkStanding":
        """Where the link stands, from this company's side."""
        if link.state in (LinkState.REFUSED, LinkState.WITHDRAWN):
            return cls.ENDED
        is_theirs = link.state is LinkState.PROPOSED and not link.is_ours
        return cls.WAITING if is_theirs else cls.STANDING
