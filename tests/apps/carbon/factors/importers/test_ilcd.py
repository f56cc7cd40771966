import io
from decimal import Decimal

import pytest

from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.importers.ilcd import read_ilcd
from ashiato.apps.carbon.factors.linking import link
from tests.apps.carbon.factors.importers.archive_files import zipped

COMMON = 'xmlns:common="http://lca.jrc.it/ILCD/Common"'
UNITS = f"""<unitGroupDataSet xmlns="http://lca.jrc.it/ILCD/UnitGroup" {COMMON}><unitGroupInformation>
 <dataSetInformation><common:UUID>g-mass</common:UUID></dataSetInformation>
 <quantitativeReference><referenceToReferenceUnit>1</referenceToReferenceUnit></quantitativeReference>
 </unitGroupInformation><units><unit dataSetInternalID="0"><name>g</name><meanValue>0.001</meanValue></unit>
 <unit dataSetInternalID="1"><name>kg</name><meanValue>1</meanValue></unit></units></unitGroupDataSet>"""
PROPERTY = f"""<flowPropertyDataSet xmlns="http://lca.jrc.it/ILCD/FlowProperty" {COMMON}><flowPropertiesInformation>
 <dataSetInformation><common:UUID>p-mass</common:UUID></dataSetInformation>
 <quantitativeReference><referenceToReferenceUnitGroup refObjectId="g-mass"/></quantitativeReference>
 </flowPropertiesInformation></flowPropertyDataSet>"""


def flow(flow_id: str, form: str, name: str, categories: str = "") -> str:
    return f"""<flowDataSet xmlns="http://lca.jrc.it/ILCD/Flow" {COMMON}><flowInformation>
     <dataSetInformation><common:UUID>{flow_id}</common:UUID><name><baseName xml:lang="en">{name}</baseName></name>
     <classificationInformation><common:elementaryFlowCategorization>{categories}</common:elementaryFlowCategorization>
     </classificationInformation></dataSetInformation>
     <quantitativeReference><referenceToReferenceFlowProperty>0</referenceToReferenceFlowProperty></quantitativeReference>
     </flowInformation><modellingAndValidation><LCIMethod><typeOfDataSet>{form}</typeOfDataSet></LCIMethod>
     </modellingAndValidation><flowProperties><flowProperty dataSetInternalID="0">
     <referenceToFlowPropertyDataSet refObjectId="p-mass"/><meanValue>1</meanValue></flowProperty></flowProperties>
     </flowDataSet>"""


FLOWS = {
    "flows/copper.xml": flow("f-copper", "Product flow", "copper"),
    "flows/ore.xml": flow("f-ore", "Product flow", "ore"),
    "flows/slag.xml": flow("f-slag", "Waste flow", "slag"),
    "flows/co2.xml": flow(
        "f-co2",
        "Elementary flow",
        "carbon dioxide (fossil)",
        '<common:category level="0">Emissions</common:category><common:category level="1">Emissions to air</common:category>',
    ),
}
PROCESS = f"""<processDataSet xmlns="http://lca.jrc.it/ILCD/Process" {COMMON}><processInformation>
 <dataSetInformation><common:UUID>copper-making</common:UUID><name><baseName xml:lang="en">copper making</baseName>
  <mixAndLocationTypes xml:lang="en">at plant</mixAndLocationTypes></name></dataSetInformation>
 <quantitativeReference type="Reference flow(s)"><referenceToReferenceFlow>7</referenceToReferenceFlow></quantitativeReference>
 <time><common:referenceYear>2021</common:referenceYear><common:dataSetValidUntil>2026</common:dataSetValidUntil></time>
 <geography><locationOfOperationSupplyOrProduction location="CL"/></geography></processInformation>
 <administrativeInformation><publicationAndOwnership><common:dataSetVersion>03.00.004</common:dataSetVersion>
  <common:copyright>true</common:copyright><common:licenseType>License fee</common:licenseType>
  <common:accessRestrictions>none further</common:accessRestrictions></publicationAndOwnership></administrativeInformation>
 <exchanges>
  <exchange dataSetInternalID="7"><referenceToFlowDataSet refObjectId="f-copper"/>
   <exchangeDirection>Output</exchangeDirection><meanAmount>1</meanAmount><resultingAmount>1</resultingAmount></exchange>
  <exchange dataSetInternalID="8"><referenceToFlowDataSet refObjectId="f-ore"/><location>PE</location>
   <exchangeDirection>Input</exchangeDirection><meanAmount>2</meanAmount><resultingAmount>150.25</resultingAmount>
   <uncertaintyDistributionType>normal</uncertaintyDistributionType>
   <relativeStandardDeviation95In>10</relativeStandardDeviation95In></exchange>
  <exchange dataSetInternalID="9"><referenceToFlowDataSet refObjectId="f-slag"/>
   <exchangeDirection>Output</exchangeDirection><meanAmount>2.2</meanAmount><resultingAmount>2.2</resultingAmount></exchange>
  <exchange dataSetInternalID="10"><referenceToFlowDataSet refObjectId="f-co2"/>
   <exchangeDirection>Output</exchangeDirection><meanAmount>3.5</meanAmount><resultingAmount>3.5</resultingAmount>
   <uncertaintyDistributionType>log-normal</uncertaintyDistributionType>
   <relativeStandardDeviation95In>1</relativeStandardDeviation95In></exchange>
 </exchanges>
 <LCIAResults><LCIAResult><referenceToLCIAMethodDataSet refObjectId="m"><common:shortDescription xml:lang="en">Climate
change</common:shortDescription></referenceToLCIAMethodDataSet><meanAmount>4.02</meanAmount></LCIAResult></LCIAResults>
</processDataSet>"""


