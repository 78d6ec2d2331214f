"""Texts that people read: translated in every layer, and free of the inside of the server."""

import ast
import json
from pathlib import Path
from unittest.mock import patch

from odoo.tests.common import BaseCase, HttpCase, new_test_user, tagged
from odoo.tools.translate import code_translations

from .common import FATHER, MOTHER, STUDENT, AccountingCase, SyncCase
from .test_billing import BILLING
from .test_fee_schedule import FEES

# Where a text begins its way to people: the place of the text among the arguments, by the name of what is called.
_TEXT_AT = {
    "fail": 2,
    "warn": 0,
    "notify": 1,
    "Refused": 2,
    "FieldError": 2,
    "Problem": 2,
    "UserError": 0,
    "ValidationError": 0,
    "AccessError": 0,
    "RedirectWarning": 0,
    "Message": 0,
    "_failed": 0,
    "_incomplete": 0,
    "_bad_key": 0,
    "_option_error": 1,
}
_MARKS = frozenset({"_", "_lt"})
# What no text may hold: Python, SQL, and the names of what is inside.
_INSIDES = (
    "None",
    "{'",
    "[{",
    "['",
    "Decimal(",
    "<class",
    "odoo.",
    "school.",
    "school_",
    "psycopg2",
    "SELECT ",
    "UPDATE ",
)
_GERMAN = "de_DE"


def _name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")


def _is_bare(value: ast.AST, scope: ast.AST) -> bool:
    """Whether ``value``, or what it is assigned from within ``scope``, is a text that nobody can translate."""
    match value:
        case ast.JoinedStr() | ast.BinOp():
            return True
        case ast.Constant():
            return isinstance(value.value, str)
        case ast.IfExp():
            return _is_bare(value.body, scope) or _is_bare(value.orelse, scope)
        case ast.BoolOp():
            return any(_is_bare(one, scope) for one in value.values)
        case ast.Call():
            # "…".format(…) is a bare text as well; "\n".join(…) puts sentences together.
            return _name_of(value) == "format" and _is_bare(value.func.value, scope)
        case ast.Name():
            return any(
                _is_bare(node.value, ast.Module([], []))
                for node in ast.walk(scope)
                if isinstance(node, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == value.id for target in node.targets)
            )
    return False


@tagged("post_install", "-at_install")
class TestSources(BaseCase):
    def test_every_text_can_be_translated(self):
        bare, unmarked, seen = [], [], 0
        root = Path(__file__).parents[1]
        for path in sorted(root.rglob("*.py")):
            if "tests" in path.parts:
                continue
            tree = ast.parse(path.read_text())
            functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
            for scope in functions:
                for call in (node for node in ast.walk(scope) if isinstance(node, ast.Call)):
                    where = f"{path.relative_to(root)}:{call.lineno}"
                    at = _TEXT_AT.get(_name_of(call))
                    if at is not None and len(call.args) > at:
                        seen += 1
                        if _is_bare(call.args[at], scope):
                            bare.append(where)
                    if _name_of(call) in _MARKS and not isinstance(call.args[0], ast.Constant):
                        unmarked.append(where)
        self.assertEqual(bare, [], "texts that are not marked for translation")
        self.assertEqual(unmarked, [], "marked texts that Odoo cannot export, as they are no literals")
        self.assertGreater(seen, 100)

    def test_the_look_finds_what_it_is_for(self):
        for bad in (
            'item.fail("", "code", f"{name} is bad")',
            'item.warn("is bad")',
            'raise UserError("bad: %s" % name)',
            'raise UserError("{} is bad".format(name))',
            'detail = f"{name} is bad"\n    raise Problem(400, "bad", detail)',
            'item.errors.append(FieldError("", "bad", message or "is bad"))',
        ):
            with self.subTest(bad):
                scope = ast.parse(f"def work():\n    {bad}").body[0]
                calls = [node for node in ast.walk(scope) if isinstance(node, ast.Call) and _name_of(node) in _TEXT_AT]
                self.assertTrue(all(_is_bare(call.args[_TEXT_AT[_name_of(call)]], scope) for call in calls) and calls)


