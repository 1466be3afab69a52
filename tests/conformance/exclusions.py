"""What a generated request may run into although it fits its schema: one entry for each, with its reason.

An entry names the check, the status and the problem codes, and where it is not about the whole API, the operations.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

RECORD_CODES = (
    "RECORD_MALFORMED AT_MALFORMED AT_WITHOUT_OFFSET AT_TOO_OLD AT_TOO_FAR_AHEAD BYTES_OUT_OF_RANGE "
    "ICCID_MALFORMED TEXT_MALFORMED"
)
NO_PROBLEM = "no problem"
"""Stands for the code of an answer that has none."""

LISTS = "GET /v1/.*"
FILES = "POST /v1/(files|plans|addons|sims/import)"
CALLBACKS = "POST /v1/callbacks/{account}"
ONE_OF = (
    "POST /v1/(bulk-operations|exports|deadlines/feeds|admin/clock|usage/corrections|sims/{iccid}/order-addon"
    "|orders|carts/{cart_id}/items|reminders/apply|notification-channels|explanations|automations"
    "|invoices/{invoice_id}/result)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """One failure that is no fault of the API."""

    name: str
    check: str
    """The class of Schemathesis' failure, e.g. `RejectedPositiveData`."""
    status: int
    codes: frozenset[str]
    """Every `errors[].code` of the answer, or where it has none its `code`, is one of these."""
    reason: str
    operations: str = ".*"
    """A regular expression over `METHOD /path`."""

    def covers(self, check: str, operation: str, status: int, answer: Any) -> bool:
        """Whether it is this failure."""
        return (
            (check, status) == (self.check, self.status)
            and re.fullmatch(self.operations, operation) is not None
            and self.codes.issuperset(codes_of(answer))
        )


def codes_of(answer: Any) -> frozenset[str]:
    """The codes of a problem's errors, or its own; those of the records rejected; else one that no entry has."""
    if not isinstance(answer, dict):
        return frozenset({NO_PROBLEM})
    faults = answer.get("errors") or answer.get("rejected") or ()
    return frozenset(fault["code"] for fault in faults) or frozenset({answer.get("code", NO_PROBLEM)})


def excused_by(check: str, operation: str, status: int, answer: Any) -> Exclusion | None:
    """The first entry that covers a failure."""
    return next((each for each in EXCLUSIONS if each.covers(check, operation, status, answer)), None)


def _valid_but(name: str, codes: str, reason: str, *, status: int = 422, operations: str = ".*") -> Exclusion:
    """A request that fits its schema and is refused."""
    return Exclusion(
        name=name,
        check="RejectedPositiveData",
        status=status,
        codes=frozenset(codes.split()),
        reason=reason,
        operations=operations,
    )


