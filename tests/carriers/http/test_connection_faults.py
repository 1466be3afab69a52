"""What stands between us and a carrier is named: refused, DNS, unknown authority, expired, wrong name, no TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.carriers.base import AccountCheck
from app.carriers.config_file import AccountsInvalid, parse_accounts
from app.carriers.registry import build_clients
from app.clock import SystemClock

NOW = datetime.now(UTC)
ANSWER = b'{"status":"0","message":"","result":[{"token":"t","ttl":"3600"}]}'


class Authority:
    """A private certificate authority, and certificates of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simgate test authority")])
        self.ca_file = folder / "ca.pem"
        builder = self._builder(self.name, self.key, NOW + timedelta(days=1))
        root = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        root = root.add_extension(usage, critical=True)
        self.ca_file.write_bytes(root.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def context(self, host: str, ends: datetime = NOW + timedelta(hours=1)) -> ssl.SSLContext:
        """A server's TLS context with a certificate for this host."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        signed = self._builder(subject, key, ends).add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        file = self.folder / f"{host}-{ends.timestamp()}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, ends: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=2))
            .not_valid_after(ends)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def carrier(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """A server that answers any request with a token; gives its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1024)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ANSWER)}\r\nConnection: close\r\n\r\n".encode()
            writer.write(head + ANSWER)
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def check(base_url: str, ca_file: Path | None = None) -> AccountCheck:
    """The first check of `carriers check` for an account there."""
    entry = {
        "protocol": "onelink",
        "base_url": base_url,
        "credentials": {"appid": "env:SIMGATE_TEST_APPID", "password": "env:SIMGATE_TEST_PASSWORD"},
    } | ({"ca_file": str(ca_file)} if ca_file else {})
    document = {"accounts": {"acc": {"carrier": "cmcc", "protocols": [entry]}}}
    client = build_clients(parse_accounts(document), sandbox_url="", clock=SystemClock())["acc"]
    try:
        return (await client.check())[0]
    finally:
        await client.close()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMGATE_TEST_APPID", "100001")
    monkeypatch.setenv("SIMGATE_TEST_PASSWORD", "not-to-be-printed")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


async def test_a_port_where_nothing_listens_is_refused() -> None:
    async with carrier(None) as port:
        pass
    found = await check(f"http://127.0.0.1:{port}")
    assert not found.ok
    assert f"127.0.0.1:{port}: the connection was refused" in found.detail


async def test_a_name_that_does_not_resolve_is_a_matter_of_dns() -> None:
    found = await check("https://carrier.invalid")
    assert "carrier.invalid: the name cannot be resolved" in found.detail


async def test_a_certificate_of_an_unknown_authority_is_named_as_such(authority: Authority) -> None:
    async with carrier(authority.context("localhost")) as port:
        found = await check(f"https://localhost:{port}")
    assert f"localhost:{port}: its certificate is of an unknown authority" in found.detail
    assert "ca_file" in found.detail


async def test_a_private_authority_is_trusted_where_the_account_names_it(authority: Authority) -> None:
    async with carrier(authority.context("localhost")) as port:
        assert (await check(f"https://localhost:{port}", authority.ca_file)).ok


async def test_an_expired_certificate_is_named_as_such(authority: Authority) -> None:
    async with carrier(authority.context("localhost", NOW - timedelta(days=1))) as port:
        found = await check(f"https://localhost:{port}", authority.ca_file)
    assert "its certificate has expired" in found.detail


async def test_a_certificate_for_another_name_is_named_as_such(authority: Authority) -> None:
    async with carrier(authority.context("other.example")) as port:
        found = await check(f"https://localhost:{port}", authority.ca_file)
    assert "its certificate is for another host name" in found.detail


async def test_a_server_without_tls_behind_an_https_address_is_named_as_such() -> None:
    async with carrier(None) as port:
        found = await check(f"https://localhost:{port}")
    assert "no TLS could be agreed on" in found.detail


async def test_no_credential_is_part_of_the_cause(authority: Authority) -> None:
    async with carrier(authority.context("other.example")) as port:
        found = await check(f"https://localhost:{port}")
    assert "not-to-be-printed" not in found.detail


def test_a_ca_file_that_holds_no_certificate_is_a_fault_in_words(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none", encoding="ascii")
    entry = {"protocol": "desk", "base_url": "sandbox", "ca_file": "ca.pem"}
    with pytest.raises(AccountsInvalid) as refused:
        parse_accounts({"accounts": {"acc": {"carrier": "cmcc", "protocols": [entry]}}}, folder=tmp_path)
    assert refused.value.messages == [
        "accounts.acc.protocols[0] (desk).ca_file must name a readable file of PEM certificates"
    ]


def test_a_byte_order_mark_in_a_secret_file_is_no_part_of_the_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbfpass-word\r\n")
    entry = {
        "protocol": "onelink",
        "base_url": "https://carrier.example",
        "credentials": {"appid": "file:secret", "password": "file:secret"},
    }
    [account] = parse_accounts({"accounts": {"acc": {"carrier": "cmcc", "protocols": [entry]}}}, folder=tmp_path)
    assert account.protocols[0].credentials["password"] == "pass-word"
