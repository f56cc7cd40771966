"""A decision and its reasons: codes and fields are kept, sentences are made when somebody reads them."""

from collections.abc import Mapping

import msgspec

from ashiato.facts.instants import format_datetime

_MAX_SHOWN_CHARS = 200
_MAX_SHOWN_ITEMS = 10

# One clause per code. Another language is another table with the same keys and the same fields.
ENGLISH: Mapping[str, str] = {
    "policy_empty": "the policy grants nothing, and what is not granted is refused",
    "no_permission": "the policy holds no permission, and what is not granted is refused",
    "policy_void": "a permission and a prohibition contradict each other, which voids this policy",
    "permission_applies": "the policy permits {action}",
    "permission_action": "the policy permits {action}, which does not cover {requested}",
    "permission_assignee": "the permission is given to {assignee}, not to {participant}",
    "permission_constraint": "the conditions of the permission to {action} are not met",
    "permission_duty": "a duty that the permission to {action} demands stands in the way",
    "prohibition_applies": "the policy prohibits {action}",
    "prohibition_unclear": "the policy prohibits {action} under conditions that cannot be judged here",
    "duty_pending": "{action} is owed",
    "duty_fulfilled": "the duty {action} is fulfilled",
    "duty_violated": "the duty {action} was violated",
    "duty_unfulfilled": "the duty {action} comes first and is not known to be fulfilled",
    "duty_unapplied": "the change that the duty {action} demands is not made here",
    "duty_not_owed": "the duty {action} is not owed now",
    "duty_unknown": "the duty {action} is not known here",
    "duty_unclear": "the conditions of the duty {action} cannot be judged here",
    "duty_undescribed": "how the duty {action} is to be done is not understood here",
    "duty_impossible": "the duty {action} can no longer be fulfilled",
    "credentials_missing": "this connector asks every partner for {types}",
    "provision_over": "the time for which the data is provided is over",
    "constraint_holds": "{left} {operator} {right} holds for {actual}",
    "constraint_fails": "{left} {operator} {right} does not hold for {actual}",
    "instant_holds": "{left} {operator} {right} holds at {actual_ms}",
    "instant_fails": "{left} {operator} {right} does not hold at {actual_ms}",
    "zone_missing": "{left} {operator} {right} has no time zone and may or may not hold at {actual_ms}",
    "before_agreement": "{left} {operator} {right} counts from the agreement, which does not exist yet",
    "agreement_missing": "{left} {operator} {right} counts from the agreement, whose date is missing",
    "not_asked_yet": "{left} {operator} {right} is asked later, when data is handed over",
    "left_to_partner": "{left} {operator} {right} is left to the partner's connector, which attests it",
    "promised": "{left} {operator} {right} is promised in the contract",
    "left_operand_unknown": "{left} is not known here and no verified claim of that name was given",
    "fact_unknown": "nothing is known here about {left}",
    "no_condition": "{left} says how a duty is done and is no condition",
    "operator_unsupported": "{operator} cannot be judged for {left}",
    "right_operand_unreadable": "the right operand of {left} {operator} cannot be read",
    "claim_incomparable": "{left} {operator} {right} cannot be compared with {actual}",
    "and": "all of the conditions together",
    "andSequence": "all of the conditions in their order",
    "or": "at least one of the conditions",
    "xone": "exactly one of the conditions",
    "not_enforced_left_operand": "{left} is not enforced by this node",
    "not_enforced_duty": "the duty {action} is not enforced by this node",
    "not_enforced_action": "the action {action} is not known to this node",
    "not_enforced_term": "{term} is not read by this node",
    "held_enforced": "{term} is enforced: the provider's own connector refuses",
    "held_attested": "{term} is attested: the receiving connector holds it and signs that it did",
    "held_contractual": "{term} is contractual: it is promised, and no program holds it",
    "held_by_nobody": "{term} can neither be judged nor held",
}
JAPANESE: Mapping[str, str] = {
    "policy_empty": "ポリシーは何も許可しておらず、許可されていないことは拒否されます",
    "no_permission": "ポリシーに許可がなく、許可されていないことは拒否されます",
    "policy_void": "許可と禁止が矛盾しているため、このポリシーは無効です",
    "permission_applies": "ポリシーは {action} を許可しています",
    "permission_action": "ポリシーは {action} を許可していますが、{requested} はそれに含まれません",
    "permission_assignee": "許可の相手は {assignee} であり、{participant} ではありません",
    "permission_constraint": "{action} の許可の条件が満たされていません",
    "permission_duty": "{action} の許可が求める義務が妨げになっています",
    "prohibition_applies": "ポリシーは {action} を禁止しています",
    "prohibition_unclear": "ポリシーは {action} を禁止していますが、その条件をここでは判断できません",
    "duty_pending": "{action} の義務があります",
    "duty_fulfilled": "{action} の義務は果たされています",
    "duty_violated": "{action} の義務が果たされませんでした",
    "duty_unfulfilled": "{action} の義務を先に果たす必要がありますが、果たされたことを確認できません",
    "duty_unapplied": "{action} の義務が求める変更は、ここでは行われません",
    "duty_not_owed": "{action} の義務は現在ありません",
    "duty_unknown": "{action} という義務はここでは知られていません",
    "duty_unclear": "{action} の義務の条件をここでは判断できません",
    "duty_undescribed": "{action} の義務をどのように果たすべきかをここでは理解できません",
    "duty_impossible": "{action} の義務はもう果たすことができません",
    "credentials_missing": "このコネクタはすべての相手に {types} を求めています",
    "provision_over": "データを提供する期間は終了しています",
    "constraint_holds": "{left} {operator} {right} は {actual} について成り立ちます",
    "constraint_fails": "{left} {operator} {right} は {actual} について成り立ちません",
    "instant_holds": "{left} {operator} {right} は {actual_ms} の時点で成り立ちます",
    "instant_fails": "{left} {operator} {right} は {actual_ms} の時点で成り立ちません",
    "zone_missing": "{left} {operator} {right} にはタイムゾーンがなく、{actual_ms} の時点で成り立つかどうか分かりません",
    "before_agreement": "{left} {operator} {right} は契約の成立から数えますが、契約はまだありません",
    "agreement_missing": "{left} {operator} {right} は契約の成立から数えますが、その日時が分かりません",
    "not_asked_yet": "{left} {operator} {right} は、後でデータを渡すときに確認されます",
    "left_to_partner": "{left} {operator} {right} は相手のコネクタが守り、証明します",
    "promised": "{left} {operator} {right} は契約上の約束です",
    "left_operand_unknown": "{left} はここでは知られておらず、その名前の検証済みの属性もありません",
    "fact_unknown": "{left} について、ここでは何も分かりません",
    "no_condition": "{left} は義務の果たし方を述べるもので、条件ではありません",
    "operator_unsupported": "{left} について {operator} は判断できません",
    "right_operand_unreadable": "{left} {operator} の右辺を読み取れません",
    "claim_incomparable": "{left} {operator} {right} を {actual} と比べることができません",
    "and": "すべての条件",
    "andSequence": "順序どおりのすべての条件",
    "or": "条件のうち少なくとも一つ",
    "xone": "条件のうちちょうど一つ",
    "not_enforced_left_operand": "{left} をこのノードは守らせることができません",
    "not_enforced_duty": "{action} の義務をこのノードは守らせることができません",
    "not_enforced_action": "{action} という行為はこのノードでは知られていません",
    "not_enforced_term": "{term} をこのノードは読み取りません",
    "held_enforced": "{term}：強制（提供側のコネクタが自ら拒否します）",
    "held_attested": "{term}：証明（受け取る側のコネクタが守り、署名して証明します）",
    "held_contractual": "{term}：契約（約束のみで、守らせるプログラムはありません）",
    "held_by_nobody": "{term}：判断することも守らせることもできません",
}


