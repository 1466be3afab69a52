"""Bodies as other people's encoders write them: one reader for every route, so what one route takes, all take."""

from __future__ import annotations

import codecs
import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.gateway import Gateway, iccid

NDJSON = ("application/x-ndjson", "application/ndjson")
PACKED = {"Content-Encoding": "gzip"}


def _typed_routes(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Method, path and media type of every body that the document describes; a carrier's own format is left as it is."""
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            for kind in operation.get("requestBody", {}).get("content", {}):
                if kind != "*/*":
                    yield verb.upper(), path.format_map(_Nobody()), kind


class _Nobody(dict[str, str]):
    """Path parameters that name nothing."""

    def __missing__(self, name: str) -> str:
        return "019ab3f0-7c11-7d60-9c55-0d2f5a1b2c3d"


def _status_and_code(answer: httpx.Response) -> tuple[int, Any]:
    body = answer.json()
    return answer.status_code, body.get("code", sorted(body))


async def test_a_bom_a_packed_body_and_its_padding_make_no_difference_to_any_route(gateway: Gateway) -> None:
    document = (await gateway.api.get("/openapi.json")).json()
    routes, different = list(_typed_routes(document)), []
    marked = codecs.BOM_UTF8 + b"{}"
    for method, path, kind in routes:
        headers = {"Content-Type": kind}
        plain = _status_and_code(await gateway.api.request(method, path, content=b"{}", headers=headers))
        for body, more in ((marked, {}), (gzip.compress(marked) + bytes(512), PACKED)):
            other = _status_and_code(await gateway.api.request(method, path, content=body, headers=headers | more))
            if other != plain:
                different.append((method, path, kind, plain, other))
        unknown = await gateway.api.request(method, path, content=b"{}", headers=headers | {"Content-Encoding": "br"})
        assert unknown.status_code == 415, (method, path)

    assert (len(routes) > 40, different) == (True, [])


@pytest.mark.parametrize("kind", NDJSON)
async def test_both_names_of_ndjson_are_taken_for_reports_and_imports(gateway: Gateway, kind: str) -> None:
    [card] = await gateway.fleet({})
    at = (gateway.ctx.now() - timedelta(minutes=1)).isoformat()
    report = {"gateway": "g", "id": kind, "iccid": card, "at": at, "bytes": 1}
    row = {"iccid": iccid(7), "carrier": "cmcc", "terms": "gsl", "plan": "cmcc-30m"}

    counted = await gateway.api.post("/v1/usage/reports", content=json.dumps(report), headers={"Content-Type": kind})
    imported = await gateway.api.post("/v1/sims/import", content=json.dumps(row), headers={"Content-Type": kind})

    assert (counted.json()["accepted"], imported.json()["created"]) == (1, 1)


@pytest.mark.parametrize("rest", [b"x", b"\0x", b"\0\0\0x\0"])
async def test_bytes_behind_a_packed_body_that_are_no_padding_are_refused(gateway: Gateway, rest: bytes) -> None:
    headers = PACKED | {"Content-Type": "application/json"}

    answer = await gateway.api.post("/v1/usage/reports", content=gzip.compress(b"[]") + rest, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "UNREADABLE")


async def test_a_packed_body_is_bounded_by_what_it_unpacks_to(gateway: Gateway) -> None:
    body = gzip.compress(b'{"id":"' + b"a" * (1 << 20) + b'"}')

    answer = await gateway.api.post("/v1/plans", content=body, headers=PACKED)

    assert (len(body) < 10_000, answer.status_code, answer.json()["code"]) == (True, 413, "TOO_LARGE")


async def test_the_same_request_packed_and_plain_is_one_request_under_its_key(gateway: Gateway) -> None:
    body = b'{"id":"p","carrier":"cmcc","allowance":1048576,"months":12}'
    key = {"Idempotency-Key": "packed"}

    first = await gateway.api.post("/v1/plans", content=body, headers=key)
    again = await gateway.api.post("/v1/plans", content=gzip.compress(body), headers=key | PACKED)

    assert (first.status_code, again.headers.get("Idempotency-Replayed")) == (201, "true")


@pytest.mark.parametrize("written", ["1048576.0", "1.048576e6", "1048576.000"])
async def test_a_whole_amount_is_taken_however_it_is_written(gateway: Gateway, written: str) -> None:
    [card] = await gateway.fleet({"iccid": iccid(1)})
    at = (gateway.ctx.now() - timedelta(minutes=1)).isoformat()
    record = f'{{"gateway":"g","id":"%s","iccid":"{card}","at":"{at}","bytes":{written}}}'
    event = (
        f'[{{"type":"simgate.usage.report","source":"g","id":"3","subject":"{card}","time":"{at}",'
        f'"data":{{"bytes":{written}}}}}]'
    )
    bodies = {
        "application/json": f'{{"gateway":"g","reports":[{record % 0}]}}',
        "application/x-ndjson": record % 1 + "\n" + record % 2,
        "application/cloudevents-batch+json": event,
    }

    counted = [
        (await gateway.api.post("/v1/usage/reports", content=body, headers={"Content-Type": kind})).json()["accepted"]
        for kind, body in bodies.items()
    ]
    correction = f'[{{"iccid":"{card}","cycle":"2026-10","bytes":{written}}}]'
    corrected = await gateway.api.post("/v1/usage/corrections", content=correction)
    plan = f'{{"id":"whole","carrier":"cmcc","allowance":{written},"months":12}}'
    made = (await gateway.api.post("/v1/plans", content=plan)).json()

    assert counted == [1, 2, 1]
    assert (await gateway.api.get(f"/v1/sims/{card}")).json()["usage"]["reported"] == 4 * 1048576
    assert corrected.json()["applied"] == 1
    assert (made["allowance"], made["months"]) == (1048576, 12)


@pytest.mark.parametrize("written", ["1.5", "1e-3", "true", '"1"', "1e400", "9007199254740993.0", "1e30"])
async def test_what_is_no_whole_number_or_not_exact_stays_refused(gateway: Gateway, written: str) -> None:
    plan = f'{{"id":"whole","carrier":"cmcc","allowance":{written},"months":12}}'

    assert (await gateway.api.post("/v1/plans", content=plan)).status_code in (400, 422)


async def test_whole_numbers_with_a_point_are_understood_in_files(gateway: Gateway) -> None:
    plans = "id,carrier,allowance,months,test_months\nfile,cmcc,1048576.0,12.0,6.0\n"
    told = await gateway.api.post("/v1/plans", content=plans, headers={"Content-Type": "text/csv"})
    row = f"iccid,carrier,terms,plan,test_months\n{iccid(1)},cmcc,gsl,file,3.0\n"
    brought = await gateway.api.post("/v1/sims/import", content=row, headers={"Content-Type": "text/csv"})

    assert (told.status_code, told.json()["items"][0]["allowance"]) == (201, 1048576)
    assert brought.json()["created"] == 1
