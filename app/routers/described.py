"""What the routes read by hand, as OpenAPI tells it: bodies, query parameters, keys on every POST, problems.

Bodies are read and judged in the routers and use-cases, where each fault names its place; this is their description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI

from app.domain.vocabulary import Carrier, HoldCode, OperationKind, PlanKind, SimState
from app.routers.http.problems import PROBLEM_JSON
from app.usecases.access import SCOPES
from app.usecases.catalogue.plans import COLUMNS as PLAN_COLUMNS
from app.usecases.sims.import_rows import COLUMN_PARSERS

from .insight import TOLD

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
DAY: Schema = {"type": "string", "format": "date"}
INSTANT: Schema = {"type": "string", "format": "date-time", "description": "RFC 3339 with offset"}
TAGS: Schema = {"type": "object", "additionalProperties": TEXT}
JSON, CSV, NDJSON = "application/json", "text/csv", "application/x-ndjson"


def words(kind: Any) -> Schema:
    """A text that is one of these words."""
    return {"type": "string", "enum": [str(word) for word in kind]}


def listed(schema: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": schema}


def fields(*required: str, **known: Schema) -> Schema:
    """An object of these fields and no other."""
    shape: Schema = {"type": "object", "properties": known, "additionalProperties": False}
    return shape | ({"required": list(required)} if required else {})


REPORT: Mapping[str, Schema] = {"id": TEXT, "iccid": TEXT, "at": INSTANT, "bytes": COUNT}
NAMED_REPORT = fields("gateway", *REPORT, gateway=TEXT, **REPORT)
CLOUDEVENT: Schema = {
    "type": "object",
    "required": ["type", "source", "id", "subject", "time", "data"],
    "properties": {
        "type": words(["simgate.usage.report"]),
        "source": {"type": "string", "description": "the gateway"},
        "id": TEXT,
        "subject": {"type": "string", "description": "the ICCID"},
        "time": INSTANT,
        "data": fields("bytes", bytes=COUNT),
    },
}
CORRECTION = fields("iccid", "bytes", iccid=TEXT, bytes=COUNT, day=DAY, cycle=TEXT, as_of=INSTANT)
PLAN = fields(
    "id",
    "carrier",
    "allowance",
    "months",
    id=TEXT,
    carrier=words(Carrier),
    allowance=COUNT,
    months=COUNT,
    kind=words(PlanKind),
    auto_stop=FLAG,
    directed=FLAG,
    test_months=COUNT,
    test_bytes=COUNT,
    grade=TEXT,
    price_fen=COUNT,
    renewals_max=COUNT,
)
ACTION = fields(
    execute_at=INSTANT,
    wait=FLAG,
    imei=TEXT,
    province=TEXT,
    city=TEXT,
    bytes={"type": ["integer", "null"], "minimum": 0},
    addon=TEXT,
    product_code=TEXT,
    months=COUNT,
    plan=TEXT,
    pool=TEXT,
    confirm={"type": "string", "description": "terminate: the ICCID, again"},
)
SELECTOR = fields(
    iccids=listed(TEXT),
    range=fields("start", "end", start=TEXT, end=TEXT, pool=TEXT),
    pool=TEXT,
    filter={"type": "object", "description": "the list's query parameters"},
    file_id={"type": "string", "format": "uuid"},
) | {"minProperties": 1, "maxProperties": 1}
BULK = fields(
    "kind",
    "selector",
    kind=words(OperationKind),
    selector=SELECTOR,
    arguments={"type": "object", "description": "as the action takes them"},
    options=fields(dry_run=FLAG, max_failures=COUNT, max_items=COUNT, execute_at=INSTANT),
)
REMINDERS = fields(usage_mb=listed(COUNT), expiry_days=listed(COUNT))
WEBHOOK: Mapping[str, Schema] = {"url": TEXT, "types": listed(TEXT), "description": TEXT}


def table(columns: Any) -> Schema:
    """A CSV file with a header of these columns."""
    return {"type": "string", "description": f"a header of {', '.join(columns)}"}


BODIES: Mapping[tuple[str, str], Mapping[str, Schema]] = {
    ("post", "/v1/sims/import"): {
        CSV: table(COLUMN_PARSERS),
        NDJSON: {"type": "string", "description": "one object a line"},
    },
    ("patch", "/v1/sims/{iccid}"): {
        JSON: fields(tags=TAGS, device_serial=TEXT, alias=TEXT, remark=TEXT, reminders=REMINDERS)
    },
    ("post", "/v1/sims/{iccid}/{action}"): {JSON: ACTION},
    ("post", "/v1/plans"): {JSON: PLAN, CSV: table(PLAN_COLUMNS)},
    ("post", "/v1/usage/reports"): {
        JSON: {
            "oneOf": [
                fields("gateway", "reports", gateway=TEXT, reports=listed(fields(*REPORT, **REPORT))),
                listed(NAMED_REPORT),
            ]
        },
        NDJSON: {"type": "string", "description": "one record with its gateway a line"},
        "application/cloudevents-batch+json": listed(CLOUDEVENT),
    },
    ("post", "/v1/usage/corrections"): {JSON: fields("corrections", corrections=listed(CORRECTION))},
    ("post", "/v1/operations/{operation_id}/complete"): {
        JSON: fields("outcome", outcome=words(("succeeded", "failed")), note=TEXT, bytes=COUNT)
    },
    ("post", "/v1/bulk-operations"): {JSON: BULK},
    ("post", "/v1/bulk-operations/{bulk_id}/retry"): {JSON: fields(only=words(("failed",)))},
    ("post", "/v1/files"): {CSV: table(("iccid",))},
    ("post", "/v1/pools"): {
        JSON: fields(
            *("id", "name", "kind", "carrier", "plan"),
            id=TEXT,
            name=TEXT,
            kind=words(("forward", "backward")),
            carrier=words(Carrier),
            plan=TEXT,
        )
    },
    ("patch", "/v1/pools/{pool}"): {JSON: fields("name", name=TEXT)},
    ("post", "/v1/pools/{pool}/addons"): {JSON: fields("bytes", bytes=COUNT)},
    ("post", "/v1/pools/{pool}/rules"): {JSON: {"type": "object"}},
    ("put", "/v1/pools/{pool}/rules"): {JSON: {"type": "object"}},
    ("post", "/v1/webhooks"): {JSON: fields("url", **WEBHOOK)},
    ("patch", "/v1/webhooks/{webhook_id}"): {JSON: fields(**WEBHOOK, enabled=FLAG)},
    ("post", "/v1/webhooks/{webhook_id}/replay"): {JSON: fields("from", "to", **{"from": INSTANT, "to": INSTANT})},
    ("post", "/v1/callbacks/{account}"): {"*/*": {"type": "string", "description": "as the carrier writes it"}},
    ("post", "/v1/admin/tenants"): {JSON: fields("id", id=TEXT)},
    ("post", "/v1/admin/keys"): {
        JSON: fields("scopes", tenant=TEXT, scopes=listed(words(SCOPES)), expires_at=INSTANT, networks=listed(TEXT))
    },
    ("post", "/v1/admin/clock"): {JSON: fields(advance=TEXT, now=INSTANT)},
}
"""(method, path) -> media type -> shape. A POST that is not here takes no body, or `{}`."""

SIM_FILTERS: Mapping[str, Schema] = {
    "state": words(SimState),
    "carrier": words(Carrier),
    "account": TEXT,
    "pool": TEXT,
    "plan": TEXT,
    "order": TEXT,
    "hold": words(HoldCode),
    "q": {"type": "string", "description": "the beginning of ICCID, MSISDN, IMSI or device serial"},
    "msisdn": TEXT,
    "imsi": TEXT,
    "device_serial": TEXT,
    "tag": listed({"type": "string", "description": "k=v"}),
    "expires_before": DAY,
    "usage_pct_gte": COUNT,
}
QUERIES: Mapping[tuple[str, str], Mapping[str, Schema]] = {
    ("get", "/v1/sims"): SIM_FILTERS,
    ("get", "/v1/sims/summary"): SIM_FILTERS,
    ("get", "/v1/sims/{iccid}/usage"): {"from": TEXT, "to": TEXT},
    ("get", "/v1/sims/{iccid}/explanation"): {
        name: FLAG if "bool" in str(kind) else TEXT for name, kind in TOLD.items()
    },
}
"""(method, path) -> query parameters that the route reads from the request."""

ANSWERS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("get", "/metrics"): ("text/plain",),
    ("get", "/v1/sims"): (JSON, CSV),
    ("get", "/v1/operations"): (JSON, CSV),
    ("get", "/v1/bulk-operations/{bulk_id}/results.csv"): (CSV,),
    ("get", "/v1/bulk-operations/{bulk_id}/results.ndjson"): (NDJSON,),
    ("post", "/v1/callbacks/{account}"): ("*/*",),
}
"""(method, path) -> the media types of a good answer, where it is not JSON alone."""

PROBLEM: Schema = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": dict.fromkeys(("type", "title", "detail", "instance", "code", "correlation_id"), TEXT)
    | {"status": COUNT, "errors": listed({"type": "object"})},
}
UNKEYED = frozenset({"/v1/usage/reports", "/v1/callbacks/{account}"})
"""POSTs that know no Idempotency-Key: reports carry their own identity, carriers send none."""


def document_of(app: FastAPI, plain: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The API's OpenAPI document, made when it is first asked for; `plain` is FastAPI's own."""
    if app.openapi_schema is None:
        app.openapi_schema = described(plain())
    return app.openapi_schema


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with what FastAPI cannot see of routes that read their requests themselves."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _describe(method, path, operation)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    return document


def _describe(method: str, path: str, operation: dict[str, Any]) -> None:
    parameters = operation.setdefault("parameters", [])
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in QUERIES.get((method, path), {}).items()
    ]
    if method == "post" and path not in UNKEYED:
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": TEXT})
    for parameter in parameters:
        if parameter["name"] == "action":
            parameter["schema"] = words(kind.value.replace("_", "-") for kind in OperationKind)
    body = BODIES.get((method, path))
    if body is not None:
        content = {media_type: {"schema": schema} for media_type, schema in body.items()}
        operation["requestBody"] = {"required": path != "/v1/sims/{iccid}/{action}", "content": content}
    responses = operation["responses"]
    responses.pop("422", None)
    if (method, path) in ANSWERS:
        responses["200"]["content"] = {media_type: {"schema": {}} for media_type in ANSWERS[method, path]}
    problem = {"$ref": "#/components/schemas/Problem"}
    responses["default"] = {"description": "A problem (RFC 9457)", "content": {PROBLEM_JSON: {"schema": problem}}}
