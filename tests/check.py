#!/usr/bin/python3
"""Runs the tests and counts them: `make check` and the sanitizer run both end here.

usage: check.py BUILD_DIRECTORY [part ...]

Parts, in order: layers unit stress mutate wire interop browser (default: all but mutate,
which takes the sanitizer build; MUTATE_REQUESTS says how many).  The last line
is `N passed, N failed, N skipped`; the exit code is 1 when anything failed.  Which rules
of the checklists that proves is counted before it; BUILD_DIRECTORY/results keeps every
test's name for `make rules`.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

import rules

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNIT_SECONDS = 300
PYTEST_SECONDS = 1500


class Count:
    """Results: (passed|failed|skipped, name) of the tests that have a name."""

    def __init__(self, passed=0, failed=0, skipped=0, results=()):
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.results = list(results)

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.results += other.results
        return self

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def environment(build):
    # A leak or an undefined step ends the program with a code of its own, so a
    # daemon's exit code shows it to the test that runs it.
    return dict(
        os.environ, WAFT_BUILD=str(build), CMOCKA_MESSAGE_OUTPUT="TAP",
        ASAN_OPTIONS="detect_leaks=1:exitcode=99",
        UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:exitcode=99",
        LSAN_OPTIONS=f"suppressions={ROOT}/tests/lsan.supp:print_suppressions=0")


def command(arguments, build, seconds):
    """One program, one test: passed when it exits 0."""
    try:
        done = subprocess.run(
            arguments, cwd=ROOT, env=environment(build), timeout=seconds,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace")
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        text = late.stdout or b""
        return 124, f"{text.decode(errors='replace')}\nlate: over {seconds} s"


def one(name, arguments, build, seconds, says=False):
    code, text = command(arguments, build, seconds)
    if code != 0:
        print(f"FAILED {name} (exit code {code})\n{text}")
    elif says:
        print(text, end="")
    return Count(passed=int(code == 0), failed=int(code != 0))


def layers(build):
    return one("layers", ["sh", "tests/layers.sh"], build, 60)


def stress(build):
    return one("store_stress", [f"{build}/tests/store_stress"], build, 120)


def mutate(build):
    count = int(os.environ.get("MUTATE_REQUESTS", "50000"))
    return one("mutate", [f"{build}/tests/mutate", f"{build}/bin/waft-bosh", str(count)],
               build, 120 + count // 200, says=True)


def unit(build):
    count = Count()
    for program in sorted(pathlib.Path(build, "tests").glob("test_*")):
        if program.suffix or not os.access(program, os.X_OK):
            continue
        code, text = command([str(program)], build, UNIT_SECONDS)
        results = [
            ("failed" if no else "skipped" if "# SKIP" in more else "passed", name)
            for no, name, more in
            re.findall(r"^(not )?ok \d+ - (\S+)(.*)", text, re.M)]
        good, bad, skipped = ([state for state, _ in results].count(each)
                              for each in ("passed", "failed", "skipped"))
        if code != 0 and bad == 0:
            bad = 1  # it ended before it could say
        if bad:
            print(f"FAILED {program.name} (exit code {code})\n{text}")
        count += Count(good, bad, skipped, results)
    return count


def case_state(case):
    kinds = {child.tag for child in case}
    return ("failed" if kinds & {"failure", "error"} else
            "skipped" if "skipped" in kinds else "passed")


def pytest(folder, build):
    if not any((ROOT / "tests" / folder).glob("test_*.py")):
        return Count()
    with tempfile.TemporaryDirectory() as out:
        report = pathlib.Path(out, "report.xml")
        code = subprocess.run(
            ["/usr/bin/python3", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
             f"--junitxml={report}", f"tests/{folder}"],
            cwd=ROOT, env=environment(build), timeout=PYTEST_SECONDS,
            stdin=subprocess.DEVNULL).returncode
        if not report.exists():
            return Count(failed=1)
        suite = ET.parse(report).getroot().find("testsuite")
    bad = int(suite.get("failures")) + int(suite.get("errors"))
    skipped = int(suite.get("skipped"))
    if code not in (0, 1) and bad == 0:
        bad = 1
    results = [(case_state(case), case.get("name"))
               for case in suite.iter("testcase")]
    return Count(int(suite.get("tests")) - bad - skipped, bad, skipped, results)


PARTS = {
    "layers": layers,
    "unit": unit,
    "stress": stress,
    "mutate": mutate,
    "wire": lambda build: pytest("wire", build),
    "interop": lambda build: pytest("interop", build),
    "browser": lambda build: pytest("browser", build),
}


def prove(build, results, whole):
    """Counts the rules that were proved; keeps the results for rules.py.  Returns
    the faults: rules without a test, if every part ran, and tests without a rule."""
    faults = 0
    pathlib.Path(build, "results").write_text(
        "".join(f"{state} {name}\n" for state, name in results))
    for checklist in rules.checklists():
        judged, strange = checklist.judge(results)
        missing = [number for number, (state, _) in judged.items()
                   if state == "missing" and whole]
        if missing:
            print(f"FAILED rules without a test: {' '.join(missing)}")
        for name in strange:
            print(f"FAILED no such rule: {name}")
        faults += len(missing) + len(strange)
        print(f"rules: {rules.summary(checklist, judged)}")
    return faults


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    total = Count()
    lines = []
    usual = [part for part in PARTS if part != "mutate"]
    parts = sys.argv[2:] or usual
    for name in parts:
        began = time.monotonic()
        print(f"== {name}", flush=True)
        count = PARTS[name](build)
        total += count
        lines.append(f"{name:10} {count}  ({time.monotonic() - began:.0f} s)")
    print("\n".join(["", *lines]))
    total.failed += prove(build, total.results, set(parts) >= set(usual))
    print(total)
    sys.exit(total.failed > 0)


if __name__ == "__main__":
    main()
