"""What a described client expects in its carrier's answers, derived from the description for the probe."""

from __future__ import annotations

from app.carriers.described.description import CHANGES, REQUIRED, DescribedCall, Description
from app.carriers.expectations import Content, Expectations, ExpectedAnswer, Field, read, required

SOURCE = "the description"
_CONTENTS = {
    "state": Content.CODE,
    "used": Content.FIGURE,
    "as_of": Content.TIME,
    "activated_on": Content.TIME,
    "expires_on": Content.TIME,
    "since": Content.TIME,
    "online": Content.FLAG,
    "real_named": Content.FLAG,
}
_ANY_VALUE = "text|number|boolean|null"


def expectations_of(description: Description) -> Expectations:
    """The table of every read; fields that no call reads are not known, so they are not reported as new."""
    envelope = (
        required(description.envelope.code, Content.CODE, SOURCE, _ANY_VALUE),
        read(description.envelope.message, Content.MESSAGE, SOURCE, "text|null"),
    )
    reads = {name: call for name, call in description.calls.items() if name not in CHANGES}
    answers = [
        ExpectedAnswer(call=_path(call), fields=(*envelope, *_fields(description, call))) for call in reads.values()
    ]
    if description.token is not None:
        token = required(description.token.token, Content.IDENTITY, SOURCE)
        answers.append(ExpectedAnswer(call=description.token.path.strip("/"), fields=(*envelope, token)))
    return Expectations(
        answers=tuple({answer.call: answer for answer in answers}.values()),
        refusal=envelope,
        code_names=(description.envelope.code,),
        codes=description.codes,
        open=True,
    )


def _path(call: DescribedCall) -> str:
    return call.path.replace("{iccid}", "{}").replace("{msisdn}", "{}").strip("/")


def _fields(description: Description, call: DescribedCall) -> tuple[Field, ...]:
    """The fields of every read that is this call at the carrier."""
    same = [(name, one) for name, one in description.calls.items() if name not in CHANGES and one.path == call.path]
    found: list[Field] = []
    for name, one in same:
        for ours, theirs in one.fields.items():
            path = f"{one.rows}.{theirs}" if one.rows else theirs
            kind = required if ours in REQUIRED[name] else read
            values = description.states if ours == "state" else None
            found.append(kind(path, _CONTENTS.get(ours, Content.IDENTITY), SOURCE, _ANY_VALUE, values))
    return tuple(found)
