"""Known answers of the documents, on the server's side."""

from __future__ import annotations

import hashlib

import pytest

from sandbox.ctwing.server import sign_of
from sandbox.gsl.signing import canonical_request, parse, signature
from sandbox.jasper.server import sign
from sandbox.telecom.des import decrypt, encrypt
from sandbox.unicom_cmp.server import token_of
from sandbox.unicom_cmp.sm3 import pure_sm3_hex, sm3_hex

ABC = ("abc", "def", "ghi")
TELECOM = [
    (
        "14914000000,queryPakage,test,test",
        ABC,
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C9C4C367EFDAE5D932B37C0C8F0F8EB0CAD6372289F407CA941894168BD86A2CC32E5804EA05BAA5099649468B9418E52",
    ),
    ("test", ABC, "41894168BD86A2CC"),
    (
        ",14914000000,19,disabledNumber,test,test",
        ABC,
        "ACBCD0DD393154D91B08B1AAE5C66F98DAEF2C60DB715B1B6ED7485E82548B8F4E5265B4F5546B0934FE79FEE1AFE58581E0B903268AFE6A810ABE87DB4390F1CA31D29A1F0D317141894168BD86A2CC",
    ),
    (
        ",14914000000,20,disabledNumber,test,test",
        ABC,
        "ACBCD0DD393154D91B08B1AAE5C66F98DAEF2C60DB715B1BB3DB3A16994005074E5265B4F5546B0934FE79FEE1AFE58581E0B903268AFE6A810ABE87DB4390F1CA31D29A1F0D317141894168BD86A2CC",
    ),
    (
        "14914000000,queryCardMainStatus,test,test",
        ABC,
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C9C4C367EFDAE5D937F589C371023318B1667C19FF37DC58F9B2FDD0BE2FD11CDE95A7D0050BF898541894168BD86A2CC32E5804EA05BAA5099649468B9418E52",
    ),
    (
        "14914000000,queryTraffic,test,test",
        ABC,
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C9C4C367EFDAE5D938F7F19EA3F28117669379E20030180BA32E5804EA05BAA50335917EEACA93B414356749AF6558B14",
    ),
    (
        "14914000000,requestServActive,test,test",
        ABC,
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C765DFA4C3FB62D954EBDD9FE1069E9BF828539C9E135F2F14DB0ACE5E07DA541B849CCBF87A285B4348A0223F91323A399029CDFF8F68B45",
    ),
    (
        "14914000000,ADD,IMEIReRecord,test,test",
        ABC,
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702CF0F9475F707FF987A8B322B269F339B46E250CF937B66E7E0DDA4B03BA07696F32E5804EA05BAA50335917EEACA93B414356749AF6558B14",
    ),
    (
        "1,1,100,14914000000,offNetAction,test,test",
        ABC,
        "6B048A207BCDD30EA3DFFFA8C53DC64E45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C3066804A497C40E81BB3864FFF73F182083B41EDFA89EB3232E5804EA05BAA50335917EEACA93B414356749AF6558B14",
    ),
    (
        "14914000000,2007,orderFlow,test,test",
        ABC,
        "45E8B9924DE397A8F7E5764767810CF774CC7E1685BA702C8631E26A5ABE4B3D70991FFF14E3BA9B3132BA1D63A05E76BDA97E1CA69ED886CA31D29A1F0D317141894168BD86A2CC",
    ),
    (
        "getPoolList,test,test",
        ABC,
        "10515DBC321BB5F06108CFA951335132A3F8436EAE89249841894168BD86A2CC32E5804EA05BAA5099649468B9418E52",
    ),
    (
        "50LLC00000,poolQry,test,test",
        ABC,
        "52FBFA7B6E78D940A1273AB14D9E2C8082790609A70FE485A88AE71838D3380D12CA20CB6698F8DDCA31D29A1F0D317141894168BD86A2CC",
    ),
    ("ab", ABC, "2FCDD4E31FCBD32D"),
    ("密码12", ABC, "9C433EC01C604A7A"),
    ("Pass-W0rd!", ("abc", "123", "ABC"), "9C0AC7002C819B77B90D1C6B98D1D50BA32C9D6A7322B70B"),
    ("abcdefgh", ("abcd1", "123", "ABC"), "BC43B8123936D4423999F0F272322D14"),
]


@pytest.mark.parametrize(("text", "keys", "expected"), TELECOM)
def test_telecom_encrypts_and_decrypts_as_documented(text: str, keys: tuple[str, ...], expected: str) -> None:
    assert encrypt(text, *keys) == expected
    assert decrypt(expected, *keys) == text


