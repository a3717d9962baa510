"""Tokens that a relying party checks with a key it has, against the bare signature checks."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from assay.appraisal import AppraisalContext, AppraisalRequest, AppraisalSettings, appraise
from assay.encoding import JsonValue, decode_base64url
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.format import AttestationType
from assay.keys import SigningAlgorithm, SigningKey, generate_key
from assay.policy import compile_policy, default_policy
from assay.relying_party import TokenDemands, TokenVerifier, read_key_set, require
from assay.simulator import SimulatedPlatform
from assay.token import attestation_claims, jwks, sign_token, signing_certificate
from benchmarks.floor import Rate

TOKENS = 100_000
_ISSUER = "https://attest.example.com"
_DISTINCT = 64
_STRETCH = 1000


def checked_tokens(
    platform: SimulatedPlatform, algorithm: SigningAlgorithm, at: datetime
) -> tuple[Rate, Rate]:
    """The rate of the relying party's kit, and the bare one, by turns over the same tokens."""
    key = generate_key(algorithm, created_at=at)
    tokens = [_token(platform, key, at, number) for number in range(_DISTINCT)]
    document: JsonValue = jwks([(key, signing_certificate(key, issuer=_ISSUER))])
    assert isinstance(document, dict)
    verifier = TokenVerifier(
        _ISSUER,
        require(svn__ge=0, debuggable=False),
        demands=TokenDemands(allow_simulated=True),
        keys=read_key_set(document),
        now=lambda: at,
    )
    bare = _bare(key)
    parts = [_parts(token) for token in tokens]
    ours = floor = 0.0
    for start in range(0, TOKENS, _STRETCH):
        chosen = [(start + offset) % _DISTINCT for offset in range(_STRETCH)]
        floor += _seconds(lambda chosen=chosen: [bare(*parts[one]) for one in chosen])  # type: ignore[misc]
        ours += _seconds(lambda chosen=chosen: [verifier.verify(tokens[one]) for one in chosen])  # type: ignore[misc]
    return Rate(TOKENS / ours), Rate(TOKENS / floor)


def _token(platform: SimulatedPlatform, key: SigningKey, at: datetime, number: int) -> str:
    text = default_policy("SgxEnclave", "current")
    assert text is not None
    context = AppraisalContext(
        collateral=platform.collateral(at),
        policy=compile_policy(text),
        at=at,
        roots=platform.anchors,
        settings=AppraisalSettings(),
        memory=DcapMemory(platform.anchors),
    )
    request = AppraisalRequest(
        evidence_type=AttestationType.SGX_ENCLAVE, evidence=platform.quote(isv_svn=number)
    )
    claims = attestation_claims(
        appraise(request, context).token_claims,
        issuer=_ISSUER,
        issued_at=at,
        jti=f"{number:064x}",
    )
    return sign_token(claims, key, issuer=_ISSUER)


def _parts(token: str) -> tuple[bytes, bytes]:
    signed, _, signature = token.rpartition(".")
    return signed.encode(), decode_base64url(signature, "signature")


def _bare(key: SigningKey) -> Callable[[bytes, bytes], None]:
    public_key = key.public_key
    if isinstance(public_key, rsa.RSAPublicKey):
        scheme, digest = padding.PKCS1v15(), hashes.SHA256()

        def check_rsa(signed: bytes, signature: bytes) -> None:
            public_key.verify(signature, signed, scheme, digest)

        return check_rsa
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    algorithm = ec.ECDSA(hashes.SHA256())

    def check_ec(signed: bytes, signature: bytes) -> None:
        half = len(signature) // 2
        r = int.from_bytes(signature[:half], "big")
        s = int.from_bytes(signature[half:], "big")
        public_key.verify(utils.encode_dss_signature(r, s), signed, algorithm)

    return check_ec


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
