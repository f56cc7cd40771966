"""Who holds each term of a policy, as it is shown with policies, offers and agreements."""

from collections.abc import Mapping
from typing import Literal

from ashiato.api.management.models.shared import Model
from ashiato.connector.catalog import compiled, rules_of
from ashiato.policy.labels import labels_of
from ashiato.policy.odrl import MalformedPolicy

EnforcementName = Literal["enforced", "attested", "contractual"]


class TermShown(Model):
    """One constraint, duty or prohibition, and who holds it.

    `enforced`: the provider's own process refuses. `attested`: the partner's connector does it and signs. `contractual`: it is
    only promised.
    """

    path: str
    """Where it stands in the policy."""
    term: str
    enforcement: EnforcementName | None
    """Null for what cannot be judged or held at all; what depends on it is refused."""
    checkpoints: list[str]
    """Where this connector refuses by it: catalog, negotiation, transfer, read, running."""
    sentence: str


def terms_of(document: Mapping[str, object]) -> list[TermShown]:
    """The terms of a policy in its order; none for one that cannot be read."""
    try:
        labels = labels_of(compiled(rules_of(document)))
    except MalformedPolicy:
        return []
    return [
        TermShown(
            path=label.path,
            term=label.term,
            enforcement=None if label.enforcement is None else label.enforcement.value,
            checkpoints=[checkpoint.value for checkpoint in label.checkpoints],
            sentence=label.sentence.text,
        )
        for label in labels
    ]
