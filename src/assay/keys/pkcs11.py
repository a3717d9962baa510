"""Keys that live in a PKCS #11 token: made there, used there, never out of it.

One session for each process, shared by all its keys and opened anew where the token was away. A
PIN that the token refused is never sent again: tokens lock themselves after a few wrong ones.

Source: PKCS #11 Cryptographic Token Interface, versions 2.40 and 3.0.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, Final, Protocol, TypeVar, cast, final

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, TokenFlag
from pkcs11.exceptions import (
    NoSuchKey,
    NoSuchToken,
    PinExpired,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
    UserPinNotInitialized,
)
from pkcs11.types import Key, Session, SignMixin, Token
from pkcs11.types import PublicKey as TokenPublicKey
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

from assay.errors import SettingsError, SigningUnavailableError
from assay.keys.model import MIN_RSA_BITS, PrivateKey, PublicKey, SigningAlgorithm
from assay.keys.pkcs11_keys import KeyName, token_private_key

_T = TypeVar("_T")

_RSA_BITS: Final = 2048
_CURVES: Final = {SigningAlgorithm.ES256: "secp256r1", SigningAlgorithm.ES384: "secp384r1"}

_REFUSED_PINS: Final = (
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PinExpired,
    UserPinNotInitialized,
)

_ONE_AT_A_TIME: Final = RLock()
"""A module is one for the whole process, is not told that there are threads (`C_Initialize` without
arguments), and starting it anew ends what others do with it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAddress:
    """Which token, and what opens it. The PIN is in no `repr` and in no error."""

    module: Path
    """The shared library of the token's maker."""

    label: str
    pin: str = field(repr=False)


class TokenLibrary(Protocol):
    """A module, as far as it is used here."""

    def get_token(self, *, token_label: str) -> Token:
        """The token of that label, or an error of the library's own."""
        ...

    def reinitialize(self) -> None:
        """Start the module anew."""
        ...


