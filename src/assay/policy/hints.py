"""What to do about a word that stands where the grammar has another, as authors need it told.

The parser says what it expected and what came; a hint says what was probably meant. Most are for
what other languages have: AD FS claim rules, the JSON format of 2018, templates.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Final

from assay.policy.syntax import ActionName, FunctionName, PropertyName, SectionName
from assay.policy.tokens import Token, TokenKind

_LONGEST_WORD: Final = 40
"""Longer words are not compared: the comparison is quadratic."""

_MOST_CHOICES: Final = 256
"""Nor are words with more than these: one comparison costs as much as reading a rule."""

_SECTIONS: Final = tuple(name.value for name in SectionName)
_ACTIONS: Final = tuple(name.value for name in ActionName)
_PROPERTIES: Final = frozenset(name.value for name in PropertyName)
_FUNCTIONS: Final = tuple(name.value for name in FunctionName)
_BOOLEANS: Final = frozenset({"true", "false"})

_CONDITIONS_OF_ADFS: Final = {
    "exists": "EXISTS is AD FS claim-rule syntax; write `[...]` alone, which asks for existence",
    "not": "NOT EXISTS is AD FS claim-rule syntax; version 1.2 writes `![...]`",
    "count": "COUNT is AD FS claim-rule syntax and has no counterpart",
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
_ARROWS: Final = {
    "[": _CONJUNCTION,
    "!": _CONJUNCTION,
    ",": _CONJUNCTION,
    "and": _CONJUNCTION,
    "or": "there is no `or`; write one rule for each alternative",
}
_NO_PROPERTY: Final = "a condition tests type, value, valueType or issuer"
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


# --- the frame ---


def start(token: Token) -> str:
    """A policy starts with another word than `version`."""
    if token.text == "{":
        return "the JSON format of 2018 was retired; rewrite the policy in the language of 1.0"
    if token.text in _SECTIONS:
        return "the version statement is required and comes first"
    if token.text.startswith("eyJ"):
        return "this looks like a JWS; give the text that is in its AttestationPolicy"
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
        return f"write `=> {token.text}(...)`: the arrow is needed even without conditions"
    if token.text in _PROPERTIES:
        return f"a condition stands in brackets: `[{token.text}...]`"
    known = _CONDITIONS_OF_ADFS.get(token.text.lower())
    if known is None and following.text == "[":
        return f"a name is followed by `:`; write `{token.text}:[...]`"
    return known or "a name is followed by `:` and its condition"


def condition(token: Token) -> str:
    """Something stands where a condition opens."""
    if token.text == ";":
        return "one `;` ends a rule"
    if token.text == "(":
        return "conditions are not grouped; they stand in `[` and `]`"
    return "a condition stands in `[` and `]`"


def condition_end(token: Token) -> str:
    """Something stands after a test inside a condition."""
    if token.text in {"&&", ";"}:
        return "the tests of one condition are separated by commas"
    return "the condition is not closed" if token.text == "=>" else ""


def arrow(token: Token, following: Token) -> str:
    """Something stands after a condition."""
    if token.text == "=" and following.text == ">":
        return "write `=>` in one piece"
    return _ARROWS.get(token.text.lower(), "")


def property_test(token: Token) -> str:
    """A test does not start with a property."""
    if token.text == "]":
        return "for a rule without conditions write `=>` alone"
    if token.kind in {TokenKind.STRING, TokenKind.INTEGER}:
        return 'the property stands on the left, as in type=="name"'
    if token.kind is TokenKind.WORD:
        return f'{_NO_PROPERTY}; a claim called {token.text} has type=="{token.text}"'
    return _NO_PROPERTY


def comparison(token: Token, following: Token) -> str:
    """Something stands where a test compares."""
    if token.text == "=>":
        return "write `>=`"
    if token.text != "=":
        return ""
    if following.text == "<":
        return "write `<=`"
    return "`=` assigns; a condition compares with `==`"


# --- values and actions ---


def value(token: Token) -> str:
    """Something stands where a value can."""
    folded = token.text.lower()
    if token.kind is TokenKind.DECIMAL:
        return "numbers are integers"
    if token.text == "[":
        return 'there are no arrays; version 1.2 reads one from JSON: JsonToClaimValue("[1,2]")'
    if folded in _BOOLEANS:
        return f"upper and lower case matter: write `{folded}`"
    if folded in {"null", "none"}:
        return "there is no null; a claim that is not to be has no rule that makes it"
    if token.kind is TokenKind.WORD:
        near = suggestion(token.text, _FUNCTIONS)
        spelled = f" or {near}(...)" if near else ""
        return f'write {token.text}.value{spelled} or "{token.text}"'
    return "a string, an integer, true, false or a property such as c.value can stand here"


def function(name: str) -> str:
    """There is no function of this name."""
    if name.lower() == "regexreplace":
        return "RegExReplace is AD FS claim-rule syntax; there are no regular expressions"
    return meant(name, _FUNCTIONS) or f"there are {', '.join(_FUNCTIONS)}"


def arity(name: FunctionName) -> str:
    """A function is called with another number of arguments."""
    return f"write {name}({_ARGUMENTS[name]})"


def action(token: Token) -> str:
    """A rule ends in something else than an action."""
    return meant(token.text, _ACTIONS) or f"the actions are {', '.join(_ACTIONS)}"


def assignment(token: Token, following: Token) -> str:
    """Something else than a property stands where an action assigns one."""
    if token.text in _PARAMETERS_OF_ADFS:
        return f"{token.text}= is AD FS claim-rule syntax; claims come from the evidence alone"
    if token.kind is TokenKind.WORD and following.text == ")":
        return f"to copy a claim, write claim={token.text}"
    return NEW_CLAIM


def claim_end(token: Token, *, copies: bool) -> str:
    """Something stands after the claim of an action."""
    if copies:
        return "claim= takes a name and nothing else; a new claim has type=..., value=..."
    return "assignments are separated by commas" if token.kind is TokenKind.WORD else ""
