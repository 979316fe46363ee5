"""GitHub Actions: a workflow that checks pull requests, and one that runs the project.

Workflows are fixed text with a few values put in, each as JSON, which YAML reads alike. Values that
come with an event reach a shell through the environment only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from odibi.errors import UsageError

from .names import slug
from .project import Pipeline, Project

__all__ = ["Options", "render"]

_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_SUNDAY = re.compile(r"\b7\b")
_SHELL = " " * 10  # how far the lines of a step are indented
_GIVEN_BY_GITHUB = ("ACTIONS_", "GITHUB_", "RUNNER_")


@dataclass(frozen=True, slots=True)
class Options:
    """`folder` is the project's in its repository; `env` the environment of the YAML that runs apply."""

    folder: str = "."
    env: str | None = None


def render(project: Project, options: Options) -> dict[str, str]:
    """The two workflows: their files' names and texts. Raises UsageError."""
    for text in (options.env or "", options.folder, *project.folders):
        if "${{" in text:
            raise UsageError(f"{text}: to GitHub that is an expression, not a name")
    _check_zones(project)
    values = _values(project, options)
    deploy = {"<schedule>": _schedule(project), "<cases>": _cases(project)}
    return {
        "odibi-ci.yml": _put(_CI, values),
        "odibi-deploy.yml": _put(_DEPLOY, {**values, **deploy}),
    }


def _check_zones(project: Project) -> None:
    """A run knows the cron fields that started it, and not their time zone: raise UsageError."""
    times = {_when(pipeline) for pipeline in project.pipelines if pipeline.schedule}
    crons = [cron for cron, _ in sorted(times)]
    if twice := next((cron for cron in crons if crons.count(cron) > 1), None):
        raise UsageError(
            f"the schedule {twice!r} is there in more than one time zone",
            hint="give the pipelines one orchestration.timezone, or times that differ",
        )


def _put(template: str, values: dict[str, str]) -> str:
    """The template with its marks replaced, all at once: a value that looks like a mark stays."""
    marks = "|".join(map(re.escape, values))
    return re.sub(marks, lambda mark: values[mark[0]], template)


def _values(project: Project, options: Options) -> dict[str, str]:
    names = [name for name in project.environment if not name.startswith(_GIVEN_BY_GITHUB)]
    secrets = "".join(f"  {name}: ${{{{ secrets.{name} }}}}\n" for name in names)
    pipelines = _in_order(project)
    home = "" if options.folder == "." else f"{options.folder}/"
    kept = [f"{home}{folder}" for folder in (".odibi", *project.folders)]
    return {
        "<group>": slug(project.name) or "project",
        "<folder>": json.dumps(options.folder),
        "<env>": ' --env "$ODIBI_ENV"' if options.env else "",
        "<stories>": json.dumps(f"{home}.odibi/runs/*/story.json"),
        "<environment>": (f"  ODIBI_ENV: {json.dumps(options.env)}\n" if options.env else "")
        + secrets,
        "<kept>": json.dumps("\n".join(kept)),
        "<choices>": json.dumps(["all", *(pipeline.name for pipeline in pipelines)]),
    }


def _names(pipelines: list[Pipeline]) -> str:
    """As JSON, which stands between a shell's single quotes: names hold none."""
    return json.dumps([pipeline.name for pipeline in pipelines])


def _schedule(project: Project) -> str:
    if not any(pipeline.schedule for pipeline in project.pipelines):
        return ""
    return "  schedule:\n" + "".join(
        f"    - cron: {json.dumps(cron)}\n"
        + (f"      timezone: {json.dumps(zone)}\n" if zone else "")
        for cron, zone in sorted({_when(p) for p in project.pipelines if p.schedule})
    )


def _when(pipeline: Pipeline) -> tuple[str, str]:
    """The five fields as GitHub reads them, where Sunday is 0, and a time zone that isn't UTC."""
    *first, weekday = _PRESETS.get(str(pipeline.schedule), str(pipeline.schedule)).split()
    return " ".join(
        [*first, _weekdays(weekday)]
    ), "" if pipeline.timezone == "UTC" else pipeline.timezone


