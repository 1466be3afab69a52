"""The banner of a start: addresses, the demo key, and three commands to try."""

from __future__ import annotations

from app.settings import Settings


def banner(settings: Settings, key: str | None, *, example: str | None, sandbox: bool) -> str:
    """The banner's text. `example`: the ICCID of a SIM that may be activated."""
    url = settings.base_url
    lines = ["", f"SimGate is ready.  API  {url}   docs  {url}/docs   metrics  {url}/metrics"]
    if sandbox:
        lines.append(f"Sandbox carriers  {settings.sandbox_url}   control  {settings.sandbox_url}/_control/stats")
    if key is not None:
        card = example or "ICCID"
        lines += [
            f"Demo key  {key}   (kept in {settings.demo_key_path})",
            "",
            "Try:",
            f"  export KEY={key}",
            f"  curl -H \"Authorization: Bearer $KEY\" '{url}/v1/sims?state=silent&limit=1'",
            f'  curl -H "Authorization: Bearer $KEY" -X POST {url}/v1/sims/{card}/activate',
            f'  curl -H "Authorization: Bearer $KEY" {url}/v1/sims/{card}',
        ]
    return "\n".join([*lines, ""])
