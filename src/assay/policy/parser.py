"""Text to tree, by recursive descent: one method a grammar rule.

A problem inside a rule ends that rule; reading resumes where the next one plausibly starts, so
that all problems of a text come in one go. The grammar is that of version 1.2, the widest;
`check` takes away what an older version does not have.

Source: MAA policy language 1.0, 1.1 and 1.2.
"""

from __future__ import annotations

from typing import Final

from assay.policy import hints, syntax
from assay.policy.cursor import Cursor, UnexpectedTokenError, shown
from assay.policy.source import PolicyProblem, Source
from assay.policy.syntax import ActionName, Operator, PropertyName, SectionName
from assay.policy.tokens import Token, TokenKind, string_value

MAX_RULES: Final = 5_000
"""A hundred times the largest published policy; bounds the work of one evaluation."""

MAX_NESTING: Final = 32
"""Calls in calls; published policies nest three deep. Bounds recursion."""

MAX_DIGITS: Final = 40
"""Beyond any integer a claim can have; longer literals take quadratic time to read."""

_SECTIONS: Final = {name.value: name for name in SectionName}
_SECTION_ORDER: Final = tuple(SectionName)
_ACTIONS: Final = {name.value: name for name in ActionName}
_PROPERTIES: Final = {name.value: name for name in PropertyName}
_OPERATORS: Final = {operator.value: operator for operator in Operator}
_BOOLEANS: Final = {"true": True, "false": False}
_RULE_STARTS: Final = frozenset({"=>", "[", "!", "}", ""})
_RESERVED: Final = frozenset(
    {"version", "claim", *_SECTIONS, *_ACTIONS, *_PROPERTIES, *_BOOLEANS},
)


def parse(source: Source) -> tuple[syntax.Policy, list[PolicyProblem]]:
    """The tree of `source`, or as much of it as could be read, with the problems met."""
    parser = _Parser(Cursor(source))
    return parser.policy(), parser.cursor.problems


