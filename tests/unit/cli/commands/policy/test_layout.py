from __future__ import annotations

from assay.policy import format_policy, policy_hash
from tests.unit.cli.commands.policy.conftest import GOOD, WRONG, Write
from tests.unit.cli.conftest import Run

ONE_LINE = "version=1.0;authorizationrules{=>permit();};"
USUAL = format_policy(ONE_LINE)


def test_a_policy_is_rewritten_in_place_and_both_hashes_are_told(run: Run, write: Write) -> None:
    file = write("a.policy", ONE_LINE)

    outcome = run("policy", "format", file)

    assert outcome.exit_code == 0
    assert file.read_text() == USUAL
    assert outcome.out.splitlines() == [
        "a.policy: formatted",
        "  the hash changes, the meaning stays",
        f"    before  {policy_hash(ONE_LINE)}",
        f"    after   {policy_hash(USUAL)}",
    ]


def test_a_second_time_changes_nothing(run: Run, write: Write) -> None:
    file = write("good.policy", GOOD)

    outcome = run("policy", "format", file)

    assert outcome.exit_code == 0
    assert outcome.out == "good.policy: formatted already\n"
    assert file.read_text() == GOOD


def test_a_check_writes_nothing_and_fails_where_something_would_change(
    run: Run, write: Write
) -> None:
    file = write("a.policy", ONE_LINE)

    outcome = run("policy", "format", file, write("good.policy", GOOD), "--check")

    assert outcome.exit_code == 1
    assert file.read_text() == ONE_LINE
    assert "a.policy: would be formatted\n  the hash would change" in outcome.out
    assert run("policy", "format", "good.policy", "--check").exit_code == 0


def test_standard_input_goes_to_standard_output_alone(run: Run) -> None:
    outcome = run("policy", "format", "-", stdin=ONE_LINE.encode())

    assert outcome.exit_code == 0
    assert outcome.out == USUAL
    assert policy_hash(USUAL) in outcome.err


def test_standard_input_can_be_checked(run: Run) -> None:
    outcome = run("policy", "format", "-", "--check", stdin=ONE_LINE.encode())

    assert outcome.exit_code == 1
    assert outcome.out.startswith("-: would be formatted\n")


def test_a_text_that_is_no_policy_is_left_as_it_is(run: Run, write: Write) -> None:
    file = write("wrong.policy", WRONG)

    outcome = run("policy", "format", file)

    assert outcome.exit_code == 1
    assert file.read_text() == WRONG
    assert outcome.out.startswith("wrong.policy:4:10: error: ")
    assert outcome.out.endswith("wrong.policy: left as it is\n")


def test_standard_input_that_is_no_policy_comes_back_as_it_is(run: Run) -> None:
    outcome = run("policy", "format", "-", stdin=WRONG.encode())

    assert outcome.exit_code == 1
    assert outcome.out == WRONG


def test_the_json_answer_has_the_text_and_both_hashes(run: Run) -> None:
    report = run("policy", "format", "-", "--json", stdin=ONE_LINE.encode()).json

    assert report == {
        "files": [
            {
                "file": "-",
                "changes": True,
                "hash_before": policy_hash(ONE_LINE),
                "hash_after": policy_hash(USUAL),
                "formatted": USUAL,
                "errors": [],
            }
        ]
    }


def test_the_hash_is_all_that_hash_prints(run: Run, write: Write) -> None:
    file = write("a.policy", ONE_LINE)

    assert run("policy", "hash", file).out == policy_hash(ONE_LINE) + "\n"
    assert run("policy", "hash", file, "--json").json == {
        "file": "a.policy",
        "hash": policy_hash(ONE_LINE),
    }


def test_the_hash_covers_every_byte_of_any_text(run: Run) -> None:
    text = "\ufeffno policy\r\n"

    outcome = run("policy", "hash", "-", stdin=text.encode())

    assert outcome.exit_code == 0
    assert outcome.out == policy_hash(text) + "\n"
