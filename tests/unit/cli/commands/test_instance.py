from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from assay.audit import AuditOutcome, parse_line
from assay.cli.administration import user_name
from assay.policy import default_policy, policy_hash
from assay.token import thumbprint
from tests.administration import (
    DENY,
    PERMIT,
    certificate_payload,
    certify,
    ec_key,
    owner,
    rsa_key,
    signed,
    stored_policy,
    unsecured,
)
from tests.unit.cli.conftest import Run

_SECOND = certify(rsa_key(1), "second")
_QUICK = ("--token-algorithm", "ES256")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an owner's files, and the service's data in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path / "data"))
    for name, key in (("owner", rsa_key()), ("second", rsa_key(1)), ("elliptic", ec_key())):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        Path(f"{name}.key").write_bytes(pem)
    Path("owner.pem").write_bytes(owner().public_bytes(Encoding.PEM))
    Path("second.der").write_bytes(_SECOND.public_bytes(Encoding.DER))
    Path("elliptic.pem").write_bytes(certify(ec_key(), "elliptic").public_bytes(Encoding.PEM))
    Path("permit.policy").write_text(PERMIT)
    Path("deny.policy").write_text(DENY)
    return tmp_path


@pytest.fixture
def isolated(run: Run) -> None:
    options = ("--trust-model", "Isolated", "--signer", "owner.pem", *_QUICK)
    assert run("instance", "create", "one", *options).exit_code == 0


@pytest.fixture
def plain(run: Run) -> None:
    assert run("instance", "create", "one", *_QUICK).exit_code == 0


def _set(run: Run, *options: object) -> int:
    return run("instance", "policy", "set", "one", *options).exit_code


_SIGN = ("--key", "owner.key", "--certificate", "owner.pem")


# Instances.


def test_an_instance_is_created_shown_and_deleted(run: Run) -> None:
    created = run(
        *("instance", "create", "one", "--url", "https://one.example", "--region", "west"),
        *("--tag", "a=b", "--tag", "c=", "--compatibility", "2021", *_QUICK),
        *("--accept-tcb", "UpToDate", "--root", "elliptic.pem", "--simulator", "--json"),
    ).json
    shown = run("instance", "show", "one", "--json").json
    deleted = run("instance", "delete", "one", "--yes", "--json").json

    assert {name: shown[name] for name in created} == created
    assert created["url"] == "https://one.example"
    assert created["tags"] == {"a": "b", "c": ""}
    settings = created["settings"]
    assert settings.pop("roots")[0].startswith("-----BEGIN CERTIFICATE-----")
    assert settings == {
        "accepted_tcb": ["UpToDate"],
        "compatibility": "2021",
        "simulator": True,
        "token_algorithm": "ES256",
    }
    assert [key["state"] for key in shown["keys"]] == ["active"]
    assert "sealed" not in str(shown)
    assert deleted == {"name": "one", "deleted": True}
    assert run("instance", "list", "--json").json == {"instances": []}


@pytest.mark.usefixtures("plain", "isolated_two")
def test_the_list_has_a_line_for_each_instance(run: Run) -> None:
    lines = run("instance", "list").out.splitlines()

    assert lines == [
        "one  AAD       http://127.0.0.1:8080/one",
        "two  Isolated  http://127.0.0.1:8080/two",
    ]


@pytest.fixture
def isolated_two(run: Run) -> None:
    options = ("--trust-model", "Isolated", "--signer", "owner.pem", *_QUICK)
    assert run("instance", "create", "two", *options).exit_code == 0


