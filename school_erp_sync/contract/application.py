"""``applications``: payload 1 of the onboarding data contract."""

from typing import Any

from pydantic import model_validator

from .base import DateTime, Document, ExternalId, Name, or_as_sent
from .entry import keep_said
from .grade import GradeLevel
from .words import check_word

# What a system may call each state of an application, besides its own name.
APPLICATION_WORDS = {
    "draft": ("new", "started", "incomplete"),
    "submitted": ("received", "pending", "applied"),
    "under_review": ("in_review", "review", "reviewing", "in_progress"),
    "waitlisted": ("wait_listed", "waitlist", "wait_list", "on_hold"),
    "approved": ("accepted", "admitted", "offered"),
    "rejected": ("declined", "denied", "refused"),
    "withdrawn": ("cancelled", "canceled"),
    "enrolled": ("registered", "completed"),
}

_STUDENT_PREFIX = "STU-"


class ApplicationDocument(Document):
    """An application for a place.

    Its student is the one that ``studentExternalId`` names; where that is not sent, the one whose externalId is that of
    the application with ``STU-`` before it, whichever of the two comes first.
    """

    status: check_word(APPLICATION_WORDS)
    academic_year: Name | None = None
    academic_year_external_id: ExternalId | None = None
    grade_applied: or_as_sent(GradeLevel) | None = None
    section: Name | None = None
    section_external_id: ExternalId | None = None
    school_external_id: ExternalId | None = None
    submitted_at: or_as_sent(DateTime) | None = None
    decided_at: or_as_sent(DateTime) | None = None
    student_external_id: ExternalId | None = None

    @model_validator(mode="before")
    @classmethod
    def _keep_said(cls, data: Any) -> Any:
        return keep_said(data, (("academicYear", "academicYearExternalId"), ("section", "sectionExternalId")))


def student_id_of(application_id: str) -> str:
    """The externalId of the student who becomes of the application ``application_id``."""
    return _STUDENT_PREFIX + application_id


def application_id_of(student_id: str) -> str | None:
    """The externalId of the application that the student ``student_id`` comes from, where the id says so."""
    return student_id.removeprefix(_STUDENT_PREFIX) if student_id.startswith(_STUDENT_PREFIX) else None
