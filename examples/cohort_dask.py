#!/usr/bin/env python3
"""A cohort over Dask distributed: cohort_dask.py MODEL COHORT OUT [SCHEDULER]

Without a scheduler's address it starts two workers on this machine. Every worker must see MODEL and the cohort's files
under the same paths. Run again after a failure: what is scored stays scored. Research use only.
"""

import sys

from distributed import Client, KilledWorker, LocalCluster, as_completed

import deeptepp


def dask_map(client, retries=2):
    """For score_cohort's map=. A case whose workers die again and again gives no result: its row says WORKER_LOST."""
    def run(score, cases):
        futures = [client.submit(score, case, pure=False, retries=retries) for case in cases]
        for future in as_completed(futures):
            error = future.exception()
            if error is None:
                yield future.result()
            elif not isinstance(error, KilledWorker):
                raise error
            future.release()
    return run


def main(model, cohort, out, scheduler=None):
    with Client(scheduler or LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)) as client:
        with deeptepp.open_model(model, threads=1) as opened:
            deeptepp.score_cohort(opened, cohort, out=out, resume=True, map=dask_map(client))


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
