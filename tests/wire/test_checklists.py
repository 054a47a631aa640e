"""tests/rules.py: how a test's name says which rules it proves."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from rules import Checklist, checklists, summary  # noqa: E402

TEXT = """# a comment
title small
A1 M one
A12 S two
H2b o three
c1.5 P four | declined: it is optional
"""


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.txt").write_text(TEXT)
    return Checklist(tmp_path / "small.txt")


@pytest.mark.parametrize("name, numbers", [
    ("test_A1_one", ["A1"]), ("test_A12_A1_both[x]", ["A12", "A1"]),
    ("test_H2b_x", ["H2b"]), ("test_c1_5_A1_x", ["c1.5", "A1"]),
    ("A1_in_c", ["A1"]), ("test_A2_x", []), ("test_one_A1_x", []), ("test_A1", []),
])
def test_the_name_begins_with_its_rules(small, name, numbers):
    assert small.numbers(name) == numbers


def test_a_rule_is_judged_by_all_its_tests(small):
    judged, strange = small.judge([
        ("passed", "test_A1_x[1]"), ("failed", "test_A1_x[2]"),
        ("passed", "test_c1_5_x"), ("skipped", "test_A12_x"), ("passed", "test_A9_x")])
    assert {number: state for number, (state, _) in judged.items()} == {
        "A1": "failed", "A12": "skipped", "H2b": "missing", "c1.5": "declined"}
    assert judged["A1"][1] == ["test_A1_x"]
    assert strange == ["test_A9_x"]
    assert summary(small, judged) == (
        "small 0 passed, 1 failed, 1 missing, 1 declined, 1 skipped")


def test_a_rule_stands_once_in_its_checklist(tmp_path):
    (tmp_path / "twice.txt").write_text(TEXT + "A1 M again\n")
    with pytest.raises(AssertionError):
        Checklist(tmp_path / "twice.txt")
    assert len(checklists()[0].rules) == 153
