"""A scrubbed sample keeps shapes, codes, figures and times, and nothing that names a card, a person or an account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.carriers.http.transport import Reply
from app.carriers.probe.compare import compare
from app.carriers.probe.report import file_name, write_samples
from app.carriers.probe.scrub import Scrubber
from app.carriers.probe.session import secrets_of
from app.carriers.probe.tree import answer_tree
from app.carriers.registry import EXPECTATIONS
from app.domain.identifiers import luhn_digit
from app.domain.vocabulary import ProtocolName
from tests.carriers.harness import SAMPLES
from tests.carriers.probe.bench import CARRIERS, recorded
from tests.carriers.probe.test_expectations import SAMPLED_CALLS, STATUSES

ICCID = "89860412102070012348"
JASPER = EXPECTATIONS[ProtocolName.JASPER]
FIELDS = {answer.name: answer.fields for answer in JASPER.answers}


def scrubbed(content: dict[str, object], call: str = "devices/{}") -> dict[str, object]:
    found: dict[str, object] = json.loads(Scrubber().body(json.dumps(content).encode(), FIELDS[call]))
    return found


def test_identities_are_replaced_by_values_of_the_same_shape() -> None:
    seen = scrubbed({"iccid": ICCID, "imsi": "460040123456789", "msisdn": "14914000000", "status": "ACTIVATED"})
    assert seen["status"] == "ACTIVATED"
    for name, length in (("iccid", 20), ("imsi", 15), ("msisdn", 11)):
        assert str(seen[name]).isdigit()
        assert len(str(seen[name])) == length
    assert ICCID not in json.dumps(seen)


def test_the_same_identity_becomes_the_same_value_in_every_form_and_file() -> None:
    scrub = Scrubber()
    invented = scrub.identity(ICCID)
    assert scrub.identity(ICCID[:19]) == invented[:19]
    assert invented[-1] == luhn_digit(invented[:19])
    assert scrub.identity("8614914000000") == "86" + scrub.identity("14914000000")
    assert f"卡 {invented} 不存在" == scrub.message(f"卡 {ICCID} 不存在")


def test_invented_values_do_not_depend_on_the_real_ones() -> None:
    assert Scrubber().identity("14914000000") == Scrubber().identity("13800138000")


def test_a_field_that_no_table_knows_is_invented_whatever_it_holds() -> None:
    seen = scrubbed({"status": "ACTIVATED", "owner": "Zhang San", "phone": 13800138000, "ip": "203.0.113.77"})
    assert "Zhang" not in json.dumps(seen)
    assert "13800138000" not in json.dumps(seen)
    assert str(seen["ip"]).startswith("192.0.2.")


def test_a_free_key_is_invented_and_a_field_name_stays() -> None:
    row = {"ratePlan": "ACME 300M", "zone": "ACME zone", "dataUsage": 61489152, "dataUsageUnit": "bytes"}
    content = {"iccid": ICCID, "deviceCycleUsageInZones": {"ACME 300M, 1": [row]}}
    seen = json.dumps(scrubbed(content, "devices/{}/usageInZone"))
    assert "ACME" not in seen
    assert '"dataUsage": 61489152' in seen


def test_a_number_stands_as_the_carrier_wrote_it() -> None:
    fields = next(a.fields for a in EXPECTATIONS[ProtocolName.GSL].answers if a.name == "sim-cards/month-usages")
    body = (SAMPLES / "gsl" / "month_usages.json").read_bytes()
    assert b'"flow_used":1.50' in Scrubber().body(body, fields)


def test_a_card_number_in_a_figure_or_code_field_does_not_stay() -> None:
    seen = scrubbed({"ctdDataUsage": 13800138000, "status": "460040123456789"}, "devices/{}/ctdUsages")
    assert "13800138000" not in json.dumps(seen)
    assert "460040123456789" not in json.dumps(seen)


def test_xml_keeps_its_form_and_loses_its_names() -> None:
    table = EXPECTATIONS[ProtocolName.CTCC_CMP]
    fields = next(answer.fields for answer in table.answers if answer.call == "queryTraffic")
    body = (SAMPLES / "ctcc_cmp" / "queryTraffic.xml").read_bytes()
    seen = Scrubber(["14914000000"]).body(body, fields)
    assert b"14914000000" not in seen
    assert b"<TOTAL_BYTES_CNT>12.34MB</TOTAL_BYTES_CNT>" in seen
    assert b'xmlns:web="http://www.example.org/webservice"' in seen


@pytest.mark.parametrize("sample", sorted(SAMPLED_CALLS))
def test_a_scrubbed_sample_still_is_as_its_table_says(sample: str) -> None:
    protocol, _, name = sample.partition("/")
    table = EXPECTATIONS[ProtocolName(protocol)]
    call = SAMPLED_CALLS[sample]
    row = next(answer for answer in table.answers if call.endswith(answer.call.replace("{}", "x")))
    body = Scrubber().body((SAMPLES / sample).read_bytes(), (*row.fields, *table.refusal))
    assert compare(table, table.codes, call, Reply(STATUSES.get(name, 200), body, {}), answer_tree(body)) == []


@pytest.mark.parametrize("protocol", sorted(CARRIERS))
async def test_saved_samples_hold_no_identity_and_are_as_their_tables_say(
    sandbox_url: str, protocol: ProtocolName, tmp_path: Path
) -> None:
    run, table = await recorded(sandbox_url, protocol), EXPECTATIONS[protocol]
    [entry] = run.account.protocols
    secrets = secrets_of(entry, run.sims)
    written = write_samples(tmp_path, protocol, table, table.codes, run.recorder.exchanges, secrets)
    assert len(written) >= 4
    text = "".join(path.read_text(encoding="utf-8") for path in written)
    named = {value for value in secrets if len(value) > 5}
    assert [value for value in named if value in text] == []
    for answer in table.answers:
        path = tmp_path / protocol / file_name(answer.name, "", b"{")
        if path.exists():
            body = path.read_bytes()
            reply = Reply(200, body, {})
            assert compare(table, table.codes, answer.call.replace("{}", "x"), reply, answer_tree(body)) == []
