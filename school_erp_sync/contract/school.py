"""``schools``: the schools of a district, which is one company in Odoo."""

from .base import Name, Payload, Text, or_as_sent
from .entry import EntryDocument
from .grade import GradeLevel


class SchoolAddress(Payload):
    street: Text | None = None
    city: Name | None = None
    state: Name | None = None
    country: Name | None = None
    pin: Name | None = None


class SchoolDocument(EntryDocument):
    """A school; ``code`` is its number. The address is kept as text."""

    short_name: Name | None = None
    lowest_grade: or_as_sent(GradeLevel) | None = None
    highest_grade: or_as_sent(GradeLevel) | None = None
    address: SchoolAddress | None = None
    phone: Name | None = None
    principal: Name | None = None
