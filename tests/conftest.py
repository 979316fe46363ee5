"""Rules of every test session: a skip fails in CI, and is named with its reason anywhere else."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Deadlines measure the machine's load, not the code.
settings.register_profile("odibi", deadline=None)
settings.register_profile(
    "odibi-ci", deadline=None, derandomize=True, database=None, print_blob=True
)
settings.load_profile("odibi-ci" if os.environ.get("CI") == "true" else "odibi")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "wide: takes long; CI runs it after the others")


@pytest.fixture(autouse=True)
def nobodys_preferences(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No test reads or changes what the person who runs it prefers, nor what another test does."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


def _skipped(config: pytest.Config) -> list[pytest.TestReport]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return reporter.stats.get("skipped", []) if reporter is not None else []


def _reason(report: pytest.TestReport) -> str:
    place = report.longrepr
    return place[2] if isinstance(place, tuple) else str(place)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if os.environ.get("CI") == "true" and exitstatus == 0 and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    if not (skipped := _skipped(config)):
        return
    terminalreporter.section("skipped")
    for report in skipped:
        terminalreporter.line(f"{report.nodeid}: {_reason(report)}")
    if os.environ.get("CI") == "true":
        terminalreporter.line("CI runs every test: a skipped one fails the session", red=True)
