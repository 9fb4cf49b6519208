"""Chains of levels: one name for every way from the source."""

import pytest

from davinci.data_levels.chain import LEVELS, canonical_name, chain_of, depth_of, name_of


def test_a_level_stands_for_the_ladder_up_to_it() -> None:
    assert chain_of("L0") == ("L0",)
    assert chain_of("L3") == ("L0", "L1", "L2", "L3")
    assert chain_of("L9") == LEVELS


def test_levels_come_out_of_order_and_twice() -> None:
    assert chain_of("L2+L4+L3") == ("L0", "L1", "L2", "L4", "L3")
    assert chain_of("L4+L4") == ("L0", "L1", "L2", "L3", "L4", "L4")
    assert depth_of("L2+L5+L3") == "L5"


def test_names_that_mean_the_same_chain_are_one_name() -> None:
    assert canonical_name("L3+L4") == canonical_name("L2+L3+L4") == "L4"
    assert canonical_name("L2+L4") == "L2+L4"
    for name in ("L0", "L5", "L2+L4+L3", "L4+L4", "L3+L5+L3"):
        assert name_of(chain_of(name)) == name


@pytest.mark.parametrize("name", ["L10", "L2+", "l2", "", "L2,L4"])
def test_what_is_no_level_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"No data level.*`data\.level`.*L0, L1.*L2\+L4\+L3"):
        chain_of(name)


def test_the_first_two_levels_come_once() -> None:
    with pytest.raises(ValueError, match="goes through L0 and L1 once"):
        chain_of("L2+L1")
