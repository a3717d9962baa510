"""The operations of an instance's owner: policies, and who may sign changes.

A change is not repeated when its answer was lost: somebody else may have changed the same thing in
between.

Source: MAA data plane, API version 2020-10-01, "Policy" and "Policy Certificates" operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.client.attest_calls import API_VERSION
from assay.client.attestation_token import AttestationToken
from assay.client.attestation_type import AttestationType
from assay.client.call import JSON, Call, get, post_json

if TYPE_CHECKING:
    from cryptography import x509

    from assay.client.signing_key import AttestationSigningKey


def policy_token(
    policy: str | AttestationToken, signing_key: AttestationSigningKey | None
) -> AttestationToken:
    """The token that sets a policy: the one given, or one around its text."""
    if isinstance(policy, AttestationToken):
        return policy
    return AttestationToken.for_policy(policy, signing_key=signing_key)


def certificate_token(
    certificate: x509.Certificate | AttestationToken, signing_key: AttestationSigningKey | None
) -> AttestationToken:
    """The token that names a signer: the one given, or one around its certificate."""
    if isinstance(certificate, AttestationToken):
        return certificate
    return AttestationToken.for_certificate(certificate, signing_key=signing_key)


def get_policy(kind: AttestationType, version: str | None) -> Call:
    """The call that reads a policy."""
    return get(f"get policy {kind.value}", f"/policies/{kind.value}{_query(version)}")


def set_policy(kind: AttestationType, token: AttestationToken, version: str | None) -> Call:
    """The call that sets a policy."""
    name = f"set policy {kind.value}"
    return _change(name, "PUT", f"/policies/{kind.value}{_query(version)}", token)


def reset_policy(kind: AttestationType, token: AttestationToken, version: str | None) -> Call:
    """The call that goes back to the default."""
    name = f"reset policy {kind.value}"
    return _change(name, "POST", f"/policies/{kind.value}:reset{_query(version)}", token)


def get_certificates(version: str | None) -> Call:
    """The call that lists the signers."""
    return get("get policy management certificates", f"/certificates{_query(version)}")


def add_certificate(token: AttestationToken, version: str | None) -> Call:
    """The call that adds a signer."""
    return post_json(
        "add policy management certificate",
        f"/certificates:add{_query(version)}",
        token.serialize(),
        repeatable=False,
    )


def remove_certificate(token: AttestationToken, version: str | None) -> Call:
    """The call that removes a signer."""
    return post_json(
        "remove policy management certificate",
        f"/certificates:remove{_query(version)}",
        token.serialize(),
        repeatable=False,
    )


def _query(version: str | None) -> str:
    return f"?api-version={version or API_VERSION}"


def _change(name: str, method: str, path: str, token: AttestationToken) -> Call:
    return Call(
        name=name,
        method=method,
        path=path,
        repeatable=False,
        headers={"accept": JSON, "content-type": "text/plain"},
        body=token.serialize().encode("ascii"),
    )
