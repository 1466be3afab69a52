"""No ICCID leaves the process in a log line, wherever in the line it is."""

from __future__ import annotations

import json

import pytest
import structlog

from app.telemetry import configure_logging, mask_iccids


@pytest.mark.parametrize(
    "iccid", ["89860000000010000017", "8986000000001000001", "89861A23456789012345", "898600123456789abc12"]
)
def test_an_iccid_of_any_form_is_masked_to_its_last_four_characters(iccid: str) -> None:
    assert mask_iccids(f"sim={iccid}, gone") == f"sim=…{iccid[-4:]}, gone"


def test_iccids_in_lists_keys_and_exceptions_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    iccid = "89860000000010000017"
    kept = structlog.get_config()
    configure_logging()
    try:
        try:
            raise ValueError(f"no card {iccid}")
        except ValueError:
            structlog.get_logger("masking").exception("failed", sims=[iccid], by={iccid: 1})
    finally:
        structlog.configure(**kept)

    line = capsys.readouterr().err
    assert "0017" in line
    assert iccid not in line
    assert json.loads(line)["sims"] == ["…0017"]


def test_other_long_words_stay_as_they_are() -> None:
    words = (
        "01a277db-72ba-7833-ad88-e34312f01505 3f8c5f2f907447f1b37d818c498633cd 8986000000 89860000000010000017000000000"
    )
    assert mask_iccids(words) == words
