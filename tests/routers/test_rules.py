"""The rule catalogue through the API: searched, paged, and each rule with its sources, values and what lifts it."""

from __future__ import annotations

from typing import Any

from tests.gateway import Gateway


async def found(gateway: Gateway, **query: Any) -> list[dict[str, Any]]:
    answer = await gateway.api.get("/v1/rules", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_a_symptom_a_word_and_an_id_find_their_rules_in_both_languages(gateway: Gateway) -> None:
    for query, rule in (
        ("卡停机了", "DG-2"),
        ("still stopped at month start", "ST-21"),
        ("发票", "IV-1"),
        ("rn-2", "RN-2"),
    ):
        assert (await found(gateway, q=query))[0]["id"] == rule
    assert await found(gateway, q="xyzzy") == []


async def test_a_rule_has_sources_statement_values_and_what_lifts_its_hold(gateway: Gateway) -> None:
    """ST-3, RN-2."""
    [threshold] = [rule for rule in await found(gateway, q="达量停用") if rule["id"] == "ST-3"]
    assert (threshold["hold"], threshold["sources"]) == ("over_threshold", ["GSL 10.2", "SIX 4"])
    ways = {way["action"]: way for way in threshold["lifted_by"]}
    assert set(ways["resume"]["terms"]) == {"standard"}
    assert set(ways["next_cycle"]["terms"]) == {"flexem", "gsl", "standard"}
    assert (ways["next_cycle"]["actor"], ways["next_cycle"]["automatic"]) == ("nobody", True)
    assert set(ways["raise_threshold"]["text"]) == {"en", "zh"}
    pause = (await gateway.api.get("/v1/rules/RN-2")).json()
    assert pause == (await found(gateway, q="RN-2"))[0]
    assert [(one["supplier"], one["carriers"], one["value"]) for one in pause["values"]] == [("flexem", ["cmcc"], "23")]
    assert "2024-05-31" in pause["statement"]


async def test_the_catalogue_is_read_page_by_page_once_each_in_its_order(gateway: Gateway) -> None:
    read: list[str] = []
    query: dict[str, Any] = {"limit": 50}
    while True:
        page = (await gateway.api.get("/v1/rules", params=query)).json()
        read += [rule["id"] for rule in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    whole = [rule["id"] for rule in await found(gateway, limit=500)]
    assert read == whole
    assert (read[0], len(read), len(set(read))) == ("TM-1", 141, 141)
    assert {rule["section"] for rule in await found(gateway, section="ST")} == {"ST"}


async def test_a_search_is_paged_in_its_own_order(gateway: Gateway) -> None:
    whole = [rule["id"] for rule in await found(gateway, q="流量池", limit=500)]
    first = (await gateway.api.get("/v1/rules", params={"q": "流量池", "limit": 2})).json()
    rest = await found(gateway, q="流量池", limit=500, cursor=first["next_cursor"])
    assert [*(rule["id"] for rule in first["items"]), *(rule["id"] for rule in rest)] == whole


async def test_what_cannot_be_read_is_refused_with_its_place(gateway: Gateway) -> None:
    for query, status, code in (
        ({"q": ""}, 422, "INVALID_ARGUMENT"),
        ({"q": "x" * 201}, 422, "INVALID_ARGUMENT"),
        ({"section": "st"}, 422, "INVALID_ARGUMENT"),
        ({"word": "x"}, 422, "INVALID_ARGUMENT"),
        ({"cursor": "IlhYLTEi"}, 400, "UNREADABLE"),
        ({"cursor": "W10"}, 400, "UNREADABLE"),
    ):
        answer = await gateway.api.get("/v1/rules", params=query)
        assert (answer.status_code, answer.json()["code"]) == (status, code), query
    assert (await gateway.api.get("/v1/rules/XX-1")).status_code == 404
