"""The page about simulated sources: its project runs, and it names everything there is."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import pyarrow.parquet as pq

from odibi.config import simulation_options as options
from odibi.simulation.language import FUNCTIONS
from tests.runner.running import command

PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text()


def test_its_project_runs(tmp_path: Path) -> None:
    yaml = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert yaml is not None
    (tmp_path / "odibi.yaml").write_text(yaml[1])
    done = command(tmp_path, "run")
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "lake" / "readings.parquet")
    assert 2880 <= table.num_rows < 2930
    assert set(table["pump"].to_pylist()) == {f"pump_{n:02d}" for n in range(1, 11)}


def test_it_names_every_key_and_function() -> None:
    (union, *_) = typing.get_args(options.Generator)
    generators = [typing.get_args(member)[0] for member in typing.get_args(union)]
    assert len(generators) == 13
    models = [*generators, options.Scope, options.Entities, options.ScheduledEvent, options.Chaos]
    keys = {key for model in models for key in model.model_fields} - {"type", "names", "count"}
    words = set(re.findall(r"\w+", PAGE))
    assert sorted(keys - words) == []
    assert sorted(set(FUNCTIONS) - words) == []


def test_mistakes_stand_at_their_lines(tmp_path: Path) -> None:
    yaml = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert yaml is not None
    text = yaml[1].replace("ema('pressure', 0.3)", "emma('pressure')").replace("pump_03", "pump_30")
    (tmp_path / "odibi.yaml").write_text(text)
    done = command(tmp_path, "validate")
    assert done.returncode == 2 or done.returncode == 1
    line = text[: text.index("emma")].count("\n") + 1
    said = done.stdout + done.stderr
    assert f"odibi.yaml:{line}:" in said and "unknown function 'emma' (did you mean 'ema'?)" in said
    assert "unknown entity 'pump_30'" in said
