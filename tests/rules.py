#!/usr/bin/python3
"""Which rules of a checklist are proved by the tests that ran.

usage: rules.py RESULTS

Each file of tests/rules/ is a checklist: a line `title WORD`, and a line a rule (see
there).  A test proves the rules that its name begins with: test_A7_…, test_G3_G4_…,
test_c1_5_… for c1.5.  RESULTS holds `passed|failed|skipped NAME` a line; check.py
writes it.  Prints every rule with what became of it.
"""

import collections
import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parent / "rules"

Rule = collections.namedtuple("Rule", "number level text reason")


class Checklist:
    def __init__(self, path):
        self.title = path.stem
        self.rules = {}
        for line in path.read_text().splitlines():
            if line.startswith("title "):
                self.title = line.split(maxsplit=1)[1]
            elif line.strip() and not line.startswith("#"):
                text, _, reason = line.partition(" | declined: ")
                rule = Rule(*text.split(maxsplit=2), reason)
                assert rule.number not in self.rules, f"{rule.number} twice"
                self.rules[rule.number] = rule
        names = {n.replace(".", "_"): n for n in self.rules}
        self.names = names
        any_of = "|".join(sorted(names, key=len, reverse=True))
        self.known = re.compile(rf"(?:test_)?((?:(?:{any_of})_)+)")
        self.each = re.compile(rf"({any_of})_")
        # What looks like a number here, `A7` or `c1_5`, and may be none.
        shapes = {re.sub(r"\d+", r"\\d+", re.sub("[A-Z]", "[A-Z]", n)) for n in names}
        self.shape = re.compile(rf"test_(?:{'|'.join(sorted(shapes))})_")

    def numbers(self, name):
        """Of the rules that a test of this name proves."""
        begin = self.known.match(name)
        return [self.names[n] for n in self.each.findall(begin[1])] if begin else []

    def judge(self, results):
        """number -> (state, names of its tests), and names that have no rule."""
        found = {number: [] for number in self.rules}
        strange = set()
        for state, name in results:
            numbers = self.numbers(name)
            if not numbers and self.shape.match(name):
                strange.add(name)
            for number in numbers:
                found[number].append((state, name))
        judged = {}
        for number, tests in found.items():
            states = {state for state, _ in tests}
            state = next((s for s in ("failed", "passed", "skipped") if s in states),
                         "missing")
            if state == "passed" and self.rules[number].reason:
                state = "declined"
            names = dict.fromkeys(name.split("[")[0] for _, name in tests)
            judged[number] = state, list(names)
        return judged, sorted(strange)


def checklists():
    return [Checklist(path) for path in sorted(FOLDER.glob("*.txt"))]


def summary(checklist, judged):
    """`BOSH 145 passed, 0 failed, 0 missing, 8 declined`."""
    count = collections.Counter(state for state, _ in judged.values())
    parts = [f"{count[s]} {s}" for s in ("passed", "failed", "missing", "declined")]
    if count["skipped"]:
        parts.append(f"{count['skipped']} skipped")
    return f"{checklist.title} {', '.join(parts)}"


def load(path):
    return [line.split(" ", 1) for line in pathlib.Path(path).read_text().splitlines()]


def main():
    results = load(sys.argv[1])
    for checklist in checklists():
        judged, strange = checklist.judge(results)
        print(f"== {checklist.title}")
        for number, (state, names) in judged.items():
            rule = checklist.rules[number]
            print(f"{number:5} {rule.level} {state:8} {rule.text}")
            if rule.reason:
                print(f"{'':17}declined: {rule.reason}")
            for name in names:
                print(f"{'':17}{name}")
        for name in strange:
            print(f"no such rule: {name}")
        print(f"rules: {summary(checklist, judged)}\n")


if __name__ == "__main__":
    main()
