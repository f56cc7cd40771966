"""Who may use, see and pass on a factor: pure decisions from the licence, empty meaning no."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from ashiato.facts.decisions import Decision, Reason


class Act(StrEnum):
    """What somebody wants to do with a factor.

    `USE` computes with it and shows only results from which it cannot be read; `SEE` shows its figures, or a line of a result
    beside its amount; `EXPORT` hands the figures to somebody outside the company, in whatever form.
    """

    USE = "use"
    SEE = "see"
    EXPORT = "export"


class Licence(msgspec.Struct, frozen=True):
    """What the owner of a database allows. `holders` are the participants that bought it, by their ids.

    `seats` are the persons of a holder who may see figures; empty means nobody, `everybody` means all of the holder's people.
    `open_to_all` is for public data and own figures that the company publishes; `expires_ms` ends everything.
    """

    id: str
    title: str = ""
    terms: str = ""
    open_to_all: bool = False
    holders: tuple[str, ...] = ()
    seats: tuple[str, ...] = ()
    everybody: bool = False
    may_export: bool = False
    attribution: str = ""
    expires_ms: int | None = None


class Person(msgspec.Struct, frozen=True):
    """Who asks: a person or program `id` of the participant `participant_id`."""

    participant_id: str
    id: str


ENGLISH: Mapping[str, str] = {
    "licence_open": "the licence {licence} is open to all",
    "licence_held": "{participant} holds the licence {licence}",
    "licence_not_held": "{participant} does not hold the licence {licence}",
    "licence_expired": "the licence {licence} ended at {expires_ms}",
    "licence_seat": "{person} has a seat of the licence {licence}",
    "licence_no_seat": "{person} has no seat of the licence {licence}",
    "licence_export": "the licence {licence} allows passing its figures on",
    "licence_no_export": "the licence {licence} does not allow passing its figures on",
    "licence_gone": "the licence {licence} is not kept here any more",
}
JAPANESE: Mapping[str, str] = {
    "licence_open": "ライセンス {licence} は誰でも利用できます",
    "licence_held": "{participant} はライセンス {licence} を保有しています",
    "licence_not_held": "{participant} はライセンス {licence} を保有していません",
    "licence_expired": "ライセンス {licence} は {expires_ms} に終了しました",
    "licence_seat": "{person} にはライセンス {licence} の閲覧権があります",
    "licence_no_seat": "{person} にはライセンス {licence} の閲覧権がありません",
    "licence_export": "ライセンス {licence} は数値の提供を認めています",
    "licence_no_export": "ライセンス {licence} は数値の提供を認めていません",
    "licence_gone": "ライセンス {licence} は登録されていません",
}


def may(act: Act, licence: Licence, person: Person, now_ms: int) -> Decision:
    """Whether `person` may do `act` with what is under `licence`; the first reason decides.

    Seeing needs the right to use, exporting the right to see: whoever passes figures on has read them.
    """
    reasons = _reasons(act, licence, person, now_ms)
    denials = tuple(reason for reason in reasons if reason.satisfied is False)
    return Decision(permitted=not denials, reasons=denials or tuple(reasons))


def _reasons(act: Act, licence: Licence, person: Person, now_ms: int) -> list[Reason]:
    if licence.expires_ms is not None and now_ms >= licence.expires_ms:
        return [_reason("licence_expired", False, licence, expires_ms=licence.expires_ms)]
    if licence.open_to_all:
        return [_reason("licence_open", True, licence)]
    held = person.participant_id in licence.holders
    reasons = [
        _reason(
            "licence_held" if held else "licence_not_held", held, licence, participant=person.participant_id
        )
    ]
    if act in {Act.SEE, Act.EXPORT}:
        seat = held and (licence.everybody or person.id in licence.seats)
        reasons.append(
            _reason("licence_seat" if seat else "licence_no_seat", seat, licence, person=person.id)
        )
    if act is Act.EXPORT:
        allowed = licence.may_export
        reasons.append(_reason("licence_export" if allowed else "licence_no_export", allowed, licence))
    return reasons


def _reason(code: str, satisfied: bool, licence: Licence, **fields: str | int) -> Reason:
    return Reason(code, satisfied=satisfied, fields=(("licence", licence.id), *fields.items()))


def narrowest(licences: Iterable[Licence], act: Act, person: Person, now_ms: int) -> Decision:
    """Whether `person` may do `act` with something made of parts under all of `licences`: every one must allow it.

    Nothing under no licence is permitted without reasons, as there is nobody who could refuse.
    """
    decisions = [may(act, licence, person, now_ms) for licence in licences]
    refused = tuple(reason for decision in decisions if not decision.permitted for reason in decision.reasons)
    if refused:
        return Decision(permitted=False, reasons=refused)
    return Decision(
        permitted=True, reasons=tuple(reason for decision in decisions for reason in decision.reasons)
    )
