"""Every wrong command line is refused in one line, before work and leaving nothing."""

import os

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

import jfacemap as jfm
from jfacemap.data.map_file import save

from .cli_runs import folder as folder, refused


fit, apply, verify = (
    "fit a.npy b.npy -o m.safetensors",
    "apply ab.safetensors",
    "verify a.npy",
)


@pytest.mark.parametrize(
    ("line", "message"),
    (
        ("fti", "no command 'fti'; did you mean fit?"),
        ("zzz", "no command 'zzz'; try embed, fit, apply"),
        ("fit a.npy", "missing Y, and -o MAP.safetensors. See jfacemap fit --help"),
        (
            f"{fit} --kind warp",
            "--kind is one of linear, affine, rotation, similarity, ridge, low-rank, "
            "gradient, identity; got 'warp'.",
        ),
        ("fit a.npy b.npy --knd rotation", "unknown option --knd; did you mean --kind?"),
        ("fit a.npy --zzz b.npy", "unknown option --zzz. See jfacemap fit --help"),
        ("fit a.npy b.npy c.npy", "unexpected argument 'c.npy', after X Y."),
        (f"{fit} --kind rotaton", "got 'rotaton'. Did you mean rotation?"),
        (f"{fit} --ridge", "--ridge needs a value: --ridge NUMBER."),
        (f"{fit} --ridge x", "--ridge takes a number; got 'x'."),
        (f"{verify} --labels who.npy --seed 1.5", "--seed takes a whole number; got '1.5'"),
        (f"{verify} --labels who.npy --fars .1 x", "--fars takes a number; got 'x'."),
        ("fit no_rows.npy b.npy -o m.safetensors", "no_rows.npy is empty"),
        (
            "fit inside b.npy -o m.safetensors",
            "inside is a folder: give one of its files (a",
        ),
        ("info inside", "inside is a folder"),
        ("info folder/a.npy", "Nor does the folder folder."),
        ("fit gone.npy b.npy -o m.safetensors", "gone.npy does not exist"),
        ("fit A.npy b.npy -o m.safetensors", "Did you mean a.npy"),
        (
            "fit faces.npz b.npy -o m.safetensors",
            "add a key, as 'faces.npz:KEY': a, b, who",
        ),
        ("fit faces.npz:c b.npy -o m.safetensors", "no array 'c'; it holds: a, b, who"),
        ("fit who.npy b.npy -o m.safetensors", "holds int64, not float16"),
        ("fit nan.npy b.npy -o m.safetensors", "1 of 60 rows (counted from 0: 3) hold NaN"),
        ("fit a.npy short.npy -o m.safetensors", "a.npy has 60 rows and short.npy 5"),
        ("fit a.npy b.npy -o m.npy", "ends in .safetensors"),
        (
            "fit a.npy b.npy -o gone/m.safetensors",
            "folder gone does not exist: mkdir -p gone",
        ),
        ("fit a.npy b.npy -o ab.safetensors", "ab.safetensors exists: give --force"),
        (f"{fit} --ridge -1", "--ridge is a number of at least 0"),
        (f"{fit} --ridge nan", "--ridge is a number of at least 0"),
        (f"{fit} --ridge 1 --kind rotation", "--ridge is for linear and affine maps"),
        (f"{fit} --reflection", "--reflection is for rotations"),
        (f"{fit} --weights short.npy", "weights are (n,) numbers; got (5, 7)"),
        (f"{fit} --weights five.npy", "has 60 rows, for 5 weights"),
        (
            f"{fit} --weights negative.npy",
            "3 of 60 weights (counted from 0: 0, 7, 9) are neg",
        ),
        (f"{fit} --weights nan_weights.npy", "1 of 60 weights (counted from 0: 3) are NaN"),
        (f"{fit} --weights nothing.npy", "all 60 weights are 0, which leaves no row"),
        (f"{fit} --weights gone.npy", "gone.npy does not exist."),
        (
            "fit flat.npy b.npy -o m.safetensors --kind similarity",
            "not finite: are all rows",
        ),
        ("apply gone.safetensors a.npy -o z.npy", "gone.safetensors does not exist"),
        ("apply a.npy a.npy -o z.npy", "a.npy is not a map file"),
        ("apply x.safetensors a.npy -o z.npy", "holds arrays but no map"),
        ("apply stack.safetensors a.npy -o z.npy", "a stack of (3,) maps"),
        (
            f"{apply} b.npy -o z.npy",
            "maps rows of width 8 to 7, and b.npy has rows of width 7",
        ),
        (f"{apply} a.npy -o z.txt", "ends in .npy"),
        (f"{apply} a.npy -o a.npy", "a.npy exists"),
        (f"{apply} a.npy -o a.npy --force", "a.npy is an input too"),
        (
            f"{apply} a.npy -o z.npy --normalize --no-normalize",
            "--normalize and --no-normalize exclude each",
        ),
        ("verify a.npy", "missing --labels L or --pairs P or --protocol FOLDER."),
        (
            f"{verify} --labels who.npy --pairs p.csv",
            "--labels and --pairs exclude each other",
        ),
        (f"{verify} --labels a.npy", "labels are integers or strings"),
        (
            f"{verify} --labels nobody.npy",
            "2 of 60 labels (counted from 0: 0, 1) are empty",
        ),
        (f"{verify} --labels inside", "inside is a folder"),
        (f"{verify} --labels who.npy --memory -1", "--memory is a number of GiB above 0"),
        (f"{verify} --labels who.npy --memory nan", "--memory is a number of GiB above 0"),
        (f"{verify} --labels who.npy --mapped-side gallery", "is for a --protocol with"),
        (f"{verify} --labels who.npy --partial", "--partial is about a --protocol"),
        (f"{verify} --labels weights.npy", "labels are integers or strings"),
        (f"{verify} --labels few.npy", "a.npy has 60 rows and few.npy 5"),
        (f"{verify} --labels who.npy --target short.npy", "60 rows and short.npy 5"),
        (f"{verify} --labels who.npy --target b.npy", "give a --map that ends in width 7"),
        (f"{verify} --labels one.npy", "one.npy makes no impostor pairs"),
        (f"{verify} --labels all.npy", "all.npy makes no genuine pairs"),
        (f"{verify} --labels who.npy --fars 2", "--fars takes rates above 0"),
        (f"{verify} --labels who.npy --fars 0 .1", "--fars takes rates above 0"),
        (
            f"{verify} --labels who.npy --rule worst",
            "--rule is one of strict, nearest, insightface",
        ),
        (f"{verify} --labels who.npy --normalize", "are about a --map; none is given"),
        (f"{verify} --labels who.npy --json gone/r.json", "folder gone does not exist"),
        (f"{verify} --labels who.npy --json r.txt", "ends in .json"),
        (f"{verify} --labels who.npy --csv p.csv", "p.csv exists"),
        (f"{verify} --labels who.npy --memory 1e-6", "1,770 pairs (of 60 rows) need about"),
        (f"{verify} --pairs p.csv --intervals", "it needs --labels or --protocol"),
        (f"{verify} --labels who.npy --intervals --rule nearest", "--rule strict, not"),
        (f"{verify} --pairs gone.csv", "gone.csv does not exist"),
        (f"{verify} --pairs P1.csv", "P1.csv does not exist. Did you mean p.csv"),
        (f"{verify} --pairs inside", "inside is a folder"),
        (f"{verify} --pairs semi.csv", "semi.csv, line 1: '0;1;1' is not 'row_a,row_b,gen"),
        (f"{verify} --pairs two_semi.csv", "two_semi.csv, line 1: '0;1;1' is not"),
        (
            f"{verify} --pairs p.csv",
            "p.csv: row_b is 60 in line 3; it is outside 0..59 in 1",
        ),
        (f"{verify} --pairs word.csv", "word.csv, line 4: '2,x,1' is not 'row_a,row_b"),
        (f"{verify} --pairs wide.csv", "wide.csv, line 2: '1,2,0,1' is not"),
        (f"{verify} --pairs head.csv", "head.csv lists no pairs"),
        (
            f"{verify} --pairs a.npy",
            "has shape (60, 8) of float32; pairs are whole numbers",
        ),
        (f"{verify} --pairs three.npy", "row_a is -1 in row 1"),
        (f"{verify} --pairs two.npy", "genuine is 2 in row 0"),
        ("info newer.safetensors", "in format 2, written by jfacemap 9.9; this is"),
        ("info gone.npy", "gone.npy does not exist"),
        ("info faces.npz:c", "no array 'c'"),
    ),
)
def test_errors_are_plain_lines(folder, capsys, line, message):
    save("ab.safetensors", jfm.LinearMap(jax.numpy.ones((8, 7))))
    np.savez("five.npz", x=np.ones(5))
    np.save("five.npy", np.ones(5))
    weights = np.ones(60)
    np.save("nothing.npy", 0 * weights)
    weights[[0, 7, 9]] = -1
    np.save("negative.npy", weights)
    np.save("nan_weights.npy", np.where(np.arange(60) == 3, np.nan, 1))
    np.save("no_rows.npy", np.ones((0, 8), np.float32))
    np.save("nobody.npy", np.where(np.arange(60) < 2, " ", "x").astype(str))
    os.mkdir("inside")
    np.save("inside/a.npy", np.ones(3))
    np.save("flat.npy", np.ones((60, 8), np.float32))
    stack = jax.tree.map(lambda a: np.stack([a] * 3), jfm.identity_map(8))
    save("stack.safetensors", jax.tree.map(jax.numpy.asarray, stack))
    save_file({"x": np.ones(3)}, "x.safetensors")
    newer = {"kind": "LinearMap", "format": "2", "version": "9.9"}
    newer = {f"jfacemap.{key}": value for key, value in newer.items()}
    save_file({"weight": np.ones((3, 3))}, "newer.safetensors", newer)
    for name, text in {
        "p": "a,b,genuine\n0,1,1\n1,60,0\n",
        "word": "a,b,genuine\n0,1,1\n\n2,x,1\n",
        "wide": "0,1,0\n1,2,0,1\n",
        "head": "a,b,genuine\n",
        "semi": "0;1;1\n",
        "two_semi": "0;1;1\n1;2;0\n",
    }.items():
        (folder / f"{name}.csv").write_text(text)
    np.save("three.npy", np.array([[0, 1, 1], [-1, 1, 0]]))
    np.save("two.npy", np.array([[0, 1, 2]]))
    np.save("one.npy", np.zeros(60, int))
    np.save("all.npy", np.arange(60))
    np.save("few.npy", np.arange(5))
    before = sorted(os.listdir())
    assert message in refused(capsys, line)
    assert sorted(os.listdir()) == before