def test_the_url_follows_that_of_the_server(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_INSTANCE_PUBLIC_URL", "https://attest.example")

    created = run("instance", "create", "one", *_QUICK, "--json").json

    assert created["url"] == "https://attest.example/one"


def test_a_server_of_any_port_has_no_url_to_follow(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_PORT", "0")

    outcome = run("instance", "create", "one", *_QUICK)

    assert outcome.exit_code == 2
    assert "say --url" in outcome.err


def test_the_settings_file_names_the_database(run: Run, folder: Path) -> None:
    Path("assay.toml").write_text('database = "sqlite:///other.sqlite3"\n')

    assert run("instance", "create", "one", *_QUICK, "--settings", "assay.toml").exit_code == 0
    assert (folder / "other.sqlite3").exists()


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "one"), "taken by another instance"),
        (("create", "ONE"), "taken by another instance"),
        (("create", "policies"), "has a meaning of its own"),
        (("create", "new", "--trust-model", "Isolated"), "name at least one certificate"),
        (("create", "new", "--signer", "owner.pem"), "only isolated ones"),
        (("create", "new", "--signer", "none.pem"), "cannot be read"),
        (("create", "new", "--signer", "permit.policy"), "expected certificates in PEM or DER"),
        (("create", "new", "--tag", "a"), "expected NAME=VALUE"),
        (("create", "new", "--tag", "=a"), "expected NAME=VALUE"),
        (("create", "new", "--root", "owner.pem"), ""),
        (("create", "new", "--accept-tcb", "Fine"), "expected some of"),
        (("create", "new", "--url", "https://x.example/"), "ends in a slash"),
        (("show", "new"), "there is no instance 'new'"),
        (("delete", "new", "--yes"), "there is no instance 'new'"),
        (("delete", "one"), "repeat it with --yes"),
        (("policy", "get", "new", "Tpm"), "there is no instance 'new'"),
        (("policy", "get", "one", "nonsense"), "no attestation type 'nonsense'"),
        (("policy", "show", "one", "Tpm", "1"), "there is none"),
        (("policy", "rollback", "one", "Tpm", "1"), "there is none"),
        (("policy", "history", "new", "Tpm"), "there is no instance 'new'"),
        (("signer", "list", "new"), "there is no instance 'new'"),
        (("signer", "add", "one", "second.der", *_SIGN), "an isolated instance"),
    ],
)
def test_what_is_asked_wrongly_is_told(run: Run, arguments: tuple[str, ...], said: str) -> None:
    outcome = run("instance", *arguments)

    assert outcome.exit_code == 2
    assert said in outcome.err
    assert not outcome.out


# Policies.


@pytest.mark.usefixtures("plain")
def test_a_policy_is_read_to_the_letter(run: Run) -> None:
    default = default_policy("SgxEnclave")

    assert run("instance", "policy", "get", "one", "sgxenclave").out == default
    shown = run("instance", "policy", "get", "one", "SgxEnclave", "--json").json
    assert default is not None
    assert (shown["set"], shown["policy"], shown["hash"]) == (False, default, policy_hash(default))
    assert shown["jws"].startswith("eyJhbGciOiJub25lIn0.")


@pytest.mark.usefixtures("plain")
def test_a_policy_that_is_not_there_is_told(run: Run) -> None:
    outcome = run("instance", "policy", "get", "one", "Tpm")

    assert (outcome.exit_code, outcome.out) == (0, "")
    assert "there is no policy" in outcome.err
    shown = run("instance", "policy", "get", "one", "Tpm", "--json").json
    assert (shown["policy"], shown["hash"]) == (None, None)


@pytest.mark.usefixtures("plain")
def test_policies_are_set_reset_looked_at_and_rolled_back(run: Run) -> None:
    first = run("instance", "policy", "set", "one", "tpm", "permit.policy", "--json").json
    assert _set(run, "Tpm", "deny.policy") == 0
    reset = run("instance", "policy", "reset", "one", "Tpm", "--json").json
    back = run("instance", "policy", "rollback", "one", "Tpm", "2", "--json").json
    changes = run("instance", "policy", "history", "one", "Tpm", "--json").json["changes"]
    lines = run("instance", "policy", "history", "one", "Tpm").out.splitlines()

    permit, deny = policy_hash(PERMIT), policy_hash(DENY)
    assert (first["attestation_type"], first["version"], first["hash"]) == ("Tpm", 1, permit)
    assert (reset["version"], reset["hash"]) == (3, None)
    assert (back["version"], back["hash"], back["rolled_back_to"]) == (4, deny, 2)
    assert [(one["action"], one["hash"], one["previous_hash"]) for one in changes] == [
        ("set", permit, None),
        ("set", deny, permit),
        ("reset", None, deny),
        ("set", deny, None),
    ]
    assert all(one["changed_by"].startswith("operator: ") for one in changes)
    assert len(lines) == 4
    assert "default" in lines[2]
    assert run("instance", "policy", "get", "one", "Tpm").out == DENY
    assert run("instance", "policy", "show", "one", "Tpm", "1").out == PERMIT
    old = run("instance", "policy", "show", "one", "Tpm", "3", "--json").json
    assert (old["action"], old["policy"], old["jws"]) == ("reset", None, "eyJhbGciOiJub25lIn0..")


