"""OneLink's operation table (A6): path → what it does."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sandbox.onelink import changes as c
from sandbox.onelink import reads as r
from sandbox.onelink import services as s
from sandbox.onelink import tables as t
from sandbox.onelink import usage as u
from sandbox.onelink.server import Op

_MANY, _FEW = 100, 20


def _single(params: dict[str, Any]) -> str:
    move = t.SINGLE_MOVES.get(str(params.get("operType", "")))
    return "other" if move is None else move[2]


def _batch(params: dict[str, Any]) -> str:
    move = t.BATCH_MOVES.get(str(params.get("operType", "")).lstrip("0"))
    return "other" if move is None else move[2]


def _apn(params: dict[str, Any]) -> str:
    return {"0": "restore_network", "1": "cut_network"}.get(str(params.get("operType", "")), "other")


OPERATIONS: Mapping[str, Op] = MappingProxyType(
    {
        "query/sim-basic-info": Op(r.basic_info, "status"),
        "query/sim-status": Op(r.status, "status"),
        "query/sim-change-history": Op(r.change_history, "status"),
        "query/sim-stop-reason": Op(r.stop_reason, "status"),
        "query/sim-manage-stop-restart-status": Op(r.freeze, "status"),
        "query/sim-card-info/batch": Op(r.card_info, "status", _MANY),
        "query/sim-platform/batch": Op(r.platform, "status", _MANY),
        "query/sim-imei": Op(r.imei, "status"),
        "query/changeable-sim-date": Op(r.changed_on, "status", 0),
        "query/ec-sim-status-number": Op(r.status_numbers, "status", 0),
        "query/sim-total-num-ec": Op(r.total_number, "status", 0),
        "query/on-off-status": Op(r.on_off, "status"),
        "query/sim-session": Op(r.session, "status"),
        "query/sim-communication-function-status": Op(r.functions, "status"),
        "query/apn-info": Op(r.apn_info, "status"),
        "query/card-bind-status": Op(r.bind_status, "status"),
        "query/region-limit-status": Op(r.region_status, "status"),
        "query/sim-region-limit-area": Op(r.region_area, "status"),
        "query/sim-real-name-status": Op(r.real_name, "status"),
        "query/order-info": Op(r.order_info, "status", 0),
        "query/sim-batch-result": Op(r.batch_result, "status", 0),
        "query/position-location-message": Op(s.position),
        "query/last-position-location": Op(s.last_position),
        "query/district-position-location-message": Op(s.district),
        "query/last-district-position": Op(s.last_district),
        "query/position-location-message/batch": Op(s.positions, "other", _FEW),
        "query/ordered-offerings": Op(s.ordered_offerings, "other", 0),
        "query/offerings-detail": Op(s.offering_detail, "other", 0),
        "query/purchasable-offerings": Op(s.purchasable, "other", 0),
        "query/changeable-offerings": Op(s.purchasable, "other", 0),
        "query/categories": Op(s.categories, "other", 0),
        "query/balance-info": Op(s.balance),
        "query/ec-bill": Op(s.bill, "other", 0),
        "query/sim-data-diagnosis": Op(s.data_diagnosis),
        "query/last-position-location/batch": Op(s.positions, "other", _FEW),
        "query/risk-scene-card-list": Op(s.risks, "other", 0),
        "query/sim-data-usage": Op(u.month, "usage"),
        "query/sim-data-margin": Op(u.margin, "usage"),
        "query/sim-data-usage-daily/batch": Op(u.daily, "usage", _MANY),
        "query/sim-data-usage-monthly/batch": Op(u.monthly, "usage", _MANY),
        "query/sim-data-usage-inpool": Op(u.in_pool, "usage"),
        "query/sim-sms-usage": Op(u.sms_month, "usage"),
        "query/sim-sms-margin": Op(u.sms_margin, "usage"),
        "query/sim-sms-usage-daily/batch": Op(u.sms_batch, "usage", _MANY),
        "query/sim-sms-usage-monthly/batch": Op(u.sms_batch, "usage", _MANY),
        "query/sim-voice-usage": Op(u.voice_month, "usage"),
        "query/sim-voice-margin": Op(u.voice_margin, "usage"),
        "query/sim-voice-usage-daily/batch": Op(u.voice_batch, "usage", _MANY),
        "query/sim-voice-usage-monthly/batch": Op(u.voice_batch, "usage", _MANY),
        "query/group-data-usage": Op(u.group_usage, "usage", 0),
        "query/group-data-margin": Op(u.group_margin, "usage", 0),
        "query/group-info": Op(u.groups, "other", 0),
        "query/group-member": Op(u.group_members, "other", 0),
        "query/group-by-member": Op(u.groups_of_card),
        "change/sim-status": Op(c.sim_status, _single),
        "change/sim-status/batch": Op(c.sim_status_batch, _batch, _MANY, by_number=True),
        "operate/sim-apn-function": Op(c.apn_function, _apn),
        "operate/sim-call-function": Op(c.call_function),
        "operate/sim-sms-function": Op(c.sms_function),
        "operate/sim-communication-function/batch": Op(c.functions_batch, "other", _MANY, by_number=True),
        "operate/network-speed": Op(c.network_speed),
        "operate/sim-gprs-status-reset": Op(c.reset, "reset_network"),
        "reset/sim-sms-status": Op(c.reset_sms),
        "operate/card-bind-by-bill": Op(c.bind_by_bill, "rebind"),
        "operate/card-bind-by-bill/batch": Op(c.bind_by_bill_batch, "rebind", _MANY, by_number=True),
        "operate/card-bind-by-web": Op(c.bind_by_web, "rebind"),
        "operate/sim-gprs-pcc-function/batch": Op(c.kept_for_many, "other", _MANY),
        "operate/sim-pcc-function": Op(c.kept),
        "operate/sim-5g-sa-call-function": Op(c.call_function),
        "operate/sim-5g-sa-sms-function": Op(c.sms_function),
        "limit/sim-gprs/batch": Op(c.kept_for_many, "other", _MANY, by_number=True),
        "limit/group-member-data-usage": Op(c.kept),
        "manage/group-managment": Op(c.group_member),
        "query/group-managment": Op(c.group_member),
        "secure/live-id-auth": Op(c.kept),
        "secure/sim-real-name-reg": Op(c.real_name_registration, "verify_real_name"),
        "order/gprspackage-order": Op(c.order_pack, "order_addon"),
        "order/gprspackage-order/batch": Op(c.order_pack_batch, "order_addon", _MANY, by_number=True),
    }
)
