"""Signatures of described calls: published examples, and one vector for each algorithm and form."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.carriers.described import wire
from app.carriers.described.description import Description
from app.carriers.described.reader import parse_description
from app.carriers.errors import CarrierProtocolError

ROOT = Path(__file__).parents[3]


def described(name: str, **sign: Any) -> Description:
    document = copy.deepcopy(tomllib.loads((ROOT / "carriers" / f"{name}.toml").read_text(encoding="utf-8")))
    document["sign"] |= sign
    return parse_description(document)


def test_upiots_published_example_of_a_get() -> None:
    """api_doc: k1=v1, k2=v2, secret AAAAAAAAAA."""
    found = wire.digest(described("upiot"), {"api_key": "k", "api_secret": "A" * 10}, {"k2": "v2", "k1": "v1"}, b"")
    assert found == "283081c5d254390aa7dcf74f3315bb5b"


def test_upiots_published_example_of_a_post() -> None:
    body = b'{"k1":"v1","k2":"v2"}'
    found = wire.digest(described("upiot"), {"api_key": "k", "api_secret": "A" * 10}, {"k1": "v1"}, body)
    assert found == "ba2b783869ad504e5349056171d40074"


def test_a_published_example_of_a_digest_over_a_text() -> None:
    """iot.21863.cn: SHA-256 of timestamp, username and key in this order."""
    description = described("simboss", over="text", text="{timestamp}{username}{secret}")
    secrets = {"appid": "a", "secret": "dYybWZV8Gj5MxrwiwyUUVs9uLzjrvuh8VegGMu6T"}
    found = wire.digest(description, secrets, {"timestamp": "1550493607884", "username": "cat"}, b"")
    assert found == "1a54ce7a36aa73647cfb2f3236803056a59acf6ff5158e8668fd7640171c6869"


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_a_plain_digest_is_over_sorted_pairs_with_the_secret_behind(algorithm: str) -> None:
    found = wire.digest(described("simboss", algorithm=algorithm), {"secret": "s"}, {"b": "2", "a": "1"}, b"")
    assert found == hashlib.new(algorithm, b"a=1&b=2s").hexdigest()


def test_sm3_is_one_of_them() -> None:
    description = described("simboss", algorithm="sm3", pair="{value}", join="")
    assert wire.digest(description, {"secret": "c"}, {"x": "a", "y": "b"}, b"").startswith("66c7f0f462eeedd9d1f2d46b")


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_a_keyed_digest_has_the_secret_as_its_key(algorithm: str) -> None:
    description = described("simboss", algorithm=f"hmac-{algorithm}", case="upper")
    found = wire.digest(description, {"secret": "s"}, {"b": "2", "a": "1"}, b"")
    assert found == hmac.new(b"s", b"a=1&b=2", algorithm).hexdigest().upper()


def test_basic_is_a_header() -> None:
    description = described("simboss", kind="basic", user="appid", password="secret")
    filled = wire.Filled("POST", "x", {"iccid": "1"})
    call = wire.request(description, {"appid": "me", "secret": "pw"}, "status", filled, changes=False)
    assert call.headers is not None
    assert call.headers["Authorization"] == "Basic " + base64.b64encode(b"me:pw").decode()
    assert b"sign" not in call.body


def test_a_list_of_cards_is_a_json_list_and_the_proof_stands_in_the_query_where_it_is_said() -> None:
    filled = wire.Filled("POST", "k/batch/card/info/", {"iccids": ["1", "2"]})
    call = wire.request(described("upiot"), {"api_key": "k", "api_secret": "s"}, "status", filled, changes=False)
    assert json.loads(call.body) == {"iccids": ["1", "2"]}
    assert call.query == [("_sign", hashlib.new("md5", call.body + b"s", usedforsecurity=False).hexdigest())]


def test_values_are_found_by_paths() -> None:
    tree = {"data": {"rows": [{"iccid": "1"}, {"iccid": "2"}]}, "code": 200}
    assert wire.values_at(tree, "data.rows[].iccid") == ["1", "2"]
    assert [row["iccid"] for row in wire.rows_at(tree, "data.rows[]")] == ["1", "2"]
    assert wire.rows_at(tree, "data.nothing[]") == []
    assert wire.value_at(tree, "data.nothing.deeper") is None
    assert wire.code_of(described("upiot"), tree) == "200"


@pytest.mark.parametrize("tree", [{}, {"code": None}, {"code": []}, {"code": {"a": 1}}])
def test_an_answer_without_a_code_is_unreadable(tree: dict[str, Any]) -> None:
    with pytest.raises(CarrierProtocolError):
        wire.code_of(described("upiot"), tree)


def test_rows_that_are_no_objects_are_unreadable() -> None:
    with pytest.raises(CarrierProtocolError):
        wire.rows_at({"data": ["x"]}, "data[]")
