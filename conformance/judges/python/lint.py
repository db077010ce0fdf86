"""Runs several of pkilint's command lines in one process, because most of a run is its start.

Usage: lint.py PROGRAM ARGUMENT... [--next PROGRAM ARGUMENT...]..., every one with `-f JSON`. Prints one
line for each: its exit code, which is the number of findings, and its report.
"""

import contextlib
import importlib
import io
import itertools
import json
import sys

for separates, words in itertools.groupby(sys.argv[1:], lambda word: word == "--next"):
    if separates:
        continue
    program, *arguments = words
    report = io.StringIO()
    with contextlib.redirect_stdout(report):
        code = importlib.import_module(f"pkilint.bin.{program}").main(arguments)
    print(json.dumps({"code": code, "report": json.loads(report.getvalue())}))
