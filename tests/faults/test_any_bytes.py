"""Files cut anywhere, bytes of any encoding, numbers and times of any spelling: stored exactly, or set aside."""

from __future__ import annotations

import gzip
import random
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.bad_data import Case, Found, carry_out, try_case

_IT = {"id": "BIGINT", "t": "VARCHAR"}
_ENGINES = pytest.mark.parametrize("engine", ["duckdb", "pandas"])


def _lines(form: str, seed: int, rows: int) -> list[bytes]:
    """Lines that pack badly, so that a packed file is long enough to be cut in many places."""
    numbers = random.Random(seed)
    texts = [f"{numbers.getrandbits(64):x}" for _ in range(rows)]
    if form == "json":
        return [f'{{"id": {i}, "t": "{text}"}}\n'.encode() for i, text in enumerate(texts)]
    return [b"id,t\n", *(f"{i},{text}\n".encode() for i, text in enumerate(texts))]


def _tried(case: Case, engine: str) -> list[str]:
    with TemporaryDirectory() as folder:
        return try_case(Path(folder) / "p", case, engine)


def _found(case: Case, engine: str) -> Found:
    with TemporaryDirectory() as folder:
        return carry_out(Path(folder) / "p", case, engine)


@_ENGINES
@pytest.mark.parametrize("name", ["a.csv.gz", "a.ndjson.gz"])
@settings(max_examples=8)
@given(data=st.data())
def test_a_packed_file_cut_anywhere_is_an_error(
    engine: str, name: str, data: st.DataObject
) -> None:
    lines = _lines("json" if "json" in name else "csv", data.draw(st.integers(0, 99)), 300)
    packed = gzip.compress(b"".join(lines), mtime=0)
    cut = packed[: data.draw(st.integers(1, len(packed) - 1))]
    assert _tried(Case(name, cut, _IT, error=name), engine) == []


@_ENGINES
@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
@settings(max_examples=8)
@given(data=st.data())
def test_a_plain_file_cut_anywhere_keeps_all_its_whole_lines(
    engine: str, name: str, data: st.DataObject
) -> None:
    head = int(name == "a.csv")
    lines = _lines("json" if "json" in name else "csv", data.draw(st.integers(0, 99)), 30)
    whole = b"".join(lines)
    cut = whole[: data.draw(st.integers(len(lines[0]), len(whole) - 1))]
    found = _found(Case(name, cut, _IT), engine)
    assert found.error is None
    ids = sorted(row[0] for row in found.rows)
    complete = cut.count(b"\n") - head
    assert ids[:complete] == list(range(complete))
    assert len(ids) + sum(found.reasons.values()) == complete + (not cut.endswith(b"\n"))


_BYTES = st.binary(min_size=1, max_size=6).filter(lambda b: not set(b) & set(b'\r\n",\\\x00'))


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


@_ENGINES
@settings(max_examples=12)
@given(texts=st.lists(_BYTES, min_size=1, max_size=12))
def test_bytes_that_are_no_text_are_set_aside(engine: str, texts: list[bytes]) -> None:
    content = b"id,t\n" + b"".join(b'%d,"%s"\n' % (i, raw) for i, raw in enumerate(texts))
    good = tuple((i, raw.decode()) for i, raw in enumerate(texts) if _is_text(raw))
    case = Case("a.csv", content, _IT, good, {"": len(texts) - len(good)})
    assert _tried(case, engine) == []


_DIGITS = st.text("0123456789", min_size=1, max_size=9)
_NUMBERS = st.builds(
    "{}{}{}".format, st.sampled_from(["", "-"]), _DIGITS, st.one_of(st.just(""), _DIGITS.map(".{}".format))
)  # fmt: skip


@_ENGINES
@settings(max_examples=12)
@given(texts=st.lists(_NUMBERS, min_size=1, max_size=12))
def test_decimals_are_exact_or_set_aside(engine: str, texts: list[str]) -> None:
    exact = [Decimal(text) for text in texts]
    fit = [d == d.quantize(Decimal("0.01")) and abs(d) < 10**6 for d in exact]
    good = tuple((i, str(d.quantize(Decimal("0.01")) + 0)) for i, d in enumerate(exact) if fit[i])
    content = "id,d\n" + "".join(f"{i},{text}\n" for i, text in enumerate(texts))
    columns = {"id": "BIGINT", "d": "DECIMAL(8,2)"}
    case = Case("a.csv", content.encode(), columns, good, {"column d": len(texts) - len(good)})
    assert _tried(case, engine) == []


def _moment(parts: tuple[int, ...]) -> str:
    return "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*parts)


_MOMENTS = st.tuples(
    st.integers(1, 9999), st.integers(1, 13), st.integers(1, 32), st.integers(0, 23), st.integers(0, 60),
    st.integers(0, 59),
).map(_moment)  # fmt: skip


@_ENGINES
@settings(max_examples=12)
@given(texts=st.lists(_MOMENTS, min_size=1, max_size=12))
def test_times_exist_or_are_set_aside(engine: str, texts: list[str]) -> None:
    good: list[tuple[Any, ...]] = []
    for i, text in enumerate(texts):
        try:
            good.append((i, str(datetime.fromisoformat(text))))
        except ValueError:
            continue
    content = "id,w\n" + "".join(f"{i},{text}\n" for i, text in enumerate(texts))
    columns = {"id": "BIGINT", "w": "TIMESTAMP"}
    bad = {"column w": len(texts) - len(good)}
    assert _tried(Case("a.csv", content.encode(), columns, tuple(good), bad), engine) == []