def test_telecom_is_not_ordinary_des() -> None:
    assert encrypt("test", *ABC) != "9052C39139CED426"


def test_a_sign_that_is_not_whole_blocks_cannot_be_decrypted() -> None:
    with pytest.raises(ValueError):
        decrypt("41894168BD86A2", *ABC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a=1&b=2&c=3{"name":"xf","age":"dd"}', "3863613035653132306631333231313733383637376333326536316631643934"),
        ("access_number=14914000000", "6438363739633734376431666562646431353039613139313830333630623362"),
        (
            "access_number=14914000000&acctCd=&orderTypeId=19",
            "6232646134353230373439343062623165393837363961376134323730373862",
        ),
        ('{"accessNumber":["14914000000"]}', "6132333332303166613764613736636530633131666338366539636238363064"),
    ],
)
def test_ctwing_signs_as_documented(text: str, expected: str) -> None:
    assert sign_of(text, "d1209cfefe895364e03", "20201101021435") == expected
    assert expected.isdigit()
    assert len(expected) == 64


def test_gwapi_tokens_are_sm3_of_names_values_and_the_bare_secret() -> None:
    token = token_of(
        "demoAppId1", "2024-10-01 17:35:55 123", "20241001173555123654321", "demoSecret0123456789abcdefghij"
    )
    assert token == "0e9e019c73dd5ae73d6d15585c23e0ee36d0ad1234909bdca8f6c992c4e5bdbb"


@pytest.mark.parametrize("digest", [sm3_hex, pure_sm3_hex])
def test_sm3_is_the_standard_one(digest: object) -> None:
    assert digest(b"abc") == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"  # type: ignore[operator]
    assert digest(b"abcd" * 16) == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"  # type: ignore[operator]


@pytest.mark.parametrize("length", [0, 55, 56, 63, 64, 65, 119, 120])
def test_our_own_sm3_agrees_with_openssl_at_every_padding(length: int) -> None:
    assert pure_sm3_hex(b"x" * length) == hashlib.new("sm3", b"x" * length).hexdigest()


def test_jasper_pushes_are_signed_over_the_timestamp_alone() -> None:
    stamp = "2024-06-01T08:00:00.000Z"
    assert sign(b"s3cret", stamp, hashlib.sha1) == "//9Drzf54Biz9j+haSgdhS00vFw="
    assert sign(b"s3cret", stamp, hashlib.sha256) == "NkAk0we3qQ91wlT2fHYj5COrLLu9oY22pckTJ7td1uY="


GSL_HEADERS = {
    "content-type": "application/json",
    "host": "gsl.cn-north-4.myhuaweicloud.com",
    "x-project-id": "0123456789abcdef0123456789abcdef",
    "x-sdk-date": "20240102T030405Z",
}
GSL_SECRET = "SKEXAMPLE0000000000000000000000000000000SK"


def test_gsl_known_answer_1_a_post_with_a_body() -> None:
    body = b'{"bind_type": 2, "imei": "860000000000001", "iccid": "89860000000000000001"}'
    assert hashlib.sha256(body).hexdigest() == "b95085014c2ab11e410cce6570500bddded2e28ac047dc72fc40c0331c22d40b"
    canonical = canonical_request("POST", "/v1/sim-cards/0/bind-device", "", GSL_HEADERS, sorted(GSL_HEADERS), body)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    assert digest == "e7a4dfcb82d33a653841ff0f9c19e77cfc4a07a1c2c892918ee762533edaf17c"
    expected = "24ea6606a4709d1a190a10b03815a430f4e3426783a21ae29bfc331767ce393a"
    assert signature(GSL_SECRET, "20240102T030405Z", canonical) == expected


def test_gsl_known_answer_2_a_query_with_repeated_names() -> None:
    query = "limit=10&main_search_key=8986%201&main_search_type=1&offset=1&real_named=true&tag_id=1&tag_id=2"
    canonical = canonical_request("GET", "/v1/sim-cards", query, GSL_HEADERS, sorted(GSL_HEADERS), b"")
    expected = "616a45902b9a9c9a265b6a7b5e2716ac5834b3bc5f9118666793206daeab536a"
    assert signature(GSL_SECRET, "20240102T030405Z", canonical) == expected


def test_gsl_reads_the_authorization_header() -> None:
    text = "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=ABCDEF"
    assert parse(text) == ("AK", ["host", "x-sdk-date"], "abcdef")
    assert parse("Bearer x") is None
