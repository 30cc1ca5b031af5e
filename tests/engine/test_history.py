"""The history buffer: fills, then swaps half of the fakes for stored ones."""

import torch

from cyclekit.engine.draws import StaticDraws
from cyclekit.engine.history import HistoryBuffer


def numbered(start: int, count: int) -> torch.Tensor:
    return torch.arange(start, start + count, dtype=torch.float32).view(-1, 1, 1)


def test_fills_first_and_shows_what_it_stores() -> None:
    buffer = HistoryBuffer(5, 0)
    shown = buffer.query(numbered(0, 5))
    assert shown.flatten().tolist() == [0, 1, 2, 3, 4]
    assert len(buffer) == 5


def test_then_half_of_the_fakes_are_stored_ones() -> None:
    buffer = HistoryBuffer(50, 0)
    buffer.query(numbered(0, 50))
    fresh = sum(int(buffer.query(numbered(n, 1)).item() == n) for n in range(50, 4050))
    # Binomial(4000, 1/2): four standard deviations are 126.
    assert abs(fresh - 2000) < 130
    assert len(buffer) == 50


def test_each_sample_of_a_batch_is_decided_on_its_own() -> None:
    buffer = HistoryBuffer(8, 0)
    buffer.query(numbered(0, 8))
    mixed = 0
    for start in range(8, 408, 8):
        fresh = (buffer.query(numbered(start, 8)).flatten() >= start).sum().item()
        mixed += 0 < fresh < 8
    assert mixed > 40  # of 50 batches; all-or-nothing would give 0


def test_a_swapped_fake_stays_in_the_buffer() -> None:
    buffer = HistoryBuffer(1, 0)
    buffer.query(numbered(0, 1))
    held = 0.0
    for n in range(1, 200):
        shown = buffer.query(numbered(n, 1)).item()
        assert shown in (held, n)
        held = n if shown == held else held


def test_size_zero_turns_it_off() -> None:
    buffer = HistoryBuffer(0, 0)
    fakes = numbered(0, 4).requires_grad_()
    shown = buffer.query(fakes)
    torch.testing.assert_close(shown, fakes.detach())
    assert not shown.requires_grad
    assert len(buffer) == 0


def test_goes_on_as_if_never_stopped() -> None:
    one, other = HistoryBuffer(4, 1), HistoryBuffer(4, 2)
    for n in range(20):
        one.query(numbered(n, 1))
    other.load_state_dict(one.state_dict(), torch.device("cpu"))
    for n in range(20, 60):
        assert one.query(numbered(n, 1)).item() == other.query(numbered(n, 1)).item()


def test_stored_fakes_are_copies() -> None:
    buffer = HistoryBuffer(2, 0)
    fakes = numbered(0, 2)
    buffer.query(fakes)
    fakes.fill_(99)
    assert [stored.item() for stored in buffer.state_dict()["stored"]] == [0, 1]


def test_fakes_are_dealt_anew_to_another_number_of_ranks() -> None:
    ranks = [HistoryBuffer(3, rank) for rank in range(2)]
    for rank, buffer in enumerate(ranks):
        buffer.query(torch.arange(3.0)[:, None] + 10 * rank)
    states = [buffer.state_dict() for buffer in ranks]
    dealt = [HistoryBuffer(3, rank).redistributed(states, 3, rank)["stored"] for rank in range(3)]
    assert [len(stored) for stored in dealt] == [2, 2, 2]
    everything = sorted(float(fake) for stored in dealt for fake in stored)
    assert everything == [0, 1, 2, 10, 11, 12]
    (alone,) = [HistoryBuffer(3, 0).redistributed(states, 1, 0)["stored"]]
    assert {float(fake) // 10 for fake in alone} == {0, 1}  # no more than fit, of both
    assert len(alone) == 3


def test_choices_on_the_device_are_those_on_the_host() -> None:
    """Sample by sample, though a replay knows them only as numbers."""
    one, other = HistoryBuffer(6, 1), HistoryBuffer(6, 1)
    assert other.together() is None  # nothing is stored yet
    for buffer in (one, other):
        buffer.query(numbered(0, 6))
    pool = other.together()
    assert pool is not None
    draws = StaticDraws()
    for n in range(6, 200, 4):
        with draws.listing():
            shown = other.query(numbered(n, 4))
        assert shown.equal(one.query(numbered(n, 4)))
        assert torch.stack(one.state_dict()["stored"]).equal(pool)
    assert other.together() is pool


def test_fakes_of_another_size_part_what_was_together() -> None:
    buffer = HistoryBuffer(2, 0)
    buffer.query(numbered(0, 2))
    assert buffer.together() is not None
    larger = torch.ones(20, 1, 2)
    with StaticDraws().listing():
        buffer.query(larger)
    assert all(fake.shape == (1, 2) for fake in buffer.state_dict()["stored"])
    pool = buffer.together()
    assert pool is not None
    assert pool.shape == (2, 1, 2)


def test_what_was_saved_stays_what_it_was() -> None:
    buffer = HistoryBuffer(2, 0)
    buffer.query(numbered(0, 2))
    state = buffer.state_dict()
    buffer.load_state_dict(state, torch.device("cpu"))
    buffer.query(numbered(2, 40))
    assert [fake.item() for fake in state["stored"]] == [0, 1]