@pytest.mark.usefixtures("isolated")
def test_an_isolated_instance_wants_signatures(run: Run) -> None:
    assert _set(run, "Tpm", "permit.policy") == 2
    assert (
        _set(run, "Tpm", "permit.policy", "--key", "second.key", "--certificate", "second.der") == 2
    )
    assert _set(run, "Tpm", "permit.policy", *_SIGN) == 0
    assert run("instance", "policy", "reset", "one", "Tpm").exit_code == 2
    assert run("instance", "policy", "reset", "one", "Tpm", *_SIGN).exit_code == 0


@pytest.mark.usefixtures("isolated")
def test_what_was_signed_elsewhere_is_taken(run: Run) -> None:
    Path("policy.jws").write_text(signed(stored_policy(DENY)) + "\n")
    Path("reset.jws").write_text(signed(b""))

    assert _set(run, "Tpm", "policy.jws", "--jws") == 0
    assert run("instance", "policy", "get", "one", "Tpm").out == DENY
    assert run("instance", "policy", "reset", "one", "Tpm", "--jws", "reset.jws").exit_code == 0


@pytest.mark.usefixtures("plain")
def test_a_key_on_p256_signs_too(run: Run) -> None:
    assert (
        _set(run, "Tpm", "permit.policy", "--key", "elliptic.key", "--certificate", "elliptic.pem")
        == 0
    )


@pytest.mark.usefixtures("plain")
def test_a_policy_that_is_none_is_told_with_its_place(run: Run) -> None:
    Path("bad.policy").write_text("nonsense")

    outcome = run("instance", "policy", "set", "one", "Tpm", "bad.policy")

    assert outcome.exit_code == 2
    assert "line 1, column 1" in outcome.err


@pytest.mark.usefixtures("plain")
def test_text_that_is_no_jws_is_told(run: Run) -> None:
    outcome = run("instance", "policy", "set", "one", "Tpm", "permit.policy", "--jws")

    assert outcome.exit_code == 4
    assert "compact form of JWS" in outcome.err


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--key", "owner.key"), "both --key and --certificate"),
        (("--certificate", "owner.pem"), "both --key and --certificate"),
        (("--key", "owner.key", "--certificate", "second.der"), "not that of the first"),
        (("--key", "owner.pem", "--certificate", "owner.pem"), "expected a private key in PEM"),
        (("--key", "locked.key", "--certificate", "owner.pem"), "expected a private key in PEM"),
        (("--key", "edwards.key", "--certificate", "owner.pem"), "expected an RSA or EC key"),
        (("--key", "p384.key", "--certificate", "p384.pem"), "an EC key on P-256"),
    ],
)
def test_keys_that_cannot_sign_are_told(run: Run, options: tuple[str, ...], said: str) -> None:
    p384 = ec.generate_private_key(ec.SECP384R1())
    for name, key, encryption in (
        ("locked", ec_key(), BestAvailableEncryption(b"secret")),
        ("edwards", ed25519.Ed25519PrivateKey.generate(), NoEncryption()),
        ("p384", p384, NoEncryption()),
    ):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        Path(f"{name}.key").write_bytes(pem)
    Path("p384.pem").write_bytes(certify(p384).public_bytes(Encoding.PEM))

    outcome = run("instance", "policy", "set", "one", "Tpm", "permit.policy", *options)

    assert outcome.exit_code == 2
    assert said in outcome.err


# Signers.


@pytest.mark.usefixtures("isolated")
def test_signers_are_added_listed_and_removed(run: Run) -> None:
    added = run("instance", "signer", "add", "one", "second.der", *_SIGN, "--json").json
    listed = run("instance", "signer", "list", "one").out.splitlines()
    removed = run("instance", "signer", "remove", "one", "second.der", *_SIGN).out.splitlines()

    assert [one["thumbprint"] for one in added["signers"]] == [
        thumbprint(owner()),
        thumbprint(_SECOND),
    ]
    assert listed == [f"{thumbprint(owner())}  owner", f"{thumbprint(_SECOND)}  second"]
    assert removed == listed[:1]


