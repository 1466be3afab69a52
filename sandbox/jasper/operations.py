"""Jasper's resources (A1.4): method and path → what is done."""

from __future__ import annotations

import re

from sandbox.jasper import edits as e
from sandbox.jasper import reads as r
from sandbox.jasper import usage as u
from sandbox.jasper.server import Op


def _path(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))


OPERATIONS: tuple[Op, ...] = (
    Op("GET", _path("/devices/{iccid}"), r.details, "status"),
    Op("PUT", _path("/devices/{iccid}"), e.edit, "edit"),
    Op("GET", _path("/devices/{iccid}/ctdUsages"), u.cycle_to_date, "usage"),
    Op("GET", _path("/devices"), r.search, "status"),
    Op("GET", _path("/devices/{iccid}/usageInZone"), u.in_zone, "usage"),
    Op("GET", _path("/devices/{iccid}/sessionInfo"), r.session, "status"),
    Op("GET", _path("/devices/{iccid}/auditTrails"), r.audit_trails, "status"),
    Op("GET", _path("/devices/{iccid}/auditTrails"), r.audit, "status"),
    Op("GET", _path("/devices/{iccid}/locationHistory"), r.locations, "other"),
    Op("POST", _path("/devices/{iccid}/smsMessages"), e.send_sms, "other"),
    Op("GET", _path("/smsMessages"), r.sms_list, "other"),
    Op("GET", _path("/smsMessages/{sms}"), r.sms_detail, "other"),
    Op("GET", _path("/usages"), u.plan_usage, "usage"),
    Op("PUT", _path("/eventplan/{iccid}"), e.assign_event, "order_addon"),
    Op("GET", _path("/eventplan/{iccid}"), r.events, "other"),
    Op("PUT", _path("/editeventplan/{iccid}"), e.cancel_event, "other"),
    Op("GET", _path("/rateplans"), r.rate_plans, "other"),
    Op("GET", _path("/accounts/{account}/ratePlans"), r.rate_plans, "other"),
    Op("GET", _path("/accounts"), r.accounts, "other"),
    Op("GET", _path("/customers"), r.customers, "other"),
    Op("GET", _path("/users"), r.users, "other"),
    Op("GET", _path("/echo/{text}"), r.echo, "other"),
)
