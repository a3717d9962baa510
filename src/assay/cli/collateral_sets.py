"""Sets of collateral on the way between files, bundles and readers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from assay.cli.collateral_path import BUNDLES, encode_collateral
from assay.cli.input_file import read_input, write_output
from assay.encoding import JsonValue
from assay.endorsements.bundle import Bundle, BundleEntry, export_bundle, open_bundle
from assay.endorsements.bundle_key import read_signing_key, read_trusted_key
from assay.endorsements.label import CollateralLabel, read_label
from assay.endorsements.stored import load_sets
from assay.x509 import rfc3339


def bundle_paths(paths: Sequence[Path], *, key: Path | None) -> tuple[bytes, int]:
    """The bundle of all sets at `paths`, signed where there is a key, and how many there are.

    Raises:
        CollateralUnavailableError: A path has no collateral, or collateral that is malformed.
        RequestError: `key` cannot be read.
        SettingsError: It is no Ed25519 private key.
    """
    entries = [
        BundleEntry(
            collateral=found.gathered.collateral,
            source=found.gathered.source,
            fetched_at=found.gathered.fetched_at,
        )
        for path in paths
        for found in load_sets(path)
    ]
    bundle = export_bundle(
        entries, signing_key=None if key is None else read_signing_key(read_input(key))
    )
    return bundle, len(entries)


def unpack_bundle(
    file: Path, folder: Path, *, trusted_key: Path | None
) -> tuple[Bundle, list[str]]:
    """Write each set of a bundle into `folder`, as a file named by what it is for.

    Raises:
        CollateralUnavailableError: Not a bundle, or not signed as it must be.
        RequestError: A file cannot be read or written.
        SettingsError: `trusted_key` is no Ed25519 public key.
    """
    key = None if trusted_key is None else read_trusted_key(read_input(trusted_key))
    bundle = open_bundle(read_input(file, larger=BUNDLES), trusted_key=key)
    written: list[str] = []
    for entry in bundle.entries:
        label = read_label(entry.collateral, origin=entry.source)
        # The digest tells sets apart that are for the same platform.
        name = f"{_name(label)}-{entry.collateral.digest.hex()[:16]}.json"
        write_output(folder / name, encode_collateral(entry.collateral))
        written.append(str(folder / name))
    return bundle, written


def described_sets(paths: Sequence[Path], at: datetime) -> list[dict[str, JsonValue]]:
    """What the sets at `paths` say that they are for, and whether they hold at an instant.

    Raises:
        CollateralUnavailableError: A path has no collateral, or collateral that is malformed.
    """
    return [
        {"source": found.gathered.source, **_label_members(found.label, at)}
        for path in paths
        for found in load_sets(path)
    ]


def _label_members(label: CollateralLabel | None, at: datetime) -> dict[str, JsonValue]:
    if label is None:
        return {"state": "does not parse"}
    return {
        "state": "in date" if label.issued <= at <= label.expires else "out of date",
        "tee": label.platform.tee.value,
        "fmspc": label.platform.fmspc.hex(),
        "pceid": label.platform.pceid.hex(),
        "ca": label.platform.ca.value,
        "evaluation_number": label.evaluation_number,
        "issued": rfc3339(int(label.issued.timestamp())),
        "expires": rfc3339(int(label.expires.timestamp())),
    }


def _name(label: CollateralLabel) -> str:
    platform = label.platform
    parts = (platform.tee.value, platform.fmspc.hex(), platform.pceid.hex(), platform.ca.value)
    return "-".join((*parts, str(label.evaluation_number)))