@pytest.mark.usefixtures("isolated")
def test_signers_that_were_signed_elsewhere_are_taken(run: Run) -> None:
    Path("add.jws").write_text(signed(certificate_payload(_SECOND)))
    Path("unsigned.jws").write_text(unsecured(certificate_payload(_SECOND)))

    assert run("instance", "signer", "add", "one", "add.jws", "--jws").exit_code == 0
    assert run("instance", "signer", "remove", "one", "add.jws", "--jws").exit_code == 0
    assert run("instance", "signer", "add", "one", "unsigned.jws", "--jws").exit_code == 2


@pytest.mark.usefixtures("isolated")
def test_the_last_signer_stays(run: Run) -> None:
    outcome = run("instance", "signer", "remove", "one", "owner.pem", *_SIGN)

    assert outcome.exit_code == 2
    assert "add its successor first" in outcome.err


@pytest.mark.usefixtures("isolated")
def test_one_certificate_is_added_at_a_time(run: Run) -> None:
    pem = Path("owner.pem").read_bytes() + Path("elliptic.pem").read_bytes()
    Path("both.pem").write_bytes(pem)

    outcome = run("instance", "signer", "add", "one", "both.pem", *_SIGN)

    assert outcome.exit_code == 2
    assert "expected one certificate, got 2" in outcome.err


# The audit record.


def _refusals(run: Run) -> list[tuple[str, str, str, str]]:
    events = [parse_line(line.encode())[0].event for line in run("audit", "export").out.split()]
    return [
        (one.action, one.instance, one.target, one.details.get("check", ""))
        for one in events
        if one.outcome is AuditOutcome.REFUSED
        if (one.actor_kind, one.actor_name) == ("operator", user_name(os.geteuid()))
    ]


@pytest.mark.usefixtures("isolated")
def test_what_is_refused_is_in_the_audit_record(run: Run) -> None:
    assert _set(run, "Tpm", "permit.policy", *_SIGN) == 0
    sign_with_second = ("--key", "second.key", "--certificate", "second.der")

    for command in (
        ("policy", "set", "one", "Tpm", "deny.policy"),
        ("policy", "set", "one", "Tpm", "deny.policy", *sign_with_second),
        ("policy", "reset", "one", "Tpm"),
        ("signer", "add", "one", "second.der", *sign_with_second),
        ("signer", "remove", "one", "owner.pem", *_SIGN),
    ):
        assert run("instance", *command).exit_code == 2

    unsigned, untrusted = "owner.change.unsigned", "owner.chain.signer_untrusted"
    assert _refusals(run) == [
        ("policy.set", "one", "Tpm", unsigned),
        ("policy.set", "one", "Tpm", untrusted),
        ("policy.reset", "one", "Tpm", unsigned),
        ("signer.add", "one", "", untrusted),
        ("signer.remove", "one", "", ""),
    ]
    assert run("audit", "verify").exit_code == 0


@pytest.mark.usefixtures("isolated")
def test_a_rollback_that_is_refused_is_in_the_audit_record(run: Run) -> None:
    assert _set(run, "Tpm", "permit.policy", *_SIGN) == 0
    for change in ("add", "remove"):
        certificate = "second.der" if change == "add" else "owner.pem"
        signer = (
            _SIGN if change == "add" else ("--key", "second.key", "--certificate", "second.der")
        )
        assert run("instance", "signer", change, "one", certificate, *signer).exit_code == 0

    assert run("instance", "policy", "rollback", "one", "Tpm", "1").exit_code == 2

    assert _refusals(run) == [("policy.set", "one", "Tpm", "owner.chain.signer_untrusted")]


def test_certificates_that_cannot_be_signers_are_refused_and_recorded(run: Run) -> None:
    weak = certify(rsa_key(2), "weak", ca=False)
    Path("weak.pem").write_bytes(weak.public_bytes(Encoding.PEM))
    options = ("--trust-model", "Isolated", "--signer", "weak.pem", *_QUICK)

    assert run("instance", "create", "one", *options).exit_code == 2

    [(action, instance, _, check)] = _refusals(run)
    assert (action, instance) == ("instance.create", "one")
    assert check.startswith("owner.")


@pytest.mark.usefixtures("plain")
def test_what_is_asked_wrongly_is_no_refusal(run: Run) -> None:
    Path("none.policy").write_text("none")

    assert _set(run, "Tpm", "none.policy") == 2
    assert run("instance", "create", "one", *_QUICK).exit_code == 2

    assert _refusals(run) == []
