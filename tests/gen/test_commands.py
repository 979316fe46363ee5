"""`odibi gen` as people and their CI use it."""

from __future__ import annotations

import ast
import contextlib
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from odibi.cli.gen import app
from tests.runner.running import command

from .projects import SHOP

EVERY = {
    "airflow": "dags/corner_shop__bronze.py",
    "dagster": "orchestration/definitions.py",
    "github": ".github/workflows/odibi-ci.yml",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "odibi.yaml").write_text(yaml.safe_dump(SHOP, sort_keys=False))
    return tmp_path


def said(folder: Path, *words: str, code: int = 0) -> str:
    """What the command prints in the folder; it has to leave with this code."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize("target", EVERY)
def test_written_checked_and_changed(shop: Path, target: str) -> None:
    file = shop / EVERY[target]
    assert "would be written" in said(shop, target, "--dry-run")
    assert not file.exists()
    assert f"{EVERY[target]} is missing" in said(shop, target, "--check", code=1)
    assert f"{EVERY[target]}  written" in said(shop, target)
    assert "as odibi.yaml says" in said(shop, target, "--check")
    assert f"{EVERY[target]}  unchanged" in said(shop, target)
    made = file.read_text()
    assert f'"command": "odibi gen {target}"' in made.splitlines()[1]
    file.write_text(made + "# mine\n")
    drift = said(shop, target, "--check", code=1)
    assert "\n-# mine\n" in drift and f"to write them: odibi gen {target}" in drift
    assert "it was edited since it was made" in said(shop, target, code=2)
    assert file.read_text() == made + "# mine\n"
    said(shop, target, "--force")
    assert file.read_text() == made


def test_comments_of_the_yaml_change_nothing_and_nodes_do(shop: Path) -> None:
    said(shop, "airflow")
    file = shop / "odibi.yaml"
    file.write_text("# a comment\n" + file.read_text())
    said(shop, "airflow", "--check")
    file.write_text(file.read_text().replace("name: revenue", "name: takings"))
    drift = said(shop, "airflow", "--check", code=1)
    assert "-    revenue = BashOperator(\n" in drift and "+    takings = BashOperator(\n" in drift
    assert "1 of 2 files differ" in drift


def test_a_pipeline_that_goes_takes_its_file_with_it(shop: Path) -> None:
    said(shop, "airflow")
    project = {**SHOP, "pipelines": SHOP["pipelines"][:1]}
    (shop / "odibi.yaml").write_text(yaml.safe_dump(project, sort_keys=False))
    assert "corner_shop__gold.py is not made any more" in said(shop, "airflow", "--check", code=1)
    assert "corner_shop__gold.py  removed" in said(shop, "airflow")
    assert [path.name for path in (shop / "dags").iterdir()] == ["corner_shop__bronze.py"]


def test_all_generated_files_are_checked_by_what_they_say_made_them(shop: Path) -> None:
    assert "there is no generated file here" in said(shop, "check", code=2)
    said(shop, "airflow", "--operator", "python", "--layout", "single", "--output", "air")
    said(shop, "dagster", "--select", "pipeline:bronze")
    said(shop, "github")
    assert said(shop, "check").count("as odibi.yaml says") == 3
    made = shop / "air" / "corner_shop.py"
    made.write_text(made.read_text().replace("bronze.orders", "bronze.other"))
    (shop / "orchestration" / "definitions.py").chmod(0o644)
    drift = said(shop, "check", code=1)
    assert '+            op_args=["bronze.orders"],' in drift
    assert drift.count("as odibi.yaml says") == 2


def test_a_header_starts_no_other_command(shop: Path) -> None:
    said(shop, "dagster")
    file = shop / "orchestration" / "definitions.py"
    file.write_text(file.read_text().replace("odibi gen dagster", "odibi run --select x"))
    assert "say that 'odibi run --select x' made them" in said(shop, "check", code=2)


def test_a_selection_leaves_out_the_others(shop: Path) -> None:
    said(shop, "airflow", "--select", "gold.revenue", "--output", "some")
    (file,) = (shop / "some").iterdir()
    text = file.read_text()
    assert "gold.revenue" in text and "cities" not in text
    assert '"command": "odibi gen airflow --select gold.revenue --output some"' in text
    assert "no node has tag" in said(shop, "airflow", "--select", "tag:nobody", code=2)


def test_the_same_bytes_from_wherever_it_is_called(
    shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    said(shop, "airflow", "--output", "some/dags")
    first = {path.name: path.read_bytes() for path in (shop / "some" / "dags").iterdir()}
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.rmtree(shop / "some")
    command(shop, "gen", "airflow", "-o", str(shop / "some" / "dags"), cwd=elsewhere)
    assert {path.name: path.read_bytes() for path in (shop / "some" / "dags").iterdir()} == first


def test_generate_is_gen(shop: Path) -> None:
    done = command(shop, "generate", "dagster", "--dry-run", cwd=shop)
    assert (done.returncode, "would be written" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("airflow", "--operator", "perl"), "--operator perl: expected bash or python"),
        (("airflow", "--layout", "round"), "--layout round: expected pipeline or single"),
    ],
)
def test_unknown_words_are_told(shop: Path, words: tuple[str, ...], told: str) -> None:
    assert told in said(shop, *words, code=2)


def test_secrets_need_not_be_there_and_are_in_no_file(shop: Path) -> None:
    project = {**SHOP, "description": "of ${SHOP_SECRET}"}
    (shop / "odibi.yaml").write_text(yaml.safe_dump(project, sort_keys=False))
    for target, name in EVERY.items():
        said(shop, target)
        assert "stand-in" not in (shop / name).read_text()
        said(shop, target, "--check")


def test_generated_python_imports_nothing_of_odibi(shop: Path) -> None:
    said(shop, "airflow", "--operator", "python")
    said(shop, "dagster")
    found = set[str]()
    for file in [*(shop / "dags").iterdir(), shop / "orchestration" / "definitions.py"]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module))
    outside = {name.partition(".")[0] for name in found} - sys.stdlib_module_names
    assert outside == {"airflow", "dagster"}
