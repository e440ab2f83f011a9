# Does treatment do something else in another tier? Fits of the package survival, in the order in which they are read.

#' Treatment by tier
#'
#' Counts, then the test whether the effect of treatment differs between tiers, then the effects within the tiers with
#' raw and adjusted p-values, then what keeps them from being believed. All fits are those of the package survival.
#' `print()` gives the page, `plot()` the figures, [tepp_report()] both as one HTML file. **Research use only.**
#'
#' **Columns.** Those of [tepp_score_cohort()]'s tables beside the outcome's. Rows that cannot be used are left out and
#' counted by reason: scores that failed (`status`), missing values, times of 0 or less, treatments that are in no
#' contrast. An event that is neither 0 nor 1 is refused, and so is a patient (`patient_id`, else `participant_id`,
#' `case_id`, `id`) who comes twice, and scores of several models (`model_sha256`).
#'
#' **Tests.** The interaction is the likelihood ratio of two Cox models (Efron's ties), with and without tier x
#' treatment, and likewise with the continuous score. Within a tier and a contrast: log-rank, of an adjusted analysis
#' the Wald test of the adjusted hazard ratio. `p_adjust` goes over all of these, every tier and contrast, and not over
#' the interactions, which come first. That one tier's p-value is small and another's is not shows no difference.
#'
#' **Effects.** Hazard ratios with 95 % intervals; at the horizon the difference in survival (Kaplan-Meier, Greenwood)
#' and in restricted mean time, where both arms are followed up so far.
#'
#' **Partitions.** The column `partition` says what a row's score is to its model: `training` rows are refused, mixed
#' partitions are a warning. With `training`, a table of the cases that the model has seen, shared ids and images are
#' refused.
#'
#' **Time zero** must be the same event in all arms. Where treatment starts later, patients must live without an event
#' until then, and no effect at all looks like a benefit (a hazard ratio of 0.67, say). `start` names the column of that
#' time, 0 for none; times above 0 are refused without `landmark` (those still followed up then, by the treatment that
#' they have by then, times from then on) or `counting` (time before the start counts for the reference arm).
#'
#' @param data A data frame, or the path of a CSV or TSV file: a row a patient.
#' @param time,status,score Names of columns: time from time zero, 1 for an event and 0 for none, and the score, where
#'   higher is a higher risk. In `tepp_analyse()` `score = NULL`: no test with the score.
#' @param treatment,tier Likewise: the arm, and the tier (of texts the order is that of their scores).
#' @param adjust Names of columns, or a formula such as `~ age + log1p(nodes)`, which every Cox model gets.
#' @param strata Names of columns by which Cox models and log-rank tests are stratified.
#' @param contrasts A list of pairs of arms, the reference first. The default's are those that the data have.
#' @param horizon The time of survival and restricted mean differences, in the unit of `time`.
#' @param p_adjust A method of [stats::p.adjust()].
#' @param cuts The [tepp_cutpoints()] behind the tiers, for their source. `NULL`: those that [tepp_stratify()] left.
#'   Where the data have no column `tier`, they make it.
#' @param unit,endpoint What is shown for them: `"days"`, `"recurrence-free survival"`.
#' @param partition The name of that column; without it the page says that nothing was stated.
#' @param training A data frame or a path: see above.
#' @param start,landmark,counting See above. With a landmark the horizon, too, counts from it.
#' @return A `tepp_analysis`: a list whose parts are data frames: `cells` (n and events of tier and treatment),
#'   `excluded`, `interaction`, `contrasts`, `arms`, `proportional` (`survival::cox.zph()`), `notes`; and `fits`, the
#'   `coxph` and `survfit` objects. The rows of tier `"All"` are of all tiers together: context, in no family of tests.
#' @seealso [print.tepp_analysis()], [plot.tepp_analysis()], [tepp_report()], [tepp_performance()].
#' @examples
#' trial <- survival::gbsg
#' trial$score <- with(trial, size / 100 + log1p(nodes) + (grade == 3))
#' trial <- tepp_stratify(trial, tepp_cutpoints(trial$score))
#' tepp_analyse(trial, "rfstime", "status", "hormon", contrasts = list(c("0", "1")), horizon = 1826,
#'              unit = "days")
#' @export
tepp_analyse <- function(data, time = "rfs_time", status = "rfs_event", treatment = "treatment", tier = "tier",
                         score = "score", adjust = NULL, strata = NULL,
                         contrasts = list(c("none", "single"), c("single", "dual")), horizon, p_adjust = "holm",
                         cuts = NULL, unit = NULL, endpoint = NULL, partition = "partition", training = NULL,
                         start = NULL, landmark = NULL, counting = FALSE) {
  columns <- list(time = time, status = status, treatment = treatment, tier = tier, score = score, adjust = adjust,
                  strata = strata, start = start, partition = partition)
  late <- list(landmark = landmark_of(landmark), counting = flag(counting, "counting"))
  data <- outcome_table(data)
  contrasts <- contrasts_of(contrasts, text_column(data, treatment, "treatment"), missing(contrasts))
  settings <- list(horizon = horizon_of(if (missing(horizon)) NULL else horizon), p_adjust = p_adjust_of(p_adjust),
                   contrasts = contrasts, unit = text_or_null(unit, "unit"), columns = columns, late = late,
                   endpoint = text_or_null(endpoint, "endpoint"))
  if (!is.null(cuts)) check_cuts(cuts)
  taken <- analysis_frame(data, columns, contrasts, cuts, late)
  about <- analysis_source(taken, columns, cuts, training)
  new_analysis(taken, settings, about, short_call(match.call(), "tepp_analyse"))
}

