#!/usr/bin/env python3
"""A generated cohort whose truth is known: phantoms, treatments, outcomes.

    cohort.py FOLDER --n 726 --seed 3 [--null] [--untreated] [--site B] [--partition test] [--program deeptepp]

writes FOLDER/cohort.tsv, the planted hazard ratios FOLDER/truth.tsv and, in FOLDER/images, an image and a mask of each
patient. The same arguments give the same cohort.
Nothing here is a patient's, and nothing that is learnt from it says anything about one. Research use only.
"""

import argparse
import gzip
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

TIERS = ("Low", "Moderate", "High")
TREATMENTS = ("none", "single", "dual")
CUTS = (0.26631061, 0.85238580)  # of the latent risk: a normal distribution's 0.605 and 0.803 quantiles

# What is planted: hazard ratios of recurrence-free and of overall survival alike.
RISK = 3.0                              # of one standard deviation of the latent risk
NODES = 1.5                             # of positive nodes
EFFECTS = np.array([[1.00, 1.00, 1.00],  # of none, single, dual, against none: Low
                    [1.00, 0.20, 0.20],  # Moderate
                    [1.00, 1.00, 0.15]])  # High
GIVEN = ((0.42, 0.34, 0.24),            # how often each treatment is given without positive nodes
         (0.24, 0.38, 0.38))            # and with them
YEARS, SHAPE = 8.0, 1.3                 # Weibull's scale and shape for a patient of risk 0 without positive nodes
DEATHS = 0.45                           # share of the hazard that is death's
FOLLOWED = (3.0, 9.0)                   # years to the end of follow-up, uniformly

# What the images show. Each feature's correlation with the latent risk; mean, standard deviation, limits.
FEATURES = {"diameter": (0.9, 19, 5, 10, 30), "rim": (0.9, 0.5, 0.25, 0, 1), "heterogeneity": (0.9, 0.5, 0.25, 0, 1),
            "spiculation": (0.9, 0.45, 0.25, 0, 1)}

# B has thicker slices, another scale and more noise.
SITES = {"A": {"dims": "52,52,34", "spacing": "1.25,1.25,2"},
         "B": {"dims": "68,68,23", "spacing": "1,1,3", "offset": 20, "scale": 0.35, "noise": 45}}


def stream(seed, purpose):
    """Of NumPy's generators the one whose numbers are promised to stay."""
    return np.random.RandomState([seed % 2**32, seed // 2**32, purpose])


def draw_patients(n, seed):
    """Latent risk, phantom's seed and image features of n patients: arrays by name."""
    risk = stream(seed, 1).standard_normal(n)
    patients = {"risk": risk, "phantom": stream(seed, 2).randint(0, 2**63, n, dtype=np.int64)}
    for purpose, (name, (follows, mean, sd, low, high)) in enumerate(FEATURES.items(), 10):
        noise = stream(seed, purpose).standard_normal(n)
        feature = mean + sd * (follows * risk + np.sqrt(1 - follows**2) * noise)
        patients[name] = np.round(np.clip(feature, low, high), 3)
    return patients


def tiers_of(risk):
    """0 Low, 1 Moderate, 2 High."""
    return np.searchsorted(CUTS, risk)


def draw_treatments(nodes, random):
    """Positive nodes mean more treatment: confounding by indication, as in a cohort that was not randomised."""
    steps = np.cumsum(GIVEN, axis=1)[nodes, :2]
    return (random.random_sample(len(nodes))[:, None] > steps).sum(axis=1)


def draw_times(log_hazard, random):
    """Years to the first event, to death and to the end of follow-up. Given the hazard, recurrence and death are
    independent and each is a fixed share of it: so both endpoints have proportional hazards, of the same ratios."""
    unit = random.exponential(size=(2, len(log_hazard))) / [[1 - DEATHS], [DEATHS]]
    recurrence, death = YEARS * (unit * np.exp(-log_hazard)) ** (1 / SHAPE)
    return np.minimum(recurrence, death), death, random.uniform(*FOLLOWED, len(log_hazard))


def draw_course(risk, seed, null=False, untreated=False):
    """Covariates, treatment and outcomes, of latent risk and seed alone: arrays by name, times in years. With null no
    treatment has an effect on anybody; risk and nodes keep theirs."""
    random = stream(seed, 3)
    nodes = (random.random_sample(len(risk)) < 0.35).astype(int)
    age = np.clip(np.round(53 + 10 * random.standard_normal(len(risk))), 25, 85).astype(int)
    treatment = draw_treatments(nodes, random) * (not untreated)
    log_hazard = np.log(RISK) * risk + np.log(NODES) * nodes
    if not null:
        log_hazard = log_hazard + np.log(EFFECTS)[tiers_of(risk), treatment]
    *times, end = draw_times(log_hazard, random)
    course = {"age": age, "nodes": nodes, "treatment": treatment, "latent_log_hazard": log_hazard}
    for endpoint, time in zip(("rfs", "os"), times):
        course[f"{endpoint}_time"] = np.round(np.minimum(time, end), 6) + 1e-6  # of 6 digits none is 0
        course[f"{endpoint}_event"] = (time <= end).astype(int)
    return course


def rescan(path, site, seed):
    """Makes of an image with the phantom's noise and contrast one of the site's scanner."""
    raw = bytearray(path.read_bytes())
    voxels = np.frombuffer(raw, "<i2", offset=352)
    noise = site["noise"] * stream(seed, 4).standard_normal(voxels.size)
    voxels[:] = np.round(np.maximum(site["offset"] + site["scale"] * voxels + noise, 0))
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(raw, 6, mtime=0))
    path.unlink()


def generate(program, folder, name, site, seed, features):
    """One patient's image and mask, and their paths below the folder."""
    image, mask = f"images/{name}.nii.gz", f"images/{name}-mask.nii.gz"
    rescanned = "noise" in site
    written = folder / (image[:-3] if rescanned else image)
    options = {"seed": seed, "dims": site["dims"], "spacing": site["spacing"], **features, "out-image": written,
               "out-mask": folder / mask}
    subprocess.run([program, "phantom", "--centred", *(str(word) for key, value in options.items()
                                                       for word in (f"--{key}", value))],
                   check=True, stdout=subprocess.DEVNULL)
    if rescanned:
        rescan(written, site, seed)
    return image, mask


def generate_all(program, folder, names, site, patients, jobs):
    (folder / "images").mkdir(parents=True, exist_ok=True)

    def one(i):
        features = {name: patients[name][i] for name in FEATURES}
        return generate(program, folder, names[i], site, int(patients["phantom"][i]), features)
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, range(len(names))))


