"""``roster-assignments``: payload 5 of the onboarding data contract."""

from typing import Any

from pydantic import ValidationInfo, model_validator

from .base import NAME_LENGTH, Date, Document, ExternalId, Name, pointer
from .entry import keep_said
from .grade import GradeLevel
from .text import _lt, fault
from .words import check_word

ROSTER_EVENTS = {"roster.assignment.requested": (), "roster.assignment.completed": ()}


class RosterAssignmentDocument(Document):
    """The class, section and roll number of a student from ``start`` on: asked for, or given.

    It has no externalId of its own: student, class and start make it, as ``<student>/<class>/<start>`` (a slash inside
    one of them is written ``~1``, a tilde ``~0``). A source that has one may send it.
    """

    external_id: ExternalId | None = None
    event: check_word(ROSTER_EVENTS)
    student_external_id: ExternalId
    class_id: GradeLevel
    section_id: Name | None = None
    section_external_id: ExternalId | None = None
    school_external_id: ExternalId | None = None
    course_external_id: ExternalId | None = None
    academic_year_external_id: ExternalId | None = None
    roll_no: Name | None = None
    start: Date

    @model_validator(mode="before")
    @classmethod
    def _keep_said(cls, data: Any) -> Any:
        return keep_said(data, [("sectionId", "sectionExternalId")])

    @model_validator(mode="after")
    def _identify(self, info: ValidationInfo) -> "RosterAssignmentDocument":
        if self.external_id or info.context:
            return self
        external_id = pointer(self.student_external_id, self.class_id, self.start.isoformat())[1:]
        if len(external_id) > NAME_LENGTH:
            raise fault(
                "identity_too_long",
                _lt(
                    "studentExternalId and classId are too long to make an externalId. Send an externalId of your own."
                ),
            )
        return self.model_copy(update={"external_id": external_id})