# Of a call by do.call() neither the function nor the data themselves.
short_call <- function(call, name) {
  call[[1L]] <- as.name(name)
  for (argument in names(call)[-1L]) {
    if (!is.language(call[[argument]]) && length(unlist(call[[argument]])) > 20L) {
      call[[argument]] <- as.name(argument)
    }
  }
  call
}

landmark_of <- function(landmark) {
  if (is.null(landmark)) {
    return(NULL)
  }
  if (!is.numeric(landmark) || length(landmark) != 1L || !is.finite(landmark) || landmark <= 0) {
    refuse("landmark is ", shown(landmark), ", wanted a time above 0 or NULL")
  }
  landmark
}

horizon_of <- function(horizon) {
  if (!is.numeric(horizon) || length(horizon) != 1L || !is.finite(horizon) || horizon <= 0) {
    refuse("horizon is ", shown(horizon), ", wanted a time above 0 in the unit of the times, such as 5 years")
  }
  horizon
}

p_adjust_of <- function(method) {
  if (!is.character(method) || length(method) != 1L || !method %in% stats::p.adjust.methods) {
    refuse("p_adjust is ", shown(method), ", wanted one of ", paste(stats::p.adjust.methods, collapse = ", "))
  }
  method
}

# default: the paper's pairs, of which those count that the data have.
contrasts_of <- function(contrasts, treatment, default) {
  pairs <- is.list(contrasts) && length(contrasts) > 0L &&
    all(vapply(contrasts, function(pair) length(pair) == 2L && !anyNA(pair) && pair[[1L]] != pair[[2L]], TRUE))
  if (!pairs) {
    refuse("contrasts are ", shown(contrasts), ", wanted a list of pairs of arms, list(c(\"none\", \"single\"))")
  }
  contrasts <- lapply(contrasts, as.character)
  arms <- sort(unique(treatment))
  there <- vapply(contrasts, function(pair) all(pair %in% arms), TRUE)
  if (!any(there) || (!default && !all(there))) {
    refuse("contrasts name ", shown(contrasts[!there][[1L]]), ", the data have the arms ", paste(arms, collapse = ", "),
           ", wanted contrasts = pairs of these")
  }
  contrasts[there]
}

# Where the scores and the tiers come from.
analysis_source <- function(taken, columns, cuts, training) {
  partition <- partitions_of(taken$data, columns$partition, taken$keep)
  warn_of_mixture(partition)
  refuse_repeats(taken$data, taken$keep)
  compared <- refuse_seen(taken$data, taken$keep, training)
  model <- one_model(taken$data, taken$keep)
  cuts <- cuts %||% attr(taken$frame$.tier, "cuts")
  if (!is.null(cuts)) {
    refuse_other_model(taken$data, taken$keep, cuts)
    refuse_other_cuts(taken, cuts, columns)
  }
  if (identical(cuts$method, "maxstat")) {
    warning("the cut-point was searched in outcomes: in the patients it was searched in, every p-value is too small",
            call. = FALSE)
  }
  list(partition = table(partition), model = model, cuts = cuts, compared = compared)
}

new_analysis <- function(taken, settings, about, call) {
  frame <- taken$frame
  fitted <- if (settings$late$counting) counting_frame(frame, levels(frame$.treatment)[1L]) else frame
  said <- new.env()
  said$texts <- character()
  tests <- interactions(fitted, settings, said)
  arms <- arm_table(fitted, settings)
  contrasts <- contrast_table(fitted, settings, arms, said)
  found <- list(call = call, settings = settings, about = about, rows = taken$rows, excluded = taken$excluded,
                n = nrow(frame), events = sum(frame$.event), follow_up = follow_up(frame), cells = cell_table(frame),
                interaction = tests$table, contrasts = contrasts, arms = arms,
                proportional = proportional(tests$fits$tier, said),
                fits = c(tests$fits, list(survival = tier_curves(fitted, settings))))
  found$notes <- analysis_notes(found, said$texts)
  found$versions <- versions_of(taken$data, taken$keep)
  structure(found, class = "tepp_analysis")
}

versions_of <- function(data, keep) {
  library_version <- if ("library_version" %in% names(data)) {
    paste(sort(unique(as.character(data$library_version[keep]))), collapse = " and ")
  }
  c(R = paste(R.version$major, R.version$minor, sep = "."), deeptepp = as.character(utils::packageVersion("deeptepp")),
    survival = as.character(utils::packageVersion("survival")), scored_by = library_version)
}

# Median follow-up, those with an event as the censored ones.
follow_up <- function(frame) {
  curve <- survival::survfit(survival::Surv(frame$.time, 1 - frame$.event) ~ 1)
  unname(summary(curve)$table["median"])
}

cell_table <- function(frame) {
  by <- list(tier = frame$.tier, treatment = frame$.treatment)
  grid <- expand.grid(tier = levels(frame$.tier), treatment = levels(frame$.treatment), stringsAsFactors = FALSE)
  n <- table(by)
  events <- tapply(frame$.event, by, sum, default = 0)
  grid$n <- as.vector(n)
  grid$events <- as.integer(events)
  grid
}
