"""How the reports of a SIM are found: by an index that begins with the day, so that those of today lie together.

An index by SIM and instant has a place of its own for each SIM: an hour's reports of a large fleet touch as many pages
as it has SIMs. With the day in front they touch those of the day, a dozen SIMs to a page (docs/adr/0040). Whoever looks
for a SIM's reports names every key (`ANY_DAY`), which is true of every row and has the index entered once for each.
"""

from __future__ import annotations

DAY_S = 86_400
DAYS = 31
"""Keys, from 1, until days begin anew: the longest month has as many, so that no two days of one share a key."""

ANY_DAY = f"day_key = ANY(ARRAY[{','.join(map(str, range(DAYS + 1)))}]::smallint[])"
"""0: of a row from before there were keys, or written by a release that knows none."""
