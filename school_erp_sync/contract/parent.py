"""``parents``: payload 3 of the onboarding data contract."""

from pydantic import model_validator

from .base import Name
from .link import Links, check_named_once
from .person import Person, WholeName


class ParentDocument(Person):
    """A parent or guardian.

    ``relation`` is what this person is to the students of the family, unless a link says otherwise. ``students``,
    when sent, is the whole list of this guardian's students in the source.
    """

    whole_name = "name"

    name: WholeName
    relation: Name | None = None
    occupation: Name | None = None
    portal_user_id: Name | None = None
    students: Links | None = None

    @model_validator(mode="after")
    def _check_students(self) -> "ParentDocument":
        check_named_once(self.students, "students")
        return self
