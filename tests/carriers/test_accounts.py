"""carriers.toml: what is accepted, and how every fault is told."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from app.carriers.config import CREDENTIALS, SANDBOX_PATHS, base_url, documented
from app.carriers.config_file import AccountsInvalid, parse_accounts, read_accounts, sandbox_mode
from app.carriers.registry import FACTORIES, build_clients
from app.carriers.result_codes import CodeMeaning
from app.clock import SystemClock
from app.domain.operation.capabilities import channel_for
from app.domain.vocabulary import Carrier, Channel, OperationKind, ProtocolName

DEMO = Path(__file__).parents[2] / "demo"

REAL = """
[accounts.a]
carrier = "cucc"
zone = "Asia/Shanghai"
tenants = ["t1", "t2"]
[[accounts.a.protocols]]
protocol = "jasper"
base_url = "https://api.10646.cn/rws/api/v1"
uses = ["status", "suspend"]
credentials = { username = "env:JASPER_USER", api_key = "file:key.txt" }
settings = { per_second = 3, in_flight = 2, repeat_window_s = 60, settle_lag_s = 5, completion_s = 7, codes = { "40000029" = "rate_limited" } }
"""


def faults(text: str) -> list[str]:
    with pytest.raises(AccountsInvalid) as caught:
        parse_accounts(tomllib.loads(text))
    return caught.value.messages


def test_the_demo_accounts_are_in_the_sandbox_with_neither_window_nor_limit() -> None:
    accounts = read_accounts(DEMO / "carriers.toml")
    assert [account.code for account in accounts] == ["cmcc-main", "cucc-main", "ctcc-main", "overseas-desk"]
    assert sandbox_mode(accounts)
    settings = [entry.settings for account in accounts for entry in account.protocols]
    assert {(one.per_second, one.repeat_window_s, one.completion_s, one.settle_lag_s) for one in settings} == {
        (None, 0, 1, 2)
    }


def test_the_accounts_for_tests_begin_with_the_demos_and_name_every_protocol() -> None:
    everything = read_accounts(DEMO / "carriers-all.toml")
    assert everything[:4] == read_accounts(DEMO / "carriers.toml")
    resellers = read_accounts(DEMO / "carriers-resellers.toml")
    named = {entry.protocol for account in [*everything, *resellers] for entry in account.protocols}
    assert named == set(ProtocolName)
    assert all(account.is_sandbox for account in resellers)


def test_a_real_account_takes_its_secrets_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "carriers.toml").write_text(REAL)
    (tmp_path / "key.txt").write_text("the-key\n")
    monkeypatch.setenv("JASPER_USER", "the-user")
    [account] = read_accounts(tmp_path / "carriers.toml")
    [entry] = account.protocols
    assert dict(entry.credentials) == {"username": "the-user", "api_key": "the-key"}
    assert not sandbox_mode([account])
    assert (account.open_to("t1"), account.open_to("t3")) == (True, False)
    assert (entry.covers("suspend"), entry.covers("resume")) == (True, False)
    assert (entry.settings.per_second, entry.settings.in_flight, entry.settings.completion_s) == (3, 2, 7)
    assert dict(entry.codes) == {"40000029": CodeMeaning.RATE_LIMITED}
    assert base_url(entry, "http://unused") == "https://api.10646.cn/rws/api/v1/"
    assert "the-key" not in repr(account)


def test_every_fault_is_told_at_once_with_its_place() -> None:
    told = faults(REAL + 'surplus = 1\n[accounts.b]\ncarrier = "telia"\nzone = "Mars/Olympus"\ntenants = []\n')
    assert any("surplus" in fault for fault in told)
    for words in (
        "accounts.b.carrier must be one of cmcc, cucc, ctcc, overseas",
        "accounts.b.zone is no time zone",
        "accounts.b.tenants must be a list of names",
        "[[accounts.b.protocols]] is missing",
        "environment variable JASPER_USER is not set",
        "file key.txt cannot be read",
    ):
        assert any(words in fault for fault in told), (words, told)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"env:JASPER_USER"', '"hunter2"', "a literal is for the sandbox only"),
        ('username = "env:JASPER_USER", ', "", "credentials.username is missing"),
        ('"jasper"', '"soap"', "protocol must be one of"),
        ("https://", "ftp://", "base_url must be"),
        ("https://", "https://user:pw@", "base_url must be"),
        ('"suspend"]', '"dance"]', "unknown operation 'dance'"),
        ("per_second = 3", "per_second = -1", "must be a whole number"),
        ("per_second = 3", 'per_second = "3"', "must be a whole number"),
        ("in_flight = 2", "in_flight = 21", "must be 1 to 20"),
        ("settle_lag_s = 5", "settle = 5", "unknown key 'settle'"),
        ('"rate_limited"', '"maybe"', "codes.40000029 must be one of"),
        ("api_key =", "apikey =", "unknown key 'apikey'"),
        ('base_url = "https://api.10646.cn/rws/api/v1"', "", "base_url must be"),
    ],
)
def test_each_mistake_has_its_words_and_no_secret_in_them(old: str, new: str, words: str) -> None:
    assert old in REAL
    told = faults(REAL.replace(old, new))
    assert any(words in fault for fault in told), told
    assert not any("hunter2" in fault or "pw" in fault for fault in told)


def test_a_protocol_stands_once_in_an_account_and_options_have_a_type() -> None:
    entry = '[[accounts.a.protocols]]\nprotocol = "onelink"\nbase_url = "sandbox"\ncredentials = { appid = "1", password = "p" }\n'
    told = faults('[accounts.a]\ncarrier = "cmcc"\n' + entry + 'settings = { bind_by_web = "yes" }\n' + entry)
    assert any("names a protocol twice" in fault for fault in told)
    assert any("bind_by_web must be bool" in fault for fault in told)


def test_a_file_that_cannot_be_read_or_is_no_toml_or_is_empty_says_so(tmp_path: Path) -> None:
    path = tmp_path / "carriers.toml"
    for content, words in (
        (None, "cannot be read"),
        ("[a", "is not TOML"),
        ("", "no [accounts.<code>]"),
        ("accounts = 3", "no [accounts"),
    ):
        if content is not None:
            path.write_text(content)
        with pytest.raises(AccountsInvalid, match=words.replace("[", r"\[")):
            read_accounts(path)


def test_a_real_account_without_settings_has_the_published_limits() -> None:
    entry = '[[accounts.a.protocols]]\nprotocol = "desk"\n[accounts.j]\ncarrier = "cucc"\n'
    jasper = '[[accounts.j.protocols]]\nprotocol = "jasper"\nbase_url = "http://x"\ncredentials = { username = "file:/etc/hostname", api_key = "file:/etc/hostname" }\n'
    accounts = parse_accounts(tomllib.loads('[accounts.a]\ncarrier = "overseas"\n' + entry + jasper))
    assert accounts[0].is_sandbox
    settings = accounts[1].protocols[0].settings
    assert (settings.per_second, settings.in_flight) == (5, 1)
    assert settings == documented(ProtocolName.JASPER)


def test_every_protocol_has_a_client_credentials_and_a_sandbox_path() -> None:
    assert set(FACTORIES) == set(CREDENTIALS) == set(SANDBOX_PATHS) == set(ProtocolName)


CARRIERS_OF = {
    ProtocolName.ONELINK: (Carrier.CMCC,),
    ProtocolName.JASPER: (Carrier.CUCC, Carrier.OVERSEAS),
    ProtocolName.UNICOM_CMP: (Carrier.CUCC,),
    ProtocolName.CTCC_CMP: (Carrier.CTCC,),
    ProtocolName.CTWING: (Carrier.CTCC,),
    ProtocolName.GSL: tuple(Carrier),
    ProtocolName.DESK: tuple(Carrier),
}


@pytest.mark.parametrize(
    ("protocol", "carrier"), [(name, one) for name, several in CARRIERS_OF.items() for one in several]
)
def test_a_client_can_exactly_what_the_capability_table_says(protocol: ProtocolName, carrier: Carrier) -> None:
    entry = {
        "protocol": protocol.value,
        "base_url": "sandbox",
        "credentials": dict.fromkeys(CREDENTIALS[protocol], "xxx"),
    }
    accounts = parse_accounts({"accounts": {"a": {"carrier": carrier.value, "protocols": [entry]}}})
    client = build_clients(accounts, sandbox_url="http://x.test", clock=SystemClock())["a"]
    composed = {OperationKind.RESET_NETWORK, OperationKind.REFRESH}  # a suspend and a resume; a reading
    declared = {kind for kind in OperationKind if channel_for(protocol, carrier, kind) is Channel.API}
    assert {kind for kind in OperationKind if client.supports(kind)} == declared - composed
