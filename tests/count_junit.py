"""Prints "passed failed skipped" of a JUnit file; exits 1 where there is none or it ran nothing.

usage: count_junit.py JUNIT [SECTION FILE]      FILE gets a line for each skipped test: section, name, reason.
"""
import sys
import xml.etree.ElementTree as ET


def skipped_line(section, case):
    skipped = case.find("skipped")
    reason = " ".join((skipped.get("message") or skipped.text or "no reason given").split())
    return f"{section}: {case.get('classname', '').rsplit('.', 1)[-1]} {case.get('name')}: {reason}\n"


try:
    cases = list(ET.parse(sys.argv[1]).iter("testcase"))
except (OSError, ET.ParseError):
    sys.exit(1)
failed = sum(1 for c in cases if c.find("failure") is not None or c.find("error") is not None)
skipped = [c for c in cases if c.find("skipped") is not None]
if len(sys.argv) > 2:
    with open(sys.argv[3], "a") as f:
        f.writelines(skipped_line(sys.argv[2], c) for c in skipped)
print(len(cases) - failed - len(skipped), failed, len(skipped))
sys.exit(0 if cases else 1)
