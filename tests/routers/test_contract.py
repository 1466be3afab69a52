"""The typed contract: what the document says of every operation, and what readers and writers may rely on."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.domain.vocabulary import OperationKind
from app.main import ROUTES
from app.routers.http.errors.codes import STATUS_OF, by_status
from tests.contract import check_answer, route_of
from tests.gateway import Gateway, iccid

NAMED = re.compile(r"#/components/schemas/[A-Z]\w+")
OPERATING = {"/metrics", "/livez", "/readyz"}


@pytest.fixture
async def document(gateway: Gateway) -> dict[str, Any]:
    return (await gateway.api.get("/openapi.json")).json()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


async def test_every_operation_has_a_stable_id_a_summary_and_a_tag(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(ids) == len(set(ids)) > 80
    assert all(re.fullmatch("[a-z]+(_[a-z]+)+", each) for each in ids)
    assert all(operation["summary"] and operation["tags"] for _, _, operation in operations(document))
    assert document["openapi"].startswith("3.1")


async def test_every_answer_and_every_json_body_is_a_named_schema(document: dict[str, Any]) -> None:
    anonymous = []
    for method, path, operation in operations(document):
        bodies = [operation.get("requestBody", {})] + [operation["responses"][s] for s in operation["responses"]]
        for body in bodies:
            for media_type, content in body.get("content", {}).items():
                if "json" in media_type and not NAMED.fullmatch(content["schema"].get("$ref", "")):
                    anonymous.append((method, path, media_type))
    # NDJSON is text: one object a line, whose schema its description names.
    assert [each for each in anonymous if "ndjson" not in each[2]] == []


async def test_every_field_has_a_type_a_description_and_an_example(document: dict[str, Any]) -> None:
    bare = []
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        for field, found in schema.get("properties", {}).items():
            whole = schemas.get(found.get("$ref", "").rpartition("/")[2], {}) | found
            typed = {"type", "anyOf", "oneOf", "$ref", "const", "enum", "x-extensible-enum"} & set(found)
            composed = "$ref" in json.dumps(found)
            free = name in ("TimelineEntry", "Term")
            if not whole.get("description") or not (typed or free) or not (found.get("examples") or composed):
                bare.append(f"{name}.{field}")

    assert bare == []


async def test_every_parameter_has_a_description_and_an_example(document: dict[str, Any]) -> None:
    bare = [
        f"{method} {path} {parameter['name']}"
        for method, path, operation in operations(document)
        for parameter in operation.get("parameters", ())
        if not parameter.get("description") or not parameter["schema"].get("examples")
    ]

    assert bare == []


async def test_amounts_instants_and_days_name_their_unit(document: dict[str, Any]) -> None:
    wrong = []
    for name, schema in document["components"]["schemas"].items():
        for field, found in schema.get("properties", {}).items():
            text = json.dumps(found)
            if ("date-time" in text or '"date"' in text or field == "bytes") and "x-unit" not in text:
                wrong.append(f"{name}.{field}")

    assert wrong == []


async def test_each_action_has_a_path_and_a_body_of_its_own(document: dict[str, Any]) -> None:
    paths = [f"/v1/sims/{{iccid}}/{kind.value.replace('_', '-')}" for kind in OperationKind]
    bodies = {
        path: document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        for path in paths
    }

    assert bodies["/v1/sims/{iccid}/renew"].endswith("/RenewRequest")
    assert bodies["/v1/sims/{iccid}/suspend"].endswith("/ActionRequest")
    fields = document["components"]["schemas"]["RenewRequest"]
    assert set(fields["properties"]) == {"execute_at", "wait", "months"}
    assert (fields["required"], fields["additionalProperties"]) == (["months"], False)


async def test_enumerations_are_closed_for_writers_and_open_for_readers(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    filters = {p["name"]: p["schema"] for p in document["paths"]["/v1/sims"]["get"]["parameters"]}

    assert "active" in filters["state"]["enum"]
    assert "enum" not in json.dumps(schemas["Sim"]["properties"]["state"]).replace("x-extensible-enum", "")
    assert "active" in schemas["Sim"]["properties"]["state"]["x-extensible-enum"]


WITHOUT_KEY = {
    "/v1/callbacks/{account}",
    "/v1/exports/{export_id}/download",
    "/v1/deadlines/feeds/{secret}.ics",
}
"""A carrier's own authentication, a signed link, and a secret address."""


