"""What the app wrote of a company's footprints, read back from the company's own store for its people."""

from collections.abc import Iterator
from typing import NamedTuple

from ashiato.apps.carbon.calculating import BATTERY, FOOTPRINT
from ashiato.apps.carbon.declarations import FootprintDeclaration, MalformedDeclaration, read_declaration
from ashiato.apps.carbon.explaining import EXPLANATION, Explanation, read_explanation
from ashiato.apps.carbon.handover import Handover, handover
from ashiato.apps.carbon.revisions import STANDING, FootprintStanding, read_standing
from ashiato.apps.carbon.scopes import ScopeSheet
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.law.provisions import Standing

PAGE_COUNT = 500


class Footprint(NamedTuple):
    """A product with its declaration, if one could be computed, and how that stands, if the app has looked."""

    product: str
    declaration: FootprintDeclaration | None
    standing: FootprintStanding | None

    @property
    def unproved(self) -> list[str]:
        """The values of the ruleset, and other assumptions, that no text was read for."""
        assumptions = () if self.declaration is None else self.declaration.assumptions
        return [
            f"{one.key} = {one.value} {one.unit}".rstrip() + f" ({one.standing.value})"
            for one in assumptions
            if one.standing is not Standing.STATED
        ]


def footprints(uow: UnitOfWork, after_product: str, limit_count: int) -> list[Footprint]:
    """The products that the app wrote something of, in the order of their ids, behind `after_product`."""
    found: list[Footprint] = []
    for product in _products(uow, STANDING, after_product):
        if len(found) == limit_count:
            break
        found.append(footprint(uow, product))
    return found


def footprint(uow: UnitOfWork, product: str) -> Footprint:
    """One product; raises `NotFound`."""
    declaration, standing = uow.assets.record(FOOTPRINT + product), uow.assets.record(STANDING + product)
    if declaration is None and standing is None:
        raise _unknown(product)
    return Footprint(
        product,
        None if declaration is None else _read(declaration),
        None if standing is None else read_standing(standing),
    )


def explanation(uow: UnitOfWork, product: str) -> Explanation:
    """Why the footprint of a product is what it is; raises `NotFound`."""
    record = uow.assets.record(EXPLANATION + product)
    found = None if record is None else read_explanation(record)
    if found is None:
        raise _unknown(product)
    return found


def handed_over(uow: UnitOfWork, product: str, now_ms: int) -> Handover:
    """The declared footprint for the next level; raises `NotFound`."""
    declaration = uow.assets.record(FOOTPRINT + product)
    if declaration is None:
        raise _unknown(product)
    try:
        return handover(declaration, uow.assets.record(BATTERY + product), now_ms)
    except MalformedDeclaration:
        raise _unknown(product) from None


def sheets(uow: UnitOfWork) -> Iterator[ScopeSheet]:
    """What each inventory that was computed says of its plant."""
    for product in _products(uow, EXPLANATION, ""):
        yield explanation(uow, product).scopes


def _products(uow: UnitOfWork, beginning: str, after_product: str) -> Iterator[str]:
    after_id = beginning + after_product
    while page := uow.assets.list_assets(after_id, PAGE_COUNT):
        for asset in page:
            if not asset.asset_id.startswith(beginning):
                return
            yield asset.asset_id.removeprefix(beginning)
        after_id = page[-1].asset_id


def _read(data: bytes) -> FootprintDeclaration | None:
    try:
        return read_declaration(data)[0]
    except MalformedDeclaration:
        return None


def _unknown(product: str) -> NotFound:
    return NotFound(
        f"The footprint app has computed nothing of {product!r}; keep its inventory and run the app.",
        id=product,
    )