def table_of(names, files, patients, course, constants):
    """The columns of cohort.tsv. Whatever is not known of a real patient is called latent_."""
    return {"participant_id": names, "image": [image for image, _ in files], "mask": [mask for _, mask in files],
            **course, "treatment": [TREATMENTS[t] for t in course["treatment"]],
            **{name: [value] * len(names) for name, value in constants.items()},
            "latent_risk": np.round(patients["risk"], 6), "latent_tier": [TIERS[t] for t in tiers_of(patients["risk"])],
            **{f"latent_{name}": patients[name] for name in FEATURES}}


def write_table(path, table):
    """The times with 6 digits, everything else as it is."""
    def text(value):
        return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    lines = ["\t".join(table), *("\t".join(map(text, row)) for row in zip(*table.values()))]
    partial = path.with_name(path.name + ".part")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(path)


def truth_of(null):
    """The planted hazard ratios of treatments against none."""
    ratios = np.ones_like(EFFECTS) if null else EFFECTS
    return {"tier": [tier for tier in TIERS for _ in TREATMENTS], "treatment": [*TREATMENTS] * len(TIERS),
            "hazard_ratio": [*ratios.ravel()]}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, required=True, help="patients")
    parser.add_argument("--seed", type=int, required=True, help="0 to 2^64 - 1; other seeds share no patient")
    parser.add_argument("--null", action="store_true", help="no treatment has an effect on anybody")
    parser.add_argument("--untreated", action="store_true", help="nobody is treated, as before there were the drugs")
    parser.add_argument("--site", choices=SITES, default="A", help="whose scanner")
    parser.add_argument("--partition", default="test", help="that column's word")
    parser.add_argument("--program", default="deeptepp", help="the command line program")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="phantoms at a time")
    arguments = parser.parse_args()
    if arguments.n < 1 or not 0 <= arguments.seed < 2**64:
        parser.error(f"--n {arguments.n}, --seed {arguments.seed}: wanted 1 or more, and 0 to 2^64 - 1")
    return arguments


def main():
    given = parse_arguments()
    patients = draw_patients(given.n, given.seed)
    names = [f"sub-{given.site}{given.seed}n{i:05}" for i in range(1, given.n + 1)]
    files = generate_all(given.program, given.folder, names, SITES[given.site], patients, given.jobs)
    course = draw_course(patients["risk"], given.seed, given.null, given.untreated)
    constants = {"site": given.site, "partition": given.partition}
    write_table(given.folder / "truth.tsv", truth_of(given.null))
    write_table(given.folder / "cohort.tsv", table_of(names, files, patients, course, constants))
    print(f"{given.folder / 'cohort.tsv'}: {given.n} generated patients, {course['rfs_event'].sum()} with an event of "
          f"recurrence-free survival, {course['os_event'].sum()} deaths")


if __name__ == "__main__":
    sys.exit(main())
