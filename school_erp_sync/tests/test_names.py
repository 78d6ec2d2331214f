"""Whether two names may be those of one person."""

from odoo.tests.common import BaseCase, tagged

from ..sync.names import names_agree


@tagged("post_install", "-at_install")
class TestNamesAgree(BaseCase):
    def test_one_person(self):
        for other in (
            "Jane Doe",
            " jane  DOE ",
            "DOE, Jane",
            "Jane A. Doe",
            "Doe, Jane Ann",
            "Jané Doe",
            "Dr. Jane Doe",
            "Ms. Jane Doe, PhD",
        ):
            with self.subTest(other):
                self.assertTrue(names_agree("Jane Doe", other))
                self.assertTrue(names_agree(other, "Jane Doe"))
        for one, other in (
            ("Maria De La Cruz", "de la cruz, maría"),
            ("Anne-Marie O'Brien", "OBrien, ANNE-MARIE"),
            ("John Smith, Jr.", "Smith, John, Junior"),
            ("John A. Smith", "John Albert Smith"),
            ("राम शर्मा", "राम  शर्मा"),
        ):
            with self.subTest(one):
                self.assertTrue(names_agree(one, other))

    def test_two_people(self):
        for one, other in (
            ("Jane Doe", "John Doe"),
            ("Jane Doe", "Jane Roe"),
            ("Jane Doe", "J. Doe"),
            ("Jane Doe", "Jane"),
            ("Jane Doe", "Doe Jane"),
            ("John Doe", "John Doe Jr."),
            ("John Doe Sr.", "John Doe Jr."),
            ("John Doe II", "John Doe III"),
            ("Mr. John Doe", "Mrs. John Doe"),
            ("Jane A. Doe", "Jane B. Doe"),
            ("Jane Doe", "John and Jane Doe"),
            ("राम शर्मा", "रमा शर्मा"),
            ("", ""),
            ("Jane Doe", None),
        ):
            with self.subTest(f"{one} / {other}"):
                self.assertFalse(names_agree(one, other))
                self.assertFalse(names_agree(other, one))
