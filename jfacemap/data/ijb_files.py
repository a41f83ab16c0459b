"""The text files of the IJB-B and IJB-C protocols: their names, their lines, their place.

| file | line |
|---|---|
| `ijbc_face_tid_mid.txt` | `1.jpg 1 69544`: image, template, media |
| `ijbc_template_pair_label.txt` | `1 11065 1`: two templates, 1 if genuine |
| `ijbc_name_5pts_score.txt` | `1.jpg x1 y1 ... x5 y5 score`, joined to the first by row |
| `ijbc_1N_gallery_G1.csv`, `ijbc_1N_gallery_G2.csv` | `1,69`: template, subject; a header |
| `ijbc_1N_probe_mixed.csv` | the same |

IJB-B's begin with `ijbb_`, and its galleries are S1 and S2. Files of other data may have
any name in front, as those of `simulate_ijb` have `simulated_`. The third file may be
missing, and so may the lists of the 1:N protocol together.
"""

from pathlib import Path

from .arrays import InputError
from .ijb_text import find_table, Layout


points = [f"{axis}{i}" for i in range(1, 6) for axis in "xy"]
"""The columns of the landmarks."""

image_layout = Layout({"image": "text", "template": "id", "media": "id"})
pair_layout = Layout({"template 1": "id", "template 2": "id", "label": "flag"})
face_layout = Layout(
    {"image": "text"} | dict.fromkeys(points, "float") | {"score": "float"}
)
roster_layout = Layout({"template": "id", "subject": "id"}, "TEMPLATE_ID,SUBJECT_ID")

image_end = "_face_tid_mid.txt"
pair_end = "_template_pair_label.txt"
face_end = "_name_5pts_score.txt"
probe_end = "_1N_probe_mixed.csv"
gallery_ends = "_1N_gallery_", ".csv"
"""What stands before and after a gallery's name."""

source = (
    "The text files are in the folder meta of the IJB-B and IJB-C release that the "
    "evaluation code of insightface links to; the images need a licence from NIST."
)


def find_protocol(folder: Path, name: str | None) -> tuple[Path, str]:
    """The folder that holds the files, itself or its `meta`, and what they begin with."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give the one with the protocol's files.")
    for place in (folder, folder / "meta"):
        files = [p.name.removesuffix(".gz") for p in place.glob(f"*{image_end}*")]
        names = {f.removesuffix(image_end) for f in files if f.endswith(image_end)}
        names = names if name is None else names & {name}
        if len(names) > 1:
            raise InputError(
                f"{place} holds the files of {' and '.join(sorted(names))}: choose one, as "
                f"name={min(names)!r}."
            )
        if names:
            return place, names.pop()
    wanted = f"{name or 'NAME'}{image_end}"
    other = "" if name else ", NAME being ijbb, ijbc or that of other data"
    places = f"Neither {folder} nor {folder / 'meta'}"
    raise InputError(f"{places} holds {wanted}{other}. {source}")


def need(folder: Path, file: str) -> Path:
    """The path of a file of a protocol, gzipped or not; `InputError` if it is missing."""
    path = find_table(folder / file)
    if path is None:
        published = file.startswith(("ijbb_", "ijbc_"))
        raise InputError(f"{folder} lacks {file}." + f" {source}" * published)
    return path


def gallery_of(end: str) -> str | None:
    """The gallery that a file of this end lists; None if it lists none."""
    before, after = gallery_ends
    listed = end.startswith(before) and end.endswith(after)
    return end.removeprefix(before).removesuffix(after) if listed else None


def roster_end(part: str) -> str:
    """What a list of the 1:N protocol is called, after the name of the data."""
    return probe_end if part == "probes" else part.join(gallery_ends)


def optional_files(folder: Path, name: str) -> dict[str, Path]:
    """The files of a protocol it may lack, by what follows the name of the data."""
    paths = {p.name.removesuffix(".gz"): p for p in sorted(folder.glob(f"{name}_*"))}
    ends = {file.removeprefix(name): path for file, path in paths.items()}
    return {
        end: path
        for end, path in ends.items()
        if end in (face_end, probe_end) or gallery_of(end) is not None
    }


def roster_paths(folder: Path, name: str) -> dict[str, Path]:
    """The lists of the 1:N protocol, by gallery and "probes": all of them or none."""
    found = set(optional_files(folder, name)) - {face_end}
    galleries = [g for g in map(gallery_of, sorted(found)) if g is not None]
    if not found:
        return {}
    parts = [*(galleries or ["G1"]), "probes"]
    return {part: need(folder, name + roster_end(part)) for part in parts}
