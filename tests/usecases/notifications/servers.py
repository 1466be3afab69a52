"""The other side of every kind of channel, written from the platforms' pages: none of it shares code with ours.

`Robot` checks signatures as Feishu and DingTalk describe them and counts what it was sent; `Mailbox` is a real SMTP
server (aiosmtpd), with STARTTLS and login where a test asks for them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import uvicorn
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.receiver import _Server

Answer = Callable[["Request"], tuple[int, bytes]]


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


def answered(status: int = 200, **body: Any) -> Answer:
    return lambda _: (status, json.dumps(body).encode())


@dataclass
class Robot:
    """An HTTP server that keeps what it was sent and answers what the test says."""

    base: str = ""
    answer: Answer = field(default_factory=lambda: answered(code=0, errcode=0))
    asked: list[Request] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        asked = Request(scope["path"], scope["query_string"].decode(), headers, body)
        self.asked.append(asked)
        if self.hold is not None:
            await self.hold.wait()
        status, content = self.answer(asked)
        length = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": length})
        await send({"type": "http.response.body", "body": content})

    @property
    def texts(self) -> list[str]:
        """What the group was shown."""
        return [
            asked.json["content"]["text"] if "content" in asked.json else asked.json["text"]["content"]
            for asked in self.asked
        ]


def feishu(secret: str) -> Answer:
    """Feishu's check: the sign of the body is the base64 of HMAC-SHA256 keyed with timestamp, newline, secret."""

    def check(asked: Request) -> tuple[int, bytes]:
        body = asked.json
        stamp = body.get("timestamp", "")
        right = hmac.new(f"{stamp}\n{secret}".encode(), digestmod=hashlib.sha256).digest()
        fresh = stamp.isdigit() and abs(time.time() - int(stamp)) < 3600
        if len(asked.body) > 20 * 1024:
            return 200, b'{"code":9499,"msg":"Bad Request","data":{}}'
        if not fresh or base64.b64decode(body.get("sign", "")) != right:
            return 200, b'{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}'
        return 200, b'{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}'

    return check


def dingtalk(secret: str, token: str) -> Answer:
    """DingTalk's check: sign in the query is url-encoded base64 of HMAC-SHA256(secret, timestamp + newline + secret)."""

    def check(asked: Request) -> tuple[int, bytes]:
        query = parse_qs(asked.query, strict_parsing=True)
        if query.get("access_token") != [token]:
            return 200, b'{"errcode":300001,"errmsg":"token is not exist"}'
        raw = dict(part.split("=", 1) for part in asked.query.split("&"))
        stamp, sign = raw.get("timestamp", "0"), unquote_plus(raw.get("sign", ""))
        right = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
        if abs(time.time() * 1000 - int(stamp)) > 3_600_000 or sign != base64.b64encode(right).decode():
            return 200, '{"errcode":310000,"errmsg":"description:机器人发送签名不匹配"}'.encode()
        return 200, b'{"errcode":0,"errmsg":"ok"}'

    return check


def wecom(key: str) -> Answer:
    """WeCom's check: the key in the URL, and texts of at most 2,048 bytes."""

    def check(asked: Request) -> tuple[int, bytes]:
        if parse_qs(asked.query).get("key") != [key]:
            return 200, b'{"errcode":93000,"errmsg":"invalid webhook url"}'
        if len(asked.json["text"]["content"].encode()) > 2048:
            return 200, b'{"errcode":45002,"errmsg":"content size out of limit"}'
        return 200, b'{"errcode":0,"errmsg":"ok"}'

    return check


@asynccontextmanager
async def robot() -> AsyncIterator[Robot]:
    """An HTTP server on a free port of loopback."""
    app = Robot()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        app.base = f"http://127.0.0.1:{bound.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[bound]))
        while not server.started:
            await asyncio.sleep(0.005)
        try:
            yield app
        finally:
            if app.hold is not None:
                app.hold.set()
            server.should_exit = True
            await task


@dataclass
class Mailbox:
    """An SMTP server: keeps mail, answers what the test says to RCPT and DATA."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    on_rcpt: str = "250 OK"
    on_data: str = "250 OK"
    refused: frozenset[str] = frozenset()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such user"
        if self.on_rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.on_rcpt

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        self.raw.append(content)
        found = message_from_bytes(content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.mails.append(found)
        self.recipients += envelope.rcpt_tos
        self.encrypted.append(session.ssl is not None)
        return self.on_data

    def text(self, index: int = -1) -> str:
        """The plain part of a mail."""
        part = self.mails[index].get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    def html(self, index: int = -1) -> str:
        """The HTML part of a mail."""
        part = self.mails[index].get_body(("html",))
        assert part is not None
        return str(part.get_content())


@asynccontextmanager
async def mailbox(*, user: tuple[str, str] | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Mailbox]:
    """An SMTP server on a free port of loopback; with `user`, mail is taken only after this login, under TLS."""
    box = Mailbox()

    def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given = data.login.decode(), data.password.decode()
        box.logins.append(given)
        return AuthResult(success=given == user, handled=False)

    def make() -> SMTP:
        return SMTP(
            box,
            hostname="mail.test",
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=user is not None,
            auth_require_tls=tls is not None,
            authenticator=authenticate if user else None,
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
