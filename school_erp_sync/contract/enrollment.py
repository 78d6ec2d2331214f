"""``enrollments``: a student's place in a grade, or in one course, for a time."""

from typing import Any

from pydantic import model_validator

from .base import Date, Document, ExternalId, Name, RequiredName, or_as_sent
from .entry import is_blank, keep_said
from .grade import GradeLevel, grade_key
from .money import raise_all
from .text import _lt, fault, quote
from .words import check_word

# What a system may call each state of an enrollment, besides its own name; the numbers are PowerSchool's.
ENROLLMENT_WORDS = {
    "active": ("0", "enrolled", "current"),
    "pre_registered": ("-1", "preregistered", "registered", "pending"),
    "transferred": ("2", "transferred_out", "transfer"),
    "graduated": ("3", "completed"),
    "historical": ("4", "inactive", "ended", "past"),
    "withdrawn": ("dropped", "exited", "left", "cancelled", "canceled"),
}


class EnrollmentDocument(Document):
    """An enrollment from ``startDate`` until the day before ``endDate``.

    ``endDate`` is the day after the last attendance, as PowerSchool's exit_date: an enrollment that ends on a day and
    one that starts on it follow each other. Without it, the enrollment goes on. ``gradeLevel`` and ``classId`` are two
    names of the same thing, and both are given back whichever was sent. Without ``course`` it is the enrollment in the
    school itself; without ``school``, in the one that the source belongs to. A section, a course and an academic year
    are named by their codes, or by reference.
    """

    student_external_id: ExternalId
    academic_year: RequiredName | None
    academic_year_external_id: ExternalId | None = None
    grade_level: or_as_sent(GradeLevel) | None = None
    class_id: or_as_sent(GradeLevel) | None = None
    section_id: Name | None = None
    section_external_id: ExternalId | None = None
    course: Name | None = None
    course_external_id: ExternalId | None = None
    school: Name | None = None
    school_external_id: ExternalId | None = None
    start_date: Date
    end_date: Date | None = None
    status: check_word(ENROLLMENT_WORDS, numbers=True)
    entry_code: Name | None = None
    entry_reason: Name | None = None
    exit_code: Name | None = None
    exit_reason: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _keep_said(cls, data: Any) -> Any:
        data = keep_said(
            data,
            (
                ("academicYear", "academicYearExternalId"),
                ("sectionId", "sectionExternalId"),
                ("course", "courseExternalId"),
                ("school", "schoolExternalId"),
            ),
        )
        if isinstance(data, dict) and "academicYear" not in data and not is_blank(data.get("academicYearExternalId")):
            return {**data, "academicYear": None}
        return data

    @model_validator(mode="after")
    def _check(self) -> "EnrollmentDocument":
        raise_all(self, self._faults())
        if self.academic_year is None:
            # Required, but said by reference.
            self.model_fields_set.discard("academic_year")
        sent = self.model_fields_set & {"grade_level", "class_id"}
        if len(sent) == 1:
            # Under both names, so that a change under either is seen as one.
            return self.model_copy(update=dict.fromkeys(("grade_level", "class_id"), getattr(self, *sent)))
        return self

    def _faults(self):
        if self.academic_year is None and not self.academic_year_external_id:
            yield ("academicYear",), fault("required", _lt("%(field)s is required."))
        if self.end_date and self.end_date <= self.start_date:
            yield (
                ("endDate",),
                fault(
                    "end_before_start",
                    _lt(
                        "endDate %(end)s must be after startDate %(start)s. "
                        "It is the day after the last day of attendance."
                    ),
                    end=self.end_date.isoformat(),
                    start=self.start_date.isoformat(),
                ),
            )
        if {"grade_level", "class_id"} <= self.model_fields_set:
            keys = {None if level is None else grade_key(level) for level in (self.grade_level, self.class_id)}
            if len(keys) > 1:
                yield (
                    ("classId",),
                    fault(
                        "two_grades",
                        _lt("classId %(class)s and gradeLevel %(grade)s are different grades. Send one of them."),
                        **{"class": quote(self.class_id), "grade": quote(self.grade_level)},
                    ),
                )
