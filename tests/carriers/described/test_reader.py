"""A description says everything that is wrong with it, in words with a place; the shipped ones are right."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.carriers.config_file import AccountsInvalid, parse_accounts
from app.carriers.described.description import Description
from app.carriers.described.reader import DescriptionInvalid, parse_description, read_description
from app.domain.operation.capabilities import channel_for
from app.domain.vocabulary import Carrier, OperationKind

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "carriers").glob("*.toml"))
GOOD = tomllib.loads((ROOT / "carriers" / "simboss.toml").read_text(encoding="utf-8"))


def faults(*changes: tuple[str, Any]) -> list[str]:
    """What a good description says once some of its values are others; None takes one out."""
    document = copy.deepcopy(GOOD)
    for path, value in changes:
        *parents, last = path.split(".")
        table = document
        for name in parents:
            table = table.setdefault(name, {})
        if value is None:
            del table[last]
        else:
            table[last] = value
    with pytest.raises(DescriptionInvalid) as refused:
        parse_description(document)
    return refused.value.messages


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_description_is_valid_names_its_sources_and_holds_no_credential(path: Path) -> None:
    description = read_description(path)
    assert description.name == path.stem
    assert len(description.sources) >= 3
    assert any("assumed" in source for source in description.sources)
    assert {OperationKind.SUSPEND, OperationKind.RESUME, "status", "usage"} <= description.operations


def test_two_reseller_dialects_are_shipped() -> None:
    assert [path.stem for path in SHIPPED] == ["simboss", "upiot"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("name", "Sim Boss", "name must be 2 to 31 lower-case letters"),
        ("base_url", "ftp://x", "base_url must be an http(s) URL"),
        ("carriers", ["cmcc", "xyz"], "carriers: 'xyz' is none of"),
        ("unit", "TB", "unit must be one of B, KB, MB, GB"),
        ("body", "xml", "body must be one of json, form"),
        ("sources", [], "sources must be a list of names"),
        ("surprise", 1, "the file: unknown key 'surprise'"),
        ("sign.algorithm", "md4", "sign.algorithm must be one of md5, sha1, sha256, sm3, hmac-md5"),
        ("sign.secret", "nobody", "sign.secret must name one of the credentials"),
        ("sign.over", "text", 'sign.text is missing: over = "text" needs it'),
        ("sign.pair", "{key}", "sign.pair may hold {name} and {value} only"),
        ("sign.case", "mixed", "sign.case must be one of lower, upper"),
        ("envelope.code", "", "envelope.code must be a path of names"),
        ("codes.0", "fine", "codes.0 must be one of ok, already"),
        ("codes", {}, "[codes] is missing or empty"),
        ("states.ACTIVATED_NAME", "running", "states.ACTIVATED_NAME must be one of"),
        ("parameters.appid", "{nobody}", "parameters.appid: {nobody} is none of appid, secret, now"),
        ("calls.status", None, "calls.status is missing"),
        ("calls.terminate", {"path": "x", "cards": "iccid"}, "calls.terminate is none of"),
        ("calls.status.batch", 100_000, "calls.status.batch must be a whole number, 1 to 1000"),
        ("calls.status.fields.state", None, "calls.status.fields.state is missing"),
        ("calls.status.fields.iccid", None, "calls.status.fields.iccid is missing: rows of a batch"),
        ("calls.status.fields.owner", "owner", "calls.status.fields: unknown key 'owner'"),
        ("calls.status.path", "card/{imei}", "calls.status.path: {imei} is none of"),
        ("calls.usage.parameters", {"m": "{day}"}, "calls.usage.parameters.m: {day} is none of"),
        ("calls.suspend.cards", "", "calls.suspend.cards must name the parameter of the cards"),
        ("calls.suspend.batch", 5, "calls.suspend.batch: a change, or a call with the card in its path"),
        ("calls.suspend.method", "PUT", "calls.suspend.method must be one of GET, POST"),
        ("calls.suspend.settled", "no", "calls.suspend.settled must be true or false"),
        ("limits.per_hour", 5, "limits: unknown key 'per_hour'"),
    ],
)
def test_a_fault_is_said_with_its_place(path: str, value: Any, message: str) -> None:
    assert any(found.startswith(message) for found in faults((path, value))), faults((path, value))


def test_all_faults_are_said_at_once() -> None:
    assert len(faults(("unit", "TB"), ("body", "xml"), ("calls.suspend.method", "PUT"))) == 3


def test_a_file_that_is_missing_or_no_toml_is_a_fault_of_the_account(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("name = ", encoding="utf-8")
    for name, message in (("none.toml", "cannot be read"), ("broken.toml", "is not TOML")):
        assert any(message in fault for fault in account_faults(tmp_path, {"description": name}))
    assert any("must name a file" in fault for fault in account_faults(tmp_path, {}))


def account_faults(folder: Path, entry: dict[str, Any]) -> list[str]:
    full = {"protocol": "described", "base_url": "sandbox", **entry}
    with pytest.raises(AccountsInvalid) as refused:
        parse_accounts({"accounts": {"acc": {"carrier": "cmcc", "protocols": [full]}}}, folder=folder)
    return refused.value.messages


def account(entry: dict[str, Any]) -> Any:
    full = {"protocol": "described", "description": str(ROOT / "carriers" / "upiot.toml"), "base_url": "sandbox"}
    document = {"accounts": {"acc": {"carrier": "cmcc", "protocols": [full | entry]}}}
    return parse_accounts(document)[0].protocols[0]


def test_an_account_must_give_the_credentials_that_the_description_names() -> None:
    full = {"description": str(ROOT / "carriers" / "upiot.toml"), "credentials": {"api_key": "k", "other": "x"}}
    messages = account_faults(ROOT, full)
    assert any("credentials.api_secret is missing" in message for message in messages)
    assert any("unknown key 'other'" in message for message in messages)


def test_an_operation_without_a_call_is_not_the_protocols() -> None:
    """What no call is described for goes to the account's next protocol, such as the desk."""
    entry = account({"credentials": {"api_key": "k", "api_secret": "s"}})
    assert entry.covers("suspend")
    assert entry.covers("refresh")
    assert entry.covers("reset_network")
    assert not entry.covers("activate")
    assert not entry.covers("real_name")
    assert entry.covers("set_threshold"), "the gateway's own work"
    messages = account_faults(
        ROOT,
        {
            "description": str(ROOT / "carriers" / "upiot.toml"),
            "credentials": {"api_key": "k", "api_secret": "s"},
            "uses": ["suspend", "activate"],
        },
    )
    assert any("upiot describes no call for 'activate'" in message for message in messages)


