from odoo.tests.common import BaseCase, tagged

from ..contract.base import read, read_all
from ..contract.parent import ParentDocument
from ..contract.student import StudentDocument
from .common import FATHER, MOTHER, STUDENT


@tagged("post_install", "-at_install")
class TestContract(BaseCase):
    def errors(self, payload, raw):
        return {error.pointer: error.code for error in read(payload, raw).errors}

    def test_printed_payloads_are_read_as_they_are(self):
        self.assertEqual(read(StudentDocument, STUDENT).document, STUDENT)
        for parent in (FATHER, MOTHER):
            reading = read(ParentDocument, parent)
            self.assertEqual((reading.document, reading.errors, reading.warnings), (parent, [], []))

    def test_all_errors_are_told_at_once(self):
        raw = {
            "fullName": "x" * 256,
            "dob": "2010-02-30",
            "languages": "English",
            "health": {"allergies": [5]},
            "previousSchool": {"yearOfCompletion": "last year"},
            "updatedAt": "2025-01-01T00:00:00",
            "photoUrl": "javascript:alert(1)",
        }
        self.assertEqual(
            self.errors(StudentDocument, raw),
            {
                "/externalId": "required",
                "/fullName": "too_long",
                "/dob": "invalid_date",
                "/languages": "wrong_type",
                "/health/allergies/0": "wrong_type",
                "/previousSchool/yearOfCompletion": "wrong_type",
                "/updatedAt": "no_time_zone",
                "/photoUrl": "bad_format",
            },
        )

    def test_sound_part_of_a_bad_document_is_kept_for_further_checks(self):
        reading = read(StudentDocument, {"externalId": "S", "dob": "soon", "address": {"country": "India"}})
        self.assertEqual(reading.document, {"externalId": "S", "address": {"country": "India"}})

    def test_dates(self):
        for text, code in [
            ("2999-01-01", "date_in_future"),
            ("1899-12-31", "date_too_old"),
            ("15/03/2010", "invalid_date"),
            (20100315, "invalid_date"),
            ("2010-03-15T10:00:00", "invalid_date"),
        ]:
            with self.subTest(text):
                self.assertEqual(self.errors(StudentDocument, {**STUDENT, "dob": text}), {"/dob": code})

    def test_text_that_postgresql_cannot_store_is_refused(self):
        self.assertEqual(self.errors(ParentDocument, {**FATHER, "name": "a\0b"}), {"/name": "control_character"})

    def test_email(self):
        for email in ("nobody", "a@b", "a@x.org, b@x.org", "Ann <a@x.org>"):
            with self.subTest(email):
                self.assertEqual(self.errors(ParentDocument, {**FATHER, "email": email}), {"/email": "invalid_email"})

    def test_null_and_absent_are_different(self):
        self.assertEqual(
            read(ParentDocument, {"externalId": "P", "name": "Ann", "phone": None}).document,
            {"externalId": "P", "name": "Ann", "phone": None},
        )

    def test_unknown_fields_are_named_and_ignored(self):
        reading = read(StudentDocument, {**STUDENT, "house": "Gryffindor", "health": {"mood": "good"}})
        self.assertNotIn("house", reading.document)
        self.assertEqual(len(reading.warnings), 2)
        self.assertIn("/house", reading.warnings[0] + reading.warnings[1])
        self.assertIn("/health/mood", reading.warnings[0] + reading.warnings[1])

    def test_unknown_fields_without_end_make_an_answer_with_an_end(self):
        reading = read(ParentDocument, {**FATHER, **{f"{n}" * 1000: 1 for n in range(500)}})
        self.assertLess(sum(map(len, reading.warnings)), 10_000)
        self.assertIn("480 more", reading.warnings[-1])

    def test_guardians_are_parents_and_an_id_is_short_for_a_link(self):
        document = read(StudentDocument, {**STUDENT, "guardians": ["P1", {"externalId": "P2", "pays": True}]}).document
        self.assertEqual(document["parents"], [{"externalId": "P1"}, {"externalId": "P2", "pays": True}])
        self.assertEqual(self.errors(StudentDocument, {**STUDENT, "parents": [], "guardians": []}), {"": "named_twice"})
        self.assertEqual(self.errors(StudentDocument, {**STUDENT, "parents": ["P1", "P1"]}), {"": "named_twice"})

    def test_link_period(self):
        link = {"externalId": "P1", "start": "2025-02-01", "end": "2025-01-01"}
        self.assertEqual(
            self.errors(StudentDocument, {**STUDENT, "parents": [link]}), {"/parents/0": "end_before_start"}
        )

    def test_external_id_twice_in_a_batch_is_refused_everywhere(self):
        readings = read_all(ParentDocument, [FATHER, MOTHER, {**FATHER, "name": "Somebody Else"}])
        self.assertEqual([len(reading.errors) for reading in readings], [1, 0, 1])
        self.assertEqual(readings[2].errors[0].code, "duplicate_external_id")
