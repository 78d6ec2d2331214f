"""The parts of documents that say where a student is, or is to be."""

from ..sync.parts import Code, EnrichingCode, Reference
from .school_code_mixin import Place


class CodeAt(Code):
    """A part that names an entry of the list of a campus: with the campus, the course and the year that are said."""

    def names(self, record, item):
        def said(name):
            return item.values.get(name, record[name].id) if name in record._fields else False

        campus = item.values.get("school", record.school) if "school" in record._fields else False
        return [
            Place(
                code, said("school_id"), (campus or "").strip().casefold(), said("course_id"), said("academic_year_id")
            )
            for code in super().names(record, item)
        ]


class Given:
    """A part that a roster assignment, which is the source's own word as well, may have put on the enrollment."""

    def untouched(self, record, base, ours, theirs):
        held = record[self.field]
        return bool(held and held == record[f"given_{self.field}"]) or super().untouched(record, base, ours, theirs)


class GivenGrade(EnrichingCode, Given, Code):
    """A grade, by its code."""


class GivenCodeAt(Given, CodeAt):
    """A section, by its code."""


class GivenReference(Given, Reference):
    """A section, by reference."""
