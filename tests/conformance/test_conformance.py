"""What is answered conforms to the OpenAPI document: no 5xx, no undocumented status, no body that breaks its schema.

Schemathesis makes the requests, valid and invalid, and applies every check that it has; `exclusions` lists what it cannot
know. `make test` runs a short form with a fixed seed, `make test-contract` at least 5,000 cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.settings import PROJECT
from tests.conformance.engine import Engine, Report
from tests.conformance.exclusions import EXCLUSIONS, NO_PROBLEM, Exclusion
from tests.conformance.objects import make_objects
from tests.e2e.process import Run

CASES = 5_000
EXAMPLES = 8
"""Of each operation in fuzzing, and of each sequence of operations; coverage and examples follow from the document."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("conformance")
    for each in (folder, folder.parent):
        each.chmod(0o711)
    run = Run(folder)
    run.start()
    with run.api() as api:
        objects = make_objects(api)
        admin = api.post("/v1/admin/keys", json={"scopes": ["admin"]}).raise_for_status().json()
    yield Engine(url=run.url, key=admin["key"], key_id=admin["id"], folder=folder, objects=objects)
    assert run.stop() == 0


@pytest.mark.timeout(180)
def test_a_few_requests_to_every_operation_are_answered_as_documented(engine: Engine) -> None:
    report = engine.run(examples=1, phases="fuzzing")

    _conforms(report)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"schema": {"type": "object", "required": ["colour"]}}, "JsonSchemaError"),
        ({"status": "418"}, "UndefinedStatusCode"),
        ({"media_type": "text/plain"}, "UndefinedContentType"),
    ],
)
def test_an_answer_that_breaks_its_document_is_found(engine: Engine, change: dict[str, Any], found: str) -> None:
    shape = {change.get("media_type", "application/json"): {"schema": change.get("schema", {})}}
    answer = {change.get("status", "200"): {"description": "", "content": shape}}
    document = {"openapi": "3.1.0", "info": {"title": "changed", "version": "1"}}

    report = engine.run(
        examples=1, phases="fuzzing", document=document | {"paths": {"/livez": {"get": {"responses": answer}}}}
    )

    assert [failure["type"] for failure in report.whole["failures"]] == [found], report.text


@pytest.mark.contract
@pytest.mark.timeout(3600)
def test_thousands_of_requests_to_every_operation_are_answered_as_documented(engine: Engine) -> None:
    report = engine.run(examples=EXAMPLES, phases="examples,coverage,fuzzing,stateful")

    _conforms(report)
    assert report.cases >= CASES
    assert report.warnings == {}


def test_every_exclusion_names_codes_that_the_gateway_has() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (PROJECT / "app").rglob("*.py"))

    named = {code for each in EXCLUSIONS for code in each.codes} - {NO_PROBLEM}
    assert [code for code in sorted(named) if f'"{code}"' not in source] == []


def test_every_exclusion_has_a_name_of_its_own_and_a_reason() -> None:
    assert len({each.name for each in EXCLUSIONS}) == len(EXCLUSIONS)
    assert [each.name for each in EXCLUSIONS if len(each.reason) < 20] == []


def test_an_exclusion_covers_a_problem_only_if_every_code_of_it_is_named() -> None:
    entry = Exclusion(name="one", check="C", status=422, codes=frozenset({"A"}), reason="-", operations="GET /a/.*")
    one, two = {"code": "X", "errors": [{"code": "A"}]}, {"code": "X", "errors": [{"code": "A"}, {"code": "B"}]}

    assert entry.covers("C", "GET /a/b", 422, one)
    assert not entry.covers("C", "GET /a/b", 422, two)
    assert not entry.covers("C", "GET /b/a", 422, one)
    assert not entry.covers("C", "GET /a/b", 409, one)
    assert not entry.covers("D", "GET /a/b", 422, one)
    assert not entry.covers("C", "GET /a/b", 422, None)


def _conforms(report: Report) -> None:
    assert report.whole["errors"] == [], report.text[-8000:]
    assert report.whole["failures"] == [], report.text[-30000:]
    assert report.operations["tested"] == report.operations["total"] > 0
    assert report.whole["complete"]
