"""TLS to the database as libpq's parameters in `DATABASE_URL` have it, in the form that the driver takes.

`sslmode`, `sslrootcert` (PEM, or `system`), `sslcert`, `sslkey`, `sslcrl`. asyncpg takes the latter four only from
a DSN or the environment, so that we read them ourselves.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class TlsUnusable(Exception):
    """The files or the mode cannot be used; the message names the parameter."""


def driver_query(query: Mapping[str, Any]) -> dict[str, Any]:
    """The URL's query as arguments of the driver: files become a context. Raises `TlsUnusable`."""
    rest = {name: value for name, value in query.items() if name not in FILES}
    files = {name: str(query[name]) for name in FILES if query.get(name)}
    mode = rest.get("ssl")
    if mode is not None and mode not in MODES:
        raise TlsUnusable(f"sslmode must be one of {', '.join(MODES)}")
    if not files:
        return rest
    if mode in ("disable", "allow", "prefer"):
        raise TlsUnusable(f"{', '.join(files)}: they need sslmode=require, verify-ca or verify-full")
    return rest | {"ssl": _context(files, mode or "verify-full")}


def _context(files: Mapping[str, str], mode: str) -> ssl.SSLContext:
    """As libpq: with a root certificate `require` checks who signed, and only `verify-full` the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    roots = files.get("sslrootcert")
    context.check_hostname = mode == "verify-full" or roots == "system"
    if roots is None and mode == "require":
        context.verify_mode = ssl.CERT_NONE
    elif roots in (None, "system"):
        context.load_default_certs()
    else:
        _read("sslrootcert", lambda: context.load_verify_locations(cafile=roots))
    if "sslcrl" in files:
        _read("sslcrl", lambda: context.load_verify_locations(cafile=files["sslcrl"]))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if "sslcert" in files or "sslkey" in files:
        chain = files.get("sslcert")
        if chain is None:
            raise TlsUnusable("sslkey needs sslcert")
        _read("sslcert and sslkey", lambda: context.load_cert_chain(chain, files.get("sslkey")))
    return context


def _read(parameter: str, load: Any) -> None:
    try:
        load()
    except OSError as error:  # `ssl.SSLError` is one
        why = error.strerror if type(error) is not ssl.SSLError else "no PEM that can be used"
        raise TlsUnusable(f"{parameter}: {why or 'cannot be read'}") from None
