"""GSL's operations (B.3, SDK 3.1.219): method and path → what is done."""

from __future__ import annotations

import re

from sandbox.gsl import changes as c
from sandbox.gsl import customer_data as k
from sandbox.gsl import pools as p
from sandbox.gsl import reads as r
from sandbox.gsl import usage as u
from sandbox.gsl.server import Op


def _path(template: str) -> re.Pattern[str]:
    return re.compile("/v1" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))


_CARD = "/sim-cards/{sim_card_id}"
OPERATIONS: tuple[Op, ...] = (
    Op("POST", _path("/sim-cards/month-usages"), u.month_usages, "usage"),
    Op("POST", _path("/sim-cards/batch-daily-flow"), u.daily_flow, "usage"),
    Op("POST", _path("/sim-cards/attributes/batch-set"), k.set_attributes),
    Op("POST", _path("/sim-price-plans/usage/batch-query"), u.plan_flow, "usage"),
    Op("GET", _path("/sim-cards"), r.cards, "status"),
    Op("GET", _path(_CARD), r.card, "status"),
    Op("GET", _path(_CARD + "/real-named"), r.real_named, "status"),
    Op("POST", _path(_CARD + "/enable"), c.enable, "activate"),
    Op("POST", _path(_CARD + "/stop"), c.stop, "suspend"),
    Op("POST", _path(_CARD + "/reset"), c.reset, "resume"),
    Op("POST", _path(_CARD + "/bind-device"), c.bind, "rebind"),
    Op("POST", _path(_CARD + "/cut-net"), c.cut, "cut_network"),
    Op("POST", _path(_CARD + "/exceed-cut-net"), c.exceed, "set_threshold"),
    Op("POST", _path(_CARD + "/speed-limit"), c.speed),
    Op("POST", _path(_CARD + "/clear-real-name"), c.clear_real_name),
    Op("POST", _path(_CARD + "/network-switch-policy/set"), c.switch_policy),
    Op("GET", _path("/work-orders"), r.work_orders, "status"),
    Op("GET", _path("/work-orders/{work_order_id}/details"), r.work_order_details, "status"),
    Op("GET", _path("/sim-price-plans"), p.card_plans),
    Op("GET", _path("/price-plans"), p.price_plans),
    Op("GET", _path("/sim-pools"), p.forward_pools, "usage"),
    Op("GET", _path("/sim-pools/{pool_id}/members"), p.pool_members, "usage"),
    Op("GET", _path("/back-pools"), p.backward_pools, "usage"),
    Op("GET", _path("/back-pools/{pool_id}/members"), p.pool_members, "usage"),
    Op("POST", _path("/sms-send-infos"), k.send_sms),
    Op("GET", _path("/sms-send-infos/details"), k.sms_details),
    Op("POST", _path("/tags"), k.create_tag),
    Op("GET", _path("/tags"), k.tags),
    Op("DELETE", _path("/tags/{tag_id}"), k.delete_tag),
    Op("POST", _path("/sim-tags/batch-set"), k.set_tags),
    Op("POST", _path("/attributes"), k.create_attribute),
    Op("GET", _path("/attributes"), k.attributes),
    Op("PUT", _path("/attributes/{attribute_id}"), k.rename_attribute),
    Op("POST", _path("/attributes/{attribute_id}/enable"), k.enable_attribute),
    Op("POST", _path("/attributes/{attribute_id}/disable"), k.disable_attribute),
    Op("GET", _path("/sim-cards-multiply"), r.multiply),
    Op("POST", _path("/sim-cards-multiply/{sim_card_id}/switch-network"), c.switch_network),
    Op("POST", _path("/network-switch-policies"), k.create_policy),
    Op("GET", _path("/network-switch-policies"), k.policies),
)