EXCLUSIONS: Sequence[Exclusion] = (
    _valid_but("rules", "RULE_VIOLATION NOT_SUPPORTED_BY_CARRIER", "a rule refuses: it knows the SIM, not the request"),
    _valid_but("other request", "IDEMPOTENCY_MISMATCH", "two requests were generated under one Idempotency-Key"),
    _valid_but("other version", "VERSION_CONFLICT", "If-Match names a version that is not the current", status=412),
    _valid_but(
        "cursors", "UNREADABLE", "a cursor is opaque: only those of an answer are valid", status=400, operations=LISTS
    ),
    _valid_but(
        "unknown names",
        "UNKNOWN_PLAN UNKNOWN_POOL UNKNOWN_EVENT UNKNOWN_ORDER",
        "it names an object that does not exist",
    ),
    _valid_but(
        "as of",
        "NOT_AS_OF BEFORE_RECORDS AHEAD_OF_NOW KNOWN_TOO_EARLY",
        "an instant ahead of now, or before the records",
    ),
    _valid_but(
        "tables", "UNREADABLE UNKNOWN_COLUMN", "a CSV file's columns have no schema", status=400, operations=FILES
    ),
    _valid_but(
        "notifications",
        "UNREADABLE",
        "a carrier's own format, checked by tests/carriers",
        status=400,
        operations=CALLBACKS,
    ),
    _valid_but(
        "one of several",
        "REQUIRED CORRECTION_MALFORMED",
        "null counts as absent, which minProperties cannot say",
        operations=ONE_OF,
    ),
    _valid_but(
        "kinds of one body",
        "NOT_FOR_THIS_KIND SECRET_MALFORMED TARGET_REFUSED REQUIRED UNSUPPORTED",
        "which fields go together depends on the kind of an item or a channel",
        operations="(POST|PATCH) /v1/(carts(/{cart_id}/items)?|orders|notification-channels(/{channel_id})?)",
    ),
    _valid_but(
        "names of commerce",
        "UNKNOWN_ADDON UNKNOWN_FILE UNKNOWN_TITLE UNKNOWN_PLAN UNKNOWN_POOL UNKNOWN_ORDER EMPTY_SELECTION "
        "PAID_AT_TOO_FAR_AHEAD QUIET_HOURS_MALFORMED AMOUNT_TOO_LARGE TOO_MANY_ITEMS TOO_MANY",
        "it names an object that does not exist, an instant ahead, or sums beyond a bound",
    ),
    _valid_but(
        "targets",
        "TARGET_MALFORMED",
        "whether a text is an address, a network or a domain, no pattern says",
        operations="POST /v1/orders/{order}/directed",
    ),
    _valid_but(
        "amounts due",
        "AMOUNT_MISMATCH",
        "a payment has the amount that is owed, or that its reference was paid with",
        operations="POST /v1/(account/payments|orders/{order_id}/payment)",
    ),
    _valid_but("periods", "PERIOD_MALFORMED SPAN_UNUSABLE RANGE_MALFORMED", "two fields are compared"),
    _valid_but(
        "the calendar", "OUT_OF_RANGE INSTANT_MALFORMED", "JSON Schema has no earliest or latest date and instant"
    ),
    _valid_but("durations", "DURATION_MALFORMED", "31d and 12h beside ISO 8601", operations="POST /v1/admin/clock"),
    _valid_but("each once", "UNKNOWN_WORD", "a pattern cannot forbid repetition", operations="GET /v1/sims/summary"),
    _valid_but(
        "arguments of another action",
        "UNKNOWN_FIELD REQUIRED",
        "the schema has those of every action; `kind` decides which apply",
        operations="POST /v1/(bulk-operations|automations)|PATCH /v1/automations/{automation_id}",
    ),
    _valid_but("past", "BACKWARDS", "the clock has passed the instant", operations="POST /v1/admin/clock"),
    _valid_but("check digits", "IMEI_CHECK_DIGIT", "a check digit is arithmetic", operations="POST .*/rebind"),
    _valid_but("networks", "NETWORK_MALFORMED", "JSON Schema has no format for CIDR", operations="POST /v1/admin/keys"),
    _valid_but(
        "addresses", "TARGET_REFUSED", "which host a name resolves to decides", operations="(POST|PATCH) /v1/webhooks.*"
    ),
    _valid_but(
        "no SIM",
        "EMPTY_SELECTION",
        "what is selected is not in the request",
        operations="POST /v1/(bulk-operations|exports|pools/).*",
    ),
    _valid_but(
        "exports",
        "UNSUPPORTED UNKNOWN_COLUMN RULE_VIOLATION",
        "a selector by range is a bulk operation's; `what` decides the columns; one export in five minutes (EX-2)",
        operations="POST /v1/(exports|deadlines/feeds)",
    ),
    _valid_but("other plan", "POOL_MISMATCH PLAN_MISMATCH", "pool, plan and SIM do not belong together (PL-5)"),
    _valid_but("rows", "REQUIRED UNKNOWN_COLUMN", "a CSV file's rows have no schema", operations=FILES),
    _valid_but("texts", "TEXT_UNUSABLE", "PostgreSQL stores no NUL and no half of a surrogate pair"),
    _valid_but(
        "no object",
        "UNREADABLE",
        "a coverage case of Schemathesis sends 0 where the schema requires an object; 400 is right",
        status=400,
        operations="POST /v1/(bulk-operations|exports|explanations|reminders/apply|deadlines/feeds)",
    ),
    _valid_but(
        "kinds of pool",
        "NOT_FOR_THIS_KIND",
        "prepaid and postpaid pools have other rules",
        operations=".* /v1/pools/.*/rules",
    ),
    _valid_but("confirmation", "NOT_CONFIRMED", "a field repeats the path's ICCID", operations="POST .*/terminate"),
    Exclusion(
        name="records one by one",
        check="AcceptedNegativeData",
        status=200,
        codes=frozenset(RECORD_CODES.split()),
        operations="POST /v1/usage/reports",
        reason="a wrong record is named in `rejected`; the others are counted (US-3)",
    ),
    Exclusion(
        name="files read later",
        check="AcceptedNegativeData",
        status=202,
        codes=frozenset({NO_PROBLEM}),
        operations="POST /v1/sims/import",
        reason="with `Prefer: respond-async` a file is kept, and what is wrong with it stands in the task's report",
    ),
    Exclusion(
        name="words beside an ICCID",
        check="UnsupportedMethodResponse",
        status=422,
        codes=frozenset({"ICCID_MALFORMED", "UNKNOWN_FIELD"}),
        operations="(GET|PATCH|DELETE) /v1/sims/(import|summary)",
        reason="the path is also /v1/sims/{iccid}, where the word is a wrong ICCID",
    ),
)
