"""gwapi's operations (A2.4): the name in the address → what is done."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sandbox.fleet.card import Card
from sandbox.unicom_cmp import edits as e
from sandbox.unicom_cmp import reads as r
from sandbox.unicom_cmp.server import Data, Op


def _edit_kind(data: Data, card: Card | None) -> str:
    change, target = str(data.get("changeType", "")), str(data.get("targetValue", ""))
    if change == "3" and target == "2":
        return "resume" if card is not None and card.visible_state() in ("suspended", "expired") else "activate"
    if change == "3":
        return {"3": "suspend", "4": "terminate"}.get(target, "other")
    return "change_plan" if change == "4" else "other"


OPERATIONS: Mapping[str, Op] = MappingProxyType(
    {
        "wsGetTerminalDetails": Op(r.details, "status"),
        "wsEditTerminal": Op(e.edit, _edit_kind),
        "wsGetTerminalUsage": Op(r.closed_cycle, "usage"),
        "wsGetTerminalUsageDataDetails": Op(r.usage_details, "usage"),
        "wsEditNetworkAccessConfig": Op(e.network_config),
        "wsGetNetworkAccessconfig": Op(r.network_config, "status"),
        "wsGetNetworkAccessConfig": Op(r.network_config, "status"),
        "addRatePlan": Op(e.add_rate_plan, "order_addon"),
        "wsGetProvisioningStatus": Op(r.provisioning, "status"),
        "wsStatus": Op(r.provisioning, "status"),
        "wsGetSessionInfo": Op(r.sessions, "status"),
        "wsGetTerminalEvents": Op(r.events),
        "wsGetAvailableEvents": Op(r.available_events),
        "wsGetTerminalRating": Op(r.rating),
        "wsGetTerminalAuditTrail": Op(r.audit, "status"),
        "wsGetModifiedTerminals": Op(r.modified, "status"),
        "wsGetTerminalsByImsi": Op(r.by_imsi, "status"),
        "wsGetTerminalsByMsisdn": Op(r.by_msisdn, "status"),
        "wsQuerySMS": Op(r.sms),
        "wsQuerySMSDetail": Op(r.sms),
        "wsGetInvoice": Op(r.nothing),
        "wsGetPollApn": Op(r.apn),
        "wsGetDeviceRealTimeInfo": Op(r.sessions, "status"),
        "wsQueryAcctTable": Op(r.accounts),
        "GetAccountIdByAcctName": Op(r.accounts),
        "realNameStatusQuery": Op(r.real_name, "status"),
        "LocationBasedService": Op(r.location),
    }
)
