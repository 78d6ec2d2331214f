"""``sections``: a class of a course, or a class of a grade, with its teacher."""

from typing import Annotated

from pydantic import Field

from .base import ExternalId, Name, Whole
from .entry import EntryDocument


class SectionDocument(EntryDocument):
    """A section; ``code`` is its number. Without ``courseExternalId`` it is a class of the school itself.

    ``teacherExternalId`` is the externalId under which Odoo gives the employee.
    """

    school_external_id: ExternalId | None = None
    course_external_id: ExternalId | None = None
    academic_year_external_id: ExternalId | None = None
    teacher_external_id: Name | None = None
    term: Name | None = None
    room: Name | None = None
    period: Name | None = None
    capacity: Annotated[Whole, Field(ge=1, le=100000)] | None = None
