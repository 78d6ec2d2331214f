"""``students``: payload 2 of the onboarding data contract."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from .base import NEWEST_YEAR, OLDEST_YEAR, BirthDate, Name, Payload, RequiredName, Text, Url, Whole, or_as_sent
from .link import Links, check_named_once
from .person import Person, WholeName
from .program import Programs
from .text import _lt, fault

Year = Annotated[Whole, Field(ge=OLDEST_YEAR, le=NEWEST_YEAR)]
_Names = Annotated[list[RequiredName], Field(max_length=100)]


class Health(Payload):
    blood_group: Name | None = None
    allergies: _Names | None = None
    medical_conditions: _Names | None = None


class Emergency(Payload):
    name: Name | None = None
    phone: Name | None = None
    relation: Name | None = None


class PreviousSchool(Payload):
    school_name: Name | None = None
    board: Name | None = None
    last_grade: Name | None = None
    year_of_completion: or_as_sent(Year) | None = None
    reason_for_transfer: Text | None = None


class Transport(Payload):
    mode: Name | None = None
    route: Name | None = None


class StudentDocument(Person):
    """A student. ``parents`` (or ``guardians``, the same), when sent, is the whole list of the student's guardians."""

    model_config = ConfigDict(json_schema_extra={"also_read": ["guardians"]})

    whole_name = "fullName"

    full_name: WholeName
    student_number: Name | None = None
    dob: BirthDate | None = None
    gender: Name | None = None
    nationality: Name | None = None
    religion: Name | None = None
    caste_community: Name | None = None
    languages: _Names | None = None
    photo_url: or_as_sent(Url) | None = None
    health: Health | None = None
    emergency: Emergency | None = None
    previous_school: PreviousSchool | None = None
    transport: Transport | None = None
    programs: Programs | None = None
    parents: Links | None = None

    @model_validator(mode="before")
    @classmethod
    def _guardians_are_parents(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "guardians" not in data:
            return data
        if "parents" in data:
            raise fault("named_twice", _lt("parents and guardians mean the same. Send one of them."))
        return {"parents" if key == "guardians" else key: value for key, value in data.items()}

    @model_validator(mode="after")
    def _check_parents(self) -> "StudentDocument":
        check_named_once(self.parents, "parents")
        return self
