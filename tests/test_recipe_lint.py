"""The recipe of a release keeps bioconda's rules; recipes that break one are found out."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from recipe_lint import RECIPE, lint, render

ROOT = Path(__file__).parents[1]

UNRELEASED = (RECIPE / "meta.yaml").read_text(encoding="utf-8")
VERSION = render(UNRELEASED)["package"]["version"]
STEM = f"chromputer_tracks-{VERSION}"
URL = f"https://example.org/files/{STEM}.tar.gz"
HOME = "https://example.org/chromputer-tracks"


def archive(folder: Path, stem: str = STEM) -> Path:
    """A source archive as far as the recipe is concerned."""
    info = folder / "PKG-INFO"
    info.write_text("Name: chromputer-tracks\n")
    path = folder / f"{stem}.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        file.add(info, f"{stem}/PKG-INFO")
    return path


def release(sdist: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, str(RECIPE / "release.py"), str(sdist), "--out", str(out)]
    return subprocess.run([*script, *more], capture_output=True, text=True)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The recipe's folder as it is copied to bioconda, and the archive's checksum."""
    folder = tmp_path_factory.mktemp("release")
    sdist = archive(folder)
    done = release(sdist, folder / "recipes", "--url", URL, "--home", HOME)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder / 'recipes' / 'chromputer-tracks' / 'meta.yaml'}\n"
    return folder / "recipes" / "chromputer-tracks", hashlib.sha256(sdist.read_bytes()).hexdigest()


def test_a_release_keeps_all_rules(released):
    folder, checksum = released
    assert lint(folder) == []
    text = (folder / "meta.yaml").read_text()
    recipe = render(text)
    assert recipe["source"] == {"url": URL, "sha256": checksum}
    assert recipe["package"] == {"name": "chromputer-tracks", "version": VERSION}
    assert {recipe["about"][key] for key in ("home", "dev_url", "doc_url")} == {HOME}
    # A new version is one line, as for bioconda's bot.
    later = render(text.replace(f'version = "{VERSION}"', 'version = "9.8.7"'))
    assert later["source"]["url"] == URL.replace(VERSION, "9.8.7")
    assert "UNRELEASED" not in text
    # All else is what is in the repository.
    ours = render(UNRELEASED)
    for key in ("build", "requirements", "test"):
        assert recipe[key] == ours[key]


def test_the_recipe_here_breaks_only_what_needs_a_release(tmp_path):
    folder = tmp_path / "chromputer-tracks"
    folder.mkdir()
    (folder / "meta.yaml").write_text(UNRELEASED)
    assert set(lint(folder)) <= {"missing_hash", "source_url_is_stable"}


def test_the_placeholders_go_with_the_release():
    """Once the changelog dates this version, the recipe here must be the released one."""
    (heading,) = [
        line
        for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
        if line.startswith(f"## {VERSION}")
    ]
    unreleased = heading == f"## {VERSION} (unreleased)"
    assert ('{% set sha256 = "UNRELEASED" %}' in UNRELEASED) == unreleased
    assert unreleased or "UNRELEASED" not in UNRELEASED


def test_a_recipe_that_was_released_is_released_again(released, tmp_path, monkeypatch):
    """The script, beside the recipe that it made: only the address of the archive is asked for."""
    script = tmp_path / "release.py"
    script.write_text((RECIPE / "release.py").read_text())
    before = (released[0] / "meta.yaml").read_text()
    (tmp_path / "meta.yaml").write_text(before.replace(VERSION, "9.8.7"))
    sdist = archive(tmp_path, "chromputer_tracks-9.8.7")
    monkeypatch.setattr(sys.modules[__name__], "RECIPE", tmp_path)
    done = release(sdist, tmp_path / "out", "--url", URL.replace(VERSION, "9.8.7"))
    assert done.returncode == 0, done.stderr
    after = (tmp_path / "out" / "chromputer-tracks" / "meta.yaml").read_text()
    checksum = hashlib.sha256(sdist.read_bytes()).hexdigest()
    assert after == before.replace(VERSION, "9.8.7").replace(released[1], checksum)


