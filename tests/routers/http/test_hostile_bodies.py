"""Bodies made to cost the process dear: each is refused as the caller's fault, in a short answer."""

from __future__ import annotations

import pytest

from tests.gateway import Gateway

SHORT = 200_000
"""Bytes of an answer that lists the first 1,000 faults."""


@pytest.mark.parametrize("depth", [400, 700, 900])
@pytest.mark.parametrize(
    ("path", "opening", "closing"), [("/v1/plans", b"[", b"]"), ("/v1/bulk-operations", b'{"a":', b"}")]
)
async def test_a_deep_body_with_an_escape_is_the_callers_fault(
    gateway: Gateway, path: str, opening: bytes, closing: bytes, depth: int
) -> None:
    body = b'{"arguments":' + opening * depth + b'"\\u0041"' + closing * depth + b"}"

    assert (await gateway.api.post(path, content=body)).status_code in (400, 422)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"\xed\xa0\x80","carrier":"cmcc","allowance":1,"months":1}',
        '{"id":"a","carrier":"cmcc","allowance":1,"months":1}'.encode("utf-16"),
        '{"id":"a","carrier":"cmcc","allowance":1,"months":1}'.encode("utf-32"),
    ],
    ids=["half a character in raw bytes", "utf-16", "utf-32"],
)
async def test_a_json_body_is_utf_8(gateway: Gateway, body: bytes) -> None:
    answer = await gateway.api.post("/v1/plans", content=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "UNREADABLE")


async def test_corrections_are_counted_before_any_is_validated(gateway: Gateway) -> None:
    answer = await gateway.api.post("/v1/usage/corrections", content=b"[" + b"1," * 10_000 + b"1]")

    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")


@pytest.mark.parametrize("entry", [b'""', b"1"], ids=["empty", "number"])
async def test_a_list_of_bad_iccids_is_answered_by_its_first_faults(gateway: Gateway, entry: bytes) -> None:
    body = b'{"kind":"suspend","selector":{"iccids":[' + (entry + b",") * 20_000 + entry + b"]}}"

    answer = await gateway.api.post("/v1/bulk-operations", content=body)

    assert answer.status_code == 422
    assert 1 <= len(answer.json()["errors"]) <= 1_000
    assert len(answer.content) < SHORT


async def test_an_object_of_many_unknown_fields_is_answered_by_its_first_faults(gateway: Gateway) -> None:
    fields = b",".join(b'"a%d":1' % number for number in range(5_000))

    answer = await gateway.api.post("/v1/bulk-operations", content=b"{" + fields + b"}")

    assert (answer.status_code, len(answer.json()["errors"])) == (422, 1_000)