def _weekdays(field: str) -> str:
    found = re.fullmatch(r"(\d)-7", field)
    if found:  # a range that ends on the Sunday
        return "0" if found[1] == "7" else f"0,{found[1]}-6"
    return _SUNDAY.sub("0", field)


def _cases(project: Project) -> str:
    """Shell: for each schedule, the pipelines that it starts."""
    crons = sorted({_when(pipeline)[0] for pipeline in project.pipelines if pipeline.schedule})
    every = f"pipelines='{_names(_in_order(project))}'"
    if not crons:
        return f"{_SHELL}{every}\n"
    chosen = "".join(
        f"{_SHELL}  {json.dumps(cron)}) pipelines='{_names(_started(project, cron))}' ;;\n"
        for cron in crons
    )
    return f'{_SHELL}case "$SCHEDULE" in\n{chosen}{_SHELL}  *) {every} ;;\n{_SHELL}esac\n'


def _started(project: Project, cron: str) -> list[Pipeline]:
    """Pipelines of that schedule, and those without one that follow any of them."""
    started: set[str] = set()
    chosen = []
    for pipeline in _in_order(project):
        own = _when(pipeline)[0] == cron if pipeline.schedule else bool(_needs(pipeline) & started)
        if own:
            started.add(pipeline.name)
            chosen.append(pipeline)
    return chosen


def _in_order(project: Project) -> list[Pipeline]:
    """Each pipeline after those that it reads from; those that read from each other, as in the YAML."""
    waiting, done = list(project.pipelines), list[Pipeline]()
    while waiting:
        names = {pipeline.name for pipeline in waiting}
        ready = (p for p in waiting if not (_needs(p) - {p.name}) & names)
        done.append(next(ready, waiting[0]))
        waiting.remove(done[-1])
    return done


def _needs(pipeline: Pipeline) -> set[str]:
    return {key.partition(".")[0] for key in pipeline.outside}


_CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
_UV = "astral-sh/setup-uv@c771a70e6277c0a99b617c7a806ffedaca235ff9 # v9.0.0"
_CACHE = "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5"
_UPLOAD = "actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a # v7.0.1"

