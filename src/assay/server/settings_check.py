"""Settings that are each in order and do not go together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from assay.errors import SettingsError
from assay.keys import KeyCustody
from assay.server.addresses import is_loopback
from assay.server.auth.settings_check import check_auth_settings
from assay.server.settings import CollateralKind, Pkcs11Settings, Settings, attest_uri
from assay.service.instance_names import check_instance_name, check_issuer
from assay.store import is_sqlite_url


def settings_problems(settings: Settings) -> tuple[SettingsError, ...]:
    """What one value asks of another and does not get; each names both and what to change."""
    problems: dict[str, SettingsError] = {}
    for check in _CHECKS:
        try:
            check(settings)
        except SettingsError as error:
            # Two may stumble over one value.
            problems.setdefault(error.message, error)
    return tuple(problems.values())


def _check_dev(settings: Settings) -> None:
    if settings.dev and not is_loopback(settings.host):
        raise SettingsError(
            f"dev serves this machine only, and host is {settings.host!r}; set host to 127.0.0.1, "
            "or leave dev out"
        )


def _check_without_dev(settings: Settings) -> None:
    for name in ("simulator", "verify_at"):
        if getattr(settings, name) is not None and not settings.dev:
            raise SettingsError(
                f"{name} weakens what tokens mean and needs dev; set dev as well (--dev), or "
                f"leave {name} out"
            )


def _check_instant(settings: Settings) -> None:
    if settings.verify_at is not None and settings.verify_at.tzinfo is None:
        raise SettingsError(
            "verify_at has no time zone; write it as 2026-01-31T12:00:00Z, with a Z or an offset"
        )


def _check_public_url(settings: Settings) -> None:
    url = settings.instance.public_url
    if url is None:
        return
    try:
        check_issuer(url)
    except SettingsError as error:
        raise SettingsError(f"instance.public_url: {error.message}") from error


def _check_instance_name(settings: Settings) -> None:
    check_instance_name(settings.instance.name)


def _check_database(settings: Settings) -> None:
    if settings.instance.public_url is None and not is_sqlite_url(settings.database_url()):
        raise SettingsError(
            "database is a PostgreSQL server, which other servers may share, and "
            "instance.public_url is not set, so that each would name another issuer; set it"
        )


def _check_replicas(settings: Settings) -> None:
    if settings.replicas > 1 and is_sqlite_url(settings.database_url()):
        raise SettingsError(
            f"replicas is {settings.replicas}, and a SQLite file is for the processes of one "
            "machine; set database to a PostgreSQL server, or replicas to 1"
        )


def _check_sealing(settings: Settings) -> None:
    sealed = settings.key_encryption_key is not None or settings.key_encryption_key_file is not None
    if settings.replicas > 1 and not sealed:
        raise SettingsError(
            f"replicas is {settings.replicas}, and each would seal signing keys with a key of its "
            "own that the others do not have; set key_encryption_key_file, the same for all"
        )


def _check_collateral(settings: Settings) -> None:
    collateral = settings.collateral
    chosen = "collateral.source" in settings.origins
    if settings.simulator is not None and chosen:
        raise SettingsError(
            "simulator brings its own collateral, and collateral.source is set; leave one of them "
            "out"
        )
    if collateral.source is CollateralKind.PCCS and collateral.url is None:
        raise SettingsError(
            "collateral.source is 'pccs' and collateral.url is not set; set it to the address of "
            "the caching service"
        )
    if collateral.source is CollateralKind.PATH and collateral.path is None:
        raise SettingsError(
            "collateral.source is 'path' and collateral.path is not set; set it to the file or "
            "folder with the collateral"
        )


def _check_tls(settings: Settings) -> None:
    tls = settings.tls
    if (tls.certificate is None) is not (tls.key is None):
        raise SettingsError(
            "TLS needs both tls.certificate and tls.key, and only one of them is set; set the "
            "other, or none"
        )


def _check_auth(settings: Settings) -> None:
    check_auth_settings(settings.auth, tls=settings.scheme == "https")


def _check_management(settings: Settings) -> None:
    template = settings.management.attest_uri
    if template is None:
        return
    if "{name}" not in template:
        raise SettingsError(
            f"management.attest_uri {template!r} has no {{name}} in it, and would be the URL of "
            "every instance; write it as https://{name}.attest.example.com"
        )
    try:
        check_issuer(attest_uri(template, "name", "location"))
    except SettingsError as error:
        raise SettingsError(f"management.attest_uri: {error.message}") from error


def _check_key_encryption_key(settings: Settings) -> None:
    if settings.key_encryption_key is not None and settings.key_encryption_key_file is not None:
        raise SettingsError(
            "key_encryption_key and key_encryption_key_file are both set, and one key seals "
            "everything; leave one of them out"
        )


def _check_keys(settings: Settings) -> None:
    keys = settings.keys
    if keys.rotation_days and keys.overlap_hours >= 24 * keys.rotation_days:
        raise SettingsError(
            f"keys.overlap_hours is {keys.overlap_hours:g}, and a key signs for "
            f"{keys.rotation_days:g} days only, so that its successor would come before it; "
            "shorten the overlap, or lengthen keys.rotation_days"
        )
    if keys.custody is KeyCustody.DELEGATED and not keys.rotation_days:
        raise SettingsError(
            "keys.custody is delegated, which is for keys of limited life, and keys.rotation_days "
            "is 0; set it to the days that a key is to sign"
        )
    if keys.custody is KeyCustody.DELEGATED and keys.evidence_command:
        raise SettingsError(
            "keys.evidence_command is about certificates that keys make of themselves, and "
            "keys.custody is delegated; leave one of them out"
        )


def _check_pkcs11(settings: Settings) -> None:
    chosen, custody = settings.pkcs11, settings.keys.custody
    if custody is KeyCustody.SOFTWARE and chosen == Pkcs11Settings():
        return
    needed = {"pkcs11.module": chosen.module, "pkcs11.token": chosen.token}
    if custody is KeyCustody.DELEGATED:
        needed["pkcs11.key"] = chosen.key
    for name, value in needed.items():
        if not value:
            raise SettingsError(
                f"{name} is not set, and the token that keys.custody {custody} or another setting "
                "of pkcs11 is about cannot be found without it; set it"
            )
    if (chosen.pin is None) is (chosen.pin_file is None):
        raise SettingsError(
            "the token needs its PIN from one place: set pkcs11.pin_file to a file of mode 0600, "
            "or the variable ASSAY_PKCS11_PIN, and not both"
        )


def _check_policies(settings: Settings) -> None:
    texts, files = settings.instance.policies, settings.instance.policy_files
    for field, name in (("sgx_enclave", "SgxEnclave"), ("open_enclave", "OpenEnclave")):
        if getattr(texts, field) is not None and getattr(files, field) is not None:
            raise SettingsError(
                f"instance.policies.{name} and instance.policy_files.{name} are both set; leave "
                "one of them out"
            )


_CHECKS: Final[tuple[Callable[[Settings], None], ...]] = (
    _check_dev,
    _check_without_dev,
    _check_instant,
    _check_instance_name,
    _check_public_url,
    _check_replicas,
    _check_sealing,
    _check_database,
    _check_collateral,
    _check_tls,
    _check_auth,
    _check_management,
    _check_key_encryption_key,
    _check_keys,
    _check_pkcs11,
    _check_policies,
)
