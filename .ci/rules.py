"""Lists the rules with how many tests are named after each, and fails when a rule has none.

cargo test --test main -- --list | python3 rules.py docs/lifecycle.md
"""

import re
import sys
from collections import Counter


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rules = sorted({int(number) for number in re.findall(r"^- \*\*R(\d+)\*\*", file.read(), re.M)})
    if rules != list(range(1, len(rules) + 1)):
        raise SystemExit(f"the rules are not numbered 1 to {len(rules)}: {rules}")
    tests = Counter()
    for line in sys.stdin:
        if line.rstrip().endswith(": test"):
            name = line.rsplit(": ", 1)[0].rsplit("::", 1)[-1]
            # `r28_r30_…` is a test of both rules.
            tests.update(int(number) for number in re.findall(r"r(\d+)(?=_)", re.match(r"(?:r\d+_)*", name)[0]))
    for start in range(0, len(rules), 10):
        print("  ".join(f"R{rule:<2} {tests[rule]:>3}" for rule in rules[start : start + 10]))
    unknown = sorted(set(tests) - set(rules))
    if unknown:
        raise SystemExit(f"tests are named after rules that don't exist: {', '.join(f'R{rule}' for rule in unknown)}")
    without = [f"R{rule}" for rule in rules if not tests[rule]]
    if without:
        raise SystemExit(f"without a test: {', '.join(without)}")
    print(f"{len(rules)} rules, {sum(tests.values())} tests that name one")


main()
