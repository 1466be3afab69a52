"""Every known-answer vector of the two carrier documents, the negative ones too."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import httpx
import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from app.carriers.base import SimRef
from app.carriers.ctcc_cmp.cipher import StrEnc, sign_text
from app.carriers.ctwing.wire import sign as ctwing_sign
from app.carriers.errors import CarrierError
from app.carriers.gsl.wire import sign as gsl_sign
from app.carriers.http.transport import Call
from app.carriers.jasper.client import basic
from app.carriers.jasper.notifications import signatures
from app.carriers.sm3 import sm3_hex
from app.carriers.unicom_cmp.wire import token
from app.domain.vocabulary import OperationKind
from tests.carriers.harness import ICCID, SIM, always, stand

# docs/carriers/ctcc_cmp.md B1.3, keys abc, def, ghi
DES_ROWS = [
    (
        "14914000000,queryPakage,test,test",
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C9C4C367EFDAE5D932B37C0C8F0F8EB0CAD6372289F407CA941894168BD86A2CC32E5804EA05BAA5099649468B9418E52",
    ),
    ("test", "41894168BD86A2CC"),
    (
        ",14914000000,19,disabledNumber,test,test",
        "ACBCD0DD393154D91B08B1AAE5C66F98DAEF2C60DB715B1B6ED7485E82548B8F4E5265B4F5546B0934FE79FEE1AFE58581E0B903268AFE6A810ABE87DB4390F1CA31D29A1F0D317141894168BD86A2CC",
    ),
    (
        ",14914000000,20,disabledNumber,test,test",
        "ACBCD0DD393154D91B08B1AAE5C66F98DAEF2C60DB715B1BB3DB3A16994005074E5265B4F5546B0934FE79FEE1AFE58581E0B903268AFE6A810ABE87DB4390F1CA31D29A1F0D317141894168BD86A2CC",
    ),
    (
        "14914000000,queryCardMainStatus,test,test",
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C9C4C367EFDAE5D937F589C371023318B1667C19FF37DC58F9B2FDD0BE2FD11CDE95A7D0050BF898541894168BD86A2CC32E5804EA05BAA5099649468B9418E52",
    ),
    (
        "14914000000,queryTraffic,test,test",
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C9C4C367EFDAE5D938F7F19EA3F28117669379E20030180BA32E5804EA05BAA50335917EEACA93B414356749AF6558B14",
    ),
    (
        "14914000000,requestServActive,test,test",
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C765DFA4C3FB62D954EBDD9FE1069E9BF828539C9E135F2F14DB0ACE5E07DA541B849CCBF87A285B4348A0223F91323A399029CDFF8F68B45",
    ),
    (
        "14914000000,ADD,IMEIReRecord,test,test",
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702CF0F9475F707FF987A8B322B269F339B46E250CF937B66E7E0DDA4B03BA07696F32E5804EA05BAA50335917EEACA93B414356749AF6558B14",
    ),
    (
        "1,1,100,14914000000,offNetAction,test,test",
        "6B048A207BCDD30EA3DFFFA8C53DC64E45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C3066804A497C40E81BB3864FFF73F182083B41EDFA89EB3232E5804EA05BAA50335917EEACA93B414356749AF6558B14",
    ),
    (
        "14914000000,2007,orderFlow,test,test",
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C8631E26A5ABE4B3D70991FFF14E3BA9B3132BA1D63A05E76BDA97E1CA69ED886CA31D29A1F0D317141894168BD86A2CC",
    ),
    (
        "getPoolList,test,test",
        "10515DBC321BB5F06108CFA951335132A3F8436EAE89249841894168BD86A2CC32E5804EA05BAA5099649468B9418E52",
    ),
    (
        "50LLC00000,poolQry,test,test",
        "52FBFA7B6E78D940A1273AB14D9E2C8082790609A70FE485A88AE71838D3380D12CA20CB6698F8DDCA31D29A1F0D317141894168BD86A2CC",
    ),
    ("ab", "2FCDD4E31FCBD32D"),
    ("密码12", "9C433EC01C604A7A"),
]


@pytest.mark.parametrize(("plain", "expected"), DES_ROWS, ids=[row[0] for row in DES_ROWS])
def test_the_telecom_cipher_gives_every_row_of_the_document(plain: str, expected: str) -> None:
    assert StrEnc("abc", "def", "ghi").encrypt(plain) == expected


@pytest.mark.parametrize(
    ("plain", "keys", "expected"),
    [
        ("Pass-W0rd!", ("abc", "123", "ABC"), "9C0AC7002C819B77B90D1C6B98D1D50BA32C9D6A7322B70B"),
        ("abcdefgh", ("abcd1", "123", "ABC"), "BC43B8123936D4423999F0F272322D14"),
    ],
)
def test_the_telecom_cipher_takes_other_keys(plain: str, keys: tuple[str, str, str], expected: str) -> None:
    assert StrEnc(*keys).encrypt(plain) == expected


def test_ordinary_des_gives_the_documents_wrong_answer_and_ours_does_not() -> None:
    data = "test".encode("utf-16-be")
    for key in ("abc", "def", "ghi"):
        block = key.encode("utf-16-be").ljust(8, b"\0")
        data = Cipher(TripleDES(block * 3), modes.ECB()).encryptor().update(data)  # noqa: S305
    assert data.hex().upper() == "9052C39139CED426"
    assert StrEnc("abc", "def", "ghi").encrypt("test") != "9052C39139CED426"


def test_the_telecom_signature_sorts_digits_before_upper_before_lower_case_and_the_empty_value_first() -> None:
    assert sign_text(["test", "disabledNumber", "19", "", "14914000000", "test"]) == DES_ROWS[2][0]
    assert sign_text(["a", "A", "1", ""]) == ",1,A,a"


STATUS = "queryCardMainStatus"

SIGNED_CALLS = [
    (OperationKind.SUSPEND, {}, 2),
    (OperationKind.RESUME, {}, 3),
    (OperationKind.ACTIVATE, {}, 6),
    (OperationKind.REBIND, {}, 7),
    (OperationKind.SET_THRESHOLD, {"bytes": 100 * 1024 * 1024}, 8),
    (OperationKind.ORDER_ADDON, {"product_code": "2007"}, 9),
]


@pytest.mark.parametrize(("kind", "arguments", "row"), SIGNED_CALLS, ids=[one[0].value for one in SIGNED_CALLS])
async def test_the_telecom_client_signs_a_change_as_the_document_does(
    kind: OperationKind, arguments: dict[str, str | int], row: int
) -> None:
    # the document signs the add of a threshold, which follows a refused modify
    it = stand("ctcc_cmp", always("-5：未订购达量断网"))
    with pytest.raises(CarrierError):
        await it.client.change(kind, SIM, arguments)
    changes = [query for query in map(it.carrier.query, range(len(it.carrier.asked))) if query["method"] != STATUS]
    assert changes[-1]["sign"] == DES_ROWS[row][1]
    assert it.carrier.query(0)["passWord"] == "41894168BD86A2CC"


async def test_the_telecom_client_signs_its_questions_as_the_document_does() -> None:
    it = stand("ctcc_cmp", always("-4"))
    assert await it.client.snapshot([SIM]) == []
    assert it.carrier.query(0)["sign"] == DES_ROWS[4][1]


CTWING_ROWS = [
    (
        (("a", "1"), ("b", "2"), ("c", "3")),
        b'{"name":"xf","age":"dd"}',
        "3863613035653132306631333231313733383637376333326536316631643934",
    ),
    ((("access_number", "14914000000"),), b"", "6438363739633734376431666562646431353039613139313830333630623362"),
    ((), b'{"accessNumber":["14914000000"]}', "6132333332303166613764613736636530633131666338366539636238363064"),
]


@pytest.mark.parametrize(("query", "body", "expected"), CTWING_ROWS)
def test_the_ctwing_signature_gives_every_row_of_the_document(
    query: tuple[tuple[str, str], ...], body: bytes, expected: str
) -> None:
    signed = ctwing_sign("d1209cfefe895364e03", "20201101021435", query, body)
    assert signed == expected
    assert len(signed) == 64
    assert signed.isdigit()


def test_the_ctwing_signature_of_a_suspend() -> None:
    documented = "6232646134353230373439343062623165393837363961376134323730373862"
    unsorted = (("orderTypeId", "19"), ("access_number", "14914000000"), ("acctCd", ""))
    assert ctwing_sign("d1209cfefe895364e03", "20201101021435", unsorted, b"") == documented


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_gives_the_examples_of_the_standard(text: bytes, digest: str) -> None:
    # GB/T 32905-2016, appendix A
    assert sm3_hex(text) == digest


def test_the_gwapi_token_is_sm3_and_not_sha256() -> None:
    parts = ("demoAppId1", "2024-10-01 17:35:55 123", "20241001173555123654321", "demoSecret0123456789abcdefghij")
    assert token(*parts) == "0e9e019c73dd5ae73d6d15585c23e0ee36d0ad1234909bdca8f6c992c4e5bdbb"
    plain = f"app_id{parts[0]}timestamp{parts[1]}trans_id{parts[2]}{parts[3]}"
    assert hashlib.sha256(plain.encode()).hexdigest().startswith("995811a7")
    assert token(*parts)[:8] != "995811a7"


def test_jasper_basic_auth_joins_with_a_colon() -> None:
    expected = "Basic c3RhcnRlcmtpdDpkNzAzZjUyYi0xMjAwLTQzMTgtYWUwZC0wZjYwOTJiMmU2YWI="
    assert basic("starterkit", "d703f52b-1200-4318-ae0d-0f6092b2e6ab") == expected


def test_jasper_push_signatures() -> None:
    first, second = signatures("s3cret", "2024-06-01T08:00:00.000Z")
    assert first == "//9Drzf54Biz9j+haSgdhS00vFw="
    assert second == "NkAk0we3qQ91wlT2fHYj5COrLLu9oY22pckTJ7td1uY="


GSL_CREDENTIALS = {
    "ak": "AKEXAMPLE000000000AK",
    "sk": "SKEXAMPLE0000000000000000000000000000000SK",
    "project_id": "0123456789abcdef0123456789abcdef",
}
GSL_HOST = "gsl.cn-north-4.myhuaweicloud.com"
GSL_MOMENT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def gsl_signature(call: Call) -> str:
    headers = gsl_sign(call, call.query_text, credentials=GSL_CREDENTIALS, host=GSL_HOST, moment=GSL_MOMENT)
    return headers["authorization"].partition("Signature=")[2]


def test_gsl_signs_a_body() -> None:
    body = b'{"bind_type": 2, "imei": "860000000000001", "iccid": "89860000000000000001"}'
    assert hashlib.sha256(body).hexdigest() == "b95085014c2ab11e410cce6570500bddded2e28ac047dc72fc40c0331c22d40b"
    signature = gsl_signature(Call("rebind", "POST", "v1/sim-cards/0/bind-device", body=body))
    assert signature == "24ea6606a4709d1a190a10b03815a430f4e3426783a21ae29bfc331767ce393a"


def test_gsl_signs_a_query() -> None:
    query = (
        ("tag_id", "1"),
        ("tag_id", "2"),
        ("limit", "10"),
        ("main_search_key", "8986 1"),
        ("main_search_type", "1"),
        ("offset", "1"),
        ("real_named", "true"),
    )
    signature = gsl_signature(Call("status", "GET", "v1/sim-cards", query))
    assert signature == "616a45902b9a9c9a265b6a7b5e2716ac5834b3bc5f9118666793206daeab536a"


async def test_transaction_ids_of_onelink_are_22_digits_after_the_appid_and_differ_under_concurrency() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        row = {"token": "t", "ttl": "3600"} if request.url.path.endswith("get/token") else {"cardStatus": "2"}
        return httpx.Response(200, json={"status": "0", "message": "正确", "result": [row]})

    it = stand("onelink", answer)
    sims = [SimRef(iccid=f"{ICCID[:-3]}{n:03d}") for n in range(60)]
    await it.client.snapshot(sims)
    ids = [json.loads(request.content)["transid"] for request in it.carrier.asked]
    assert len(set(ids)) == len(ids) == 61
    assert all(len(one) <= 48 and one.startswith("100001") and one[6:].isdigit() and len(one) == 28 for one in ids)
