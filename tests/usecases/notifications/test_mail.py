"""E-mail by a real SMTP server: TLS, login, refused recipients, replies that pass and replies that stay (RM-1)."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.outbound.guard import LOOPBACK, TargetRefused
from app.outbound.mail import MailSender, MailServer, Tls
from tests.gateway import Gateway
from tests.usecases.notifications.channelling import BOSS, FROM, OPS, deliveries, email, read, send_test
from tests.usecases.notifications.servers import Mailbox, mailbox

USER = ("simgate", "päss wörd")


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server with a certificate of its own for 127.0.0.1, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "mail.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    client = ssl.create_default_context(cafile=str(path))
    return server, client


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = FROM, OPS, "提醒"
    message.set_content("用量")
    return message


async def test_mail_goes_by_starttls_with_a_login_and_only_to_a_server_that_proves_its_name(tmp_path: Path) -> None:
    at_server, trusting = certificate(tmp_path)
    async with mailbox(user=USER, tls=at_server) as box:
        server = MailServer(host="127.0.0.1", port=box.port, tls=Tls.STARTTLS, user=USER[0], password=USER[1])
        right = await MailSender(LOOPBACK, trust=trusting).send(server, mail(), sender=FROM, recipient=OPS)
        stranger = await MailSender(LOOPBACK).send(server, mail(), sender=FROM, recipient=OPS)
        wrong = MailServer(host="127.0.0.1", port=box.port, tls=Tls.STARTTLS, user=USER[0], password="no")
        refused = await MailSender(LOOPBACK, trust=trusting).send(wrong, mail(), sender=FROM, recipient=OPS)
        plain = MailServer(host="127.0.0.1", port=box.port, tls=Tls.NONE)
        unencrypted = await MailSender(LOOPBACK, trust=trusting).send(plain, mail(), sender=FROM, recipient=OPS)

    assert (right.delivered, box.encrypted, box.logins[0]) == (True, [True], USER)
    assert (stranger.delivered, stranger.code) == (False, None)
    assert (refused.delivered, refused.code) == (False, 535)
    assert (unencrypted.delivered, unencrypted.code) == (False, 530)
    assert box.text().strip() == "用量"
    assert USER[1] not in repr(server)


async def test_private_networks_and_servers_without_tls_are_refused() -> None:
    public = MailSender(())
    for host, tls in (("10.0.0.1", Tls.IMPLICIT), ("127.0.0.1", Tls.STARTTLS), ("::1", Tls.STARTTLS)):
        with pytest.raises(TargetRefused):
            await public.check(MailServer(host=host, port=25, tls=tls))
    with pytest.raises(TargetRefused, match="TLS is needed"):
        await public.check(MailServer(host="8.8.8.8", port=25, tls=Tls.NONE))
    sent = await public.send(
        MailServer(host="192.168.0.1", port=25, tls=Tls.STARTTLS), mail(), sender=FROM, recipient=OPS
    )
    assert (sent.delivered, sent.error) == (False, "the target lies in a private network")


async def test_one_refused_address_fails_alone_and_for_good(gateway: Gateway, box: Mailbox) -> None:
    box.refused = frozenset({BOSS})
    made = await email(gateway, box, to=[OPS, BOSS])
    await send_test(gateway, made)
    await gateway.advance(hours=1)

    found = {
        one["recipient"]: (one["status"], one["attempts"], one["error"]) for one in await deliveries(gateway, made)
    }
    assert found == {OPS: ("delivered", 1, None), BOSS: ("failed", 1, "SMTP 550")}
    assert box.recipients == [OPS]


async def test_a_server_that_is_busy_gets_the_same_mail_again(gateway: Gateway, box: Mailbox) -> None:
    box.on_data = "451 try later"
    made = await email(gateway, box)
    await send_test(gateway, made)
    [waiting] = await deliveries(gateway, made)
    failing = (await read(gateway, made))["last_error"]
    box.on_data = "250 OK"
    await gateway.advance(seconds=8)
    [done] = await deliveries(gateway, made)

    assert (waiting["status"], waiting["error"], failing) == ("pending", "SMTP 451", "SMTP 451")
    assert (done["status"], done["attempts"], done["error"]) == ("delivered", 2, None)
    assert len({str(one["Message-ID"]) for one in box.mails}) == 1
    assert str(box.mails[0]["Message-ID"]) == f"<{done['id']}@example.org>"
