"""Byte-matrix formatting says what Python's own formatting says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from odibi_datagen import text

naturals = st.lists(st.integers(0, 10**9 - 1), min_size=1, max_size=30)


def rows(matrix: np.ndarray) -> list[str]:
    return [text.compact(row).decode() for row in matrix]


@given(naturals)
def test_digits_are_padded_or_bare(values: list[int]) -> None:
    array = np.array(values, np.int64)
    assert rows(text.digits(array, 9)) == [f"{v:09d}" for v in values]
    assert rows(text.digits(array, 9, padded=False)) == [str(v) for v in values]


@given(st.lists(st.integers(-999_999_999, 999_999_999), min_size=1, max_size=30))
def test_decimals_keep_sign_and_places(values: list[int]) -> None:
    formatted = rows(text.decimal(np.array(values, np.int64), 6))
    assert [round(float(t) * 1e6) for t in formatted] == values
    assert all(len(t.split(".")[1]) == 6 for t in formatted)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=30))
def test_hexadecimal_has_16_digits(values: list[int]) -> None:
    assert rows(text.hexadecimal(np.array(values, np.uint64))) == [f"{v:016x}" for v in values]


@given(st.lists(st.integers(0, 4_000_000_000_000), min_size=1, max_size=30))
def test_times_are_iso_8601(values: list[int]) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    wanted = [
        (epoch + timedelta(milliseconds=v))
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
        for v in values
    ]
    assert rows(text.iso_ms(np.array(values, np.int64))) == wanted


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), min_size=1, max_size=20))
def test_parts_of_different_width_join_without_gaps(choices: list[tuple[bool, int]]) -> None:
    names = [b"a", b"bcd", "żółć".encode()]
    chosen = np.array([c for c, _ in choices])
    index = np.array([i for _, i in choices], np.int64)
    field = text.either(chosen, text.quoted(text.pool(index, names)), b"null")
    lines = text.join(len(choices), [b"<", field, b">\n"])
    wanted = [f'<"{names[i].decode()}">\n' if c else "<null>\n" for c, i in choices]
    assert text.compact(lines).decode() == "".join(wanted)


def test_blocks_cover_all_rows() -> None:
    pieces: list[bytes] = []
    numbers = np.arange(20_000)
    size = text.render_blocks(
        20_000, lambda part: text.prefixed(b"\n", text.digits(numbers[part], 5)), pieces.append
    )
    assert len(pieces) == 3
    assert b"".join(pieces).decode().split() == [f"{n:05d}" for n in range(20_000)]
    assert size == sum(map(len, pieces))


def test_arrow_text_is_the_same_text() -> None:
    numbers = np.array([0, 7, 99])
    assert text.arrow_text(text.digits(numbers, 2)).to_pylist() == ["00", "07", "99"]
