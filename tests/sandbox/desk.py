"""A small, independent customer of each protocol, written from the documents: it signs, sends, and returns answers."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from sandbox.app import Sandbox, create_sandbox
from sandbox.inprocess import SandboxTransport
from sandbox.options import ProtocolSettings, SandboxOptions
from sandbox.telecom.des import encrypt
from sandbox.unicom_cmp.sm3 import sm3_hex

START = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
"""12:00 in Beijing."""
CMCC, CUCC, CTCC = "89860412102070012348", "89860612102070012341", "89861112102070012345"
KEYS = ("sg1", "sg2", "sg3")


class HandClock:
    """A clock that a test moves."""

    def __init__(self, instant: datetime = START) -> None:
        self.instant = instant

    def now(self) -> datetime:
        return self.instant

    def wait(self, **span: float) -> None:
        self.instant += timedelta(**span)


def row(iccid: str, carrier: str, **values: Any) -> dict[str, Any]:
    base = {"iccid": iccid, "carrier": carrier, "terms": "standard", "plan": f"{carrier}-100m", "state": "active"}
    dates = {} if values.get("state") in ("silent", "testing", "inventory") else {"activated_on": "2026-01-05"}
    return {**base, **dates, **values}


class Desk:
    """A sandbox, its clock, and calls in every protocol."""

    def __init__(self, **settings: Any) -> None:
        self.clock = HandClock()
        options = settings.pop("options", {})
        every = {name: ProtocolSettings(completion_s=1, **settings) for name in SandboxOptions().protocols}
        self.sandbox: Sandbox = create_sandbox(SandboxOptions(settings=every, **options), self.clock)
        self.http = httpx.AsyncClient(transport=SandboxTransport(self.sandbox), base_url="http://127.0.0.1")
        self._token = ""

    async def close(self) -> None:
        await self.http.aclose()
        await self.sandbox.close()

    async def add(self, *rows: dict[str, Any]) -> None:
        answer = await self.http.post("/_control/sims", content="\n".join(map(json.dumps, rows)))
        assert answer.status_code == 200, answer.text

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.http.request(method, f"/_control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def sim(self, iccid: str) -> Any:
        return await self.control("GET", f"sims/{iccid}")

    async def fault(self, kind: str, protocol: str = "*", operation: str = "*", **more: Any) -> None:
        await self.control("POST", "faults", {"kind": kind, "protocol": protocol, "operation": operation, **more})

    # China Mobile
    async def onelink(self, op: str, **params: str) -> Any:
        if not self._token:
            await self.onelink_token()
        answer = await self.http.post(f"/onelink/v5/ec/{op}", json={"transid": "t", "token": self._token, **params})
        return answer.json()

    async def onelink_token(self) -> Any:
        query = {"appid": "100001", "password": "sandbox-onelink-password", "transid": "t"}
        answer = (await self.http.get("/onelink/v5/ec/get/token", params=query)).json()
        self._token = answer["result"][0]["token"]
        return answer

    # Jasper
    async def jasper(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        return await self.http.request(
            method,
            f"/jasper/rws/api/v1{path}",
            json=body,
            params=query or None,
            headers={
                "authorization": "Basic " + b64encode(b"sandbox-jasper:00000000-1111-2222-3333-444444444444").decode()
            },
        )

    # China Unicom gwapi
    async def unicom(self, name: str, **data: Any) -> Any:
        envelope = self.unicom_envelope(data)
        answer = await self.http.post(f"/unicom-cmp/api/{name}/V1/1Main/vV1.1", json=envelope)
        assert answer.status_code == 200
        return answer.json()

    def unicom_envelope(self, data: Any, instant: datetime | None = None) -> dict[str, Any]:
        beijing = (instant or self.clock.instant) + timedelta(hours=8)
        stamp, number = beijing.strftime("%Y-%m-%d %H:%M:%S 123"), beijing.strftime("%Y%m%d%H%M%S123000001")
        plain = f"app_idsandboxAp1timestamp{stamp}trans_id{number}sandboxAppSecret0123456789abcd"
        return {
            "app_id": "sandboxAp1",
            "timestamp": stamp,
            "trans_id": number,
            "token": sm3_hex(plain.encode()),
            "data": {"messageId": "1", "openId": "00000ousandbox1", "version": "1.0", **data},
        }

    # China Telecom
    async def telecom(self, method: str, card: str, /, signed: tuple[str, ...] = (), **params: str) -> httpx.Response:
        values = sorted(["sandbox-ctcc-password", "sandboxuser", method, card, *signed])
        query = {
            "method": method,
            "user_id": "sandboxuser",
            "iccid": card,
            "passWord": encrypt("sandbox-ctcc-password", *KEYS),
            "sign": encrypt(",".join(values), *KEYS),
        }
        return await self.http.get("/ctcc/m2m_ec/query.do", params={**query, **params})

    async def ctwing(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        stamp = (self.clock.instant + timedelta(hours=8)).strftime("%Y%m%d%H%M%S")
        text = "&".join(f"{name}={value}" for name, value in sorted(query.items()))
        raw = "" if body is None else json.dumps(body)
        digest = hashlib.md5(f"{text}{raw}sandbox-ctwing-secret{stamp}".encode(), usedforsecurity=False).hexdigest()
        headers = {"AppKey": "sandbox-ctwing-key", "Timestamp": stamp, "Sign": digest.encode().hex()}
        return await self.http.request(
            method, f"/ctwing{path}", params=query or None, content=raw or None, headers=headers
        )

    # Huawei GSL
    async def gsl(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        stamp = self.clock.instant.strftime("%Y%m%dT%H%M%SZ")
        raw = b"" if body is None else json.dumps(body).encode()
        url = httpx.URL(f"http://127.0.0.1/v1{path}", params=query or None)
        headers = {"content-type": "application/json", "host": "127.0.0.1", "x-sdk-date": stamp}
        names = sorted(headers)
        canonical_query = "&".join(sorted(url.query.decode().split("&"))) if query else ""
        canonical = "\n".join(
            (
                method,
                url.path + "/",
                canonical_query,
                "".join(f"{name}:{headers[name]}\n" for name in names),
                ";".join(names),
                hashlib.sha256(raw).hexdigest(),
            )
        )
        text = f"SDK-HMAC-SHA256\n{stamp}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        secret = b"SANDBOXSK000000000000000000000000000000001"
        sign = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            f"SDK-HMAC-SHA256 Access=SANDBOXAK00000000001, SignedHeaders={';'.join(names)}, Signature={sign}"
        )
        return await self.http.request(method, url, content=raw, headers=headers)
