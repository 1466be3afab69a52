"""A sandbox without a socket: an httpx transport for tests, in which a cut connection is a read error."""

from __future__ import annotations

import httpx

from sandbox.app import Sandbox
from sandbox.http.messages import ConnectionCut


class SandboxTransport(httpx.ASGITransport):
    """`httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://sandbox/onelink/v5/ec/")`."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(app=sandbox)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request to the sandbox. Raises httpx.ReadError where it cuts the connection."""
        try:
            return await super().handle_async_request(request)
        except ConnectionCut as cut:
            raise httpx.ReadError(str(cut), request=request) from cut