class _Parser:
    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self._rules = 0

    def policy(self) -> syntax.Policy:
        """`policy` = versionInfo , [ configuration ] , [ authorization ] , [ issuance ] , EOF."""
        version = self._version_info()
        sections: list[syntax.Section] = []
        while not self.cursor.at_end:
            section = self._next_section(sections)
            if section is not None:
                sections.append(section)
        return syntax.Policy(version=version, sections=tuple(sections))

    # --- version ---

    def _version_info(self) -> syntax.VersionStatement | None:
        """`versionInfo` = "version" , "=" , versionNumber , ";"."""
        token = self.cursor.current
        if token.text != "version":
            self.cursor.report_current("`version=1.0;`", hints.start(token, self.cursor.ahead()))
            if token.text == "{":
                self.cursor.stop()
            if token.kind is TokenKind.FOREIGN:
                self.cursor.advance()
            if hints.suggestion(self.cursor.current.text, ["version"]) is None:
                return None
        try:
            return self._version_number()
        except UnexpectedTokenError:
            self._skip_statement()
            return None

    def _version_number(self) -> syntax.VersionStatement:
        self.cursor.advance()
        self.cursor.expect("=", "the version is set with one `=`")
        token = self.cursor.current
        if token.kind is not TokenKind.DECIMAL:
            hint = "the version is a bare number such as 1.0"
            if token.text.startswith("'"):
                # Not that strings stand in other quotes.
                self.cursor.report(
                    token.span, "a version, major.minor", f"got {shown(token)}", hint
                )
            raise self.cursor.unexpected("a version, major.minor", hint)
        self.cursor.advance()
        if not self.cursor.accept(";"):
            hint = hints.version_end(self.cursor.current)
            self.cursor.report_current("`;`", hint + self.cursor.place_behind())
            if self.cursor.current.kind is not TokenKind.WORD:
                self._skip_statement()
        return syntax.VersionStatement(number=token.text, span=token.span)

    def _skip_statement(self) -> None:
        while not self.cursor.at_end and self.cursor.current.text not in _SECTIONS:
            if self.cursor.advance().text == ";":
                return

    # --- sections ---

    def _next_section(self, before: list[syntax.Section]) -> syntax.Section | None:
        token = self.cursor.current
        name = _SECTIONS.get(token.text) if token.kind is TokenKind.WORD else None
        if name is None:
            self.cursor.report_current("a section", hints.section(token))
            near = hints.suggestion(token.text, _SECTIONS)
            if near is None or self.cursor.ahead().text != "{":
                self._skip_to_section()
                return None
            name = _SECTIONS[near]
        else:
            self._check_order(token, name, before)
        return self._section(name)

    def _check_order(self, token: Token, name: SectionName, before: list[syntax.Section]) -> None:
        for section in before:
            if section.name is name:
                hint = "put all its rules into one"
                self.cursor.report(token.span, f"one section `{name}`", "got a second one", hint)
                return
            if _SECTION_ORDER.index(section.name) > _SECTION_ORDER.index(name):
                wanted = f"`{name}` before `{section.name}`"
                hint = f"the order is {', '.join(_SECTION_ORDER)}"
                self.cursor.report(token.span, wanted, "got it after", hint)
                return

    def _section(self, name: SectionName) -> syntax.Section | None:
        """`section` = name , "{" , { rule } , "}" , ";"."""
        token = self.cursor.advance()
        if not self.cursor.accept("{"):
            self.cursor.report_current("`{`", "a section's rules stand in braces")
            self._skip_to_section()
            return None
        rules = self._rules_of_section()
        if not self.cursor.accept("}"):
            self.cursor.report_current(
                "`}`", f"the section `{name}` is not closed: it ends with `}};`"
            )
        elif not self.cursor.accept(";"):
            hint = "the `}` of a section is followed by `;`"
            self.cursor.report_current("`;`", hint + self.cursor.place_behind())
        return syntax.Section(name=name, rules=rules, span=token.span)

    def _rules_of_section(self) -> tuple[syntax.Rule, ...]:
        rules = []
        while not self._at_section_end():
            self._rules += 1
            if self._rules > MAX_RULES:
                self.cursor.report(
                    self.cursor.current.span, f"at most {MAX_RULES} rules", "got more"
                )
                self.cursor.stop()
                break
            try:
                rules.append(self._rule())
            except UnexpectedTokenError:
                self._skip_rule()
        return tuple(rules)

    def _at_section_end(self) -> bool:
        token = self.cursor.current
        if token.text in _SECTIONS:
            return self.cursor.ahead().text == "{"
        return token.text == "}" or token.kind is TokenKind.END

    def _skip_rule(self) -> None:
        # A `;` ends the rule only if a rule can start after it: it may stand where `,` belongs.
        while not self._at_section_end():
            if self.cursor.advance().text == ";" and self._at_rule_start():
                return

    def _skip_to_section(self) -> None:
        self.cursor.advance()
        while not self.cursor.at_end and self.cursor.current.text not in _SECTIONS:
            self.cursor.advance()

    def _at_rule_start(self) -> bool:
        token = self.cursor.current
        if token.kind is TokenKind.WORD:
            return self.cursor.ahead().text == ":" or token.text in _SECTIONS
        return token.text in _RULE_STARTS

    # --- rules ---

    def _rule(self) -> syntax.Rule:
        """`rule` = [ conditions ] , "=>" , action , ";"."""
        start = self.cursor.current.start
        conditions = () if self.cursor.current.text == "=>" else self._conditions()
        self.cursor.expect("=>", hints.arrow(self.cursor.current, self.cursor.ahead()))
        action = self._action()
        span = self.cursor.span_from(start)
        if not self.cursor.accept(";"):
            hint = (
                "one action a rule; write another rule for the next"
                if self.cursor.current.text == ","
                else "a rule ends with `;`" + self.cursor.place_behind()
            )
            self.cursor.report_current("`;`", hint)
            if not self._at_rule_start():
                self._skip_rule()
        return syntax.Rule(conditions=conditions, action=action, span=span)

    def _conditions(self) -> tuple[syntax.Condition, ...]:
        """`conditions` = condition , { "&&" , condition }."""
        conditions = [self._condition()]
        while self.cursor.accept("&&"):
            conditions.append(self._condition())
        return tuple(conditions)

    def _condition(self) -> syntax.Condition:
        """`condition` = "!" , body | [ identifier , ":" ] , body."""
        start = self.cursor.current.start
        negated = self.cursor.accept("!")
        identifier = None
        if self.cursor.current.kind is TokenKind.WORD:
            if negated:
                raise self.cursor.unexpected("`[`", hints.NEGATED_NAME)
            identifier = self._binding()
        tests = self._condition_body()
        return syntax.Condition(
            identifier=identifier,
            negated=negated,
            tests=tests,
            span=self.cursor.span_from(start),
        )

    def _binding(self) -> syntax.Identifier:
        token = self.cursor.current
        if self.cursor.ahead().text != ":":
            hint = hints.rule_start(token, self.cursor.ahead())
            raise self.cursor.unexpected("a condition or `=>`", hint)
        if token.text in _RESERVED:
            raise self.cursor.unexpected("a name", f"`{token.text}` is a word of the language")
        self.cursor.advance()
        self.cursor.advance()
        if self.cursor.current.text == "!":
            raise self.cursor.unexpected("`[`", hints.NEGATED_NAME)
        return syntax.Identifier(name=token.text, span=token.span)

    def _condition_body(self) -> tuple[syntax.PropertyTest, ...]:
        """`body` = "[" , propertyTest , { "," , propertyTest } , "]"."""
        if not self.cursor.accept("["):
            hint = hints.condition(self.cursor.current, self.cursor.previous)
            raise self.cursor.unexpected("`[`", hint)
        tests = [self._property_test()]
        while self.cursor.accept(","):
            tests.append(self._property_test())
        if not self.cursor.accept("]"):
            hint = hints.condition_end(
                self.cursor.current, self.cursor.ahead(), self.cursor.ahead(2)
            )
            raise self.cursor.unexpected("`,` or `]`", hint)
        return tuple(tests)

    def _property_test(self) -> syntax.PropertyTest:
        """`propertyTest` = property , comparison , expression."""
        start = self.cursor.current.start
        hint = ""
        if self.cursor.current.text not in _PROPERTIES:
            hint = hints.property_test(
                self.cursor.current, self.cursor.previous, self.cursor.written
            )
        name = self._property(hint)
        operator = _OPERATORS.get(self.cursor.current.text)
        if operator is None:
            hint = hints.comparison(self.cursor.current, self.cursor.ahead())
            raise self.cursor.unexpected("a comparison", hint)
        self.cursor.advance()
        expression = self._expression(0)
        return syntax.PropertyTest(
            property=name,
            operator=operator,
            expression=expression,
            span=self.cursor.span_from(start),
        )

    def _property(self, hint: str) -> PropertyName:
        """`property` = "type" | "value" | "valueType" | "issuer"."""
        token = self.cursor.current
        name = _PROPERTIES.get(token.text)
        if name is None:
            raise self.cursor.unexpected("a property", hints.meant(token.text, _PROPERTIES) or hint)
        self.cursor.advance()
        return name

    # --- expressions ---

    def _expression(self, depth: int) -> syntax.Expression:
        """`expression` = string | integer | boolean | propertyAccess | functionCall."""
        token = self.cursor.current
        if token.kind is TokenKind.WORD and token.text not in _BOOLEANS:
            return self._word_expression(depth)
        value: str | int | bool
        if token.kind is TokenKind.STRING:
            value = string_value(token.text)
        elif token.kind is TokenKind.INTEGER:
            value = self._integer(token)
        elif token.text in _BOOLEANS:
            value = _BOOLEANS[token.text]
        else:
            raise self._no_value()
        self.cursor.advance()
        return syntax.Literal(value=value, span=token.span)

    def _integer(self, token: Token) -> int:
        if len(token.text) > MAX_DIGITS:
            raise self.cursor.unexpected(f"at most {MAX_DIGITS} digits")
        return int(token.text)

    def _word_expression(self, depth: int) -> syntax.Expression:
        following = self.cursor.ahead().text
        if following == ".":
            return self._property_access()
        if following == "(":
            return self._function_call(depth)
        raise self._no_value()

    def _no_value(self) -> UnexpectedTokenError:
        hint = hints.value(self.cursor.current, self.cursor.previous, self.cursor.written)
        return self.cursor.unexpected("a value", hint)

    def _property_access(self) -> syntax.PropertyAccess:
        """`propertyAccess` = identifier , "." , property."""
        token = self.cursor.advance()
        self.cursor.advance()
        name = self._property("a claim has type, value, valueType and issuer")
        identifier = syntax.Identifier(name=token.text, span=token.span)
        span = self.cursor.span_from(token.start)
        return syntax.PropertyAccess(identifier=identifier, property=name, span=span)

    def _function_call(self, depth: int) -> syntax.FunctionCall:
        """`functionCall` = functionName , "(" , [ expression , { "," , expression } ] , ")"."""
        if depth >= MAX_NESTING:
            raise self.cursor.unexpected(f"at most {MAX_NESTING} calls in each other")
        token = self.cursor.advance()
        self.cursor.advance()
        arguments = []
        if self.cursor.current.text != ")":
            arguments.append(self._expression(depth + 1))
            while self.cursor.accept(","):
                arguments.append(self._expression(depth + 1))
        if not self.cursor.accept(")"):
            raise self.cursor.unexpected("`,` or `)`")
        return syntax.FunctionCall(
            name=token.text,
            arguments=tuple(arguments),
            span=self.cursor.span_from(token.start),
        )

    # --- actions ---

    def _action(self) -> syntax.Action:
        """`action` = ( "permit" | "deny" ) , "(" , ")" | actionName , "(" , claimSpec , ")"."""
        token = self.cursor.current
        name = _ACTIONS.get(token.text)
        if name is None:
            raise self.cursor.unexpected("an action", hints.action(token))
        self.cursor.advance()
        self.cursor.expect("(", f"an action is written with parentheses: {hints.called(name)}")
        claim = None
        if name in {ActionName.PERMIT, ActionName.DENY}:
            self.cursor.expect(")", f"{name}() takes no argument")
        else:
            claim = self._claim_spec()
            if not self.cursor.accept(")"):
                copies = isinstance(claim, syntax.ClaimCopy)
                expected = "`)`" if copies else "`,` or `)`"
                hint = hints.claim_end(self.cursor.current, self.cursor.ahead(), copies=copies)
                raise self.cursor.unexpected(expected, hint)
        return syntax.Action(name=name, claim=claim, span=self.cursor.span_from(token.start))

    def _claim_spec(self) -> syntax.NewClaim | syntax.ClaimCopy:
        """`claimSpec` = "claim" , "=" , identifier | assignment , { "," , assignment }."""
        start = self.cursor.current.start
        if self.cursor.accept("claim"):
            self.cursor.expect("=", "an action assigns with one `=`")
            token = self.cursor.current
            if token.kind is not TokenKind.WORD:
                hint = "a name stands without quotes" if token.kind is TokenKind.STRING else ""
                raise self.cursor.unexpected("a name that a condition binds", hint)
            self.cursor.advance()
            identifier = syntax.Identifier(name=token.text, span=token.span)
            return syntax.ClaimCopy(identifier=identifier, span=self.cursor.span_from(start))
        assignments = [self._assignment()]
        while self.cursor.accept(","):
            assignments.append(self._assignment())
        return syntax.NewClaim(assignments=tuple(assignments), span=self.cursor.span_from(start))

    def _assignment(self) -> syntax.Assignment:
        """`assignment` = property , "=" , expression."""
        token = self.cursor.current
        name = self._property(hints.assignment(token, self.cursor.previous, self.cursor.ahead()))
        self.cursor.expect("=", "an action assigns with one `=`")
        expression = self._expression(0)
        span = self.cursor.span_from(token.start)
        return syntax.Assignment(property=name, expression=expression, span=span)
