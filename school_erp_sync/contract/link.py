"""How a guardian and a student belong together: what is true of the pair, not of either person."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from .base import Date, ExternalId, Name, Payload, Whole
from .text import _lt, fault, first_twice, quote


class Link(Payload):
    """One end of a guardian–student pair, seen from the document that carries it.

    ``external_id`` names the person at the other end. Flags that are absent keep what is stored.
    The names follow PowerSchool's contact association (``custodial``, ``emergency``, ``livesWith``, ``receivesMail``).
    """

    external_id: ExternalId
    relation: Name | None = None
    priority: Annotated[Whole, Field(ge=1, le=99)] | None = None
    custodial: bool | None = None
    emergency: bool | None = None
    lives_with: bool | None = None
    pickup: bool | None = None
    receives_mail: bool | None = None
    pays: bool | None = None
    start: Date | None = None
    end: Date | None = None

    @model_validator(mode="after")
    def _check_period(self) -> "Link":
        if self.start and self.end and self.end < self.start:
            raise fault(
                "end_before_start",
                _lt("%(field)s ends on %(end)s, before it starts on %(start)s. Correct one of the dates."),
                start=self.start.isoformat(),
                end=self.end.isoformat(),
            )
        return self


def _spelled_out(value: Any) -> Any:
    return {"externalId": value} if isinstance(value, str) else value


# A bare externalId is short for a link that says nothing else.
Links = Annotated[list[Annotated[Link, BeforeValidator(_spelled_out)]], Field(max_length=50)]


def check_named_once(links: list[Link] | None, name: str) -> None:
    """:raises PydanticCustomError: if two links of one document name the same person"""
    if twice := first_twice(link.external_id for link in links or ()):
        raise fault(
            "named_twice",
            _lt("%(name)s names %(person)s more than once. Send each person once."),
            name=name,
            person=quote(twice),
        )
