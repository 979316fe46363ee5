"""No form of a secret gets through, and ordinary values stay as they are."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.redact import Redactor

SECRET = 'p@ss/w\'rd "1"\n'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        quote(SECRET, safe=""),
        json.dumps(SECRET)[1:-1],
        SECRET.replace("'", "''"),
        repr(SECRET)[1:-1],
    ],
)
def test_every_form_is_hidden(form: str) -> None:
    assert Redactor([SECRET]).text(f"a{form}b") == "a***b"


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    assert Redactor(["hunter", "hunter22"]).text("hunter22 hunter") == "*** ***"


def test_secrets_go_from_keys_and_values_of_any_depth() -> None:
    value = {"a hunter22": [1, None, ("x", "hunter22")], "n": 2.5}
    assert Redactor(["hunter22"]).value(value) == {"a ***": [1, None, ("x", "***")], "n": 2.5}


def test_without_secrets_it_is_false_and_hands_back_the_same_object() -> None:
    value = {"a": ["b"]}
    redactor = Redactor()
    assert not redactor
    assert redactor.value(value) is value
    redactor.add("bbbb")
    assert redactor


@given(secret=st.text(min_size=4), around=st.text())
def test_a_secret_never_survives(secret: str, around: str) -> None:
    text = Redactor([secret]).text(around + secret + around)
    assert secret not in text.replace("***", "")