class Pkcs11Token:
    """A token with a session to it. Safe to share between threads."""

    __slots__ = (
        "_address",
        "_doubtful",
        "_failed_at",
        "_failure",
        "_keys",
        "_library",
        "_refusal",
        "_rest_seconds",
        "_session",
    )

    def __init__(
        self,
        address: TokenAddress,
        *,
        library: Callable[[str], TokenLibrary] = pkcs11.lib,
        rest_seconds: float = 1.0,
    ) -> None:
        """A token that nothing has been asked of.

        Args:
            address: Which one.
            library: Loads a module.
            rest_seconds: After a failed attempt, who asks within this time is told the same
                without another one.
        """
        self._address = address
        self._library = library
        self._rest_seconds = rest_seconds
        self._session: Session | None = None
        self._keys: dict[KeyName, Key] = {}
        """Those that this session has found."""

        self._refusal = ""
        """Why the PIN may not be sent again."""

        self._doubtful = False
        """Whether the last login failed for a reason that says nothing of the PIN."""

        self._failure = ""
        self._failed_at = 0.0

    def connect(self) -> None:
        """Make sure that the token can be used.

        Raises:
            SettingsError: There is no such module or token, or it refuses the PIN.
        """
        self._work(lambda _session: None)

    def close(self) -> None:
        """Let go of the session."""
        with _ONE_AT_A_TIME:
            self._forget_session()

    def generate(self, algorithm: SigningAlgorithm, *, identifier: bytes, label: str) -> PublicKey:
        """Make a key in the token, which keeps its private part.

        Raises:
            SettingsError: The token cannot be used, or refuses to make such a key.
        """

        def make(session: Session) -> PublicKey:
            return _public_key(_generate(session, algorithm, identifier, label))

        return self._work(make)

    def destroy(self, identifier: bytes) -> None:
        """Destroy the key of that identifier, if it is there.

        Raises:
            SettingsError: The token cannot be used.
        """

        def remove(session: Session) -> None:
            for found in list(session.get_objects({Attribute.ID: identifier})):
                found.destroy()

        self._work(remove)

    def private_key(self, public_key: PublicKey, *, identifier: bytes) -> PrivateKey:
        """The key of that identifier, to sign with. Nothing is asked of the token yet."""
        return token_private_key(self, KeyName(identifier=identifier), public_key)

    def labelled_key(self, label: str) -> PrivateKey:
        """The key of that label, to sign with.

        Raises:
            SettingsError: The token cannot be used, has no such key, or one of another kind.
        """

        def find(session: Session) -> PublicKey:
            found = session.get_key(ObjectClass.PUBLIC_KEY, label=label)
            return _public_key(cast("TokenPublicKey", found))

        return token_private_key(self, KeyName(label=label), self._work(find))

    def sign(
        self, name: KeyName, data: bytes, mechanism: Mechanism, parameter: object = None
    ) -> bytes:
        """A signature as the token makes it.

        Raises:
            SigningUnavailableError: The token is away, or does not do it.
        """

        def make(session: Session) -> bytes:
            key = self._keys.get(name) or self._keys.setdefault(name, _private_key(session, name))
            return cast("SignMixin", key).sign(data, mechanism=mechanism, mechanism_param=parameter)

        try:
            return self._work(make)
        except SettingsError as error:
            raise SigningUnavailableError(error.message) from error

    def _work(self, work: Callable[[Session], _T]) -> _T:
        with _ONE_AT_A_TIME:
            if self._session is not None:
                try:
                    return work(self._session)
                except PKCS11Error:
                    # Away, or away for a moment: whoever comes back has another session.
                    self._forget_session()
            self._check_rest()
            try:
                session = self._open()
            except PKCS11Error as error:
                self._failure, self._failed_at = self._explained(error), time.monotonic()
                raise SettingsError(self._failure) from error
            try:
                return work(session)
            except PKCS11Error as error:
                # The token is there: what it refuses is about this key, and not about others.
                raise SettingsError(self._explained(error)) from error

    def _check_rest(self) -> None:
        if self._refusal:
            raise SettingsError(self._refusal)
        if self._failure and time.monotonic() - self._failed_at < self._rest_seconds:
            raise SettingsError(self._failure)

    def _open(self) -> Session:
        module = self._library(str(self._address.module))
        try:
            token = module.get_token(token_label=self._address.label)
            self._session = self._log_in(token)
        except PKCS11Error:
            # Some modules see a token that has come back only when they are started anew.
            module.reinitialize()
            token = module.get_token(token_label=self._address.label)
            self._session = self._log_in(token)
        return self._session

    def _log_in(self, token: Token) -> Session:
        if token.flags & (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED):
            self._refusal = (
                f"{self._name} locks itself at the next wrong PIN, or has; log in with the right "
                "one by its maker's tool, or reset it, and start again"
            )
            raise SettingsError(self._refusal)
        if self._doubtful and token.flags & TokenFlag.USER_PIN_COUNT_LOW:
            raise self._refused("it counts a wrong one")
        try:
            session = token.open(rw=True, user_pin=self._address.pin)
        except UserAlreadyLoggedIn:
            # One login is for the whole process.
            session = token.open(rw=True)
        except _REFUSED_PINS as error:
            raise self._refused(type(error).__name__) from None
        except PKCS11Error:
            # Not every token says of a wrong PIN that it is one.
            self._doubtful = True
            raise
        self._doubtful = False
        return session

    def _refused(self, reason: str) -> SettingsError:
        self._refusal = (
            f"{self._name} refuses the PIN ({reason}), which is not sent again; correct "
            "pkcs11.pin_file or ASSAY_PKCS11_PIN, and start again"
        )
        return SettingsError(self._refusal)

    def _forget_session(self) -> None:
        session, self._session = self._session, None
        self._keys.clear()
        if session is not None:
            with contextlib.suppress(PKCS11Error):
                session.close()

    @property
    def _name(self) -> str:
        return f"PKCS #11 token {self._address.label!r}"

    def _explained(self, error: PKCS11Error) -> str:
        if isinstance(error, NoSuchToken):
            return (
                f"{self._name} is not there; plug it in or initialise it, or correct pkcs11.token"
            )
        if isinstance(error, NoSuchKey):
            return f"{self._name} has no such key: {error}; make it there, or correct pkcs11.key"
        module = self._address.module
        if not module.exists():
            return (
                f"PKCS #11 module {module} is not there; install the token's library, or correct "
                "pkcs11.module"
            )
        reason = f"{type(error).__name__} {error}".strip()
        return f"{self._name} does not answer ({reason}); see that it is there and what it needs"


def _private_key(session: Session, name: KeyName) -> Key:
    if name.identifier is not None:
        return session.get_key(ObjectClass.PRIVATE_KEY, id=name.identifier)
    return session.get_key(ObjectClass.PRIVATE_KEY, label=name.label)


def _generate(
    session: Session, algorithm: SigningAlgorithm, identifier: bytes, label: str
) -> TokenPublicKey:
    named: Any = {
        "id": identifier,
        "label": label,
        "store": True,
        "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
    }
    curve = _CURVES.get(algorithm)
    if curve is None:
        public, _private = session.generate_keypair(KeyType.RSA, _RSA_BITS, **named)
        return public
    parameters = session.create_domain_parameters(
        KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
    )
    public, _private = parameters.generate_keypair(**named)
    return public


def _public_key(found: TokenPublicKey) -> PublicKey:
    key = _loaded(found)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES.values():
        return key
    raise SettingsError(
        f"the token's key {found.label!r} cannot sign here; make an RSA key of at least "
        f"{MIN_RSA_BITS} bits, or one on P-256 or P-384"
    )


def _loaded(found: TokenPublicKey) -> PublicKeyTypes | None:
    if found.key_type is KeyType.RSA:
        modulus, exponent = found[Attribute.MODULUS], found[Attribute.PUBLIC_EXPONENT]
        return rsa.RSAPublicNumbers(
            n=int.from_bytes(modulus, "big"), e=int.from_bytes(exponent, "big")
        ).public_key()
    if found.key_type is KeyType.EC:
        return load_der_public_key(encode_ec_public_key(found))
    return None