class GermanCase(SyncCase):
    GERMAN = {
        "%(field)s is required.": "%(field)s fehlt.",
        "%(pointer)s %(word)s is not a country that Odoo knows. It was kept as text. Send its English name or its "
        "ISO 3166 code, such as India or IN.": "%(word)s ist kein Land, das Odoo kennt.",
        "%(pointer)s %(value)s was kept as text. %(fault)s": "%(value)s bleibt Text: %(fault)s",
        "%(field)s %(value)s is not a link. It must begin with http:// or https://.": "kein Link.",
        "%(record)s does not exist in %(entity)s. Send it first, then send this document again.": (
            "%(record)s gibt es in %(entity)s nicht."
        ),
        "Changed: %(fields)s.": "Geändert: %(fields)s.",
        "Applied after waiting.": "Nach dem Warten angewendet.",
        "%(pointer)s: %(record)s does not exist in %(entity)s yet. This document is parked, and is applied when that "
        "record arrives.": "%(pointer)s: %(record)s fehlt noch in %(entity)s.",
        "%(name)s: problem with %(entity)s": "%(name)s: Problem mit %(entity)s",
        "The query string has mistakes. See errors.": "Die Optionen haben Fehler.",
        "%(option)s must be a whole number from %(least)s to %(most)s.": "%(option)s muss eine ganze Zahl sein.",
        "This source has no record %(name)s in %(entity)s.": "Diese Quelle hat %(name)s nicht in %(entity)s.",
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.lang"]._activate_lang(_GERMAN)
        cls.source.sudo().user_id.lang = _GERMAN
        cls.source = cls.as_api_user(cls.source.with_env(cls.env))

    def setUp(self):
        super().setUp()
        known = {**code_translations.python_translations, ("school_erp_sync", _GERMAN): self.GERMAN}
        self.startPatcher(patch.object(code_translations, "python_translations", known))

    def details(self, report):
        return [error.detail for item in report.items for error in item.errors]


@tagged("post_install", "-at_install")
class TestGerman(GermanCase):
    """An API user who reads German, and sends the same documents as everybody."""

    def test_each_layer_of_a_refusal(self):
        refused = self.send("students", {"externalId": "S"})
        self.assertEqual(self.details(refused), ["fullName fehlt."])
        odd = self.send("students", {**STUDENT, "address": {"country": "Freedonia"}, "photoUrl": "none"})
        self.assertEqual(
            odd.items[0].warnings, ['"none" bleibt Text: kein Link.', '"Freedonia" ist kein Land, das Odoo kennt.']
        )
        missing = self.send("students", {**STUDENT, "parents": [FATHER["externalId"]]}, parking_allowed=False)
        self.assertEqual(self.details(missing), [f'"{FATHER["externalId"]}" gibt es in parents nicht.'])

    def test_log(self):
        student = {**STUDENT, "parents": [FATHER["externalId"]]}
        self.source._log_internal("one", self.send("students", student))
        self.source._log_internal("two", self.send("parents", FATHER))
        self.source._log_internal("three", self.send("parents", {**FATHER, "occupation": "Baker"}))
        lines = self.env["school.sync.log.line"].search([("source_id", "=", self.source.id)], order="id")
        self.assertEqual(
            lines.mapped("message"),
            [
                f'/parents/0: "{FATHER["externalId"]}" fehlt noch in parents.',
                False,
                "Nach dem Warten angewendet.",
                "Geändert: occupation.",
            ],
        )

    def test_people_are_told_in_their_own_language(self):
        people = [
            new_test_user(self.env, login, groups="base.group_user", email=f"{login}@school.example", lang=lang)
            for login, lang in (("hans", _GERMAN), ("jane", "en_US"))
        ]
        self.source.sudo().notify_user_ids = [(6, 0, [user.id for user in people])]
        self.source._log_internal("parents", self.send("parents", {"externalId": "P"}))
        activities = self.env["mail.activity"].search([("res_model", "=", "school.sync.incident")])
        self.assertEqual(
            {activity.user_id: activity.summary for activity in activities.filtered(lambda one: one.user_id in people)},
            {people[0]: "Test SIS: Problem mit parents", people[1]: "Test SIS: problem with parents"},
        )
        incident = self.env["school.sync.incident"].search([("source_id", "=", self.source.id)])
        self.assertEqual(incident.message, "name fehlt.")
        mails = self.env["mail.mail"].search([("model", "=", incident._name), ("res_id", "=", incident.id)])
        self.assertTrue(mails)
        for mail in mails:
            self.assertIn("name fehlt.", mail.body_html)

    def test_documents_are_the_same_in_every_language(self):
        self.env.ref("base.in").with_context(lang=_GERMAN).name = "Indien"
        self.env.ref("base.de").with_context(lang=_GERMAN).name = "Deutschland"
        sent = {**STUDENT, "address": {**STUDENT["address"], "country": "India"}}
        self.send_ok("students", sent)
        self.assertEqual(self.statuses(self.send("students", sent)), ["unchanged"])
        self.student(STUDENT["externalId"]).country_id = self.env.ref("base.de")
        self.assertEqual(self.document("students", STUDENT["externalId"])["address"]["country"], "Germany")
        self.assertEqual(self.document("students", STUDENT["externalId"])["gender"], "Male")
        self.assertNotEqual(self.student(STUDENT["externalId"]).partner_id.lang, _GERMAN)


@tagged("post_install", "-at_install")
class TestGermanHttp(HttpCase, GermanCase):
    def test_problem(self):
        key = self.source.with_env(self.env)._generate_key()
        headers = {"Authorization": f"Bearer {key}"}
        answer = self.url_open("/api/parents?limit=x", headers=headers)
        self.assertEqual(answer.status_code, 400)
        self.assertEqual(
            (answer.json()["detail"], answer.json()["errors"][0]["detail"]),
            ("Die Optionen haben Fehler.", '"limit" muss eine ganze Zahl sein.'),
        )
        self.assertEqual(
            self.url_open("/api/parents/nobody", headers=headers).json()["detail"],
            'Diese Quelle hat "nobody" nicht in parents.',
        )
        answer = self.url_open(
            "/api/parents",
            data=json.dumps({"externalId": "P"}),
            headers={**headers, "Content-Type": "application/json"},
        )
        self.assertEqual((answer.status_code, answer.json()["detail"]), (422, "name fehlt."))
        answer = self.url_open("/api/parents", headers={"Authorization": "Bearer nobody"})
        self.assertIn("is unknown, expired or revoked", answer.json()["detail"])


@tagged("post_install", "-at_install")
class TestHostileValues(AccountingCase):
    """What is sent, and what is held, in the sentences of documents that are refused."""

    LONG = "x" * 240
    HOSTILE = (None, True, 5, 1.5, "", "None", LONG, [], ["a"], [{"code": None}], {}, {"code": {"a": None}})
    DOCUMENTS = {
        "parents": FATHER,
        "students": STUDENT,
        "applications": {"externalId": "A", "student": {"externalId": "S"}, "status": "new"},
        "enrollments": {"externalId": "E", "studentExternalId": "S", "academicYear": "2025", "grade": "5"},
        "roster-assignments": {"externalId": "R", "studentExternalId": "S", "classId": "5", "startDate": "2025-06-01"},
        "fee-schedules": FEES,
        "billings": BILLING,
        "schools": {"externalId": "SC", "name": "Lincoln"},
        "academic-years": {"externalId": "Y", "name": "2031-2032"},
        "courses": {"externalId": "C", "code": "MATH", "schoolExternalId": "SC"},
        "sections": {"externalId": "SE", "code": "1", "courseExternalId": "C"},
    }

    def setUp(self):
        super().setUp()
        self.told = []

    def tell(self, report):
        for item in report.items:
            self.told += [error.detail for error in item.errors] + item.notes(self.env)

    def check(self, count):
        self.assertGreater(len(self.told), count)
        for sentence in self.told:
            # The one value that is the word itself.
            said = sentence.replace('"None"', "")
            found = [inside for inside in _INSIDES if inside in said]
            self.assertEqual(found, [], sentence)
            self.assertNotIn(self.LONG, sentence)
            self.assertTrue(
                sentence[0].isupper() or not sentence[0].isalpha() or sentence.split()[0] != "the", sentence
            )

    def test_anything_anywhere(self):
        for entity, document in self.DOCUMENTS.items():
            fields = self.env[self.source._sync_entities()[entity]]._sync_document.model_fields.values()
            names = {info.alias for info in fields} - {"externalId"}
            documents = [
                {**document, "externalId": f"{name}-{place}", name: value}
                for name in sorted(names)
                for place, value in enumerate(self.HOSTILE)
            ]
            self.tell(self.send(entity, *documents))
            self.tell(self.send(entity, *documents, parking_allowed=False))
        self.check(1000)

    def test_conflicts_with_what_is_held(self):
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", {**STUDENT, "parents": [FATHER["externalId"]]})
        self.send_ok("billings", {**BILLING, "status": "sent", "total": None, "payments": []})
        lines = [{"code": f"FEE{place}", "label": None, "amount": 1500 * place + 0.5} for place in range(1, 9)]
        for changed in (
            {"lines": lines},
            {"issueDate": "2025-06-02"},
            {"payerExternalId": MOTHER["externalId"]},
            {"status": "draft"},
            {"total": 15000},
        ):
            report = self.send("billings", {**BILLING, "status": "sent", "total": None, "payments": [], **changed})
            self.assertTrue(report.items[0].errors, changed)
            self.tell(report)
        self.assertIn("FEE1, amount 1500.50; FEE2, amount 3000.50; ", self.told[0])
        self.check(4)
