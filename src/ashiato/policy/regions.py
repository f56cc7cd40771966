"""Countries of ISO 3166-1 and what they lie in: the Catena-X regions (continents as in UN M49), the EU, the EEA."""

from collections.abc import Mapping

from ashiato.policy.memberships import unions_of

ALL_REGIONS = "cx.region.all:1"

_COUNTRIES = {
    "europe": (
        "AD AL AT AX BA BE BG BY CH CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK MT NL "
        "NO PL PT RO RS RU SE SI SJ SK SM UA VA"
    ),
    "northAmerica": (
        "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR SV SX TC TT US "
        "VC VG VI"
    ),
    "southAmerica": "AR BO BR BV CL CO EC FK GF GS GY PE PY SR UY VE",
    "africa": (
        "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW IO KE KM LR LS LY MA MG ML MR MU MW MZ NA NE "
        "NG RE RW SC SD SH SL SN SO SS ST SZ TD TF TG TN TZ UG YT ZA ZM ZW"
    ),
    "asia": (
        "AE AF AM AZ BD BH BN BT CN CY GE HK ID IL IN IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY NP OM PH PK PS "
        "QA SA SG SY TH TJ TL TM TR TW UZ VN YE"
    ),
    "oceania": ("AS AU CC CK CX FJ FM GU HM KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS"),
    "antarctica": "AQ",
}

REGION_OF: Mapping[str, str] = {
    country: f"cx.region.{region}:1"
    for region, countries in _COUNTRIES.items()
    for country in countries.split()
}
_PLACE_ADDRESSES = ("http://ontologi.es/place/", "https://ontologi.es/place/")


def place(name: str) -> str:
    """The ISO 3166 code in the address of a place as IDS examples write it; every other name stays as it is."""
    for address in _PLACE_ADDRESSES:
        if name.startswith(address):
            return name[len(address) :]
    return name


def with_wider(name: str, at_ms: int) -> frozenset[str]:
    """A place and all that it lies in at that instant: `JP-13` in `JP`, in Asia and in all regions, `DE-BY` in the EU too."""
    code = place(name)
    country = code.partition("-")[0]
    region = REGION_OF.get(country, "")
    if region:
        return frozenset((code, country, region, ALL_REGIONS)) | unions_of(country, at_ms)
    return frozenset((code, ALL_REGIONS)) if code.startswith("cx.region.") else frozenset((code,))
