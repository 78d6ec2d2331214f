"""``parents``: payload 3 of the onboarding data contract."""

from pydantic import model_validator

from .address import Address
from .base import Document, Email, Name, RequiredName
from .link import Links, check_named_once


class ParentDocument(Document):
    """A parent or guardian.

    ``relation`` is what this person is to the students of the family, unless a link says otherwise. ``students``,
    when sent, is the whole list of this guardian's students in the source.
    """

    name: RequiredName
    relation: Name | None = None
    occupation: Name | None = None
    phone: Name | None = None
    email: Email | None = None
    address: Address | None = None
    portal_user_id: Name | None = None
    students: Links | None = None

    @model_validator(mode="after")
    def _check_students(self) -> "ParentDocument":
        check_named_once(self.students, "students")
        return self
