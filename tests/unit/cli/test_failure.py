from __future__ import annotations

from typing import Any

import pytest

from assay.cli.exit_code import ExitCode
from assay.cli.failure import exit_code_of, report_failure
from assay.client import ErrorAnswer, ServiceError, TokenValidationError, TransportError
from assay.encoding import EncodingError
from assay.errors import (
    AssayError,
    CollateralUnavailableError,
    Finding,
    MalformedEvidenceError,
    PolicyDeniedError,
    PolicyError,
    RequestError,
    SettingsError,
    StoreUnavailableError,
    TokenError,
    UntrustedEvidenceError,
)


def _service(**answer: Any) -> ServiceError:  # noqa: ANN401  fields by name
    return ServiceError("x", answer=ErrorAnswer(**answer))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MalformedEvidenceError("x"), ExitCode.INVALID),
        (UntrustedEvidenceError("x"), ExitCode.INVALID),
        (TokenError("x"), ExitCode.INVALID),
        (PolicyDeniedError("x"), ExitCode.DENIED),
        (CollateralUnavailableError("x"), ExitCode.COLLATERAL),
        (StoreUnavailableError("x"), ExitCode.SERVICE),
        (RequestError("x"), ExitCode.USAGE),
        (PolicyError("x"), ExitCode.USAGE),
        (SettingsError("x"), ExitCode.USAGE),
        (EncodingError("x"), ExitCode.USAGE),
        (TransportError("x"), ExitCode.SERVICE),
        (TokenValidationError("x"), ExitCode.INVALID),
        (_service(status=500), ExitCode.SERVICE),
        (_service(status=401, code="Unauthorized"), ExitCode.SERVICE),
        (_service(status=400, code="PolicyParsingError"), ExitCode.USAGE),
        (_service(status=400, code="PolicyEvaluationError"), ExitCode.DENIED),
        (_service(status=503, code="CollateralUnavailable"), ExitCode.COLLATERAL),
        (_service(status=400, code="InvalidQuote"), ExitCode.INVALID),
        (
            _service(status=400, code="InvalidParameter", inner_code="InvalidQuote"),
            ExitCode.INVALID,
        ),
        (ValueError("x"), ExitCode.INTERNAL),
    ],
)
def test_each_family_has_the_code_of_whoever_must_act(error: Exception, expected: ExitCode) -> None:
    assert exit_code_of(error) is expected


def test_a_failure_is_one_line_with_its_fix(capsys: pytest.CaptureFixture[str]) -> None:
    finding = Finding(check="a.b.c", expected="x", actual="y", hint="send it again")

    report_failure(_refused("it is cut", finding))

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "assay: it is cut; send it again\n"


def test_a_hint_that_the_message_already_has_is_not_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finding = Finding(check="a.b.c", expected="x", actual="y", hint="send it again")

    report_failure(_refused(str(finding), finding))

    assert capsys.readouterr().err.count("send it again") == 1


def test_text_from_outside_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report_failure(RequestError("a\x1b[2Jb"))

    assert capsys.readouterr().err == "assay: a\\x1b[2Jb\n"


def test_a_defect_is_a_short_line_that_says_how_to_see_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASSAY_DEBUG", raising=False)

    code = report_failure(ZeroDivisionError("division by zero"))

    err = capsys.readouterr().err
    assert code is ExitCode.INTERNAL
    assert "internal error: ZeroDivisionError: division by zero" in err
    assert "ASSAY_DEBUG=1" in err
    assert "Traceback" not in err


def test_debug_shows_the_trace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_DEBUG", "1")

    report_failure(ZeroDivisionError("division by zero"))

    assert "ZeroDivisionError" in capsys.readouterr().err


def _refused(message: str, finding: Finding) -> AssayError:
    return UntrustedEvidenceError(message, findings=[finding])
