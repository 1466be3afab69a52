"""Why a connection could not be made, in words an operator can act on: which host, which layer, which cause."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import httpx

CERTIFICATE_FAULTS: Mapping[int, str] = MappingProxyType(
    {
        9: "its certificate is not valid yet: check the clock here",
        10: "its certificate has expired",
        18: "its certificate is self-signed: unknown authority; a private one is named by ca_file in carriers.toml",
        19: "its certificate is of an unknown authority; a private one is named by ca_file in carriers.toml",
        20: "its certificate is of an unknown authority; a private one is named by ca_file in carriers.toml",
        21: "its certificate is of an unknown authority; a private one is named by ca_file in carriers.toml",
        62: "its certificate is for another host name",
        64: "its certificate is for another IP address",
    }
)
"""OpenSSL's verification results (`X509_V_ERR_…`, openssl-verification-options) in words."""

REASONS: Mapping[int, str] = MappingProxyType(
    {
        errno.ECONNREFUSED: "the connection was refused: nothing listens there, or a firewall rejects it",
        errno.EHOSTUNREACH: "the host cannot be reached: check routes and VPN",
        errno.ENETUNREACH: "the network cannot be reached: check routes and VPN",
        errno.ECONNRESET: "the connection was reset while it was being made",
        errno.ETIMEDOUT: "the connection timed out: check routes, firewall and the carrier's address list",
    }
)

FIRST_TO_LAST = (ssl.SSLError, socket.gaierror, OSError)
"""The kinds of cause, the most telling first: the first two are OSErrors as well."""


def connection_fault(error: Exception, host: str) -> str:
    """The cause of a failed connection to `host`; never part of the request."""
    return f"{host}: {_cause(error)}"


def _cause(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return REASONS[errno.ETIMEDOUT]
    if isinstance(error, httpx.PoolTimeout):
        return "no connection became free in time"
    if isinstance(error, httpx.ProxyError):
        return "the proxy of the environment (HTTPS_PROXY) refused the connection"
    causes = list(_chain(error))
    found = (_of(cause) for kind in FIRST_TO_LAST for cause in causes if isinstance(cause, kind))
    return next((words for words in found if words), f"the connection failed ({type(error).__name__})")


def _of(cause: BaseException) -> str | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return CERTIFICATE_FAULTS.get(cause.verify_code, f"its certificate is refused: {cause.verify_message}")
    if isinstance(cause, ssl.SSLError):
        return f"no TLS could be agreed on ({cause.reason or 'no reason given'}): is this an https address?"
    if isinstance(cause, socket.gaierror):
        return "the name cannot be resolved: check the address and DNS"
    return REASONS.get(cause.errno or 0) if isinstance(cause, OSError) else None


def _chain(error: BaseException | None, depth: int = 12) -> Iterator[BaseException]:
    """An error, its causes and contexts, and the members of groups among them."""
    if error is None or depth == 0:
        return
    yield error
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _chain(member, depth - 1)
    yield from _chain(error.__cause__, depth - 1)
    if error.__context__ is not error.__cause__:
        yield from _chain(error.__context__, depth - 1)
