"""``employees``, the other way round: what a source is told of an employee, and what it answers."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import DateTime, ExternalId, Name, Payload, Text, Whole
from .text import _lt, fault

_Number = Annotated[Whole, Field(ge=1, lt=2**31)]


class EmployeeDocument(Payload):
    """An employee as ``GET /api/employees`` gives it. Every member is always there; what is not known is ``null``.

    Nothing private is ever part of it: no home address, birthday, identity number, salary or bank account.
    """

    external_id: Annotated[str, Field(description="Identity of the employee. It outlives renames and database copies.")]
    id: Annotated[int, Field(description="Odoo's id of the employee.")]
    version: Annotated[int, Field(description="Rises with each change of what is sent. Send it back with the status.")]
    sync_state: Annotated[
        Literal["pending", "synced", "error"],
        Field(description="Whether this version still is to be taken over, has been, or was refused."),
    ]
    deleted: Annotated[
        bool,
        Field(
            description="True once, when the employee was deleted or is no longer meant for this source: a tombstone."
        ),
    ]
    active: Annotated[bool, Field(description="False for an employee who is archived, and in a tombstone.")]
    name: Annotated[str | None, Field(description="The whole name, as Odoo has it.")]
    first_name: Annotated[str | None, Field(description="Odoo has one field for a name: a best guess.")]
    middle_name: Annotated[str | None, Field(description="What stands between the first and the last name.")]
    last_name: Annotated[str | None, Field(description="The last word of the name, or all before a comma.")]
    work_email: str | None
    work_phone: str | None
    mobile: Annotated[str | None, Field(description="The work mobile.")]
    barcode: Annotated[str | None, Field(description="The badge id, as attendance terminals read it.")]
    department: str | None
    job_title: str | None
    manager: Annotated[str | None, Field(description="externalId of the manager.")]
    company: Annotated[str | None, Field(description="Name of the school.")]
    work_location: str | None
    teacher_id: Annotated[str | None, Field(description="What the source calls the teacher, once it has said so.")]
    updated_at: Annotated[str, Field(description="When this version came to be, in UTC.")]


class EmployeeIdentity(Payload):
    """Which employee is meant."""

    employee_id: Annotated[_Number | None, Field(description="Odoo's id, instead of externalId.")] = None
    external_id: ExternalId | None = None

    @model_validator(mode="after")
    def _check_identity(self) -> "EmployeeIdentity":
        if self.employee_id is None and self.external_id is None:
            raise fault("required", _lt("No employee is named. Send externalId or employeeId."))
        return self


class TeacherStatus(EmployeeIdentity):
    """What became of one employee at the source: ``POST /api/teacher/status``.

    ``version`` is the one that the source was given: an employee who was edited since then is sent again.
    """

    version: _Number
    status: Literal["success", "error"]
    teacher_id: Annotated[Name | None, Field(description="What the source calls the teacher.")] = None
    message: Annotated[Text | None, Field(description="Why it was refused, in words for people.")] = None
    code: Annotated[Name | None, Field(description="Why it was refused, in a word that stays the same.")] = None
    synced_at: Annotated[
        DateTime | None, Field(description="When it happened; orders answers that overtake each other.")
    ] = None