def package(process: str = PROCESS, **more: str) -> io.BytesIO:
    members = {
        "ILCD/unitgroups/g.xml": UNITS,
        "ILCD/flowproperties/p.xml": PROPERTY,
        **{f"ILCD/{name}": text for name, text in FLOWS.items()},
        "ILCD/processes/copper.xml": process,
        **more,
    }
    return zipped(members)


def test_a_process_is_read_with_its_resulting_amounts_in_reference_units() -> None:
    reading = read_ilcd(package())
    (copper,) = reading.activities
    assert reading.faults == ()
    assert [(e.flow_id, e.kind, e.direction, e.amount, e.unit) for e in copper.exchanges] == [
        ("f-copper", "reference", "output", Decimal(1), "kg"),
        ("f-ore", "product", "input", Decimal("150.25"), "kg"),
        ("f-slag", "waste", "output", Decimal("2.2"), "kg"),
        ("f-co2", "elementary", "output", Decimal("3.5"), "kg"),
    ]


def test_name_place_years_version_rights_and_results_are_kept() -> None:
    (copper,) = read_ilcd(package()).activities
    assert (copper.name, copper.location, copper.first_year, copper.last_year) == (
        "copper making, at plant",
        "CL",
        2021,
        2026,
    )
    assert (copper.version, copper.copyright, copper.restriction) == (
        "03.00.004",
        "protected",
        "License fee; none further",
    )
    assert [(result.category, result.amount) for result in copper.results] == [
        ("Climate\nchange", Decimal("4.02"))
    ]


def test_the_deviation_is_half_of_what_the_format_states() -> None:
    # Normal: twice the deviation is stated. Log-normal: the square of the geometric one, and the logarithm of 1 is 0.
    (copper,) = read_ilcd(package()).activities
    ore, _, carbon = copper.exchanges[1:]
    assert ore.uncertainty is not None
    assert (ore.uncertainty.distribution, ore.uncertainty.spread) == ("normal", Decimal(5))
    assert carbon.uncertainty is not None
    assert (carbon.uncertainty.distribution, carbon.uncertainty.spread) == ("lognormal", Decimal(0))


def test_the_compartment_of_a_flow_is_its_path() -> None:
    assert read_ilcd(package()).flows_by_id()["f-co2"].compartment == ("Emissions", "Emissions to air")


def test_the_place_of_an_exchange_chooses_among_suppliers() -> None:
    def ore(name: str, location: str) -> str:
        return (
            PROCESS.replace("copper-making", name)
            .replace('location="CL"', f'location="{location}"')
            .replace('dataSetInternalID="7"', 'dataSetInternalID="1"')
            .replace('dataSetInternalID="8"', 'dataSetInternalID="7"')
            .replace("<exchangeDirection>Input", "<exchangeDirection>Output")
            .replace('refObjectId="f-copper"', 'refObjectId="f-co2"')
        )

    more = {"processes/a.xml": ore("ore-cl", "CL"), "processes/b.xml": ore("ore-pe", "PE")}
    matrices = link([read_ilcd(package(**more))])
    suppliers = {
        matrices.activities[entry.row]
        for entry in matrices.technosphere
        if matrices.activities[entry.column] == "copper-making" and entry.amount < 0
    }
    assert suppliers == {"ore-pe"}


@pytest.mark.parametrize(
    ("found", "wrong", "code"),
    [
        ("<common:UUID>copper-making</common:UUID>", "", "dataset_incomplete"),
        ('refObjectId="f-ore"', 'refObjectId="nowhere"', "flow_unknown"),
        ("<exchangeDirection>Input</exchangeDirection>", "", "exchange_group"),
        (
            "<resultingAmount>150.25</resultingAmount>",
            "<resultingAmount>INF</resultingAmount>",
            "number_unreadable",
        ),
        ("<relativeStandardDeviation95In>1</", "<relativeStandardDeviation95In>-1</", "number_negative"),
        ("</processDataSet>", "", "xml_broken"),
    ],
)
def test_each_fault_of_a_process_is_named_and_nothing_of_it_is_kept(
    found: str, wrong: str, code: str
) -> None:
    assert found in PROCESS
    reading = read_ilcd(package(PROCESS.replace(found, wrong)))
    assert (reading.activities, [fault.code for fault in reading.faults]) == ((), [code])


def test_an_archive_of_something_else_is_refused() -> None:
    with pytest.raises(UnreadableSource, match="no processes"):
        read_ilcd(zipped({"flows/a.xml": "<x/>"}))
