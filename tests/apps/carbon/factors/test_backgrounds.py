import pytest

from ashiato.apps.carbon.background.intensities import intensities
from ashiato.apps.carbon.factors.backgrounds import Incomplete, background_of, weights_of
from ashiato.apps.carbon.factors.gwp import EF_3_1
from ashiato.apps.carbon.factors.importers.simapro import read_simapro
from ashiato.apps.carbon.factors.linking import link

# One kWh takes 0.1 kg of steel and emits 500 g; one kg of steel takes 2 kWh and emits 1 kg and 10 g of methane:
# e = 0.5 + 0.1 s and s = 1.298 + 2 e, hence e = 0.6298 / 0.8 = 0.78725 and s = 2.8725.
FILE = """{SimaPro 9.5}
{CSV separator: Semicolon}
{Decimal separator: .}

Process

Process identifier
POWER

Products
Power;kWh;1;100;;;

Materials/fuels
Steel;kg;0.1;Undefined;0;0;0;

Emissions to air
Carbon dioxide, fossil;;g;500;Undefined;0;0;0;

End

Process

Process identifier
STEEL

Products
Steel;kg;1;100;;;

Electricity/heat
Power;kWh;2;Undefined;0;0;0;

Emissions to air
Carbon dioxide, fossil;;kg;1;Undefined;0;0;0;
Methane, fossil;;g;10;Undefined;0;0;0;
Sulfur dioxide;;kg;3;Undefined;0;0;0;

End

Units
kg;Mass;1;kg
g;Mass;0.001;kg

End
"""


def test_from_a_file_to_the_intensity_of_every_product() -> None:
    reading = read_simapro(FILE.encode())
    database = background_of(link([reading]))
    weights, losses = weights_of(database, reading.flows_by_id(), EF_3_1)
    found = intensities(database, weights)
    assert losses == ()
    assert found.of("POWER")[0] == pytest.approx(0.78725, rel=1e-12)
    assert found.of("STEEL")[0] == pytest.approx(2.8725, rel=1e-12)


def test_a_database_that_would_understate_is_not_made_by_accident() -> None:
    matrices = link([read_simapro(FILE.replace("\nSteel;kg;0.1", "\nGold;kg;0.1").encode())])
    with pytest.raises(Incomplete, match="1 inputs have no supplier"):
        background_of(matrices)
    assert background_of(matrices, understating_what_is_missing=True).products == ("POWER", "STEEL")
