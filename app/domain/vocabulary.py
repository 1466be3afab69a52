"""The closed sets of names that tables, classes, routes, metrics and documents share.

The values are those of the API and of the database (`docs/api.md`, `docs/rules.md` LC, ST, OP-1).
"""

from __future__ import annotations

from enum import StrEnum


class Carrier(StrEnum):
    """The mobile network operator of a SIM."""

    CMCC = "cmcc"
    CUCC = "cucc"
    CTCC = "ctcc"
    OVERSEAS = "overseas"


class Supplier(StrEnum):
    """Under whose terms a SIM was sold (TM-1): the suppliers with an entry in the book of terms.

    Data, like the book itself: no code outside `app.domain.terms` names a member, so that a new supplier is an id here,
    a module of terms and its entry in the book (TM-2).
    """

    FLEXEM = "flexem"
    GSL = "gsl"
    STANDARD = "standard"


class AddonScope(StrEnum):
    """Whether an add-on pack is for a SIM or for a pool (QT-7)."""

    CARD = "card"
    POOL = "pool"


class SimState(StrEnum):
    """Neutral life-cycle states (LC). `suspended` is a shown state only, never an underlying one (ST)."""

    INVENTORY = "inventory"
    TESTING = "testing"
    SILENT = "silent"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class HoldCode(StrEnum):
    """The reason for which data is off (ST-1 to ST-18)."""

    MANUAL = "manual"
    OVER_QUOTA = "over_quota"
    OVER_THRESHOLD = "over_threshold"
    POOL_EXHAUSTED = "pool_exhausted"
    PLAN_EXPIRED = "plan_expired"
    DEVICE_MISMATCH = "device_mismatch"
    PHONE_MISUSE = "phone_misuse"
    HIGH_RISK_REGION = "high_risk_region"
    OUT_OF_REGION = "out_of_region"
    NOT_REAL_NAMED = "not_real_named"
    CARRIER_CONTROL = "carrier_control"
    POOL_FROZEN = "pool_frozen"
    POOL_THRESHOLD = "pool_threshold"
    ARREARS = "arrears"
    POLICY_CUTOFF = "policy_cutoff"
    NETWORK_CUT = "network_cut"
    VIOLATION = "violation"
    UNEXPLAINED = "unexplained"


class HoldSource(StrEnum):
    """Who set a hold: a caller's operation, a rule of the gateway, the carrier (ST-24), or an import (LC-17)."""

    CALLER = "caller"
    GATEWAY = "gateway"
    CARRIER = "carrier"
    IMPORT = "import"


class OperationKind(StrEnum):
    """The kinds of operation that can be requested for a SIM (OP-1)."""

    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    REBIND = "rebind"
    CHANGE_REGION = "change_region"
    SET_THRESHOLD = "set_threshold"
    CUT_NETWORK = "cut_network"
    RESTORE_NETWORK = "restore_network"
    RESET_NETWORK = "reset_network"
    VERIFY_REAL_NAME = "verify_real_name"
    ORDER_ADDON = "order_addon"
    RENEW = "renew"
    CHANGE_PLAN = "change_plan"
    JOIN_POOL = "join_pool"
    RETAIN_NUMBER = "retain_number"
    REFRESH = "refresh"
    TERMINATE = "terminate"


class OperationStatus(StrEnum):
    """The status of an operation (`docs/api.md`, Operations)."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING_CARRIER = "waiting_carrier"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_STATUSES = frozenset(
    {
        OperationStatus.QUEUED,
        OperationStatus.RUNNING,
        OperationStatus.WAITING_CARRIER,
        OperationStatus.VERIFYING,
    }
)
"""At most one operation per SIM is in one of these (OP-4)."""


class Channel(StrEnum):
    """How an operation is carried out: by the carrier's API, by a person at a desk, or by the gateway itself."""

    API = "api"
    DESK = "desk"
    GATEWAY = "gateway"


class OperationSource(StrEnum):
    """Who requested an operation; `automation`: a caller's standing order."""

    API = "api"
    AUTOMATION = "automation"
    RULE = "rule"
    JOB = "job"
    BULK = "bulk"
    CARRIER = "carrier"


class DirectedEntryState(StrEnum):
    """Where an entry of a directed-traffic allow list stands (DR-2)."""

    SUBMITTED = "submitted"
    NOT_IN_FORCE = "not_in_force"
    IN_FORCE = "in_force"
    REJECTED = "rejected"
    CHANGING = "changing"


class AfterSalesRequest(StrEnum):
    """What a buyer may request of an order after the purchase (OR-2)."""

    REFUND = "refund"
    CHANGE_CARRIER = "change_carrier"
    CHANGE_PLAN = "change_plan"
    CHOOSE_NUMBERS = "choose_numbers"
    REPLACE_LOST_CARD = "replace_lost_card"
    NB_CARD = "nb_card"


class ProtocolName(StrEnum):
    """The wire protocols of the carriers' platforms; `described` is one that a file describes, `desk` a work list."""

    ONELINK = "onelink"
    JASPER = "jasper"
    UNICOM_CMP = "unicom_cmp"
    CTCC_CMP = "ctcc_cmp"
    CTWING = "ctwing"
    GSL = "gsl"
    DESCRIBED = "described"
    DESK = "desk"


class RealName(StrEnum):
    """The real-name registration that a SIM needs or has (LC-5)."""

    NONE = "none"
    ENTERPRISE = "enterprise"
    INDIVIDUAL = "individual"
    VERIFIED = "verified"


class PlanKind(StrEnum):
    """Whether a plan's allowance is the SIM's own, a prepaid pool's (前向) or a postpaid pool's (后向) (PL)."""

    CARD = "card"
    PREPAID_POOL = "pool_forward"
    POSTPAID_POOL = "pool_backward"


class Actor(StrEnum):
    """Who can carry out a remedy (ST); `nobody`: it happens by itself or cannot be done."""

    SELF = "self"
    SUPPLIER = "supplier"
    CARRIER = "carrier"
    NOBODY = "nobody"
