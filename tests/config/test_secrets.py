"""What is secret is known to the redactor, and messages don't give it away."""

from __future__ import annotations

import pytest

from tests.config.conftest import MINIMAL, Folder


def hidden(folder: Folder, more: str, text: str, **environ: str) -> str:
    return folder.load(MINIMAL + more, environ=environ).secrets.text(text)


def test_values_of_the_environment_are_secret_when_they_are_used(folder: Folder) -> None:
    more = "        description: ${TOKEN_A} ${SHORT} ${SAME:-same-as-default}\n"
    shown = hidden(
        folder,
        more,
        "hunter22 abc same-as-default unused-one",
        TOKEN_A="hunter22",
        SHORT="abc",
        SAME="same-as-default",
        OTHER="unused-one",
    )
    assert shown == "*** abc same-as-default unused-one"


@pytest.mark.parametrize(
    "more",
    [
        "        privacy: {method: hash, salt: hunter22}\n",
        "        params: {salt: hunter22}\n        transformer: hash_columns\n",
        "        description: ${vars.db_password}\nvars: {db_password: hunter22}\n",
        "lineage: {url: x, api_key: hunter22}\n",
    ],
)
def test_fields_of_a_secret_kind_are_secret(folder: Folder, more: str) -> None:
    assert hidden(folder, more, "is hunter22 there") == "is *** there"


def test_connections_keep_their_secrets_at_any_depth(folder: Folder) -> None:
    more = MINIMAL.replace(
        "  data:",
        "  api: {type: http, base_url: 'https://x', headers: {Authorization: Bearer-1}, auth: {mode: bearer, token: t-5678}}\n  data:",
    )
    loaded = folder.load(more)
    assert loaded.secrets.text("Bearer-1 t-5678 bearer") == "*** *** bearer"


def test_a_column_called_token_makes_no_type_secret(folder: Folder) -> None:
    text = MINIMAL.replace(
        "path: a.parquet", "path: a.csv, options: {columns: {token: VARCHAR, password: VARCHAR}}"
    ).replace("format: parquet", "format: csv")
    more = "        transformer: cast_columns\n        params: {casts: {token: string}}\n"
    assert folder.load(text + more).secrets.text("VARCHAR string") == "VARCHAR string"


def test_problems_do_not_show_secrets(folder: Folder) -> None:
    more = "        on_error: ${TOKEN_A}\n        privacy: {method: hash, salt: 12345678}\n"
    found = folder.said_of_node(more, environ={"TOKEN_A": "hunter22"})
    assert found == [
        "10:19: 'on_error' can't be '***'",
        "11:39: 'salt' must be text, found ***",
    ]
