#!/usr/bin/env python3
"""Other outcomes for the same scores: outcomes.py SCORES.tsv OUT.tsv --sets 200 --seed 1000 [--null]

draws nodes, treatments and courses anew for the latent risks of a cohort of cohort.py, once a set, and writes a row a
set and patient. The images, and so the scores, stay as they are. Research use only.
"""

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

import cohort

COLUMNS = ("nodes", "treatment", "rfs_time", "rfs_event")


def read_risks(path):
    """Ids and latent risks."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [row["participant_id"] for row in rows], np.array([float(row["latent_risk"]) for row in rows])


def draw_set(names, risk, number, seed, null):
    course = cohort.draw_course(risk, seed + number, null)
    course["treatment"] = [cohort.TREATMENTS[t] for t in course["treatment"]]
    return {"set": [number] * len(names), "participant_id": names, **{name: course[name] for name in COLUMNS}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True, help="set n has the seed S + n")
    parser.add_argument("--null", action="store_true", help="no treatment has an effect on anybody")
    given = parser.parse_args()
    names, risk = read_risks(given.scores)
    sets = [draw_set(names, risk, number, given.seed, given.null) for number in range(1, given.sets + 1)]
    cohort.write_table(given.out, {name: [value for one in sets for value in one[name]] for name in sets[0]})


if __name__ == "__main__":
    sys.exit(main())
