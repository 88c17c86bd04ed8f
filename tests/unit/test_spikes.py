import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikesieve.errors import ContractError, InputError
from spikesieve.spikes import Spikes, merge_trains, read_spike_trains, read_spikes, write_spikes

UNITS = np.array([3, 7, 900_000_000], dtype=np.int32)
ABOUT = {"unit_ids": UNITS, "duration_s": 100.0, "recording": "rat", "source": "rat.nwb"}


def random_trains(seed, n=2000):
    rng = np.random.default_rng(seed)
    return [np.sort(rng.random(rng.integers(0, n)) * 100) for _ in UNITS]


@pytest.mark.parametrize("piece", [1, 64, 10**6])
@pytest.mark.parametrize("seed", range(3))
def test_merging_writing_and_reading_give_back_the_trains(tmp_path, seed, piece):
    trains = random_trains(seed)
    path = tmp_path / "spikes.parquet"
    write_spikes(path, merge_trains(lambda: trains, UNITS, 100.0, piece), **ABOUT)
    back = read_spike_trains(path, UNITS)
    assert back.n_units == 3
    assert all(np.array_equal(back.of(i), train) for i, train in enumerate(trains))


@given(st.lists(st.lists(st.floats(0, 99.99), max_size=30), min_size=3, max_size=3))
def test_merged_spikes_are_sorted_and_complete(lists):
    trains = [np.sort(np.array(x, dtype=float)) for x in lists]
    pieces = [*merge_trains(lambda: trains, UNITS, 100.0, 8)]
    time_s = np.concatenate([[], *(p.time_s for p in pieces)])
    assert (np.diff(time_s) >= 0).all()
    assert np.array_equal(time_s, np.sort(np.concatenate(trains)))


@pytest.mark.parametrize("asked", [[7], [3, 900_000_000], [], [4, 7]])
def test_the_trains_of_some_units_are_theirs_alone(tmp_path, asked):
    trains = random_trains(0)
    path = tmp_path / "spikes.parquet"
    write_spikes(path, merge_trains(lambda: trains, UNITS, 100.0), **ABOUT)
    some = read_spike_trains(path, np.array(asked, dtype=np.int32))
    of = dict(zip(UNITS.tolist(), trains, strict=True)) | {4: np.empty(0)}
    assert some.n_units == len(asked)
    assert all(np.array_equal(some.of(i), of[unit]) for i, unit in enumerate(asked))


def test_a_span_of_time_is_read_half_open(tmp_path):
    path = tmp_path / "spikes.parquet"
    times = np.array([1.0, 2.0, 3.0])
    write_spikes(path, [Spikes(times, UNITS)], **ABOUT)
    assert np.concatenate([p.time_s for p in read_spikes(path, 1.0, 3.0)]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        ([1.0, np.nan, 2.0], "not finite"),
        ([-0.5, 1.0, 2.0], "is negative"),
        ([2.0, 1.0, 3.0], "earlier than the spike before"),
        ([1.0, 2.0, 100.0], "at or beyond the recording's end"),
    ],
)
def test_impossible_times_leave_nothing_behind(tmp_path, times, problem):
    path = tmp_path / "spikes.parquet"
    with pytest.raises(InputError, match=rf"'rat': rat\.nwb: unit .*{problem}"):
        write_spikes(path, [Spikes(np.array(times), UNITS)], **ABOUT)
    assert [*tmp_path.iterdir()] == []


def test_order_is_checked_across_pieces(tmp_path):
    pieces = [Spikes(np.array([5.0]), UNITS[:1]), Spikes(np.array([4.0]), UNITS[:1])]
    with pytest.raises(InputError, match="earlier than the spike before"):
        write_spikes(tmp_path / "spikes.parquet", pieces, **ABOUT)


def test_a_spike_of_an_unknown_unit_is_refused(tmp_path):
    with pytest.raises(InputError, match="unit 4: .*unit table lacks"):
        write_spikes(tmp_path / "s.parquet", [Spikes(np.array([1.0]), np.array([4]))], **ABOUT)


def test_a_damaged_table_is_refused(tmp_path):
    path = tmp_path / "spikes.parquet"
    write_spikes(path, merge_trains(lambda: random_trains(0), UNITS, 100.0), **ABOUT)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ContractError, match="not a readable Parquet file"):
        list(read_spikes(path))


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_byte_among_the_spikes_is_noticed(tmp_path, seed):
    path = tmp_path / "spikes.parquet"
    trains = random_trains(0)
    write_spikes(path, merge_trains(lambda: trains, UNITS, 100.0), **ABOUT)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    place = rng.integers(4, len(content) - 1000)  # within the pages, not the footer
    content[place] ^= 1 << rng.integers(8)
    path.write_bytes(content)
    with pytest.raises(ContractError, match=r"(damaged|not a readable).*delete it"):
        list(read_spikes(path))
    with pytest.raises(ContractError, match=r"(damaged|not a readable).*delete it"):
        read_spike_trains(path, UNITS)
