"""What a start prints: where everything is, the demo key, and three things to try."""

from __future__ import annotations

from app.settings import Settings

EXAMPLE = "a silent card"


def banner(settings: Settings, key: str | None, *, sandbox: bool) -> str:
    """The lines of a successful start."""
    url = settings.base_url
    lines = ["", f"SimGate is ready.  API  {url}   docs  {url}/docs   metrics  {url}/metrics"]
    if sandbox:
        lines.append(f"Sandbox carriers  {settings.sandbox_url}   control  {settings.sandbox_url}/_control/stats")
    if key is not None:
        lines += [
            f"Demo key  {key}   (kept in {settings.demo_key_path})",
            "",
            "Try:",
            f"  export KEY={key}",
            f"  curl -H \"Authorization: Bearer $KEY\" '{url}/v1/sims?state=silent&limit=1'",
            f'  curl -H "Authorization: Bearer $KEY" -X POST {url}/v1/sims/ICCID/activate   # the iccid from above',
            f"  curl -H \"Authorization: Bearer $KEY\" '{url}/v1/operations?limit=1'",
        ]
    return "\n".join([*lines, ""])
