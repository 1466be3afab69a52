"""Whom the gateway calls: judged by address, and connected to the very address that was judged."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from app.outbound.guard import LOOPBACK, TargetRefused, is_allowed, networks, parse
from app.outbound.sender import WebhookSender
from tests.receiver import Receiver

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
    "64:ff9b::a00:1", "2002:7f00:1::",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_in_every_disguise(address: str) -> None:
    assert is_allowed(ipaddress.ip_address(address), ()) is False


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_called(address: str) -> None:
    assert is_allowed(ipaddress.ip_address(address), ()) is True


def test_a_named_network_is_called_and_sandbox_mode_names_loopback() -> None:
    allowed = networks("10.1.0.0/16, 192.168.7.0/24", sandbox=False)
    assert is_allowed(ipaddress.ip_address("10.1.9.9"), allowed)
    assert is_allowed(ipaddress.ip_address("::ffff:192.168.7.1"), allowed)
    assert not is_allowed(ipaddress.ip_address("10.2.0.1"), allowed)
    assert not is_allowed(ipaddress.ip_address("127.0.0.1"), allowed)
    assert is_allowed(ipaddress.ip_address("127.0.0.1"), networks(None, sandbox=True))


@pytest.mark.parametrize(
    "url",
    ["", "hook", "ftp://example.com/", "https:///x", "https://user:pw@example.com/", "https://example.com:99999/",
     "https://example.com/#part", "file:///etc/passwd", "https://exa mple.com/", " https://example.com/", "https://a/ ",
     "https://example.com/a b", "https://exa\nmple.com/", "https://example.com/\t", "https://example.com/\x00",
     "https://exa%20mple.com/", "https://exam<ple>.com/", "https://example.com:0/", "https://bücher.example/"],
)  # fmt: skip
def test_what_is_no_target_is_refused(url: str) -> None:
    with pytest.raises(TargetRefused):
        parse(url)


async def test_plain_http_goes_to_named_networks_only() -> None:
    sender = WebhookSender(())
    with pytest.raises(TargetRefused, match="TLS"):
        await sender.check_url("http://8.8.8.8/hook")
    await sender.check_url("https://8.8.8.8/hook")
    await sender.close()


async def test_a_name_that_turns_private_after_it_was_permitted_is_not_called(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the name is judged again at every connection, and what was judged is connected to."""
    answers = {"8.8.8.8": 1, "127.0.0.1": 9}
    port = parse(receiver.url).port

    def lookup(host: Any, wanted: Any, *_args: Any, **_kwargs: Any) -> list[Any]:
        address = next(name for name, left in answers.items() if left)
        answers[address] -= 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, wanted))]

    sender = WebhookSender(())
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    url = f"https://hook.example.com:{port}/"
    await sender.check_url(url)
    sent = await sender.send(url, {}, b"{}")
    assert sent.status is None
    assert sent.error == "the target lies in a private network"
    assert receiver.unverified == 0
    await sender.close()


async def test_the_name_is_kept_for_the_host_header_though_the_address_is_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    plain = Receiver.__call__

    async def spy(self: Receiver, scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(dict(scope["headers"])[b"host"].decode())
        await plain(self, scope, receive, send)

    monkeypatch.setattr(Receiver, "__call__", spy)
    port = parse(receiver.url).port

    def lookup(_host: Any, wanted: Any, *_args: Any, **_kwargs: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", wanted))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    sender = WebhookSender(LOOPBACK)
    sent = await sender.send(f"http://hook.example.com:{port}/", {}, b"{}")
    assert sent.status == 401
    assert seen == [f"hook.example.com:{port}"]
    await sender.close()


async def test_redirects_are_not_followed_and_a_refused_connection_is_told() -> None:
    sender = WebhookSender(LOOPBACK)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        sent = await sender.send(f"http://127.0.0.1:{bound.getsockname()[1]}/", {}, b"{}")
    assert sent.error == "ConnectError"
    assert not sent.delivered
    await sender.close()
