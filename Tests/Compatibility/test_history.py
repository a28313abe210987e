"""The checker of histories finds what it is there for."""
from types import SimpleNamespace

import pytest

from history import faults


def wrong(numbers, sent=5, **given):
    """What the checker says of a partition that holds `numbers`, when 0 to 4 were sent and acknowledged."""
    writer = SimpleNamespace(
        **{"sent": sent, "acknowledged": {n: n for n in range(5)}, "failures": [], "fatal": []} | given)
    return faults(writer, list(enumerate(numbers)))


def test_a_clean_history_has_no_faults():
    assert wrong([0, 1, 2, 3, 4]) == []
    # Some clients are told that a record is stored and not where.
    assert wrong([0, 1, 2, 3, 4], acknowledged={0: None, 1: -1, 4: 4}) == []
    # What was sent and not acknowledged may be there or not.
    assert wrong([0, 1, 2, 3, 4, 5], sent=7) == []


@pytest.mark.parametrize("numbers, word", [
    ([0, 1, 2, 3], "lost 1 acknowledged records, the first 4"),
    ([0, 1, 2, 3, 4, 4], "more than once"),
    ([0, 1, 3, 2, 4], "order"),
    ([0, 1, 2, 3, 4, 5], "nobody sent"),
])
def test_a_fault_is_found(numbers, word):
    assert any(word in fault for fault in wrong(numbers))


def test_records_elsewhere_and_failures_of_the_producer_are_found():
    assert any("where the acknowledgement said" in fault for fault in wrong([0, 1, 2, 3, 4], acknowledged={3: 2}))
    assert any("producer failed" in fault for fault in wrong([0, 1, 2, 3, 4], failures=["timed out"]))


def test_gaps_between_offsets_are_found():
    writer = SimpleNamespace(sent=2, acknowledged={0: 0}, failures=[], fatal=[])
    assert faults(writer, [(0, 0), (2, 1)]) == ["offsets have gaps"]
