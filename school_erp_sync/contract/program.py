"""Programs that a student takes part in: special education, language learners, school meals and others."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from .base import Date, Name, Payload
from .text import _lt, fault
from .words import fold, meanings

OTHER = "other"
#: the words for each type of program; any other word means the last one
TYPES = meanings(
    {
        "special_education": ["sped", "special ed", "special needs", "iep"],
        "language_learner": ["ell", "el", "esl", "eal", "lep", "english learner", "english language learner"],
        "meal": ["meals", "meal status", "lunch", "lunch status", "food service", "school meals"],
        OTHER: [],
    }
)
#: the words for what a student pays for meals
MEALS = meanings({"free": ["f"], "reduced": ["r"], "paid": ["p", "full", "full price"]})


class Program(Payload):
    """A program. ``type`` says what kind it is; ``code`` and ``name`` are those of the source."""

    type: Name | None = None
    code: Name | None = None
    name: Name | None = None
    status: Name | None = None
    start_date: Date | None = None
    end_date: Date | None = None

    @model_validator(mode="after")
    def _check(self) -> "Program":
        if not (self.type or self.code or self.name):
            raise fault("required", _lt("%(field)s names no program. Send type, code or name."))
        if self.start_date and self.end_date and self.end_date < self.start_date:
            raise fault(
                "end_before_start",
                _lt("%(field)s ends on %(end)s, before it starts on %(start)s. Correct one of the dates."),
                start=self.start_date.isoformat(),
                end=self.end_date.isoformat(),
            )
        return self


Programs = Annotated[list[Program], Field(max_length=50)]


def type_of(program: dict[str, Any]) -> str:
    """The type of a ``program`` of a canonical document."""
    return TYPES.get(fold(program.get("type") or OTHER), OTHER)


def status_key(program_type: str, status: str | None) -> str | None:
    """What is equal for two words that mean the same status of a program of ``program_type``."""
    word = fold(status or "")
    return (MEALS.get(word, word) if program_type == "meal" else word) or None
