"""What to do about a word that stands where the grammar has another, as authors need it told.

The parser says what it expected and what came; a hint says what was probably meant. Most are for
what other languages have: AD FS claim rules, the JSON format of 2018, templates.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Final

from assay.claims.names import DEPRECATED_NAMES
from assay.policy.syntax import ActionName, FunctionName, PropertyName, SectionName
from assay.policy.tokens import Token, TokenKind

_LONGEST_WORD: Final = 40
"""Longer words are not compared: the comparison is quadratic."""

_MOST_CHOICES: Final = 256
"""Nor are words with more than these: one comparison costs as much as reading a rule."""

_SECTIONS: Final = tuple(name.value for name in SectionName)
_ACTIONS: Final = tuple(name.value for name in ActionName)
_WITHOUT_CLAIM: Final = frozenset({ActionName.PERMIT.value, ActionName.DENY.value})
_PROPERTIES: Final = frozenset(name.value for name in PropertyName)
_FUNCTIONS: Final = tuple(name.value for name in FunctionName)
_SUCCESSORS: Final = {old.removeprefix("$"): new for new, old in DEPRECATED_NAMES.items()}
"""Names of tokens that policies make, for the claims that the service gives to policies."""
_BOOLEANS: Final = frozenset({"true", "false"})

_FOREIGN_CONDITIONS: Final = {
    "exists": "EXISTS is AD FS claim-rule syntax; write `[...]` alone, which asks for existence",
    "not": "NOT EXISTS is AD FS claim-rule syntax; version 1.2 writes `![...]`",
    "count": "COUNT is AD FS claim-rule syntax and has no counterpart",
    "if": "there is no `if`; a rule starts with its conditions",
    "else": "there is no `else`; every rule whose conditions hold runs",
}
_ARGUMENTS: Final = {
    FunctionName.JMES_PATH: "json, query",
    FunctionName.JSON_TO_CLAIM_VALUE: "json",
    FunctionName.IS_SUBSET_OF: "values, others",
    FunctionName.APPEND_STRING: "first, second",
    FunctionName.NEGATE_BOOL: "boolean",
    FunctionName.CONTAINS_ONLY_VALUE: "values, value",
}
_PARAMETERS_OF_ADFS: Final = frozenset({"store", "types", "query", "param"})
_CONJUNCTION: Final = "conditions are joined with `&&`"
_NO_OR: Final = "there is no `or`; write one rule for each alternative"
_INSIDE: Final = "the value is tested inside the brackets: `[type==..., value==...]`"
_NAME_FIRST: Final = "a name stands before its condition: `c:[...]`"
_ARROWS: Final = {
    "[": _CONJUNCTION,
    "!": _CONJUNCTION,
    ",": _CONJUNCTION,
    "and": _CONJUNCTION,
    "or": _NO_OR,
    ".": _INSIDE,
    ":": _NAME_FIRST,
    "as": _NAME_FIRST,
}
_AFTER_CONDITIONS: Final = frozenset({"=>", "&&", ";", "}", ""})
_BACKWARDS: Final = {"<": "write `<=`", "!": "write `!=`"}
_COMPARISONS: Final = "the comparisons are ==, !=, <, <=, > and >="
_OPERATORS_IN_TWO: Final = {
    ("==", "="): "write `==`",
    ("!=", "="): "write `!=`",
    ("<", ">"): "write `!=`",
    ("<", "="): "write `<=` in one piece",
    (">", "="): "write `>=` in one piece",
}
"""What a comparison and the token behind it were meant to be."""
_VALUES: Final = "a string, an integer, true, false or a property such as c.value can stand here"
_TRAILING_COMMA: Final = "a comma stands between two, and not behind the last"
_NO_PROPERTY: Final = "a condition tests type, value, valueType or issuer"
_ELSEWHERE: Final = {
    "!": "`!` stands before the `[` of a condition; a test is negated with `!=`",
    "[": "one `[` opens a condition",
}
_BEGINNINGS: Final = {
    "eyJ": "this looks like a JWS; give the text that is in its AttestationPolicy",
    "dmVyc2lvb": "this looks like base64 of a policy; give the text itself",
    '"version': "a policy stands without quotes around it",
}
NEGATED_NAME: Final = "a negated condition names no claims; leave the name out"
NEW_CLAIM: Final = 'a claim is written type="name", value=expression'


def suggestion(word: str, choices: Collection[str]) -> str | None:
    """The choice that `word` was probably meant to be."""
    if len(word) > _LONGEST_WORD or len(choices) > _MOST_CHOICES:
        return None
    # Sorted: the same hint in every process, although sets of names have no order.
    folded = {choice.lower(): choice for choice in sorted(choices)}
    close = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.75)
    return folded[close[0]] if close else None


def meant(word: str, choices: Collection[str]) -> str:
    """A hint for a misspelled word; empty where nothing is near."""
    near = suggestion(word, choices)
    if near is None:
        return ""
    if near.lower() == word.lower():
        return f"upper and lower case matter: write `{near}`"
    return f"did you mean `{near}`?"


def claim_meant(name: str, choices: Collection[str]) -> str:
    """A hint for the misspelled name of a claim: no deprecated one, unless it looks like one."""
    successor = _SUCCESSORS.get(name)
    if successor in choices:
        return f"did you mean `{successor}`?"
    return meant(name, [one for one in choices if name[:1] == "$" or one[:1] != "$"])


# --- the frame ---


def start(token: Token, following: Token) -> str:
    """A policy starts with another word than `version`."""
    if token.text == "{" and following.text == '"AttestationPolicy"':
        return "this is what a JWS carries; give the text that is in its AttestationPolicy"
    if token.text == "{":
        return "the JSON format of 2018 was retired; rewrite the policy in the language of 1.0"
    if token.text in _SECTIONS:
        return "the version statement is required and comes first"
    for beginning, hint in _BEGINNINGS.items():
        if token.text.startswith(beginning):
            return hint
    near = meant(token.text, ["version"]) if token.kind is TokenKind.WORD else ""
    return near or "a policy starts with its version"


def version_end(token: Token) -> str:
    """A version number is not followed by `;`."""
    if token.text == ".":
        return "a version has two numbers, such as 1.0"
    return "the version statement ends with `;`"


def section(token: Token) -> str:
    """Something that is no section stands where one can."""
    if token.text == "version":
        return "the version statement comes first, once"
    near = meant(token.text, _SECTIONS)
    return near or f"a policy consists of {', '.join(_SECTIONS)}, each with its rules in braces"


# --- conditions ---


def rule_start(token: Token, following: Token) -> str:
    """A rule starts with a word that names no condition."""
    if token.text in _ACTIONS:
        return f"write `=> {called(token.text)}`: the arrow is needed even without conditions"
    if token.text in _PROPERTIES:
        return f"a condition stands in brackets: `[{token.text}...]`"
    if following.text == ".":
        return _INSIDE
    known = _FOREIGN_CONDITIONS.get(token.text.lower())
    if known is None and following.text == "[":
        return f"a name is followed by `:`; write `{token.text}:[...]`"
    return known or "a name is followed by `:` and its condition"


def condition(token: Token, before: Token) -> str:
    """Something stands where a condition opens."""
    if before.text == "&&" and token.text in _AFTER_CONDITIONS:
        return "`&&` joins two conditions, and the second is missing"
    if token.text == ";":
        return "one `;` ends a rule"
    if token.text in {")", "]"}:
        return "the rules of a section end with `}`"
    if token.text == "(":
        return "conditions are not grouped; they stand in `[` and `]`"
    return "a condition stands in `[` and `]`"


def condition_end(token: Token, following: Token, after: Token) -> str:
    """Something stands after a test inside a condition."""
    opens = following.text in {"[", "!"} or after.text == ":"
    if token.text == "=>" or (token.text == "&&" and opens):
        return "the condition is not closed"
    if token.text.lower() == "or":
        return _NO_OR
    if token.text in _PROPERTIES or token.text.lower() in {"and", "&&", ";"}:
        return "the tests of one condition are separated by commas"
    return ""


def arrow(token: Token, following: Token) -> str:
    """Something stands after a condition."""
    if token.text == "=" and following.text == ">":
        return "write `=>` in one piece"
    if token.text == "=" and following.text == "&gt;":
        return "the text is HTML-escaped; write `=>`"
    return _ARROWS.get(token.text.lower(), "")


def property_test(token: Token, before: Token, written: str) -> str:
    """A test does not start with a property; `written` goes on to the next blank."""
    if token.text == "]":
        empty = before.text == "["
        return "for a rule without conditions write `=>` alone" if empty else _TRAILING_COMMA
    if token.kind in {TokenKind.STRING, TokenKind.INTEGER}:
        return 'the property stands on the left, as in type=="name"'
    if token.text in _FUNCTIONS:
        return "a function stands on the right of a comparison, or in an action"
    own = written.removeprefix(f"{token.text}.")
    if own != written and own in _PROPERTIES:
        return f"a condition tests the claims that it looks for: write `{own}`"
    if token.kind is TokenKind.WORD:
        return f'{_NO_PROPERTY}; a claim called {written} has type=="{written}"'
    return _ELSEWHERE.get(token.text, _NO_PROPERTY)


def comparison(token: Token, following: Token) -> str:
    """Something stands where a test compares."""
    if token.text == "=>":
        return "write `>=`"
    if token.text == "!":
        return "write `!=`"
    if token.text == "in":
        return "there are no lists; write one rule for each alternative"
    if token.text != "=":
        return _COMPARISONS
    if following.text in _BACKWARDS:
        return _BACKWARDS[following.text]
    return "`=` assigns; a condition compares with `==`"


# --- values and actions ---


def value(token: Token, before: Token, written: str) -> str:
    """Something stands where a value can; `written` goes on to the next blank."""
    if token.kind is TokenKind.WORD:
        return _word(token.text, written)
    if token.kind is TokenKind.DECIMAL:
        return "numbers are integers"
    if token.text == ")" and before.text == ",":
        return _TRAILING_COMMA
    if token.text == "[":
        return 'there are no arrays; version 1.2 reads one from JSON: JsonToClaimValue("[1,2]")'
    if token.text == "!":
        return "version 1.2 negates with NegateBool(boolean)"
    return _OPERATORS_IN_TWO.get((before.text, token.text), _VALUES)


def _word(text: str, written: str) -> str:
    """A word stands where a value can."""
    folded = text.lower()
    if folded in _BOOLEANS:
        return f"upper and lower case matter: write `{folded}`"
    if folded in {"null", "none"}:
        return (
            "there is no null; make no claim, or ask for its absence with `![...]` of version 1.2"
        )
    if written != text:
        return f'strings stand in double quotes: write "{written}"'
    if text in _FUNCTIONS:
        return arity(FunctionName(text))
    near = suggestion(text, _FUNCTIONS)
    spelled = f" or {near}(...)" if near else ""
    return f'write {text}.value{spelled} or "{text}"'


def function(name: str) -> str:
    """There is no function of this name."""
    if name.lower() == "regexreplace":
        return "RegExReplace is AD FS claim-rule syntax; there are no regular expressions"
    return meant(name, _FUNCTIONS) or f"there are {', '.join(_FUNCTIONS)}"


def arity(name: FunctionName) -> str:
    """A function is called with another number of arguments."""
    return f"write {name}({_ARGUMENTS[name]})"


def called(name: str) -> str:
    """An action as it is written."""
    return f"{name}()" if name in _WITHOUT_CLAIM else f"{name}(...)"


def action(token: Token) -> str:
    """A rule ends in something else than an action."""
    return meant(token.text, _ACTIONS) or f"the actions are {', '.join(_ACTIONS)}"


def assignment(token: Token, before: Token, following: Token) -> str:
    """Something else than a property stands where an action assigns one."""
    if token.text == ")" and before.text == ",":
        return _TRAILING_COMMA
    if token.text in _PARAMETERS_OF_ADFS:
        return f"{token.text}= is AD FS claim-rule syntax; claims come from the evidence alone"
    if token.kind is TokenKind.WORD and following.text == "=":
        return f'write type="{token.text}", value=...'
    if token.kind is TokenKind.WORD and following.text == ")":
        return f"to copy a claim, write claim={token.text}"
    return NEW_CLAIM


def claim_end(token: Token, following: Token, *, copies: bool) -> str:
    """Something stands after the claim of an action."""
    if token.text == ";" and following.text not in _PROPERTIES:
        return "a `)` is missing"
    if copies:
        return "claim= takes a name and nothing else; a new claim has type=..., value=..."
    separated = token.text == ";" or token.text in _PROPERTIES
    return "assignments are separated by commas" if separated else ""
