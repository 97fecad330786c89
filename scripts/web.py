"""What is built from ``web/`` is kept beside its digest, so that a stale build is found without Node.

``python -m scripts.web types`` prints the part of the API's description that the pages use,
``python -m scripts.web built`` writes the digest of what was just built from, and the licences of the
packages that are in it.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, Final

from tallymark.api.app import all_routes, api_document

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "web"
BUILT: Final = ROOT / "src" / "tallymark" / "web" / "dist" / "app"
DIGEST: Final = BUILT / ".digest"
LICENCES: Final = BUILT / "licences.txt"
_FILES: Final = (
    "index.html",
    "shared.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
)
_FOLDERS: Final = ("src", "public")


def digest() -> str:
    """Return the SHA-256 over path and content of every file that the build reads."""
    found = [SOURCE / name for name in _FILES]
    found += [one for folder in _FOLDERS for one in (SOURCE / folder).rglob("*") if one.is_file()]
    total = hashlib.sha256()
    for one in sorted(found):
        content = hashlib.sha256(one.read_bytes()).hexdigest()
        total.update(f"{one.relative_to(SOURCE).as_posix()}\0{content}\n".encode())
    return total.hexdigest()


def described() -> dict[str, Any]:
    """Return the API's description without the addresses that only other programs call."""
    document = api_document(all_routes())
    document["paths"] = {
        path: operations
        for path, operations in document["paths"].items()
        if path.startswith("/tm/v1/") and path != "/tm/v1/pixel.gif"
    }
    return document


def shipped() -> dict[str, str]:
    """Return the packages that are built into the pages, with their versions."""
    lock = json.loads((SOURCE / "package-lock.json").read_text("utf-8"))
    return {
        path.removeprefix("node_modules/"): one["version"]
        for path, one in sorted(lock["packages"].items())
        if path and not one.get("dev") and not one.get("optional") and not one.get("peer")
    }


def licences() -> str:
    """Return the licence of every package that is built in, each text once, with whose it is."""
    owners: dict[str, list[str]] = {}
    for name, version in shipped().items():
        folder = SOURCE / "node_modules" / name
        texts = [one for one in sorted(folder.glob("*")) if one.name.upper().startswith("LICEN")]
        told = json.loads((folder / "package.json").read_text("utf-8")).get("license", "")
        text = texts[0].read_text("utf-8").strip() if texts else f"Licence: {told}"
        owners.setdefault(text, []).append(f"{name} {version}")
    parts = [f"{', '.join(names)}\n\n{text}" for text, names in owners.items()]
    return ("\n\n" + "-" * 80 + "\n\n").join(parts) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["types"]:
        print(json.dumps(described()))
    else:
        DIGEST.write_text(digest() + "\n", "utf-8")
        LICENCES.write_text(licences(), "utf-8")
