"""`/docs` needs no other host, and `docs/openapi.json` is the document that the gateway serves."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from typing import Any

import pytest

from app.cli.openapi import json_bodies, rendered
from app.routers.http import docs
from app.settings import PROJECT
from tests.gateway import Gateway

SNAPSHOT = PROJECT / "docs" / "openapi.json"
VENDORED = PROJECT / "app" / "routers" / "static" / "swagger-ui"
SHOWN_LINES = 60


def test_the_snapshot_is_the_document_that_the_code_makes() -> None:
    kept, made = SNAPSHOT.read_text(encoding="utf-8"), rendered() + "\n"

    difference = list(difflib.unified_diff(kept.splitlines(), made.splitlines(), "docs/openapi.json", "now", n=1))

    assert kept == made, (
        "the API's document has changed: run `make docs`, review the diff of docs/openapi.json as a change of the "
        "contract, and commit it\n" + "\n".join(difference[:SHOWN_LINES])
    )


async def test_a_running_gateway_serves_that_document(gateway: Gateway) -> None:
    served = (await gateway.api.get("/openapi.json", headers={"Authorization": ""})).json()

    assert served == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


async def test_the_page_opens_without_a_key_and_asks_no_other_host(gateway: Gateway) -> None:
    page = await gateway.api.get("/docs", headers={"Authorization": ""})
    linked = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    answers = [await gateway.api.get(f"/{link}", headers={"Authorization": ""}) for link in linked]

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self';"
    )
    assert [link for link in linked if link.startswith(("http", "/"))] == []
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["content-type"].split(";")[0] for answer in answers} == {
        "application/json",
        "image/png",
        "text/css",
        "text/javascript",
    }


async def test_an_asset_is_compressed_where_the_caller_takes_gzip(gateway: Gateway) -> None:
    path = f"/docs/{docs.SWAGGER_UI_VERSION}/swagger-ui-bundle.js"

    packed = await gateway.api.get(path, headers={"Accept-Encoding": "gzip"})
    plain = await gateway.api.get(path, headers={"Accept-Encoding": "identity"})

    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert int(packed.headers["content-length"]) * 3 < int(plain.headers["content-length"])
    assert packed.content == plain.content == (VENDORED / "swagger-ui-bundle.js").read_bytes()


@pytest.mark.parametrize("path", ["5.35.0/LICENSE", "5.35.0/..%2f..%2fmain.py", "0.0.1/docs.js", "5.35.0/none.js"])
async def test_only_the_viewers_files_are_served(gateway: Gateway, path: str) -> None:
    assert (await gateway.api.get(f"/docs/{path}")).status_code == 404


def test_the_vendored_files_are_the_release_that_their_readme_names() -> None:
    readme = (VENDORED / "README.md").read_text(encoding="utf-8")
    stated = {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", readme, re.MULTILINE)}
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in VENDORED.iterdir()
        if file.name != "README.md"
    }

    assert f"`swagger-ui-dist` {docs.SWAGGER_UI_VERSION} " in readme
    assert found == stated
    assert "Apache License" in (VENDORED / "LICENSE").read_text(encoding="utf-8")


async def test_allow_names_every_method_of_the_path(gateway: Gateway) -> None:
    answers = [await gateway.api.request("OPTIONS", path) for path in ("/v1/plans", "/v1/sims", "/docs")]

    assert [answer.status_code for answer in answers] == [405, 405, 405]
    assert [answer.headers["allow"] for answer in answers] == ["GET, HEAD, POST", "GET, HEAD", "GET"]


def test_json_bodies_keeps_one_media_type_of_each_request_and_nothing_else_changes() -> None:
    document = json.loads(SNAPSHOT.read_text(encoding="utf-8"))

    projected = json_bodies(document)

    bodies = list(_bodies(projected))
    assert {len(content) for content in bodies} == {1}
    assert [content for content in bodies if "application/json" not in content and _is_object(content)] == []
    for ours, whole in zip(_operations(projected), _operations(document), strict=True):
        assert {**ours, "requestBody": None} == {**whole, "requestBody": None}
    assert projected["components"] == document["components"]


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in document["paths"].values() for operation in methods.values()]


def _bodies(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation["requestBody"]["content"] for operation in _operations(document) if "requestBody" in operation]


def _is_object(content: dict[str, Any]) -> bool:
    return any(shape["schema"] != {"type": "string", "format": "binary"} for shape in content.values())
