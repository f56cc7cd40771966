import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.apps.carbon.background.changes import Recipe, changed, mixed, of_another_year, recipe, swapped
from ashiato.apps.carbon.background.errors import BackgroundRefused, EndlessLoop
from ashiato.apps.carbon.background.intensities import intensities
from ashiato.apps.carbon.background.matrices import background, exchanges
from ashiato.apps.carbon.background.scenarios import Scenarios
from tests.backgrounds import database, exact_intensities, settling_systems

# A market takes 0.6 coal power (1 kg/kWh) and 0.45 wind power (0.1 kg/kWh), 5 % of it lost; steel takes 2 kWh of the market.
MARKET = [[1.0, 0.0, -0.6, 0.0], [0.0, 1.0, -0.45, 0.0], [0.0, 0.0, 1.0, -2.0], [0.0, 0.0, 0.0, 1.0]]
EMITTED = [[1.0, 0.1, 0.0, 3.0]]


def test_another_supplier_moves_the_result_by_quantity_times_difference() -> None:
    scenarios = Scenarios(database(MARKET, EMITTED), [1.0])
    assert scenarios.base.per_unit[3] == pytest.approx(3 + 2 * 0.645, rel=1e-9)
    halved = scenarios.changed([swapped(recipe(database(MARKET, EMITTED), 2), 0, 1, share=0.5)])
    assert halved.per_unit[3] - scenarios.base.per_unit[3] == pytest.approx(2 * 0.3 * (0.1 - 1.0), rel=1e-9)
    assert halved.is_proved


def test_a_mix_keeps_its_losses() -> None:
    new = mixed(recipe(database(MARKET, EMITTED), 2), {0: 1.0, 1: 3.0})
    assert new.products == {0: pytest.approx(-0.2625), 1: pytest.approx(-0.7875), 2: 1.0}


def test_another_year_brings_the_recipe_of_the_product_with_the_same_name() -> None:
    now = database(MARKET, EMITTED)
    later = background(
        ["p2", "p1"], ["f0"], exchanges([0, 1, 1], [0, 1, 0], [1.0, 1.0, -1.02]), exchanges([0], [1], [0.1])
    )
    new = of_another_year(later, 2, now)
    assert new == Recipe(2, {2: 1.0, 1: -1.02}, {})
    found = Scenarios(now, [1.0]).changed([new])
    assert found.per_unit[3] == pytest.approx(3 + 2 * 1.02 * 0.1, rel=1e-9)


def test_what_the_other_year_has_and_this_database_lacks_is_refused() -> None:
    later = background(
        ["p2", "hydrogen"], [], exchanges([0, 1, 1], [0, 1, 0], [1.0, 1.0, -1.0]), exchanges([], [], [])
    )
    with pytest.raises(BackgroundRefused, match="hydrogen"):
        of_another_year(later, 2, database(MARKET, EMITTED))


@settings(max_examples=80, deadline=None)
@given(settling_systems(), st.data())
def test_an_updated_result_is_the_exact_one_of_the_changed_database(
    system: tuple[list[list[float]], list[list[float]], list[float]], data: st.DataObject
) -> None:
    technosphere, biosphere, factors = system
    count = len(technosphere)
    scenarios = Scenarios(database(technosphere, biosphere), factors)
    activities = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3, unique=True))
    recipes = []
    for activity in activities:
        # The new recipe makes more and takes half, so that the changed database settles too.
        products = {at: technosphere[at][activity] / 2 for at in range(count) if technosphere[at][activity]}
        products[activity] = 4 * technosphere[activity][activity]
        recipes.append(Recipe(activity, products, {0: 2.5}))
        for at in range(count):
            technosphere[at][activity] = products.get(at, 0.0)
        biosphere[0][activity], biosphere[1][activity] = 2.5, 0.0
    exact = exact_intensities(technosphere, biosphere, factors)
    found = scenarios.changed(recipes)
    assert exact is not None
    for at, value in enumerate(exact):
        assert (
            abs(float(found.per_unit[at]) - float(value))
            <= float(found.error_bound[at]) * (1 + 1e-9) + 1e-300
        )
    assert found.per_unit == pytest.approx(
        intensities(database(technosphere, biosphere), factors).per_unit, rel=1e-8, abs=1e-9
    )


def test_the_database_itself_is_not_changed() -> None:
    data = database(MARKET, EMITTED)
    before = data.technosphere.toarray()
    changed(data, [Recipe(2, {2: 1.0}, {})])
    assert (data.technosphere.toarray() == before).all()


def test_a_change_that_closes_an_endless_loop_is_refused() -> None:
    scenarios = Scenarios(database(MARKET, EMITTED), [1.0])
    with pytest.raises(EndlessLoop):
        scenarios.changed([Recipe(0, {0: 1.0, 3: -1.0}, {0: 1.0})])


@pytest.mark.parametrize(
    "new",
    [
        Recipe(9, {9: 1.0}, {}),
        Recipe(0, {}, {}),
        Recipe(0, {0: 0.0}, {}),
        Recipe(0, {0: float("nan")}, {}),
        Recipe(0, {0: 1.0, 4: 1.0}, {}),
        Recipe(0, {0: 1.0}, {1: 1.0}),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(new: Recipe) -> None:
    with pytest.raises(BackgroundRefused):
        changed(database(MARKET, EMITTED), [new])


def test_two_recipes_for_one_activity_and_senseless_shares_are_refused() -> None:
    data = database(MARKET, EMITTED)
    with pytest.raises(BackgroundRefused, match="two new recipes"):
        changed(data, [recipe(data, 0), recipe(data, 0)])
    with pytest.raises(BackgroundRefused):
        mixed(recipe(data, 2), {0: -1.0, 1: 2.0})
    with pytest.raises(BackgroundRefused):
        swapped(recipe(data, 2), 3, 1)
    with pytest.raises(BackgroundRefused):
        swapped(recipe(data, 2), 0, 1, share=np.nan)
