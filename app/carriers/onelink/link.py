"""The way to OneLink v5: transaction ids, the token, and one envelope for every call."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Mapping

from app.carriers.http import parse
from app.carriers.http.tokens import Token, TokenKeeper
from app.carriers.http.transport import Call, Transport
from app.carriers.onelink import wire
from app.carriers.protocol_client import Setup
from app.carriers.result_codes import Codes

JSON = {"Content-Type": "application/json;charset=utf-8"}
SEQUENCE = 100_000_000


class Link:
    """Calls of one appid. The token is fetched once for all callers, and renewed once where the carrier refuses it."""

    def __init__(self, setup: Setup, transport: Transport) -> None:
        self._clock = setup.clock
        self._zone = setup.zone
        self._transport = transport
        self._appid = setup.credentials["appid"]
        self._password = setup.credentials["password"]
        self.codes: Codes = {**wire.CODES, **setup.codes}
        self._sequence = itertools.count(secrets.randbelow(SEQUENCE))
        self._tokens = TokenKeeper(setup.clock, self._fetch_token)

    def transid(self) -> str:
        """`appid` + yyyyMMddHHmmss + 8 digits, at most 48 characters [C 4]."""
        moment = self._clock.now().astimezone(self._zone).strftime("%Y%m%d%H%M%S")
        return f"{self._appid}{moment}{next(self._sequence) % SEQUENCE:08d}"

    async def call(
        self, operation: str, path: str, params: Mapping[str, str], *, changes: bool = False
    ) -> wire.ParsedReply:
        """One call with the token; `params` are the card selector and the operation's own."""

        async def work(token: str) -> wire.ParsedReply:
            return await self._post(operation, path, {"token": token, **params}, changes=changes)

        return await self._tokens.use(work)

    async def renew(self) -> int:
        """Fetch a token now (a check of the credentials); says how many seconds it has left."""
        return (await self._fetch_token()).seconds

    async def _fetch_token(self) -> Token:
        params = {"appid": self._appid, "password": self._password}
        row = (await self._post("token", "get/token", params, changes=False)).row
        return Token(parse.required_text(row.get("token"), "token"), parse.integer(row.get("ttl"), "ttl"))

    async def _post(self, operation: str, path: str, params: Mapping[str, str], *, changes: bool) -> wire.ParsedReply:
        body = json.dumps({"transid": self.transid(), **params}).encode()
        call = Call(operation, "POST", path, body=body, headers=JSON, changes=changes)
        return await self._transport.send(call, lambda reply: wire.parse_reply(reply, self.codes, changes=changes))
