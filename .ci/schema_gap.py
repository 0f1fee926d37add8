"""Says which types, fields, arguments and values of one schema another one doesn't have (yet).

python3 schema_gap.py INTENDED OURS
"""

import re
import sys

TOKEN = re.compile(r'"""(?:\\"""|.|\n)*?"""|"(?:\\.|[^"\\\n])*"|\#[^\n]*|\.\.\.|[A-Za-z_]\w*|[{}()\[\]:=!|&@$]|-?\d[\d.eE+-]*')
KINDS = {"type", "interface", "input", "enum", "union", "scalar"}


def tokens(text):
    return [t for t in TOKEN.findall(text) if t[0] not in '"#']


def names(path):
    """All names: `Type`, `Type.field`, `Type.field(argument)`, `Enum.VALUE`."""
    with open(path, encoding="utf-8") as file:
        words = tokens(file.read())
    found, kind, owner, field, depth, parens = set(), None, None, None, 0, 0
    for i, word in enumerate(words):
        following = words[i + 1] if i + 1 < len(words) else ""
        if depth == 0 and word in KINDS and following.isidentifier():
            kind, owner = word, following
            found.add(owner)
        elif depth == 0 and word in ("schema", "directive"):
            kind = None
        elif word in "{[":
            depth += word == "{"
        elif word == "}":
            depth -= 1
        elif word == "(":
            parens += 1
        elif word == ")":
            parens -= 1
        elif depth == 1 and parens == 0 and kind == "enum" and word.isidentifier() and words[i - 1] != "@":
            found.add(f"{owner}.{word}")
        elif depth == 1 and parens == 0 and kind not in ("enum", None) and word.isidentifier() and following in (":", "("):
            # A directive with arguments isn't a field.
            if words[i - 1] != "@":
                field = word
                found.add(f"{owner}.{field}")
        elif depth == 1 and parens == 1 and kind in ("type", "interface") and following == ":":
            found.add(f"{owner}.{field}({word})")
    return found


def main():
    intended, ours = names(sys.argv[1]), names(sys.argv[2])
    missing = intended - ours

    def told_by_parent(name):
        parents = [name.split("(")[0], name.split(".")[0]]
        return any(parent != name and parent in missing for parent in parents)

    shown = sorted(name for name in missing if not told_by_parent(name))
    print(f"{len(intended & ours)} of {len(intended)} names of the intended schema are there; to come: {', '.join(shown) or 'nothing'}")
    more = sorted(name for name in ours - intended if name.split(".")[0] not in ours - intended or "." not in name)
    if more:
        print(f"ours alone: {', '.join(more)}")


main()
