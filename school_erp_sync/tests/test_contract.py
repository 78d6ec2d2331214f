from pathlib import Path
from unittest.mock import patch

from babel.messages.extract import extract_from_dir

from odoo.tests.common import BaseCase, tagged
from odoo.tools.translate import code_translations

from .. import contract
from ..contract import base
from ..contract.base import read, read_all
from ..contract.billing import BillingDocument
from ..contract.email import addresses_in
from ..contract.parent import ParentDocument
from ..contract.student import StudentDocument
from ..contract.text import quote
from .common import FATHER, MOTHER, STUDENT, SyncCase


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
            "previousSchool": {"yearOfCompletion": [2024]},
            "updatedAt": "2025-01-01T00:00:00",
            "photoUrl": 5.5,
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
                "/photoUrl": "wrong_type",
            },
        )

    def test_sound_part_of_a_bad_document_is_kept_for_further_checks(self):
        reading = read(StudentDocument, {"externalId": "S", "dob": "soon", "address": {"country": "India"}})
        self.assertEqual(reading.document, {"externalId": "S", "address": {"country": "India"}})

    def test_dates(self):
        for text, code in [
            ("2999-01-01", "out_of_range"),
            ("1899-12-31", "out_of_range"),
            ("15/03/2010", "invalid_date"),
            (20100315, "invalid_date"),
            ("2010-03-15T10:00:00", "invalid_date"),
            ("٢٠١٠-٠٣-١٥", "invalid_date"),
        ]:
            with self.subTest(text):
                self.assertEqual(self.errors(StudentDocument, {**STUDENT, "dob": text}), {"/dob": code})

    def test_text_that_postgresql_cannot_store_is_refused(self):
        self.assertEqual(self.errors(ParentDocument, {**FATHER, "name": "a\0b"}), {"/name": "control_character"})

    def test_emails_in_a_text(self):
        for text, first, rest in (
            ("a@x.org", "a@x.org", []),
            (" a@x.org ", "a@x.org", []),
            ("nobody", None, ["nobody"]),
            ("a@b", None, ["a@b"]),
            ("a@x.org, b@x.org;c@x.org\nd@x.org", "a@x.org", ["b@x.org", "c@x.org", "d@x.org"]),
            ("none; b@x.org", "b@x.org", ["none"]),
            ("Ann <a@x.org>", "a@x.org", ["Ann"]),
            ("a@x.org a@x.org", "a@x.org", []),
        ):
            with self.subTest(text):
                self.assertEqual(addresses_in(text), (first, rest))
                self.assertEqual(read(ParentDocument, {**FATHER, "email": text}).document["email"], text.strip())

    def test_what_only_enriches_is_read_as_sent(self):
        odd = {"photoUrl": "a photo", "previousSchool": {"yearOfCompletion": "last year"}}
        reading = read(StudentDocument, {**STUDENT, **odd})
        self.assertEqual((reading.document, reading.errors), ({**STUDENT, **odd}, []))
        self.assertIn("https://", base.fault_in(base.Url, "photoUrl", "a photo"))
        self.assertIsNone(base.fault_in(base.Url, "photoUrl", STUDENT["photoUrl"]))

    def test_null_and_absent_are_different(self):
        self.assertEqual(
            read(ParentDocument, {"externalId": "P", "name": "Ann", "phone": None}).document,
            {"externalId": "P", "name": "Ann", "phone": None},
        )

    def test_empty_texts_clear_whatever_may_be_empty(self):
        for document, path in (
            (StudentDocument, "dob"),
            (StudentDocument, "photoUrl"),
            (StudentDocument, "languages"),
            (StudentDocument, "health"),
            (StudentDocument, "updatedAt"),
            (ParentDocument, "email"),
        ):
            with self.subTest(path):
                base = STUDENT if document is StudentDocument else FATHER
                self.assertIsNone(read(document, {**base, path: " "}).document[path])
        self.assertEqual(self.errors(ParentDocument, {**FATHER, "name": ""}), {"/name": "required"})

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

    def test_value_in_a_sentence_is_short_and_harmless(self):
        for value, shown in [
            ("Freedonia", '"Freedonia"'),
            ("a\x1b[31m\u202eb\nc\u2028", '"a�[31m�b�c�"'),
            ("क्‍ष", '"क्‍ष"'),
            ("x" * 51, '"' + "x" * 49 + '…"'),
            (10**4000, "1" + "0" * 48 + "…"),
            (True, "true"),
            (None, "null"),
            (1.5, "1.5"),
            ([1, {"code": None}], "[…]"),
            ({"code": None}, "{…}"),
        ]:
            with self.subTest(shown):
                self.assertEqual(quote(value), shown)

    def test_sentences_of_the_contract_can_be_exported_for_translation(self):
        folder = Path(contract.__file__).parent
        found = extract_from_dir(folder, method_map=[("**.py", "python")], keywords={"_lt": None})
        terms = {message for _file, _line, message, _comments, _context in found}
        self.assertGreater(len(terms), 60)
        self.assertLessEqual({sentence for _code, sentence in base._SENTENCES.values()}, terms)
        lines = [{"code": "A", "quantity": 2, "unitPrice": 3, "amount": 5, "discount": 10}]
        billing = {"lines": lines, "issueDate": "9999-12-31", "dueDate": 5, "status": "x", "currency": "usd"}
        for payload, raw in ((BillingDocument, billing), (StudentDocument, {"parents": ["P", "P"]})):
            for error in read(payload, raw).errors:
                self.assertIn(error.detail.template, terms)


@tagged("post_install", "-at_install")
class TestLanguage(SyncCase):
    GERMAN = {
        "%(field)s must be a string, in quotes.": "%(field)s ist kein Text.",
        "%(field)s is required.": "%(field)s fehlt.",
        "%(pointer)s is not part of the contract and was ignored.": "%(pointer)s ist unbekannt.",
    }

    def setUp(self):
        super().setUp()
        self.env["res.lang"]._activate_lang("de_DE")
        self.source.sudo().user_id.lang = "de_DE"
        known = {**code_translations.python_translations, ("school_erp_sync", "de_DE"): self.GERMAN}
        self.startPatcher(patch.object(code_translations, "python_translations", known))

    def details(self, *documents):
        return [error.detail for item in self.send("parents", *documents).items for error in item.errors]

    def test_sender_is_told_in_the_language_of_its_user(self):
        self.assertEqual(
            self.details({"externalId": "P", "email": 5}),
            ["email ist kein Text.", "name fehlt."],
        )
        self.assertEqual(self.send("parents", {**FATHER, "house": 1}).items[0].warnings, ["/house ist unbekannt."])

    def test_what_nobody_has_translated_is_told_in_english(self):
        self.assertEqual(self.details({"externalId": "P", "name": ""}), ["name must not be empty."])

    def test_answer_to_a_status_is_told_in_the_language_of_its_user(self):
        report = self.env["school.sync.employee"]._apply_statuses(self.source, [{"externalId": "E", "version": 1}])
        self.assertEqual(report.items[0].errors[0].detail, "status is required.")
        report = self.source.env["school.sync.employee"]._apply_statuses(self.source, [{"externalId": "E"}])
        self.assertEqual([error.detail for error in report.items[0].errors], ["version fehlt.", "status fehlt."])
