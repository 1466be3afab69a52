"""Identifiers and amounts (DV-5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import imei as stdnum_imei
from stdnum import luhn as stdnum_luhn

from app.domain.errors import Malformed
from app.domain.identifiers import (
    alternate_iccid,
    luhn_digit,
    luhn_valid,
    mask_iccid,
    parse_iccid,
    parse_imei,
    parse_imsi,
    parse_msisdn,
    same_device,
    searched_msisdn,
)
from app.domain.units import GB, KB, MB, ceil_div
from app.domain.vocabulary import Carrier

DIGITS = st.text("0123456789", min_size=1, max_size=24)


@given(DIGITS)
def test_the_check_digit_is_luhns(digits: str) -> None:
    """DV-5: python-stdnum is the oracle."""
    assert luhn_digit(digits) == stdnum_luhn.calc_check_digit(digits)
    assert luhn_valid(digits) == (len(digits) > 1 and stdnum_luhn.is_valid(digits))


@given(st.text("0123456789", min_size=14, max_size=16))
def test_an_imei_is_what_stdnum_says(digits: str) -> None:
    """DV-5."""
    if len(digits) == 15 and stdnum_imei.is_valid(digits):
        assert parse_imei(f" {digits}\n") == digits
    else:
        with pytest.raises(Malformed):
            parse_imei(digits)


@pytest.mark.parametrize(
    "text",
    [
        "8986001234567890123",
        "89860012345678901239",
        "898600D2345678901239",
        "89860012345678901230",
        "898600ABCDEFGHIJKLMN",
    ],
)
def test_an_iccid_is_taken_as_written_even_with_a_failed_check_digit(text: str) -> None:
    """DV-5."""
    assert parse_iccid(f" {text} ") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8986",
        "88860012345678901239",
        "8986001234567890123９",
        "89860a12345678901239",
        "898600d2345678901239",
        "8" * 21,
    ],
)
def test_what_is_no_iccid_is_malformed(text: str) -> None:
    """DV-5: the value is never echoed."""
    with pytest.raises(Malformed) as wrong:
        parse_iccid(text)
    assert wrong.value.code == "ICCID_MALFORMED"
    assert not text or text not in wrong.value.detail


@pytest.mark.parametrize("text", ["8.98604E+19", "8.98604e19", "9E+19", " 8.98604E19 "])
def test_a_spreadsheets_exponent_says_so(text: str) -> None:
    for parse in (parse_iccid, parse_imei, parse_imsi, parse_msisdn):
        with pytest.raises(Malformed) as wrong:
            parse(text)
        assert wrong.value.code == "EXPONENT"


def test_both_forms_name_one_card_only_where_the_twentieth_is_the_check_digit() -> None:
    """DV-5."""
    body = "8986001234567890123"
    full = body + luhn_digit(body)
    other = body + str((int(luhn_digit(body)) + 1) % 10)
    assert (alternate_iccid(body), alternate_iccid(full), alternate_iccid(other)) == (full, body, None)
    assert alternate_iccid("898600A2345678901239") is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("13800138000", "13800138000"),
        ("+8613800138000", "13800138000"),
        ("8613800138000", "13800138000"),
        ("1440112345678", "1440112345678"),
        ("861440112345678", "1440112345678"),
        (" 1064912345678 ", "1064912345678"),
    ],
)
def test_a_number_loses_its_86(text: str, number: str) -> None:
    assert parse_msisdn(text) == number


@pytest.mark.parametrize(
    "text", ["", "23800138000", "138001380001", "86", "+49151123456", "138-0013-8000", "00", "0013800138000x"]
)
def test_what_is_no_number_is_malformed(text: str) -> None:
    with pytest.raises(Malformed) as wrong:
        parse_msisdn(text)
    assert wrong.value.code == "MSISDN_MALFORMED"


def test_a_number_abroad_is_taken_as_it_is() -> None:
    assert parse_msisdn("+882351697004975", Carrier.OVERSEAS) == "882351697004975"
    with pytest.raises(Malformed):
        parse_msisdn("0049", Carrier.OVERSEAS)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8613800138000", "13800138000"),
        ("008613800138000", "13800138000"),
        ("+1440112345678", "1440112345678"),
        ("+447700900123", "447700900123"),
        ("00447700900123", "447700900123"),
        ("882351697004975", "882351697004975"),
    ],
)
def test_a_number_is_searched_as_it_is_stored_at_home_and_abroad(text: str, number: str) -> None:
    assert searched_msisdn(text) == number
    with pytest.raises(Malformed):
        searched_msisdn(f"{text}-x")


def test_an_imsi_is_fourteen_or_fifteen_digits() -> None:
    assert parse_imsi("460001234567890") == "460001234567890"
    for text in ("4600012345678", "4600012345678901", "46000123456789x"):
        with pytest.raises(Malformed):
            parse_imsi(text)


def test_a_mask_shows_the_last_four() -> None:
    assert mask_iccid("89860012345678901239") == "****1239"


@given(st.integers(0, 10**12), st.integers(1, GB))
def test_rounding_up_never_loses_a_byte(amount: int, unit: int) -> None:
    units = ceil_div(amount, unit)
    assert (units - 1) * unit < amount <= units * unit
    assert MB == 1024 * KB


def test_one_device_is_told_by_fourteen_digits() -> None:
    """DV-6: the 15th is a check digit, the 15th and 16th of an IMEISV a software version."""
    assert same_device("490154203237518", "4901542032375102")
    assert same_device("490154203237518", "49015420323751")
    assert not same_device("490154203237518", "490154203237526")