@pytest.mark.parametrize("url", ["http://x.org/a.tar.gz", r"https://x.org/\1.tar.gz", "https://"])
def test_what_is_no_address_is_refused(tmp_path, url):
    done = release(archive(tmp_path), tmp_path, "--url", url, "--home", HOME)
    assert done.returncode == 1
    assert done.stderr == f"error: url {url!r} is no https address\n"


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("missing_hash", '{% set sha256 = "', '{% set sha256 = "g'),
        ("missing_hash", "  sha256: {{ sha256 }}\n", ""),
        ("missing_build_number", "  number: 0\n", ""),
        ("missing_home", "  home: https", "  homepage: https"),
        ("missing_summary", "  summary:", "  abstract:"),
        ("missing_license", "  license: MIT\n", ""),
        ("missing_tests", "test:", "tests:"),
        ("missing_run_exports", "  run_exports:", "  ignore_run_exports:"),
        ("missing_run_exports", 'max_pin="x.x"', 'max_pin="x"'),
        ("should_be_noarch_generic", "  noarch: python\n", ""),
        ("should_be_noarch_python", "noarch: python", "noarch: generic"),
        (
            "should_not_be_noarch_compiler",
            "host:\n",
            "build:\n    - {{ compiler('c') }}\n  host:\n",
        ),
        ("should_not_be_noarch_skip", "  noarch: python\n", "  noarch: python\n  skip: true\n"),
        ("should_not_be_noarch_source", "  number: 0\n", "  number: 0\n  skip: false  # [osx]\n"),
        ("version_constraints_missing_whitespace", "- pysam >=", "- pysam>="),
        ("version_constraints_missing_whitespace", "- hatchling >=", "- hatchling>="),
        ("version_starts_with_v", 'version = "0', 'version = "v0'),
        ("version_starts_with_v", 'version: "{{ version }}"', "version: 0.1"),
        ("folder_and_package_name_must_match", 'name = "chromputer-', 'name = "chromputer_'),
        ("uses_vcs_url", "  url: https://", "  git_url: https://"),
        ("source_url_is_stable", "  url: https://", "  url: http://"),
        ("should_not_use_fn", "source:\n", "source:\n  fn: archive.tar.gz\n"),
        ("long_summary", "  summary: ", f"  summary: {'long ' * 20}"),
        ("uses_matplotlib", "- matplotlib-base", "- matplotlib"),
        ("uses_setuptools", "- scikit-learn", "- setuptools\n    - scikit-learn"),
        ("should_use_compilers", "- pip\n", "- pip\n    - rust\n"),
        ("compilers_must_be_in_build", "- pip\n", "- pip\n    - {{ compiler('c') }}\n"),
        (
            "compiler_needs_stdlib_c",
            "host:\n",
            "build:\n    - {{ compiler('c') }}\n  host:\n",
        ),
        ("cython_must_be_in_host", "run:\n", "run:\n    - cython\n"),
        ("cython_needs_compiler", "- pip\n", "- pip\n    - cython\n"),
        ("deprecated_numpy_spec", "- numpy >=1.26", "- numpy x.x"),
        (
            "gpl_requires_license_distributed",
            "license: MIT\n  license_family: MIT\n  license_file:",
            "license: GPL-3.0-only\n  licence_files:",
        ),
        ("pip_install_args", " --no-deps", ""),
        ("pip_install_args", " --no-build-isolation", ""),
        ("pip_install_args", " -vvv", ""),
        ("pip_install_args", "-m pip install .", "setup.py install"),
        ("duplicate_key_in_meta_yaml", "  number: 0\n", "  number: 0\n  number: 1\n"),
        ("duplicate_key_in_meta_yaml", "about:\n", "about:\n  home: x\n"),
        ("jinja_render_failure", "{{ PYTHON }}", "{{ PYTHON3 }}"),
        ("jinja_render_failure", "{{ PYTHON }}", "{{ PYTHON }"),
        ("missing_version_or_name", "  name: {{ name }}\n", ""),
        ("missing_build", "build:\n  number: 0", "built:\n  number: 0"),
        ("extra_skip_lints_not_list", "about:", "extra:\n  skip-lints: missing_home\nabout:"),
        ("extra_identifiers_not_list", "about:", "extra:\n  identifiers: doi:1\nabout:"),
        ("extra_identifiers_not_string", "about:", "extra:\n  identifiers:\n    - doi: 1\nabout:"),
        ("extra_identifiers_missing_colon", "about:", "extra:\n  identifiers:\n    - doi1\nabout:"),
    ],
)
def test_a_recipe_that_breaks_a_rule_is_found_out(released, tmp_path, rule, old, new):
    text = (released[0] / "meta.yaml").read_text()
    assert old in text
    folder = tmp_path / "chromputer-tracks"
    folder.mkdir()
    (folder / "meta.yaml").write_text(text.replace(old, new, 1))
    assert rule in lint(folder)


def test_a_recipe_of_another_name_is_found_out(tmp_path):
    assert lint(tmp_path) == ["missing_meta_yaml"]


def test_windows_scripts_are_found_out(released, tmp_path):
    folder = tmp_path / "chromputer-tracks"
    folder.mkdir()
    (folder / "meta.yaml").write_text((released[0] / "meta.yaml").read_text())
    (folder / "bld.bat").touch()
    assert lint(folder) == ["has_windows_bat_file"]


@pytest.mark.parametrize(
    ("stem", "options", "message"),
    [
        ("chromputer_tracks-0.0.1", ["--url", URL, "--home", HOME], "is not the source archive of"),
        (STEM, ["--url", "http://a.b/c", "--home", HOME], "url 'http://a.b/c' is no https address"),
        (STEM, ["--url", URL, "--home", "UNRELEASED"], "home 'UNRELEASED' is no https address"),
        (
            STEM,
            ["--url", URL, "--home", HOME, "--docs", "{{ x }}"],
            "doc_url '{{ x }}' is no https",
        ),
        (STEM, ["--url", URL], "has no addresses of the project yet: give --home"),
    ],
)
def test_what_is_no_release(tmp_path, stem, options, message):
    done = release(archive(tmp_path, stem), tmp_path / "out", *options)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_archive_that_cannot_be_read(tmp_path):
    path = tmp_path / f"{STEM}.tar.gz"
    for content in (None, b"no archive"):
        if content is not None:
            path.write_bytes(content)
        done = release(path, tmp_path / "out", "--url", URL, "--home", HOME)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr
