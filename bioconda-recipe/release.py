"""Write the recipe of a release, as bioconda wants it: in a folder of the package's name.

The recipe beside this script cannot know where a release will be, nor its checksum. This fills
both in:

    python bioconda-recipe/release.py SDIST --url URL --home URL --out RECIPES

writes ``RECIPES/chromputer-tracks/meta.yaml``. It needs nothing but Python.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tarfile
from pathlib import Path

TEMPLATE = Path(__file__).with_name("meta.yaml")
UNRELEASED = "UNRELEASED"


def setting(text: str, name: str) -> str:
    """The value of ``{% set NAME = "VALUE" %}`` in a recipe."""
    match = re.search(rf'^{{% set {name} = "([^"]*)" %}}$', text, re.MULTILINE)
    if match is None:
        raise ValueError(f"{TEMPLATE}: no line sets {name}")
    return match[1]


def release(sdist: Path, addresses: dict[str, str]) -> str:
    """The text of a release's recipe.

    Args:
        sdist: the source archive, byte for byte what its address gives.
        addresses: https addresses by key of the recipe: ``url`` of the archive, ``home``,
            ``dev_url`` and ``doc_url``; the recipe's own stay where one is not given.

    Raises:
        ValueError: the archive is of another version than the recipe, an address is not one, or
            the recipe has none yet.
        OSError, tarfile.TarError: the archive cannot be read.
    """
    text = TEMPLATE.read_text(encoding="utf-8")
    name, version = setting(text, "name"), setting(text, "version")
    stem = f"{name.replace('-', '_')}-{version}"
    with tarfile.open(sdist) as archive:
        if f"{stem}/PKG-INFO" not in archive.getnames():
            raise ValueError(f"{sdist} is not the source archive of {name} {version}")
    for key, address in addresses.items():
        if not re.fullmatch(r'https://[^\s"{}\\]+', address):
            raise ValueError(f"{key} {address!r} is no https address")
        # The version stays a variable, so that bioconda's bot can raise it.
        line = address.replace(version, "{{ version }}") if key == "url" else address
        text = re.sub(rf"(?m)^  {key}: .*$", f"  {key}: {line}", text)
    checksum = hashlib.sha256(sdist.read_bytes()).hexdigest()
    text = re.sub(r"(?m)^{% set sha256 = .*$", f'{{% set sha256 = "{checksum}" %}}', text)
    if UNRELEASED in text:
        raise ValueError(f"{TEMPLATE} has no addresses of the project yet: give --home, too")
    return text


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sdist", type=Path, help="the source archive, from `python -m build`")
    parser.add_argument("--url", required=True, help="where that archive can be had")
    parser.add_argument("--home", help="page of the project; default: the recipe's")
    parser.add_argument("--docs", help="page of its documentation; default: --home")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of recipes (bioconda-recipes/recipes)"
    )
    options = parser.parse_args()
    addresses = {
        "url": options.url,
        "home": options.home,
        "dev_url": options.home,
        "doc_url": options.docs or options.home,
    }
    try:
        text = release(options.sdist, {key: value for key, value in addresses.items() if value})
    except (OSError, ValueError, tarfile.TarError) as error:
        sys.exit(f"error: {error}")
    folder = options.out / setting(text, "name")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TEMPLATE.name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{folder / TEMPLATE.name}\n")


if __name__ == "__main__":
    main()
