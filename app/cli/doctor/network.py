"""Whether each account's host can be reached: its name, a connection, TLS; nothing is sent, no credential is used."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.parse import urlsplit

from app.carriers.config import SANDBOX, Account, ProtocolAccount, base_url
from app.cli.doctor.results import DoctorResult, note, ok, wrong
from app.clock import SystemClock
from app.domain.vocabulary import ProtocolName

CONNECT_S = 5
CERTIFICATE_DAYS = 14
"""A certificate that ends sooner is worth a note."""

CAUSES: Mapping[int, str] = MappingProxyType(
    {
        errno.ECONNREFUSED: "refused",
        errno.EHOSTUNREACH: "unreachable",
        errno.ENETUNREACH: "unreachable",
        errno.ETIMEDOUT: "timed_out",
    }
)


async def carrier_results(accounts: Sequence[Account], sandbox_url: str) -> list[DoctorResult]:
    """One result for each protocol of each account; all hosts are tried at once."""
    tried = (_reach(account.code, entry, sandbox_url) for account in accounts for entry in account.protocols)
    return list(await asyncio.gather(*tried))


async def _reach(account: str, entry: ProtocolAccount, sandbox_url: str) -> DoctorResult:
    if entry.protocol is ProtocolName.DESK:
        return ok("carrier.desk", account=account)
    url = urlsplit(base_url(entry, sandbox_url))
    host, secure = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if secure else 80)
    facts: dict[str, object] = {"account": account, "protocol": entry.protocol.value, "host": f"{host}:{port}"}
    try:
        async with asyncio.timeout(CONNECT_S):
            days = await _connect(host, port, _context(entry) if secure else None)
    except ssl.SSLCertVerificationError as error:
        return wrong("carrier.certificate", reason=error.verify_message, **facts)
    except (OSError, TimeoutError, UnicodeError) as error:
        if entry.base_url == SANDBOX:
            return note("carrier.sandbox_down", **facts)
        return wrong("carrier.unreached", cause=_cause(error), **facts)
    if days is not None and days < CERTIFICATE_DAYS:
        return note("carrier.certificate_ends", days=days, **facts)
    return ok("carrier.reached", **facts)


def _context(entry: ProtocolAccount) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if entry.ca_file is not None:
        context.load_verify_locations(cafile=entry.ca_file)
    return context


async def _connect(host: str, port: int, context: ssl.SSLContext | None) -> int | None:
    """Connect and hang up; gives how many days the certificate is still valid, None without one."""
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        certificate = writer.get_extra_info("peercert")
        if not certificate:
            return None
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
        return (ends - SystemClock().now()).days
    finally:
        writer.close()


def _cause(error: Exception) -> str:
    """The word for why no connection was made."""
    if isinstance(error, TimeoutError):
        return "timed_out"
    if isinstance(error, socket.gaierror | UnicodeError):  # the latter: no name of a host at all, such as "a..b"
        return "dns"
    if isinstance(error, ssl.SSLError):
        return "tls"
    several = str(error) if isinstance(error, OSError) and error.errno is None else ""
    if "refused" in several.lower() or f"Errno {errno.ECONNREFUSED}" in several:
        return "refused"  # asyncio joins the errors of several addresses into one text
    return CAUSES.get(getattr(error, "errno", None) or 0, "other")
