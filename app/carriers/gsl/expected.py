"""The answers that the GSL client expects (`docs/carriers/gsl.md`, B.2 to B.4)."""

from __future__ import annotations

from app.carriers.expectations import Content, Expectations, ExpectedAnswer, Field, known, read, required
from app.carriers.gsl import wire

C = Content


def _card(row: str) -> tuple[Field, ...]:
    """A SimDeviceVO below `row`."""

    def below(names: str) -> str:
        return " ".join(row + name for name in names.split())

    attributes = " ".join(f"customer_attribute{number}" for number in range(1, 7))
    return (
        required(f"{row}sim_status", C.CODE, "B.3", "numeric", values=wire.STATES),
        read(f"{row}iccid", C.IDENTITY, "B.3"),
        read(f"{row}cid", C.IDENTITY, "B.3"),
        read(f"{row}operator_status", C.CODE, "B.3", "numeric|null", values=wire.NO_REASON | set(wire.STOP_REASONS)),
        read(f"{row}act_date", C.TIME, "B.2", "text|null"),
        read(f"{row}expire_time", C.TIME, "B.2", "text|null"),
        read(f"{row}imei", C.IDENTITY, "B.3", "text|null"),
        read(f"{row}real_named", C.FLAG, "B.3", "boolean|null"),
        read(f"{row}cut_net_flag", C.FLAG, "B.3", "boolean|null"),
        read(f"{row}exceed_cut_net_quota", C.FIGURE, "B.3", "numeric|null"),
        read(f"{row}device_status", C.CODE, "B.3", "numeric|null"),
        *known(C.FLAG, "B.3", below("exceed_cut_net_flag"), "boolean|null"),
        *known(
            C.IDENTITY, "B.3", below("sim_card_id account_id sim_pool_id order_id sim_price_plan_id"), "numeric|null"
        ),
        *known(C.IDENTITY, "B.3", below("device_model node_id tag_names price_plan_name msisdn imsi"), "text|null"),
        *known(C.IDENTITY, "B.3", below(attributes), "text|null"),
        *known(C.TIME, "B.3", below("device_status_date"), "text|null"),
        *known(C.CODE, "B.3", below("network_type sim_type"), "numeric|null"),
        *known(C.FIGURE, "B.3", below("flow_left flow_used imei_bind_remain_times speed_value dbm"), "numeric|null"),
        *known(C.FIGURE, "B.3", below("signal_level"), "numeric|null"),
    )


_LIST = (
    required("count", C.FIGURE, "B.2", "number"),
    required("sim_cards", C.STRUCTURE, "B.2", "list"),
    *known(C.STRUCTURE, "B.2", "sim_cards[]", "object"),
    *known(C.FIGURE, "B.2", "limit offset", "number"),
    *_card("sim_cards[]."),
)
_USAGE = "month_usages[].flow_usages"
_MONTHS = (
    required("month_usages", C.STRUCTURE, "B.3", "list"),
    *known(C.STRUCTURE, "B.3", f"month_usages[] {_USAGE}[]", "object"),
    read("month_usages[].iccid", C.IDENTITY, "B.3"),
    read("month_usages[].cid", C.IDENTITY, "B.3"),
    *known(C.IDENTITY, "B.3", "month_usages[].sim_card_id", "numeric"),
    required(_USAGE, C.STRUCTURE, "B.3", "list"),
    required(f"{_USAGE}[].billing_cycle", C.TIME, "B.3"),
    required(f"{_USAGE}[].flow_used", C.FIGURE, "B.3"),
)
_DAYS = (
    *known(C.STRUCTURE, "B.3", "[] [].sim_flow[]", "object"),
    required("[].date", C.TIME, "B.3"),
    required("[].sim_flow", C.STRUCTURE, "B.3", "list"),
    read("[].sim_flow[].iccid", C.IDENTITY, "B.3"),
    read("[].sim_flow[].cid", C.IDENTITY, "B.3"),
    *known(C.IDENTITY, "B.3", "[].sim_flow[].sim_card_id", "numeric"),
    required("[].sim_flow[].flow", C.FIGURE, "B.3"),
)
_ORDERS = (
    required("work_orders", C.STRUCTURE, "B.3", "list"),
    *known(C.STRUCTURE, "B.3", "work_orders[]", "object"),
    required("work_orders[].id", C.IDENTITY, "B.3", "numeric"),
    required("work_orders[].status", C.CODE, "B.3", "numeric", values=wire.WORK_ORDERS),
)
_DETAILS = (
    required("work_order_details", C.STRUCTURE, "B.3", "list"),
    *known(C.STRUCTURE, "B.3", "work_order_details[]", "object"),
    read("work_order_details[].description", C.MESSAGE, "B.3", "text|null"),
)

EXPECTED = Expectations(
    answers=(
        ExpectedAnswer(call="sim-cards", fields=_LIST),
        ExpectedAnswer(call="sim-cards/0", fields=_card("")),
        ExpectedAnswer(call="sim-cards/month-usages", fields=_MONTHS),
        ExpectedAnswer(call="sim-cards/batch-daily-flow", fields=_DAYS),
        ExpectedAnswer(
            call="sim-cards/0/real-named",
            fields=(required("real_named", C.FLAG, "B.3", "boolean"), *known(C.IDENTITY, "B.3", "iccid")),
        ),
        ExpectedAnswer(call="work-orders", fields=_ORDERS, when="a change is under way"),
        ExpectedAnswer(call="work-orders/{}/details", fields=_DETAILS, when="a change failed"),
    ),
    refusal=(
        read("error_code", C.CODE, "B.4"),
        read("error_msg", C.MESSAGE, "B.4"),
        read("code", C.CODE, "B.4"),
        read("message", C.MESSAGE, "B.4"),
        *known(C.IDENTITY, "B.4", "request_id"),
    ),
    code_names=("error_code", "code"),
    codes=wire.CODES,
)
