"""Sums a column of numbers: a plain Python program, made a component by componentize-py.

Standard input is CSV with a header; the first argument names the column. The sum, the least and the
greatest go to standard output, and as JSON to /out/summary.json.
"""

import csv
import json
import sys

REPORT = "/out/summary.json"


def summary(rows, column):
    numbers = []
    for line, row in enumerate(rows, start=2):
        if row.get(column) is None:
            raise ValueError(f"line {line} has no column {column!r}")
        numbers.append(float(row[column]))
    if not numbers:
        raise ValueError("there are no rows")
    return {"rows": len(numbers), "sum": sum(numbers), "least": min(numbers), "greatest": max(numbers)}


def main(arguments):
    if len(arguments) != 2:
        raise ValueError("usage: COLUMN")
    found = summary(csv.DictReader(sys.stdin), arguments[1])
    with open(REPORT, "w", encoding="utf-8") as file:
        json.dump(found, file)
    print(*(f"{name} {value}" for name, value in found.items()), sep="\n")


class Run:
    """The world wasi:cli/command calls this."""

    def run(self):
        try:
            main(sys.argv)
        except (OSError, ValueError) as error:
            print(f"app: {error}", file=sys.stderr)
            sys.exit(1)