async def test_every_operation_lists_the_problem_codes_it_can_answer_with(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        codes = {
            code: int(status)
            for status, answer in operation["responses"].items()
            for code in answer.get("x-problem-codes", ())
        }
        assert codes, (method, path)
        assert all(STATUS_OF[code] == status for code, status in codes.items())
        if path.startswith("/v1/") and path not in WITHOUT_KEY:
            assert {"UNAUTHORIZED", "FORBIDDEN", "INVALID_ARGUMENT", "UNAVAILABLE"} <= set(codes), (method, path)
    suspend = document["paths"]["/v1/sims/{iccid}/suspend"]["post"]["responses"]
    assert suspend["409"]["x-problem-codes"] == ["INCOMPATIBLE_STATE", "OPERATION_IN_PROGRESS", "REQUEST_IN_PROGRESS"]


def test_every_code_a_use_case_can_refuse_with_has_a_status() -> None:
    raised: set[str] = set()
    for file in (*Path("app/usecases").rglob("*.py"), *Path("app/routers").rglob("*.py"), Path("app/jobs/advance.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Conflict", "CarrierTrouble"):
                raised |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
            for each in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") == "code":
                    raised |= {each.value.value} if isinstance(each.value, ast.Constant) else set()

    assert len(raised) > 15
    assert raised - set(STATUS_OF) == {"REFUSED"}  # the base class, which is never raised itself
    assert sum(len(codes) for codes in by_status(STATUS_OF).values()) == len(STATUS_OF)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/sims?sate=active",
        "/v1/sims/summary?by=state&stat=active",
        "/v1/operations?stauts=failed",
        "/v1/sims/{iccid}?asof=2026-01-01",
        "/v1/sims/{iccid}/usage?granularty=cycle",
        "/v1/plans?carrier=cmcc",
        "/v1/calendar/cycle?carrier=cmcc&on=2026-01-01&zone=UTC",
        "/v1/admin/keys?tenant=x",
    ],
)
async def test_a_mistyped_query_parameter_is_refused_by_its_name(gateway: Gateway, path: str) -> None:
    answer = await gateway.api.get(path.format(iccid=iccid(1)))

    wrong = {"sate", "stat", "stauts", "asof", "granularty", "carrier", "zone", "tenant"}
    assert answer.status_code == 422
    [fault] = answer.json()["errors"]
    assert (fault["code"], fault["pointer"].partition(":")[2] in wrong) == ("UNKNOWN_FIELD", True)


@pytest.mark.parametrize(
    ("path", "body", "faults"),
    [
        ("/v1/sims/{iccid}/suspend", {"colour": "red"}, [("/colour", "UNKNOWN_FIELD")]),
        ("/v1/sims/{iccid}/suspend", {"wait": "yes"}, [("/wait", "WRONG_TYPE")]),
        ("/v1/sims/{iccid}/suspend", {"wait": 1, "execute_at": "soon"}, None),
        ("/v1/sims/{iccid}/renew", {}, [("/months", "REQUIRED")]),
        ("/v1/sims/{iccid}/renew", {"months": "1"}, [("/months", "WRONG_TYPE")]),
        ("/v1/sims/{iccid}/renew", {"months": 1.0}, [("/months", "WRONG_TYPE")]),
        ("/v1/sims/{iccid}/renew", {"months": True}, [("/months", "WRONG_TYPE")]),
        ("/v1/sims/{iccid}/renew", {"months": 0}, [("/months", "OUT_OF_RANGE")]),
        ("/v1/sims/{iccid}/set-threshold", {}, [("/bytes", "REQUIRED")]),
        ("/v1/sims/{iccid}/order-addon", {}, [("", "REQUIRED")]),
        ("/v1/sims/{iccid}/suspend", {"execute_at": "2026-12-01T00:00:00"}, [("/execute_at", "INSTANT_MALFORMED")]),
        ("/v1/sims/{iccid}/suspend", {"execute_at": 1764288000}, [("/execute_at", "WRONG_TYPE")]),
        ("/v1/webhooks", {"url": "https://8.8.8.8/", "a/b~c": 1}, [("/a~1b~0c", "UNKNOWN_FIELD")]),
        ("/v1/operations/x/complete", {"outcome": "done"}, [("/outcome", "UNKNOWN_WORD")]),
        ("/v1/pools", {"id": "", "name": "n", "kind": "x", "carrier": "cmcc", "plan": "p"}, None),
    ],
)
async def test_every_fault_of_a_body_has_its_pointer_and_code_and_no_value(
    gateway: Gateway, path: str, body: dict[str, Any], faults: list[tuple[str, str]] | None
) -> None:
    answer = await gateway.api.post(path.format(iccid=iccid(1)), json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_ARGUMENT")
    found = [(each["pointer"], each["code"]) for each in answer.json()["errors"]]
    assert found == faults if faults is not None else len(found) == 2
    assert not {"red", "soon", "2026-12-01T00:00:00", "1764288000", "8.8.8.8"} & set(re.split(r'[" ]', answer.text))


@pytest.mark.parametrize("path", ["/v1/sims", "/v1/sims/{iccid}", "/v1/operations", "/livez", "/docs", "/v1/plans"])
async def test_head_answers_as_get_without_a_body(gateway: Gateway, path: str) -> None:
    await gateway.fleet({"iccid": iccid(1), "msisdn": "1440000000001", "imsi": "460040000000001"})

    read = await gateway.api.get(path.format(iccid=iccid(1)))
    head = await gateway.api.head(path.format(iccid=iccid(1)))

    assert (head.status_code, head.content) == (read.status_code, b"")
    same = ("content-type", "content-length", "etag")
    assert [head.headers.get(name) for name in same] == [read.headers.get(name) for name in same]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/pools", "GET, HEAD, POST"),
        ("POST", "/v1/pools/p", "GET, HEAD, PATCH"),
        ("DELETE", "/v1/pools/p/rules", "GET, HEAD, POST, PUT"),
        ("PUT", "/v1/sims/{iccid}", "DELETE, GET, HEAD, PATCH"),
    ],
)
async def test_a_method_that_is_not_there_names_all_that_are(
    gateway: Gateway, method: str, path: str, allowed: str
) -> None:
    answer = await gateway.api.request(method, path.format(iccid=iccid(1)))

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["code"] == "METHOD_NOT_ALLOWED"


