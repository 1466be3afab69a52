"""Sends one e-mail by SMTP, to a server whose address was checked: the same guard as for webhooks."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from enum import StrEnum

import aiosmtplib

from app.outbound.guard import Network, Target, TargetRefused, resolve_allowed
from app.outbound.sender import system_trust

TIMEOUT = timedelta(seconds=30)
"""For one message in total, in real time; a reply may take ten."""

REPLY_S = 10.0
LOCAL_NAME = "simgate.invalid"
"""What the gateway calls itself in EHLO: the name of the machine is nobody's business."""


class Tls(StrEnum):
    """How the connection is secured: from the start (port 465), by STARTTLS, or not at all."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """A server that sends mail on, and how to log in; the password is in no `repr`."""

    host: str
    port: int
    tls: Tls
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"MailServer({self.host}:{self.port})"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailResult:
    """Result of one attempt: taken, or the server's last reply code, or why there is none."""

    delivered: bool = False
    code: int | None = None
    error: str | None = None


class MailSender:
    """Sends e-mail; a connection is made for each message and closed after it."""

    def __init__(self, allowed: Sequence[Network], *, trust: ssl.SSLContext | None = None) -> None:
        self._allowed = tuple(allowed)
        self._trust = trust

    async def check(self, server: MailServer) -> None:
        """Check that a server may be called; a name that does not resolve now is checked when it is called.

        Raises `TargetRefused`.
        """
        try:
            await resolve_allowed(_target(server), self._allowed)
        except OSError:
            return

    async def send(self, server: MailServer, message: EmailMessage, *, sender: str, recipient: str) -> MailResult:
        """One attempt. Never raises for anything the server does; its words are not kept, they may name addresses."""
        try:
            async with asyncio.timeout(TIMEOUT.total_seconds()):
                await self._send(server, message, sender, recipient)
        except TimeoutError:
            return MailResult(error="no answer in time")
        except TargetRefused as refused:
            return MailResult(error=str(refused))
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return MailResult(code=refused.recipients[0].code, error="the server refused the recipient")
        except aiosmtplib.SMTPResponseException as answered:
            return MailResult(code=answered.code, error=f"the server answered {answered.code}")
        except (OSError, ValueError, aiosmtplib.SMTPException) as error:
            return MailResult(error=type(error).__name__)
        return MailResult(delivered=True)

    async def _send(self, server: MailServer, message: EmailMessage, sender: str, recipient: str) -> None:
        client = aiosmtplib.SMTP(
            hostname=server.host,
            sock=await self._connect(server),
            use_tls=server.tls is Tls.IMPLICIT,
            start_tls=server.tls is Tls.STARTTLS,
            tls_context=self._context(server),
            username=server.user,
            password=server.password,
            local_hostname=LOCAL_NAME,
            timeout=REPLY_S,
        )
        try:
            await client.connect()
            await client.send_message(message, sender=sender, recipients=[recipient])
            with suppress(OSError, aiosmtplib.SMTPException):  # it is taken already: a farewell changes nothing
                await client.quit()
        finally:
            client.close()

    def _context(self, server: MailServer) -> ssl.SSLContext | None:
        return None if server.tls is Tls.NONE else self._trust or system_trust()

    async def _connect(self, server: MailServer) -> socket.socket:
        """A connection to the checked address: the name is resolved here and nowhere else. Raises `TargetRefused`."""
        address = await resolve_allowed(_target(server), self._allowed)
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004 - IPv6
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)  # noqa: FBT003 - the standard library's
        try:
            await asyncio.get_running_loop().sock_connect(connection, (str(address), server.port))
        except BaseException:
            connection.close()
            raise
        return connection


def _target(server: MailServer) -> Target:
    """The server as the guard knows targets: without TLS only in networks that are allowed by name, as plain http."""
    scheme = "http" if server.tls is Tls.NONE else "https"
    return Target(scheme=scheme, host=server.host, port=server.port, path="/")
