"""The answers that the `m2m_ec` client expects (`docs/carriers/ctcc_cmp.md`, B1.4 and B1.5)."""

from __future__ import annotations

from app.carriers.expectations import Expectations, ExpectedAnswer
from app.carriers.telecom import expected as telecom_expected
from app.carriers.telecom import wire as telecom

EXPECTED = Expectations(
    answers=(
        ExpectedAnswer(call="getSIMList", fields=telecom_expected.SIM_LIST),
        ExpectedAnswer(call="queryCardMainStatus", fields=telecom_expected.MAIN_STATUS),
        ExpectedAnswer(call="queryCardStatus", fields=telecom_expected.CARD_STATUS, when="the card is suspended"),
        ExpectedAnswer(call="prodInstQuery", fields=telecom_expected.PRODUCT, when="the card is active or suspended"),
        ExpectedAnswer(call="queryTraffic", fields=telecom_expected.TRAFFIC),
        ExpectedAnswer(call="queryTrafficByDate", fields=telecom_expected.TRAFFIC),
        ExpectedAnswer(call="getOnlineStatus", fields=telecom_expected.ONLINE),
        ExpectedAnswer(call="realNameQueryIot", fields=telecom_expected.REAL_NAME),
    ),
    refusal=telecom_expected.REFUSAL,
    code_names=telecom_expected.CODE_NAMES,
    codes=telecom.CODES,
    method_parameter="method",
)
