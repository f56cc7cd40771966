"""Contract templates and the texts that are made of them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.management.models.contracts import Sha256
from ashiato.api.management.models.shared import (
    ForeignId,
    InstantShown,
    JsonObject,
    Model,
    OwnId,
    PageQuery,
)

Line = Annotated[str, StringConstraints(max_length=1000)]
Sentences = Annotated[str, StringConstraints(min_length=1, max_length=8000)]
Name = Annotated[str, StringConstraints(max_length=100, pattern=r"^[a-z0-9_-]+$")]


class InBoth(Model):
    """The same in both languages."""

    en: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    ja: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class TemplateParameter(Model):
    """What whoever fills the template has to say."""

    name: str
    type: Literal["text", "integer", "date", "list", "choice"]
    label: InBoth
    default: str | None
    optional: bool
    choices: list[str]


class TemplateClause(Model):
    """A clause with its parameters in braces."""

    key: str
    title: InBoth
    en: str
    ja: str
    odrl: str
    """The part that a connector can hold, as JSON text; empty for none."""
    given: str
    """The parameter without which that part does not count; empty when it always does."""


class TemplateListed(Model):
    """A template without its clauses."""

    name: str
    kind: Literal["usage", "framework", "exchange"]
    effective_from: str
    title: InBoth
    sha256: str


class Template(TemplateListed):
    """A template, whole."""

    parameters: list[TemplateParameter]
    clauses: list[TemplateClause]


class ChangedClause(Model):
    """Other words for a clause, or a clause that the template does not have."""

    en: Sentences
    ja: Sentences
    title: InBoth | None = None
    """Needed for a clause that the template does not have."""
    odrl: Annotated[str, StringConstraints(max_length=8000)] | None = None
    """Another machine-readable part as JSON text, "" for none; left out, the template's stays."""


class TextFilling(Model):
    """A template with what was filled in."""

    template: Name
    values: Annotated[dict[Name, Line], Field(max_length=100)]
    changes: Annotated[dict[Name, ChangedClause | None], Field(max_length=100)] = Field(default={})
    """By the key of the clause; null leaves the clause out."""
    policy_id: OwnId | None = None
    """Also store the machine-readable part as a policy under this id, ready for an offer."""


class TextClause(Model):
    """A clause of a text."""

    key: str
    title: InBoth
    en: str
    ja: str
    rules: str
    """Its part of the rules, as JSON text; empty for none."""


class TextDifference(Model):
    """A clause that is not the template's."""

    key: str
    kind: Literal["changed", "added", "omitted"]
    before: TextClause | None
    """What the template says with the same values."""
    after: TextClause | None


class TextValue(Model):
    """What was filled in."""

    name: str
    label: InBoth
    value: str


class TextListed(Model):
    """A contract text without its clauses."""

    text_sha256: Sha256
    template: str
    title: InBoth
    partner: str
    """Who sent it; empty for one of your own."""
    created_ms: InstantShown


class Text(TextListed):
    """A contract text, whole."""

    values: list[TextValue]
    clauses: list[TextClause]
    rules: JsonObject
    """The ODRL rules of all clauses, with the reference to the text."""
    is_template_known: bool
    """Whether the template is one of this program, unchanged; else there is nothing to compare with."""
    differences: list[TextDifference]


class TextQuery(PageQuery):
    """Which page of the list."""


class PageOfText(Model):
    """In which language a text is read, and for which agreement."""

    language: Literal["en", "ja"] = "ja"
    format: Literal["html", "pdf"] = "html"
    agreement_id: ForeignId | None = None
    """Adds the parties, the data and the signatures of the agreement."""
