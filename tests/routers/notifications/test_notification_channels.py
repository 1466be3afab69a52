"""Notification channels through the API: what is taken, what is refused, and that no secret ever comes out again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.jobs.loops import drain
from tests.gateway import Gateway
from tests.usecases.notifications.servers import answered, robot

PATH = "/v1/notification-channels"
MAIL: dict[str, Any] = {
    "kind": "email",
    "name": "Ops",
    "host": "127.0.0.1",
    "port": 9,
    "tls": "none",
    "user": "u",
    "password": "pass-9f2b",
    "from": "simgate@example.org",
    "to": ["ops@example.org"],
}
SIGNING = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


async def test_no_secret_is_ever_in_an_answer_the_audit_trail_or_a_log(gateway: Gateway) -> None:
    async with robot() as group:
        group.answer = answered(500)
        given = [
            MAIL,
            {"kind": "sms_webhook", "name": "S", "url": f"{group.base}/sms-tok-1?k=tok-2", "phones": ["13800000000"]},
            {
                "kind": "sms_webhook",
                "name": "T",
                "url": f"{group.base}/s",
                "phones": ["13800000000"],
                "secret": SIGNING,
            },
            {"kind": "feishu", "name": "F", "url": f"{group.base}/hook/tok-3", "secret": "sec-4"},
            {"kind": "dingtalk", "name": "D", "url": f"{group.base}/send?access_token=tok-5", "secret": "SECsec-6"},
            {"kind": "wecom", "name": "W", "url": f"{group.base}/send?key=tok-7"},
        ]
        secrets = ["pass-9f2b", "sms-tok-1", "tok-2", SIGNING, "tok-3", "sec-4", "tok-5", "SECsec-6", "tok-7"]
        shown = ""
        with capture_logs() as lines:
            headers = {"Idempotency-Key": "once"}
            first = await gateway.api.post(PATH, json=given[1], headers=headers)
            again = await gateway.api.post(PATH, json=given[1], headers=headers)
            made = [first, *[await gateway.api.post(PATH, json=one) for one in (given[0], *given[2:])]]
            assert [answer.status_code for answer in made] == [201] * 6, [answer.text for answer in made]
            secrets.append(own := first.json()["secret"])
            shown += again.text + "".join(answer.text for answer in made[1:])
            for answer in made:
                path = answer.headers["location"]
                assert (await gateway.api.post(f"{path}/test")).status_code == 202
                await drain(gateway.ctx)
                shown += (await gateway.api.patch(path, json={"name": "other"})).text
                shown += (await gateway.api.get(path)).text + (await gateway.api.get(f"{path}/deliveries")).text
            shown += (await gateway.api.get(PATH)).text + (await gateway.api.get("/v1/admin/audit?limit=500")).text
            shown += (await gateway.api.get("/v1/admin/quarantine")).text
            shown += (await gateway.api.delete(made[0].headers["location"])).text
        shown += json.dumps(lines, default=repr)

    assert (own.startswith("whsec_"), again.json()["secret"], made[2].json()["secret"]) == (True, None, None)
    assert again.headers["idempotency-replayed"] == "true"
    assert [secret for secret in secrets if secret in shown] == []
    assert [answer.json()["target"] for answer in made[:2]] == [group.base, "127.0.0.1:9"]
    assert [answer.json()["has_secret"] for answer in made] == [True, False, True, True, True, False]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (MAIL | {"host": None}, "/host", "REQUIRED"),
    (MAIL | {"url": "https://example.org/"}, "/url", "NOT_FOR_THIS_KIND"),
    (MAIL | {"host": "10.0.0.7", "tls": "starttls"}, "/host", "TARGET_REFUSED"),
    (MAIL | {"host": "8.8.8.8"}, "/host", "TARGET_REFUSED"),
    (MAIL | {"to": []}, "/to", "REQUIRED"),
    (MAIL | {"to": ["ops@example.org\r\nBcc: all@example.org"]}, "/to/0", "TEXT_UNUSABLE"),
    (MAIL | {"from": "nobody"}, "/from", "TEXT_UNUSABLE"),
    (MAIL | {"types": ["sim.*"]}, "/types/0", "UNKNOWN_WORD"),
    (MAIL | {"phones": ["13800000000"]}, "/phones", "NOT_FOR_THIS_KIND"),
    ({"kind": "pager", "name": "P"}, "/kind", "UNKNOWN_WORD"),
    ({"kind": "wecom", "name": "W"}, "/url", "REQUIRED"),
    ({"kind": "wecom", "name": "W", "url": "https://10.1.2.3/send?key=k"}, "/url", "TARGET_REFUSED"),
    ({"kind": "wecom", "name": "W", "url": "https://example.org/", "secret": "s"}, "/secret", "NOT_FOR_THIS_KIND"),
    ({"kind": "feishu", "name": "F", "url": "ftp://example.org/"}, "/url", "TARGET_REFUSED"),
    ({"kind": "feishu", "name": "F", "url": "https://e.org/", "digest_at": "08:00"}, "/digest_at", "NOT_FOR_THIS_KIND"),
    (
        {"kind": "sms_webhook", "name": "S", "url": "https://e.org/", "phones": ["1 3"], "secret": SIGNING},
        "/phones/0",
        "TEXT_UNUSABLE",
    ),
    (
        {"kind": "sms_webhook", "name": "S", "url": "https://e.org/", "phones": ["13800000000"], "secret": "short"},
        "/secret",
        "SECRET_MALFORMED",
    ),
]


async def test_what_cannot_work_is_refused_with_its_place(gateway: Gateway) -> None:
    found = []
    for body, pointer, _ in REFUSED:
        answer = await gateway.api.post(PATH, json={k: v for k, v in body.items() if v is not None})
        assert answer.status_code == 422, answer.text
        found.append((answer.json()["errors"][0]["pointer"], answer.json()["errors"][0]["code"]))
        assert pointer
    assert found == [(pointer, code) for _, pointer, code in REFUSED]
    assert (await gateway.api.get(PATH)).json()["items"] == []


async def test_a_channel_is_changed_in_what_is_given_alone(gateway: Gateway) -> None:
    made = (await gateway.api.post(PATH, json=MAIL)).json()
    path = f"{PATH}/{made['id']}"
    changes = {
        "to": ["a@example.org", "b@example.org"],
        "digest_at": "07:30",
        "language": "zh",
        "types": ["reminder.due"],
    }
    changed = (await gateway.api.patch(path, json=changes)).json()
    cleared = (
        await gateway.api.patch(path, json={"user": None, "password": None, "language": None, "port": None})
    ).json()
    wrong = await gateway.api.patch(path, json={"url": "https://example.org/"})
    stopped = (await gateway.api.patch(path, json={"enabled": False})).json()

    assert made["types"] == ["usage.threshold_crossed", "reminder.due", "pool.threshold_crossed", "pool.exhausted"]
    assert changed == {name: value for name, value in made.items() if name != "secret"} | changes
    assert (cleared["user"], cleared["has_password"], cleared["language"], cleared["port"]) == (None, False, None, 9)
    assert wrong.json()["errors"][0]["code"] == "NOT_FOR_THIS_KIND"
    assert (stopped["enabled"], stopped["disabled_because"]) == (False, "by a caller")
    assert (await gateway.api.delete(path)).status_code == 204
    assert (await gateway.api.get(path)).status_code == 404


async def test_channels_belong_to_a_tenant_and_want_the_scope_of_webhooks(gateway: Gateway) -> None:
    made = (await gateway.api.post(PATH, json=MAIL)).json()
    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).is_success
    keys = {}
    for tenant, scope in (("other", "webhooks:write"), ("default", "sims:write")):
        key = await gateway.api.post("/v1/admin/keys", json={"tenant": tenant, "scopes": [scope, "sims:read"]})
        keys[tenant] = {"Authorization": f"Bearer {key.json()['key']}"}
    path = f"{PATH}/{made['id']}"

    theirs = [
        (await gateway.api.request(method, f"{path}{below}", json=body, headers=keys["other"])).status_code
        for method, below, body in (
            ("GET", "", None),
            ("PATCH", "", {"name": "x"}),
            ("DELETE", "", None),
            ("POST", "/test", {}),
            ("GET", "/deliveries", None),
        )
    ]
    without = await gateway.api.post(PATH, json=MAIL, headers=keys["default"])

    assert theirs == [404] * 5
    assert (await gateway.api.get(PATH, headers=keys["other"])).json()["items"] == []
    assert (without.status_code, without.json()["code"]) == (403, "FORBIDDEN")
    assert (await gateway.api.get(path, headers=keys["default"])).json()["name"] == "Ops"


async def test_channels_are_listed_in_pages(gateway: Gateway) -> None:
    made = [(await gateway.api.post(PATH, json=MAIL | {"name": str(n)})).json()["id"] for n in range(3)]
    seen, cursor = [], None
    while True:
        page = (await gateway.api.get(PATH, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["id"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == made


@pytest.mark.parametrize("name", ["nothing", "019ab3f0-0000-7000-8000-000000000000"])
async def test_a_channel_that_is_none_is_not_found(gateway: Gateway, name: str) -> None:
    for method, below in (("GET", ""), ("POST", "/test"), ("GET", "/deliveries")):
        assert (await gateway.api.request(method, f"{PATH}/{name}{below}")).status_code == 404