def test_the_base_url_is_the_descriptions_where_the_account_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMGATE_TEST_KEY", "k")
    full = {
        "protocol": "described",
        "description": str(ROOT / "carriers" / "upiot.toml"),
        "credentials": {"api_key": "env:SIMGATE_TEST_KEY", "api_secret": "env:SIMGATE_TEST_KEY"},
    }
    [found] = parse_accounts({"accounts": {"acc": {"carrier": "cmcc", "protocols": [full]}}})
    assert found.protocols[0].base_url == "http://ec.upiot.net/api/v2/"
    assert not found.is_sandbox


def test_a_description_belongs_to_described_protocols_only() -> None:
    full = {"protocol": "desk", "base_url": "sandbox", "description": "carriers/upiot.toml"}
    with pytest.raises(AccountsInvalid) as refused:
        parse_accounts({"accounts": {"acc": {"carrier": "cmcc", "protocols": [full]}}})
    assert any('is for protocol = "described" only' in message for message in refused.value.messages)


def test_every_change_that_data_may_say_is_an_api_of_described_protocols() -> None:
    from app.carriers.described.description import CHANGES
    from app.domain.vocabulary import Channel, ProtocolName

    assert {channel_for(ProtocolName.DESCRIBED, Carrier.CMCC, kind) for kind in CHANGES} == {Channel.API}
    assert isinstance(read_description(SHIPPED[0]), Description)
