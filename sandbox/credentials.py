"""The sandbox's credentials: fixed, made up, written in `demo/carriers*.toml` too, and never a secret.

They are repeated here, not read from there: the sandbox stands alone and shares nothing with the clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CREDENTIALS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "onelink": MappingProxyType({"appid": "100001", "password": "sandbox-onelink-password"}),
        "jasper": MappingProxyType(
            {
                "username": "sandbox-jasper",
                "api_key": "00000000-1111-2222-3333-444444444444",
                "push_secret": "sandbox-jasper-push",
            }
        ),
        "unicom_cmp": MappingProxyType(
            {
                "app_id": "sandboxAp1",
                "app_secret": "sandboxAppSecret0123456789abcd",
                "open_id": "00000ousandbox1",
            }
        ),
        "ctcc_cmp": MappingProxyType(
            {
                "user_id": "sandboxuser",
                "password": "sandbox-ctcc-password",
                "key1": "sg1",
                "key2": "sg2",
                "key3": "sg3",
            }
        ),
        "ctwing": MappingProxyType(
            {
                "app_key": "sandbox-ctwing-key",
                "app_secret": "sandbox-ctwing-secret",
                "cust_number": "9000000001",
            }
        ),
        "gsl": MappingProxyType(
            {
                "ak": "SANDBOXAK00000000001",
                "sk": "SANDBOXSK000000000000000000000000000000001",
                "project_id": "0123456789abcdef0123456789abcdef",
            }
        ),
    }
)
"""Protocol → name → value. `push_secret` signs the pushes of Jasper (A1.8)."""
