"""Terms as data (TM), and what carriers can do (CP)."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from app.domain.operation.capabilities import APN, CAPABILITIES, DATA_ONLY, channel_for
from app.domain.terms.book import BOOK, describe, terms_in_force, to_json
from app.domain.terms.model import Term
from app.domain.vocabulary import Carrier, Channel, OperationKind, ProtocolName, Supplier

FLEXEM, GSL, STANDARD = Supplier.FLEXEM, Supplier.GSL, Supplier.STANDARD
TODAY = date(2024, 6, 12)
K, P, C = OperationKind, ProtocolName, Carrier


def test_every_supplier_has_terms_for_every_carrier_from_the_beginning() -> None:
    """TM-1, TM-2."""
    assert set(BOOK) == {(supplier, carrier) for supplier in Supplier for carrier in Carrier}
    for (supplier, carrier), versions in BOOK.items():
        assert versions[0].since is None
        assert [(version.supplier, version.carrier) for version in versions] == [(supplier, carrier)] * len(versions)
        assert terms_in_force(supplier, carrier, date.min) is versions[0]


def test_a_new_version_holds_from_its_day() -> None:
    """TM-1, LC-1, RN-1."""
    before, after = (terms_in_force(FLEXEM, C.CMCC, date(2022, 2, day)) for day in (6, 7))
    assert (before.test_bytes.value, after.test_bytes.value) == (None, 31457280)
    assert before.test_months.assumed == ("LC-1",)
    before, after = (terms_in_force(FLEXEM, C.CTCC, date(2022, 7, day)) for day in (5, 6))
    assert (before.cancels_on_day.assumed, after.cancels_on_day.assumed) == (("RN-1",), ())


def test_every_value_is_read_with_its_source() -> None:
    """TM-2, TM-3: and in JSON's kinds."""
    for supplier, carrier in BOOK:
        lines = describe(supplier, carrier, TODAY)
        assert all(line.source for line in lines)
        assert json.dumps([line.value for line in lines])
        assert len({line.name for line in lines}) == len(lines)
    found = {line.name: line for line in describe(FLEXEM, C.CMCC, TODAY)}
    assert (found["cancels_on_day"].value, found["cancels_on_day"].source) == (23, "FM 二.3")
    assert found["service.rebind"].value == {"rule": "SL-1", "same_evening": False}
    assert found["resume_lifts"].value == ["device_mismatch", "manual"]
    assert to_json(timedelta(hours=2)) == 7200


OWN_SOURCES = {FLEXEM: ("FM",), GSL: ("GSL",), STANDARD: ("SIX", "OVR")}


def test_what_a_supplier_does_not_publish_is_never_borrowed() -> None:
    """TM-4: FM's values stand under `flexem` alone, GSL's under `gsl`, SIX's and OVR's under `standard`; D says so."""
    for supplier, carrier in BOOK:
        for line in describe(supplier, carrier, TODAY):
            own = any(source in line.source for source in OWN_SOURCES[supplier])
            assert own or line.assumed or (line.value is None and line.source == "not published"), line
    assert terms_in_force(STANDARD, C.CMCC, TODAY).cutoffs == Term(value=None, source="not published")
    assert terms_in_force(GSL, C.CMCC, TODAY).retention_fee_fen.value is None
    assert terms_in_force(GSL, C.CMCC, TODAY).region_limited.value is None


def test_networks_are_the_terms_to_say() -> None:
    """CP-1, GSL 3.3 against FM 一.1."""
    assert terms_in_force(GSL, C.CUCC, TODAY).networks.value == ("3G", "4G")
    assert terms_in_force(GSL, C.OVERSEAS, TODAY).networks.value == ("4G",)
    assert terms_in_force(FLEXEM, C.CMCC, TODAY).networks.value == ("2G", "3G", "4G")
    assert terms_in_force(STANDARD, C.CMCC, TODAY).networks.value is None
    assert terms_in_force(FLEXEM, C.OVERSEAS, TODAY).networks.value is None
    assert APN == {C.CMCC: "cmiot", C.CTCC: "ctnet", C.CUCC: "scuiot", C.OVERSEAS: None}
    assert DATA_ONLY


