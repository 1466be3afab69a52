"""Cisco IoT Control Center (Jasper) REST v1: its codes (docs/carriers/jasper.md).

English messages are the documented ones only where A1.6 marks them visible and for 10000001; the rest is our wording.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Error = tuple[str | None, int, str]
"""errorCode, HTTP status, errorMessage."""

NO_CREDENTIALS: Error = (None, 401, "Full authentication is required to access this resource")
CREDENTIALS: Error = ("10000001", 401, "Invalid credentials")
NO_SINCE: Error = ("10000003", 400, "ModifiedSince date is required")
BAD_STATUS: Error = ("10000005", 400, "Invalid SIM status")
BAD_SIZE: Error = ("10000006", 400, "Invalid page size")
BAD_PAGE: Error = ("10000007", 400, "Invalid page number")
REQUIRED: Error = ("10000011", 400, "Required fields are missing")
BAD_DATE: Error = ("10000012", 400, "Invalid date format")
BAD_PLAN: Error = ("10000013", 400, "Invalid rate plan")
BAD_OVERRIDE: Error = ("10000016", 400, "Invalid overageLimitOverride")
BAD_ENCODING: Error = ("10000017", 400, "Invalid messageEncoding")
BAD_CODING: Error = ("10000018", 400, "Invalid dataCoding")
TOO_LONG: Error = ("10000020", 400, "Message is too long")
BAD_ICCID: Error = ("10000021", 400, "Invalid ICCID")
NO_FROM: Error = ("10000022", 400, "FromDate is required")
BAD_JSON: Error = ("10000023", 400, "JSON is not well formed")
BAD_VERSION: Error = ("10000024", 400, "Invalid API version")
BAD_PARAMETER: Error = ("10000028", 400, "Unrecognized request parameter")
BACKWARDS: Error = ("10000029", 400, "The device cannot be moved to pre-activation status")
BAD_CYCLE: Error = ("10000032", 400, "cycleStartDate must be one of the last three billing cycles")
TOO_OLD: Error = ("10000049", 400, "daysOfHistory must not exceed 365")
UNKNOWN_ICCID: Error = ("20000001", 404, "Resource not found - Invalid ICCID")
UNKNOWN_SMS: Error = ("20000002", 404, "Resource not found - Invalid SMS message id")
NOT_FOUND: Error = ("30000001", 404, "Resource not found")
TOO_MANY: Error = ("99900429", 429, "Rate limit exceeded")
"""The emulator's own code: the body of a real 429 is unknown (A1.7)."""

ACCOUNT = "100020620"
"""The one account of the sandbox."""

STATUS: Mapping[str, str] = MappingProxyType(
    {
        "inventory": "INVENTORY",
        "testing": "TEST_READY",
        "silent": "ACTIVATION_READY",
        "active": "ACTIVATED",
        "suspended": "DEACTIVATED",
        "expired": "DEACTIVATED",
        "cancelled": "RETIRED",
    }
)
"""A1.5 and LC-13; Jasper knows no expiry, an expired card is deactivated."""
TARGETS = (*sorted(set(STATUS.values())), "PURGED", "REPLACED", "START")
MOVES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "TEST_READY": frozenset({"ACTIVATION_READY", "INVENTORY", "ACTIVATED"}),
        "ACTIVATION_READY": frozenset({"ACTIVATED"}),
        "INVENTORY": frozenset({"ACTIVATED"}),
        "ACTIVATED": frozenset({"DEACTIVATED", "RETIRED"}),
        "DEACTIVATED": frozenset({"ACTIVATED", "RETIRED"}),
        "RETIRED": frozenset({"PURGED"}),
    }
)
"""A1.5, legal moves."""
PRE_ACTIVATION = frozenset({"TEST_READY", "ACTIVATION_READY", "INVENTORY", "START"})
NEUTRAL: Mapping[str, str] = MappingProxyType(
    {"TEST_READY": "testing", "ACTIVATION_READY": "silent", "INVENTORY": "inventory"}
)
OVERRIDES = ("DEFAULT", "TEMPORARY_OVERRIDE", "PERMANENT_OVERRIDE")
CUSTOM = tuple(
    f"{owner}Custom{number}" for owner, last in (("account", 10), ("customer", 5)) for number in range(1, last + 1)
)
OPERATOR_CUSTOM = tuple(f"operatorCustom{number}" for number in range(1, 6))
EDITABLE = frozenset(
    {
        "status",
        "ratePlan",
        "communicationPlan",
        "customer",
        "deviceID",
        "modemID",
        "overageLimitOverride",
        "ipv4Address",
        "ipv6Address",
        "effectiveDate",
        *CUSTOM,
        *OPERATOR_CUSTOM,
    }
)
"""A1.4.3."""
EVENTS: Mapping[str, int] = MappingProxyType(
    {"ADDON-30M": 30 << 20, "ADDON-100M": 100 << 20, "ADDON-500M": 500 << 20, "ADDON-1G": 1 << 30}
)
"""Event plans (add-ons) of the sandbox's account; any other name is an invalid plan unless it contains its size."""
