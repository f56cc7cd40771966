"""The kinds of words about footprints that a connector signs for an app: read strictly, so that nothing else is ever signed."""

import rfc8785

from ashiato.apps.carbon.attestations import DECLARATION_TYP
from ashiato.apps.carbon.declarations import MalformedDeclaration, canonical, read_declaration
from ashiato.connector.problems import Invalid
from ashiato.connector.words import CheckedWord

FOOTPRINT_KIND = "carbon-footprint"


def footprint(document: object) -> CheckedWord:
    """A declaration of a footprint; raises `Invalid` for what is none.

    What is signed is the canonical JSON of what was read, and it must be that of what was handed over.
    """
    try:
        # Text first: numbers beyond what JSON readers agree on have no canonical form.
        given = rfc8785.dumps(document)  # type: ignore[arg-type]  # whatever strict JSON gave
        declaration, _ = read_declaration(given)
    except MalformedDeclaration as error:
        raise Invalid(f"This is no declaration of a footprint: {error.problem}.", path="document") from None
    except rfc8785.CanonicalizationError as error:
        raise Invalid(f"The document has no canonical form: {error}.", path="document") from None
    body = canonical(declaration)
    if body != given:
        raise Invalid("Hand over the canonical declaration, with every member.", path="document")
    return CheckedWord(
        typ=DECLARATION_TYP,
        body=body,
        issuer=declaration.issuer,
        subject_id=declaration.id,
        supersedes=declaration.supersedes,
    )