class Reason(msgspec.Struct, frozen=True):
    """Why something holds or not: `path` points into the policy (`permission[0].constraint[1]`).

    `satisfied` says whether the thing at `path` holds or applies; None means that it cannot be known here. A
    prohibition with `satisfied=True` therefore speaks against the request. `fields` fill the sentence of
    `code`; a field whose name ends in `_ms` is an instant.
    """

    code: str
    path: str = ""
    satisfied: bool | None = None
    children: tuple["Reason", ...] = ()
    fields: tuple[tuple[str, str | int | tuple[str, ...]], ...] = ()

    @property
    def text(self) -> str:
        """One English clause, without capital and full stop."""
        return self.text_in(ENGLISH)

    def text_in(self, sentences: Mapping[str, str]) -> str:
        """The clause by the template that `sentences` has for the code; without one, the code itself."""
        template = sentences.get(self.code)
        if template is None:
            return self.code
        return template.format_map({name: _spoken(name, value) for name, value in self.fields})


class Decision(msgspec.Struct, frozen=True):
    """The answer of a policy. `duties` are what the receiver owes when it makes use of a permit."""

    permitted: bool
    reasons: tuple[Reason, ...]
    duties: tuple[Reason, ...] = ()

    def summary(self) -> str:
        """One English sentence with the reason that decided."""
        verdict = "Permitted" if self.permitted else "Denied"
        if not self.reasons:
            return f"{verdict}."
        first, leaf, others = self._decided_by()
        because = f", because {leaf.text}" if leaf is not None else ""
        more = f" (and {others} more)" if others else ""
        return f"{verdict}: {first.text}{because}{more}."

    def summary_ja(self) -> str:
        """The same sentence in Japanese."""
        verdict = "許可" if self.permitted else "拒否"
        if not self.reasons:
            return f"{verdict}。"
        first, leaf, others = self._decided_by()
        because = f"（理由：{leaf.text_in(JAPANESE)}）" if leaf is not None else ""
        more = f"（ほか {others} 件）" if others else ""
        return f"{verdict}：{first.text_in(JAPANESE)}{because}{more}。"

    def _decided_by(self) -> tuple[Reason, Reason | None, int]:
        """The first reason, the leaf below it that decided, and how many reasons there are beside it."""
        first = self.reasons[0]
        return first, *((None, 0) if self.permitted else (_decisive(first), len(self.reasons) - 1))


def _decisive(reason: Reason) -> Reason | None:
    """The first leaf below `reason` that shares its parent's outcome all the way down, if there is any below."""
    current = reason
    while current.children:
        alike = (child for child in current.children if child.satisfied is current.satisfied)
        current = next(alike, current.children[0])
    return None if current is reason else current


def _spoken(name: str, value: str | int | tuple[str, ...]) -> str:
    """Fields come from strangers' policies: long ones are cut, and what does not print is replaced."""
    if isinstance(value, tuple):
        shown = ", ".join(_printable(item) for item in value[:_MAX_SHOWN_ITEMS])
        more = len(value) - _MAX_SHOWN_ITEMS
        return f"[{shown}, and {more} more]" if more > 0 else f"[{shown}]"
    if isinstance(value, int):
        return format_datetime(value) if name.endswith("_ms") else str(value)
    return _printable(value)


def _printable(text: str) -> str:
    cut = text if len(text) <= _MAX_SHOWN_CHARS else text[:_MAX_SHOWN_CHARS] + "…"
    return cut if cut.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in cut)
