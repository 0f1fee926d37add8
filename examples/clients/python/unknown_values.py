"""A plugin of ariadne-codegen: a client survives an answer of a later server, which has a value or a type more.

An enum takes any text. A value that it doesn't know becomes a member with the name UNKNOWN, which keeps the text and
equals none of the others. An object is read as the first class whose fields it has. So an object of a type that the
client doesn't know is read as the class for all other types, which comes last.
"""

import ast
import re

from ariadne_codegen import Plugin
from graphql import is_abstract_type

TAKES_ANY_TEXT = """
@classmethod
def _missing_(cls, value):
    if not isinstance(value, str):
        return None
    member = str.__new__(cls, value)
    member._name_ = "UNKNOWN"
    member._value_ = value
    return member
"""


class UnknownValues(Plugin):
    def generate_enum(self, class_def, enum_type):
        class_def.body += ast.parse(TAKES_ANY_TEXT).body
        return class_def

    def generate_result_types_module(self, module, operation_definition):
        return self.opened(module)

    def generate_fragments_module(self, module, fragments_definitions):
        return self.opened(module)

    def opened(self, module):
        """Classes are tried in order instead of by `__typename`, and the one for all other types comes last."""
        for node in ast.walk(module):
            if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "typename__":
                names = re.findall(r"\w+", ast.unparse(node.annotation))
                if any(is_abstract_type(self.schema.get_type(name)) for name in names):
                    node.annotation = ast.Name(id="str")
            elif isinstance(node, ast.AnnAssign):
                by_type = [part for part in ast.walk(node) if isinstance(part, ast.keyword) and part.arg == "discriminator"]
                for keyword in by_type:
                    keyword.arg, keyword.value = "union_mode", ast.Constant(value="left_to_right")
                for part in ast.walk(node.annotation) if by_type else []:
                    if isinstance(part, ast.Subscript) and getattr(part.value, "id", "") == "Union":
                        part.slice.elts.append(part.slice.elts.pop(0))
        return module
