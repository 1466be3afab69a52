"""SSRF guard: a webhook's host is resolved first, its addresses are checked, and the checked address is connected to.

Otherwise a caller could make the gateway send requests to machines that only the gateway can reach.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_VISIBLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+(?:%[a-z0-9._-]+)?")
"""A name, with the underscores that some networks have in theirs, or an address of IPv6."""

_PORTS = {"http": 80, "https": 443}


class TargetRefused(Exception):
    """A webhook's URL is not allowed; the message says why and does not repeat the URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The parts of a webhook's URL."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def networks(text: str | None, *, sandbox: bool) -> tuple[Network, ...]:
    """The private networks allowed by a comma-separated CIDR list; in sandbox mode loopback too. Raises ValueError."""
    named = tuple(ipaddress.ip_network(part.strip()) for part in (text or "").split(",") if part.strip())
    return named + (LOOPBACK if sandbox else ())


def parse(url: str) -> Target:
    """The parts of an absolute http(s) URL without credentials, in visible ASCII (RFC 3986). Raises `TargetRefused`."""
    if _VISIBLE.fullmatch(url) is None:
        raise TargetRefused("only ASCII without blanks: percent-encode the path, write the host name in punycode")
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise TargetRefused("not a URL") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise TargetRefused("an absolute http or https URL is needed")
    if _HOST.fullmatch(parts.hostname) is None or port == 0:
        raise TargetRefused("the host name or the port is not one")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise TargetRefused("credentials and fragments do not belong into the URL")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port if port is not None else _PORTS[parts.scheme],
        path=path,
    )


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether an address may be called: public or in an allowed network.

    IPv4 addresses embedded in IPv6 (mapped, 6to4, NAT64) are checked as IPv4.
    """
    inner = _unwrapped(address)
    if any(inner in network for network in allowed if network.version == inner.version):
        return True
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


async def resolve(target: Target) -> list[Address]:
    """Every address of the target. Raises `TargetRefused`, OSError if it does not resolve now."""
    try:
        return [ipaddress.ip_address(target.host)]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise TargetRefused("the host name is not one") from error
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


async def resolve_allowed(target: Target, allowed: Sequence[Network]) -> Address:
    """The address to connect to; one forbidden address among several refuses the target.

    Plain http is allowed only to the `allowed` networks. Raises `TargetRefused`, OSError.
    """
    addresses = await resolve(target)
    if not all(is_allowed(address, allowed) for address in addresses):
        raise TargetRefused("the target lies in a private network")
    named = all(any(a in n for n in allowed if n.version == a.version) for a in map(_unwrapped, addresses))
    if target.scheme == "http" and not named:
        raise TargetRefused("TLS is needed outside the allowed networks")
    return addresses[0]
