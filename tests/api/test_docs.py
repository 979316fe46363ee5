"""The page on web services: its example runs, and it names every option."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
from pydantic import BaseModel

from odibi.config.api_options import DATES, ApiOptions
from tests.cli.command import odibi

from .conftest import Reply, Service

PAGE = (Path(__file__).parents[2] / "docs" / "web-services.md").read_text()


def test_the_example_runs(tmp_path: Path, service: Service) -> None:
    menu = re.search(r"echo '(.*)' > served", PAGE)
    example = re.search(r"```yaml\n(project:.*?)```", PAGE, re.DOTALL)
    assert menu and example
    body = menu[1].encode()
    service.routes["/menu.json"] = lambda asked: Reply(body)
    (tmp_path / "odibi.yaml").write_text(example[1].replace("http://127.0.0.1:8000", service.url))
    ran = odibi("run", cwd=tmp_path)
    assert ran.code == 0, ran.err
    found = duckdb.sql(f"FROM '{tmp_path}/lake/menu.parquet' ORDER BY id")
    assert found.columns == ["id", "dish", "price_amount", "loaded_on"]
    assert [row[:3] for row in found.fetchall()] == [(1, "soup", 4.5), (2, "pie", 6.0)]


def names(model: type[BaseModel], prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, info in model.model_fields.items():
        inner = next((a for a in getattr(info.annotation, "__args__", ()) if _is_model(a)), None)
        found += names(inner, f"{name}.") if inner else [f"{prefix}{name}"]
    return found


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_every_option_and_date_is_named() -> None:
    assert len(names(ApiOptions)) == 29
    assert [name for name in names(ApiOptions) if f"`{name}`" not in PAGE] == []
    plain = [name for name in DATES if not name.endswith("_compact")]
    assert [name for name in plain if f"`${name}`" not in PAGE] == []
