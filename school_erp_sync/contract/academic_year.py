"""``academic-years``: their names and dates."""

from pydantic import model_validator

from .base import Date
from .entry import EntryDocument
from .money import raise_all
from .text import _lt, fault


class AcademicYearDocument(EntryDocument):
    """A school year from ``startDate`` to ``endDate``, its last day."""

    start_date: Date | None = None
    end_date: Date | None = None
    current: bool | None = None

    @model_validator(mode="after")
    def _check_dates(self) -> "AcademicYearDocument":
        if self.start_date and self.end_date and self.end_date < self.start_date:
            error = fault(
                "end_before_start",
                _lt("endDate %(end)s is before startDate %(start)s. Correct one of them."),
                end=self.end_date.isoformat(),
                start=self.start_date.isoformat(),
            )
            raise_all(self, [(("endDate",), error)])
        return self
