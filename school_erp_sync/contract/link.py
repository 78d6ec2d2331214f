"""How a guardian and a student belong together: what is true of the pair, not of either person."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from .base import Date, ExternalId, Name, Payload


class Link(Payload):
    """One end of a guardian–student pair, seen from the document that carries it.

    ``external_id`` names the person at the other end. Flags that are absent keep what is stored.
    The names follow PowerSchool's contact association (``custodial``, ``emergency``, ``livesWith``, ``receivesMail``).
    """

    external_id: ExternalId
    relation: Name | None = None
    priority: Annotated[int, Field(ge=1, le=99)] | None = None
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
            raise PydanticCustomError("end_before_start", "ends before it starts")
        return self


def _spelled_out(value: Any) -> Any:
    return {"externalId": value} if isinstance(value, str) else value


# A bare externalId is short for a link that says nothing else.
Links = Annotated[list[Annotated[Link, BeforeValidator(_spelled_out)]], Field(max_length=50)]


def check_named_once(links: list[Link] | None, name: str) -> None:
    """:raises PydanticCustomError: if two links of one document name the same person"""
    named = [link.external_id for link in links or ()]
    if len(named) != len(set(named)):
        raise PydanticCustomError("named_twice", f"names the same person twice in {name}")
