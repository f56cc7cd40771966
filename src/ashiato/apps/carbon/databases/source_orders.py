"""How a file is to be read, and what it came to: plain values that travel to the process that reads and back."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from ashiato.apps.carbon.databases.questions import Missing
from ashiato.apps.carbon.factors.datasets import Fault, Loss
from ashiato.apps.carbon.factors.model import Ownership

Format = Literal["auto", "ecospold2", "openlca", "ilcd", "simapro", "brightway"]
Use = Literal["background", "factors", "both"]
MOST_TOLD_COUNT = 1000


class SourceOrder(msgspec.Struct, frozen=True):
    """How a file is to be read. `prefix` begins the id of each factor; what the source is called stands beside each figure."""

    format: Format
    use: Use
    prefix: str
    title: str
    version: str = ""
    year: int | None = None
    ownership: Ownership = Ownership.BOUGHT
    licence_id: str = ""
    gwp_set_id: str = "AR6"
    allows_missing: bool = False


class SourceOutcome(msgspec.Struct, frozen=True):
    """What a file holds. The first of everything are told, the counts are of all. The packed database travels beside it."""

    format: str
    activities_count: int
    faults_count: int = 0
    faults: tuple[Fault, ...] = ()
    losses_count: int = 0
    losses: tuple[Loss, ...] = ()
    missing: Missing = Missing()
    refusal: Fault | None = None
    products_count: int = 0
    flows_count: int = 0
    exchanges_count: int = 0
    uncertain_count: int = 0
    factors: tuple[Mapping[str, str], ...] = ()
    unit_processes_count: int = 0