_INSTALL = """\
      - name: Install odibi
        run: |
          uv venv --quiet "$RUNNER_TEMP/odibi"
          if [ -f requirements.txt ]; then
            uv pip install --quiet --python "$RUNNER_TEMP/odibi" -r requirements.txt
          else
            uv pip install --quiet --python "$RUNNER_TEMP/odibi" "$ODIBI_INSTALL"
          fi
          echo "$RUNNER_TEMP/odibi/bin" >> "$GITHUB_PATH"
"""
_CI = f"""\
name: odibi CI

on:
  pull_request:
  workflow_dispatch:

permissions: {{}}

concurrency:
  group: odibi-ci-<group>-${{{{ github.event.pull_request.number || github.ref }}}}
  cancel-in-progress: true

env:
  NO_COLOR: "1"
  # what is installed unless the project has a requirements.txt
  ODIBI_INSTALL: ${{{{ vars.ODIBI_INSTALL || 'odibi[all]' }}}}
<environment>
defaults:
  run:
    shell: bash
    working-directory: <folder>

jobs:
  check:
    name: validate, plan, try
    runs-on: ubuntu-24.04
    timeout-minutes: 30
    permissions:
      contents: read
    steps:
      - uses: {_CHECKOUT}
        with:
          fetch-depth: 0 # the plan compares with the base branch
          persist-credentials: false
      - uses: {_UV}
        with:
          python-version: "3.12"
          enable-cache: true
{_INSTALL}\
      - name: Validate the project
        run: odibi validate<env>
      - name: Generated files are as the project says
        run: odibi gen check
      - name: Plan against the base branch
        env:
          BASE: ${{{{ github.event.pull_request.base.sha || github.sha }}}}
        run: |
          git worktree add --detach "$RUNNER_TEMP/base" "$BASE"
          base="$RUNNER_TEMP/base/$(git rev-parse --show-prefix)"
          odibi plan --against "$base" --markdown<env> | tee "$RUNNER_TEMP/plan.md"
          head -c 900000 "$RUNNER_TEMP/plan.md" >> "$GITHUB_STEP_SUMMARY"
      - name: Try it on sampled data
        env:
          ODIBI_RUN_ID: github-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}
          ODIBI_ORCHESTRATOR: github
        run: odibi run --sample 1000
      - name: Keep the story
        if: always()
        uses: {_UPLOAD}
        with:
          name: odibi-story
          path: <stories>
          include-hidden-files: true
          if-no-files-found: ignore
          retention-days: 14
"""
_DEPLOY = f"""\
name: odibi deploy

on:
  push:
    branches: [main]
<schedule>\
  workflow_dispatch:
    inputs:
      pipeline:
        description: Pipeline to run
        type: choice
        options: <choices>
        default: all

permissions: {{}}

concurrency:
  group: odibi-deploy-<group>
  cancel-in-progress: false # a run is never stopped half way

env:
  NO_COLOR: "1"
  # what is installed unless the project has a requirements.txt
  ODIBI_INSTALL: ${{{{ vars.ODIBI_INSTALL || 'odibi[all]' }}}}
<environment>
jobs:
  choose:
    name: choose pipelines
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions: {{}}
    outputs:
      pipelines: ${{{{ steps.choose.outputs.pipelines }}}}
    steps:
      - name: Pipelines of this schedule, in their order
        id: choose
        shell: bash
        env:
          SCHEDULE: ${{{{ github.event.schedule }}}}
          PIPELINE: ${{{{ inputs.pipeline || 'all' }}}}
        run: |
<cases>\
          if [ "$PIPELINE" != all ]; then pipelines="[\\"$PIPELINE\\"]"; fi
          echo "pipelines=$pipelines" >> "$GITHUB_OUTPUT"

  run:
    name: run ${{{{ matrix.pipeline }}}}
    needs: choose
    runs-on: ubuntu-24.04
    timeout-minutes: 360
    environment: ${{{{ vars.ODIBI_ENVIRONMENT || 'production' }}}}
    permissions:
      contents: read
      id-token: write # for a cloud's login below: no key of it is stored here
    strategy:
      fail-fast: true
      max-parallel: 1 # in this order: each after those that it reads from
      matrix:
        pipeline: ${{{{ fromJSON(needs.choose.outputs.pipelines) }}}}
    defaults:
      run:
        shell: bash
        working-directory: <folder>
    steps:
      - uses: {_CHECKOUT}
        with:
          persist-credentials: false
      # Here is the place of a cloud's login by OIDC, such as aws-actions/configure-aws-credentials,
      # azure/login or google-github-actions/auth with a role from `vars`.
      - uses: {_UV}
        with:
          python-version: "3.12"
          enable-cache: false # nothing that a pull request could have written
{_INSTALL}\
      - name: Tables and history of earlier runs
        uses: {_CACHE}
        with:
          path: <kept>
          key: odibi-<group>-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}-${{{{ strategy.job-index }}}}
          restore-keys: |
            odibi-<group>-${{{{ github.run_id }}}}-
            odibi-<group>-
      - name: Run
        env:
          PIPELINE: ${{{{ matrix.pipeline }}}}
          ODIBI_RUN_ID: github-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}
          ODIBI_ORCHESTRATOR: github
          ODIBI_ORCHESTRATOR_URL: ${{{{ github.server_url }}}}/${{{{ github.repository }}}}/actions/runs/${{{{ github.run_id }}}}
        run: odibi run --select "pipeline:$PIPELINE" --result-json "$RUNNER_TEMP/result.json"
      - name: Say what happened
        if: always()
        run: |
          {{
            echo '```'
            odibi story last || true
            echo '```'
          }} >> "$GITHUB_STEP_SUMMARY"
      - name: Keep the story
        if: always()
        uses: {_UPLOAD}
        with:
          name: odibi-story-${{{{ matrix.pipeline }}}}
          path: <stories>
          include-hidden-files: true
          if-no-files-found: ignore
          retention-days: 30
"""
