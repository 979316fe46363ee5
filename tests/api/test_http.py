"""Reading a web service: pages, records, who asks, and everything that can go wrong on the way."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.config.api_options import DATES, ApiOptions
from odibi.config.connections import HttpConnection
from odibi.engine import Engine, Source
from odibi.errors import Cancelled, EngineError
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.http.dates import dated
from odibi_engines.http.landing import _Landing, _settled
from odibi_engines.http.paging import _next_link
from odibi_engines.http.records import flat
from odibi_engines.pandas_engine import PandasEngine

from .conftest import Asked, Reply, Service, wait_for

FAST = {"backoff_factor": 0.01}
Read = Callable[..., list[tuple[Any, ...]]]


def source(
    service: Service,
    path: str = "items",
    *,
    auth: Any = None,
    enough: int | None = None,
    **options: Any,
) -> Source:
    options = {"retry": FAST, **options}
    connection = {"type": "http", "base_url": service.url, "auth": auth or {"mode": "none"}}
    return Source(
        "api", Path(path), table=path, columns=options.get("columns"), enough=enough,
        options=ApiOptions.model_validate(options).settings(),
        connection=HttpConnection.model_validate(connection).model_dump(),
    )  # fmt: skip


@pytest.fixture(params=[DuckDBEngine, PandasEngine])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    engine = request.param(work_dir=tmp_path / "work")
    yield engine
    engine.close()


@pytest.fixture
def read(engine: Engine, service: Service) -> Read:
    def rows(*args: Any, order: str = "id", **options: Any) -> list[tuple[Any, ...]]:
        session = engine.session("n")
        frame = session.read(source(service, *args, **options))
        found = session.fetch(f"SELECT * FROM df ORDER BY {order}", {"df": frame}).rows
        assert all(report.unreadable == 0 for report in session.read_reports())
        session.close()
        return found

    return rows


def ids(n: int) -> list[dict[str, int]]:
    return [{"id": number} for number in range(n)]


def expected(n: int) -> list[tuple[int]]:
    return [(number,) for number in range(n)]


# Pages


def by_offset(total: int, most: int = 10**9) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        start, limit = int(asked.params["offset"]), int(asked.params["limit"])
        return Reply({"data": {"items": ids(total)[start : start + min(limit, most)]}})

    return answer


@pytest.mark.parametrize(
    ("total", "most", "requests"), [(25, 10**9, 3), (20, 10**9, 3), (5, 10**9, 2), (25, 4, 7)]
)
def test_offset_pages_end_only_when_the_end_is_proved(
    read: Read, service: Service, total: int, most: int, requests: int
) -> None:
    service.routes["/items"] = by_offset(total, most)
    pages = {"type": "offset_limit", "limit": 10}
    assert read(pagination=pages, response={"items_path": "data.items"}) == expected(total)
    assert len(service.asked) == requests


@pytest.mark.parametrize("past_the_end", [200, 404])
def test_numbered_pages(read: Read, service: Service, past_the_end: int) -> None:
    def answer(asked: Asked) -> Reply:
        start = (int(asked.params["p"]) - 1) * 10
        page = ids(20)[start : start + 10]
        return Reply(page) if page else Reply([], past_the_end)

    service.routes["/items"] = answer
    assert read(pagination={"type": "page_number", "page_param": "p"}) == expected(20)
    assert [asked.params for asked in service.asked] == [{"p": str(n)} for n in (1, 2, 3)]


def test_cursors(read: Read, service: Service) -> None:
    def answer(asked: Asked) -> Reply:
        start = int(asked.params.get("after", 0))
        more = start + 10 if start < 20 else None
        return Reply({"items": ids(25)[start : start + 10], "meta": {"next": more}})

    service.routes["/items"] = answer
    pages = {"type": "cursor", "cursor_path": "meta.next", "cursor_param": "after"}
    assert read(pagination=pages, response={"items_path": "items"}) == expected(25)


def test_next_links(read: Read, service: Service) -> None:
    def answer(asked: Asked) -> Reply:
        page = int(asked.params.get("page", 0))
        link = f'</items?page={page + 1}>; rel="next", </items?page=0>; rel="first"'
        return Reply(
            ids(25)[page * 10 : page * 10 + 10], headers={"Link": link} if page < 2 else {}
        )

    service.routes["/items"] = answer
    assert read(pagination={"type": "link_header"}) == expected(25)


def test_a_next_link_to_another_server_is_not_followed(read: Read, service: Service) -> None:
    link = '<http://127.0.0.2:9/x>; rel="next"'
    service.routes["/items"] = lambda asked: Reply(ids(2), headers={"Link": link})
    with pytest.raises(EngineError, match="another server"):
        read(pagination={"type": "link_header"})


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ({"type": "offset_limit", "limit": 3}, "same page twice.*'offset'"),
        ({"type": "page_number"}, "same page twice.*'page'"),
        ({"type": "cursor", "cursor_path": "next", "cursor_param": "c"}, "same cursor twice"),
    ],
)
def test_pages_that_repeat_are_an_error(
    read: Read, service: Service, pages: dict[str, Any], words: str
) -> None:
    service.routes["/items"] = lambda asked: Reply({"rows": ids(3), "next": "x"})
    with pytest.raises(EngineError, match=words):
        read(pagination=pages, response={"items_path": "rows"})


def test_reading_stops_where_it_is_told(read: Read, service: Service) -> None:
    service.routes["/items"] = by_offset(100)
    shape = {"items_path": "data.items"}
    pages = {"type": "offset_limit", "limit": 10}
    assert read(pagination={**pages, "max_pages": 2}, response=shape) == expected(20)
    assert read(pagination=pages, response=shape, max_records=13) == expected(13)
    assert read(pagination=pages, response=shape, enough=1) == expected(10)
    assert len(service.asked) == 2 + 2 + 1


# Records


def test_nested_maps_become_columns_and_fields_are_added(read: Read, service: Service) -> None:
    record = {"id": 1, "where": {"city": "Köln", "at": {"x": 0.5}}, "tags": ["a"], "none": {}}
    service.routes["/items"] = lambda asked: Reply(record)
    shape = {"wrap_single": True, "add_fields": {"origin": "api", "day": "$today_compact"}}
    (row,) = read(response=shape)
    assert row[:4] == (1, "Köln", 0.5, ["a"])
    assert row[5] == "api" and len(str(row[6])) == 8


def test_maps_and_array_rows(read: Read, service: Service) -> None:
    service.routes["/items"] = lambda asked: Reply({"b": {"v": 2}, "a": {"v": 1}})
    assert read(response={"dict_to_list": True}, order="_key") == [("a", 1), ("b", 2)]
    service.routes["/items"] = lambda asked: Reply([[1, "x"], [2, "y"]])
    assert read(response={"array_row_fields": ["id", "name"]}) == [(1, "x"), (2, "y")]


def test_a_column_that_only_a_late_record_has_is_not_lost(read: Read, service: Service) -> None:
    many = [{"id": n} for n in range(30_000)]
    service.routes["/items"] = lambda asked: Reply([*many, {"id": 30_000, "late": "x"}])
    rows = read()
    assert len(rows) == 30_001 and rows[-1] == (30_000, "x")


def test_lines_are_streamed(read: Read, service: Service) -> None:
    body = b"".join(b'{"id": %d}\n' % n for n in range(50_000)).rstrip()
    service.routes["/items"] = lambda asked: Reply(body, kind="application/x-ndjson")
    assert read() == expected(50_000)


def test_packed_answers(read: Read, service: Service) -> None:
    body = gzip.compress(json.dumps(ids(3)).encode())
    service.routes["/items"] = lambda asked: Reply(body, headers={"Content-Encoding": "gzip"})
    assert read() == expected(3)


def test_no_records(read: Read, service: Service) -> None:
    service.routes["/items"] = lambda asked: Reply([])
    assert read(columns={"id": "BIGINT"}) == []
    with pytest.raises(EngineError, match="no records"):
        read()
    service.routes["/items"] = lambda asked: Reply(b"", 204)
    assert read(columns={"id": "BIGINT"}) == []


@pytest.mark.parametrize(
    ("reply", "words", "hint"),
    [
        (Reply({"data": {"rows": []}}), "no list in the answer", "data.rows"),
        (Reply([1, 2]), "no objects", "items_path"),
        (Reply(b"<html>", kind="text/html"), "is text/html, not JSON", "login"),
        (Reply(b'{"a": oops}'), "not JSON: Expecting value at line 1, column 7", "base_url"),
        (Reply(b'[{"id": NaN}]'), "NaN is no value of JSON", "JSON"),
        (Reply(b'[{"id": "\xff"}]'), "not JSON", "UTF-8"),
        (Reply([{"a": {"b": 1}, "a_b": 2}]), "two fields .* 'a_b'", "joined"),
        (Reply({"detail": "who?"}, 401), "answered 401 Unauthorized: .*who", "auth"),
        (Reply({"detail": "bad"}, 400), "answered 400", "params"),
        (Reply({}, 429, {"Retry-After": "9999"}), "wants a pause of 9999 s", "rate_limit"),
    ],
)
def test_answers_that_asking_again_cannot_mend(
    read: Read, service: Service, reply: Reply, words: str, hint: str
) -> None:
    service.routes["/items"] = lambda asked: reply
    with pytest.raises(EngineError, match=words) as caught:
        read()
    assert hint in (caught.value.hint or "")
    assert f"GET {service.url}/items" in caught.value.message
    assert len(service.asked) == 1


# Trying again


def soon() -> str:
    return format_datetime(datetime.now(UTC) - timedelta(seconds=5), usegmt=True)


@pytest.mark.parametrize(
    "trouble",
    [
        Reply({}, 429, {"Retry-After": "0"}),
        Reply({}, 503, {"Retry-After": soon()}),
        Reply({}, 500),
        Reply(b'[{"id": 0}, {"id"', length=500),
        Reply(b'[{"id": 0}, {"id"'),
        Reply(b'{"id": 0}\n{"id": 1}\n', kind="application/x-ndjson", length=500),
        Reply([], delay=5.0),
    ],
    ids=["429", "503-date", "500", "half", "half-unsaid", "half-lines", "slow"],
)
def test_what_may_pass_is_tried_again_and_ends_with_one_error(
    read: Read, service: Service, trouble: Reply
) -> None:
    waits = {"http": {"timeout_s": 0.3}, "retry": {**FAST, "max_retries": 2}}
    service.routes["/items"] = lambda asked: trouble if asked.number < 2 else Reply(ids(3))
    assert read(**waits) == expected(3)
    service.asked.clear()
    service.routes["/items"] = lambda asked: trouble
    with pytest.raises(EngineError, match=r"GET http.*\(after 3 tries\)"):
        read(**waits)
    assert len(service.asked) == 3


def test_nobody_listens(read: Read, service: Service) -> None:
    service.close()
    with pytest.raises(EngineError, match=r"can't be reached \(after 2 tries\)"):
        read(retry={**FAST, "max_retries": 1})


@pytest.mark.parametrize("delay", [5.0, 0.0], ids=["waiting", "between-tries"])
def test_a_cancel_in_the_middle(engine: Engine, service: Service, delay: float) -> None:
    service.routes["/items"] = lambda asked: Reply([], 200 if delay else 500, delay=delay)
    session = engine.session("n")
    caught: list[BaseException] = []

    def work() -> None:
        try:
            session.read(source(service, retry={"backoff_factor": 60, "max_retries": 1}))
        except Cancelled as stopped:
            caught.append(stopped)

    thread = threading.Thread(target=work)
    thread.start()
    wait_for(lambda: bool(service.asked))
    session.cancel()
    thread.join(4.0)
    assert [type(error) for error in caught] == [Cancelled]
    session.close()


# Who asks


SECRET = "s3cr3t-value"


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"mode": "bearer", "token": SECRET}, "Authorization", f"Bearer {SECRET}"),
        ({"mode": "basic", "username": "me", "password": SECRET}, "Authorization",
         "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()),
        ({"mode": "api_key", "api_key": SECRET}, "Authorization", f"Bearer {SECRET}"),
        ({"mode": "api_key", "api_key": SECRET, "header_name": "X-Key", "value_template": "k={token}"},
         "X-Key", f"k={SECRET}"),
    ],
)  # fmt: skip
def test_who_asks_is_said_and_never_shown(
    read: Read, service: Service, auth: dict[str, str], header: str, value: str
) -> None:
    service.routes["/items"] = lambda asked: Reply(ids(1))
    assert read(auth=auth) == expected(1)
    assert service.asked[0].headers[header] == value
    service.routes["/items"] = lambda asked: Reply({"you said": asked.headers[header]}, 403)
    with pytest.raises(EngineError, match="answered 403") as caught:
        read(auth=auth)
    assert value not in str(caught.value) and SECRET not in str(caught.value)


def test_a_key_in_the_query_is_not_shown(read: Read, service: Service) -> None:
    service.routes["/items"] = lambda asked: Reply({}, 400)
    with pytest.raises(EngineError) as caught:
        read(params={"api_key": SECRET, "day": "$today"})
    assert service.asked[0].params == {"api_key": SECRET, "day": f"{datetime.now(UTC):%Y-%m-%d}"}
    assert SECRET not in caught.value.message and "api_key=***" in caught.value.message


def test_a_redirect_to_another_host_gets_no_secret(read: Read, service: Service) -> None:
    away = service.url.replace("127.0.0.1", "localhost")
    service.routes["/items"] = lambda asked: Reply({}, 302, {"Location": f"{away}/there"})
    service.routes["/there"] = lambda asked: Reply(ids(1))
    key = {"mode": "api_key", "api_key": SECRET, "header_name": "X-Key"}
    assert read(auth=key) == expected(1)
    assert "X-Key" in service.asked[0].headers and "X-Key" not in service.asked[1].headers


def test_a_body_is_posted(read: Read, service: Service) -> None:
    service.routes["/items"] = lambda asked: Reply([{"id": json.loads(asked.body)["n"]}])
    assert read(method="POST", json_body={"n": 7}) == [(7,)]
    assert service.asked[0].method == "POST"


# Small parts


NAMES = st.text("abc", min_size=1, max_size=2)
TREES = st.recursive(
    st.integers() | st.none(),
    lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(NAMES, TREES, max_size=3))
def test_flat_keeps_every_value(tree: dict[str, Any]) -> None:
    def leaves(value: Any) -> list[Any]:
        return (
            [x for v in value.values() for x in leaves(v)] if isinstance(value, dict) else [value]
        )

    made = flat(tree)
    assert list(made.values()) == leaves(tree)
    assert not any(isinstance(value, dict) for value in made.values())


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<a>; rel="next"', "a"),
        ('<a>; rel="prev", <b>; rel="next"', "b"),
        ("<a>; title=x; rel=next", "a"),
        ('<a?x=1,2>; rel="last next"', "a?x=1,2"),
        ('<a>; rel="nextish"', None),
        ('<a>; rel="prev"', None),
        ("", None),
    ],
)
def test_link_headers(header: str, target: str | None) -> None:
    assert _next_link(header) == target


def test_every_date_has_a_value() -> None:
    now = datetime(2026, 3, 11, 10, 30, tzinfo=UTC)
    values = {name: dated(f"${name}", now) for name in DATES}
    assert values["now"] == "2026-03-11T10:30:00+00:00"
    assert values["yesterday"] == "2026-03-10" and values["7_days_ago_compact"] == "20260304"
    assert values["start_of_week"] == "2026-03-09" and values["start_of_month"] == "2026-03-01"
    assert values["start_of_year_compact"] == "20260101"
    assert not any(value.startswith("$") for value in values.values())
    assert dated(["$USD", {"a": 1}], now) == ["$USD", {"a": 1}]


# Numbers


_NUMBERS = [
    "0.1234567890123456789", "12345678901234567.89", "1.10", "-0.0", "1e2", "1000000000000000000.5", "0.1",
]  # fmt: skip


def test_numbers_keep_all_their_digits(read: Read, service: Service) -> None:
    body = ", ".join(f'{{"id": {i}, "d": {number}}}' for i, number in enumerate(_NUMBERS))
    service.routes["/items"] = lambda _: Reply(f"[{body}]".encode())
    found = read(columns={"id": "BIGINT", "d": "DECIMAL(38,19)"})
    assert [number for _, number in found] == [Decimal(number) for number in _NUMBERS]


def test_numbers_of_undeclared_columns_stay_numbers(read: Read, service: Service) -> None:
    service.routes["/items"] = lambda _: Reply(
        b'[{"id": 1, "d": 0.1234567890123456789, "l": [0.12345678901234567890]}]'
    )
    assert read() == [(1, 0.1234567890123456789, [0.1234567890123456789])]


@given(numbers=st.lists(st.decimals(-(10**18), 10**18, places=19), min_size=1, max_size=5))
def test_any_number_keeps_its_value(numbers: list[Decimal]) -> None:
    landing = _Landing(None, None, None)  # type: ignore[arg-type]
    document = json.loads(f"[{', '.join(map(str, numbers))}]", parse_float=landing._number)
    assert [Decimal(str(_settled(each, exact=True))) for each in document] == numbers