async def test_what_a_webhook_is_sent_is_in_the_document(document: dict[str, Any]) -> None:
    sent = document["webhooks"]["event"]["post"]

    assert sent["requestBody"]["content"]["application/cloudevents+json"]["schema"]["$ref"].endswith("/Event")
    assert {each["name"] for each in sent["parameters"]} == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert {"known_at", "before", "after"} <= set(document["components"]["schemas"]["EventData"]["properties"])


def _varied() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for carrier in ("cmcc", "cucc", "ctcc"):
        rows += [
            {"carrier": carrier, "terms": terms, "state": state, **dates}
            for terms in ("flexem", "gsl")
            for state, dates in (
                ("active", {"activated_on": "2026-02-01", "expires_on": "2027-01-31", "tags": "site=a;n=1"}),
                ("silent", {"opened_on": "2026-11-01"}),
                ("suspended", {"holds": "policy_cutoff;over_quota", "activated_on": "2026-02-01"}),
                ("expired", {"activated_on": "2025-02-01", "expires_on": "2026-10-31"}),
                ("inventory", {"alias": "泵", "device_serial": "3000A", "imei": "490154203237518"}),
            )
        ]
    return rows


async def test_the_bytes_of_hot_answers_are_of_their_models(gateway: Gateway) -> None:
    """One SIM, the list and the answer to reports are encoded by hand: every field is there, none is unknown."""
    names = await gateway.fleet(*_varied())
    at = gateway.ctx.now().isoformat()
    reports = [{"id": str(n), "iccid": name, "at": at, "bytes": n} for n, name in enumerate(names)]
    reports += [reports[0], {**reports[1], "bytes": 77}, {**reports[2], "id": "x", "iccid": iccid(9)}]
    reports += [{**reports[3], "id": "y", "at": "2026-11-21"}, {**reports[4], "id": "z", "bytes": -1}]

    counted = await gateway.api.post("/v1/usage/reports", json={"gateway": "g", "reports": reports})
    figures = [{"iccid": name, "bytes": 5 << 20, "cycle": "2026-11"} for name in names[:5]]
    assert (await gateway.api.post("/v1/usage/corrections", json={"corrections": figures})).status_code == 200
    await gateway.api.post(f"/v1/sims/{names[0]}/suspend")
    listed = await gateway.api.get("/v1/sims?limit=500&include=total")
    single = [await gateway.api.get(f"/v1/sims/{name}") for name in names]

    tally = counted.json()
    assert all(tally[part] for part in ("accepted", "duplicates", "conflicts", "unknown", "rejected"))
    assert (listed.json()["total"], len(listed.json()["items"])) == (30, 30)
    assert {answer.status_code for answer in single} == {200}
    for answer in (counted, listed, *single):
        route = route_of(answer.request.method, answer.request.url.path)
        assert route is not None
        check_answer(route, answer.status_code, answer.content)


async def test_the_check_of_answers_finds_a_field_too_many_one_too_few_and_one_of_another_type(
    gateway: Gateway,
) -> None:
    [name] = await gateway.fleet({})
    sim = (await gateway.api.get(f"/v1/sims/{name}")).json()
    route = route_of("GET", f"/v1/sims/{name}")
    assert route is not None

    for wrong in (sim | {"more": 1}, {k: v for k, v in sim.items() if k != "tags"}, sim | {"version": "7"}):
        with pytest.raises(ValidationError):
            check_answer(route, 200, json.dumps(wrong).encode())


def test_every_route_but_operating_ones_takes_no_unknown_query() -> None:
    lenient = {route.path for route in ROUTES if type(route).__name__ != "TypedRoute"}

    assert lenient == OPERATING | {"/docs", "/docs/{version}/{asset}", "/v1/callbacks/{account}"}