API, DESK, GATEWAY = Channel.API, Channel.DESK, Channel.GATEWAY
EXPECTED: dict[OperationKind, dict[ProtocolName | None, Channel | None]] = {
    **{kind: {None: API, P.DESK: DESK} for kind in (K.ACTIVATE, K.SUSPEND, K.RESUME, K.RESET_NETWORK, K.REFRESH)},
    K.REBIND: {None: DESK, P.CTCC_CMP: API, P.GSL: API},
    K.CHANGE_REGION: {None: None, P.ONELINK: DESK},
    K.SET_THRESHOLD: {None: GATEWAY, P.CTCC_CMP: API, P.CTWING: API, P.GSL: API},
    **{kind: {None: None, P.CTCC_CMP: API, P.CTWING: API} for kind in (K.CUT_NETWORK, K.RESTORE_NETWORK)},
    K.VERIFY_REAL_NAME: {None: DESK, P.ONELINK: API},
    K.ORDER_ADDON: {None: DESK, P.ONELINK: API, P.JASPER: API, P.CTCC_CMP: API},
    **{kind: {None: DESK} for kind in (K.RENEW, K.CHANGE_PLAN, K.JOIN_POOL, K.RETAIN_NUMBER)},
    K.TERMINATE: {None: DESK, P.JASPER: API, P.UNICOM_CMP: API},
}
HOME = {P.ONELINK: C.CMCC, P.JASPER: C.CUCC, P.UNICOM_CMP: C.CUCC, P.CTCC_CMP: C.CTCC, P.CTWING: C.CTCC}


@pytest.mark.parametrize("protocol", ProtocolName)
@pytest.mark.parametrize("kind", OperationKind)
def test_each_protocol_does_what_the_contract_says(protocol: ProtocolName, kind: OperationKind) -> None:
    """CP-1: the default, and the protocols that differ; for `gsl` and `desk` on a Unicom card where it matters not."""
    expected = EXPECTED[kind].get(protocol, EXPECTED[kind][None])
    carrier = HOME.get(protocol, C.CMCC if kind is K.REBIND else C.CUCC)
    assert channel_for(protocol, carrier, kind) is expected


def test_where_the_carrier_makes_the_difference() -> None:
    """CP-1, QT-5, DV-3, RG-3."""
    assert channel_for(P.GSL, C.CUCC, K.REBIND) is DESK
    for protocol in ProtocolName:
        assert channel_for(protocol, C.OVERSEAS, K.REBIND) is None
    assert [channel_for(P.GSL, carrier, K.CUT_NETWORK) for carrier in Carrier] == [None, None, API, None]
    assert channel_for(P.DESK, C.CMCC, K.CHANGE_REGION) is DESK


def test_an_add_on_without_a_product_code_is_a_persons_work() -> None:
    """CP-1."""
    assert channel_for(P.ONELINK, C.CMCC, K.ORDER_ADDON, product_code=False) is DESK
    assert channel_for(P.CTWING, C.CTCC, K.ORDER_ADDON, product_code=False) is DESK
    assert channel_for(P.ONELINK, C.CMCC, K.ACTIVATE, product_code=False) is API


def test_a_limit_that_nobody_published_says_so() -> None:
    """CP-1, TM-4."""
    assert set(CAPABILITIES) == set(ProtocolName)
    jasper = CAPABILITIES[P.JASPER]
    assert (jasper.per_second.value, jasper.per_second.known, jasper.in_flight.value) == (5, True, 1)
    assert not CAPABILITIES[P.ONELINK].per_second.known
    assert CAPABILITIES[P.ONELINK].repeat_window_s.value == 1800
