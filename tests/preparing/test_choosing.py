"""Which candidate a machine has time for, and what is left out where there is too much."""

from collections.abc import Callable

from cyclekit.contract.planning import Candidate
from cyclekit.preparing.choosing import Amount, Measured, choose, length

LADDER = [
    Candidate({"n": 3}, 1000, 8.0),
    Candidate({"n": 2}, 500, 2.0),
    Candidate({"n": 1}, 1, 0.5),
]
PLENTY = 2**31


def at(speed: float, seen: list[int] | None = None) -> Callable[[Candidate], Measured]:
    def probe(candidate: Candidate) -> Measured:
        if seen is not None:
            seen.append(candidate.settings["n"])
        return Measured(candidate.step_seconds / speed, 1.0)

    return probe


def chosen(probe: Callable[[Candidate], Measured | None], seconds: float, limit: float) -> int:
    choice = choose(LADDER, probe, seconds, limit)
    assert choice is not None
    return int(choice.candidate.settings["n"])


def test_the_first_guess_is_the_machine_of_the_trials() -> None:
    seen: list[int] = []
    assert chosen(at(1, seen), 1500, 30) == 2
    assert seen == [2]


def test_a_fast_machine_gets_more_and_a_slow_one_less() -> None:
    assert chosen(at(10), 1500, 30) == 3
    assert chosen(at(0.1), 1500, 30) == 1


def test_nothing_further_is_measured_when_the_time_for_that_is_over() -> None:
    seen: list[int] = []
    assert chosen(at(10, seen), 1500, 0.5) == 2
    assert seen == [2]


def test_without_time_for_measuring_the_smallest_is_taken() -> None:
    seen: list[int] = []
    assert chosen(at(10, seen), 1500, 0) == 1
    assert seen == []


def test_what_does_not_fit_into_memory_is_passed_by() -> None:
    def probe(candidate: Candidate) -> Measured | None:
        return None if candidate.settings["n"] == 2 else at(1)(candidate)

    assert chosen(probe, 1500, 30) == 1
    assert choose(LADDER, lambda _: None, 1500, 30) is None


def test_ten_files_a_side_are_all_used() -> None:
    made = length(Measured(0.9, batch=4), Amount(9, 2, 1, 0.001, PLENTY), 900, 20).table
    assert "data" not in made
    assert made["train"]["evaluate_items"] == 0
    assert 0 < made["train"]["evaluate_every"] < made["train"]["steps"]


def test_of_a_hundred_thousand_files_as_many_are_read_as_there_is_time_and_room_for() -> None:
    measured = Measured(0.9, bytes=12_288, batch=4)
    slow = length(measured, Amount(100_000, 2, 10_000, 0.005, PLENTY), 300, 20)
    assert slow.table["data"]["limit"] == 3_000  # of .005 s, both domains': 30 s
    assert 0 < slow.table["train"]["evaluate_items"] < 200
    assert "of 100,000" in slow.reasons["data.limit"]
    full = length(measured, Amount(100_000, 2, 10_000, 1e-5, 2**26), 300, 20)
    assert full.table["data"]["limit"] == 2**26 // (2 * 12_288)


def test_what_takes_too_long_to_translate_is_not_evaluated() -> None:
    """Pictures of 4,000 px take as long as thousands of windows."""
    measured = Measured(0.9, item_share=2_930, bytes=36e6, batch=4)
    made = length(measured, Amount(20, 2, 2, 0.3, PLENTY), 900, 30)
    assert (made.table["train"]["evaluate_every"], made.table["train"]["preview_every"]) == (0, 0)
    assert "too long" in made.reasons["train.evaluate_every"]
    assert made.table["train"]["steps"] > 850


def test_there_is_a_step_even_where_there_is_no_time() -> None:
    made = length(Measured(100.0), Amount(9, 2, 1, 0.001, PLENTY), 60, 70).table["train"]
    assert (made["steps"], made["log_every"], made["checkpoint_every"]) == (1, 5, 25)
