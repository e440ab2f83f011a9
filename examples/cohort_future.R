# Scores a cohort on several workers of the package future; run again after a kill, it goes on.
#   Rscript cohort_future.R MODEL COHORT OUT [WORKERS]
# Elsewhere than on this machine: another plan, such as plan(cluster, workers = c("host1", "host2")).
library(deeptepp)
library(future)

given <- commandArgs(TRUE)
if (length(given) < 3L) {
  stop("wanted MODEL COHORT OUT [WORKERS]")
}
workers <- if (length(given) > 3L) as.integer(given[4L]) else availableCores()
plan(multisession, workers = workers)
model <- tepp_open(given[1L], threads = 1)
found <- tepp_score_cohort(model, given[2L], out = given[3L], resume = TRUE, apply = future.apply::future_lapply,
                           chunk = 16 * workers)
summary(found)
plan(sequential)
