"""The variables of libpq, which are for the operator's own servers: the driver reads them for every connection."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

_LIBPQ = re.compile(r"PG[A-Z]+")
"""`PGPORT`, `PGSSLMODE`, `PGTARGETSESSIONATTRS`, `PGPASSFILE` … A port of another server is no socket of this one."""


@contextmanager
def without_libpq_variables() -> Iterator[None]:
    """Run a block without them in this process's environment."""
    hidden = {name: value for name, value in os.environ.items() if _LIBPQ.fullmatch(name)}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)
