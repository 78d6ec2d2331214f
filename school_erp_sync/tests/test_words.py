from hypothesis import given
from hypothesis import strategies as st

from odoo.tests.common import BaseCase, tagged

from ..contract.grade import grade_key, grade_name, grade_number
from ..contract.words import fold, meanings


@tagged("post_install", "-at_install")
class TestWords(BaseCase):
    def test_one_grade_under_many_names(self):
        for names, number, name in [
            ((8, "8", "08", "Grade 8", "GRADE8", "grade-8", " Class 8 ", "8th", "8th Grade", "Std. 8"), 8, "Grade 8"),
            ((12, "GRADE12", "12th"), 12, "Grade 12"),
            ((0, "0", "K", "kg", "Kindergarten"), 0, "Kindergarten"),
            (
                (-1, "-1", "\N{MINUS SIGN}1", "PK", "Pre-K", "PreK", "Preschool", "PK4", "Pre-Kindergarten"),
                -1,
                "Preschool -1",
            ),
            ((-2, "PK3", "Pre-K 3"), -2, "Preschool -2"),
            ((5, "Fifth grade", "fifth", "Grade Five", "5th"), 5, "Grade 5"),
        ]:
            for word in names:
                with self.subTest(word):
                    self.assertEqual(
                        (grade_number(word), grade_key(word), grade_name(word)), (number, str(number), name)
                    )

    def test_grades_without_a_number_keep_their_names(self):
        for word in ("LKG", "Nursery", "VIII", "8A", "Grade 8A", "1234", "Grade -1", ""):
            with self.subTest(word):
                self.assertIsNone(grade_number(word))
                self.assertEqual(grade_name(word), word)
        self.assertEqual(grade_key("Upper  KG"), grade_key("upper kg"))
        self.assertEqual({grade_key(word) for word in ("TK", "Transitional Kindergarten")}, {"tk"})
        self.assertNotEqual(grade_key("8A"), grade_key("8"))

    @given(st.integers(-9, 99))
    def test_a_number_is_its_own_name(self, number):
        self.assertEqual(grade_number(number), number)
        self.assertEqual(grade_number(str(number)), number)
        self.assertEqual(grade_key(grade_name(number)) == str(number), number >= 0)

    @given(st.text(max_size=20))
    def test_any_text_has_a_key_that_case_and_blanks_do_not_change(self, text):
        self.assertEqual(grade_key(f"  {text} "), grade_key(text))
        self.assertEqual(grade_key(text.upper().lower()), grade_key(text.upper().lower().strip()))

    @given(st.text(max_size=20))
    def test_folding_twice_is_folding_once(self, text):
        self.assertEqual(fold(fold(text)), fold(text))

    def test_minus_is_kept(self):
        self.assertEqual(meanings({"a": ("-1",), "b": ("1",)}), {"a": "a", "-1": "a", "b": "b", "1": "b"})
        self.assertEqual(fold("\N{MINUS SIGN}1"), "-1")
        self.assertEqual({fold(word) for word in ("Under Review", "under-review", "UNDER_REVIEW ")}, {"under_review"})
