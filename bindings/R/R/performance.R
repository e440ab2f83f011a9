# How well a score ranks, and how well risks are calibrated.

#' How well scores rank, and risks agree
#'
#' Harrell's C over all follow-up and Uno's C until the last of `times`, both of `survival::concordance()`; the AUC at
#' each time (`riskRegression::Score()`), which needs that package. With risks also Brier score and IPA (likewise),
#' and calibration: events observed (Kaplan-Meier) to expected, slope, ICI, E50 and E90 (`rms::cph()`, a restricted
#' cubic spline of 3 knots of the complementary log-log of the risk), and the net benefit for decision curves.
#' **Without risks these are not made: a score is no probability.**
#'
#' Rows are left out, counted and refused as in [tepp_analyse()]: `training` rows are refused, mixed partitions are a
#' warning.
#'
#' @inheritParams tepp_analyse
#' @param times Times above 0, rising, at which the AUC and all that needs risks are given.
#' @param risk Probabilities of an event until each time: `NULL` for none, a [tepp_calibrate()] calibration of another
#'   cohort, a matrix with a column a time, or names of columns, where `survival:T` of [tepp_score_cohort()] counts as
#'   what it is, the probability of no event.
#' @param thresholds Risks at which somebody would act, for the net benefit.
#' @return A `tepp_performance`: a list of data frames `concordance`, `auc`, and with risks `brier`, `calibration`,
#'   `groups` (observed and expected risk in tenths of the risk, or fewer where events are few), `curve` (the smooth
#'   calibration curve), `decision`; `NULL` where there is no risk.
#' @seealso [print.tepp_performance()], [plot.tepp_performance()].
#' @examples
#' trial <- survival::gbsg
#' trial$score <- log1p(trial$nodes)
#' tepp_performance(trial, "rfstime", "status", times = 1826)
#' @export
tepp_performance <- function(data, time = "rfs_time", status = "rfs_event", score = "score", times, risk = NULL,
                             thresholds = seq(0.05, 0.5, by = 0.05), unit = NULL, endpoint = NULL,
                             partition = "partition", training = NULL) {
  data <- outcome_table(data)
  times <- times_of(if (missing(times)) NULL else times)
  thresholds <- thresholds_of(thresholds)
  columns <- list(time = time, status = status, score = score)
  taken <- score_frame(data, columns)
  states <- partitions_of(data, partition, taken$keep)
  warn_of_mixture(states)
  refuse_repeats(data, taken$keep)
  compared <- refuse_seen(data, taken$keep, training)
  refuse_beyond(taken$frame, times)
  risks <- risks_of(risk, data, taken, times)
  found <- list(call = short_call(match.call(), "tepp_performance"), columns = columns, times = times,
                unit = text_or_null(unit, "unit"), endpoint = text_or_null(endpoint, "endpoint"), rows = nrow(data),
                n = nrow(taken$frame), events = as.integer(sum(taken$frame$.event)), excluded = taken$excluded,
                partition = table(states), compared = compared, model = one_model(data, taken$keep),
                concordance = concordances(taken$frame, times), auc = auc_table(taken$frame, times))
  structure(c(found, with_risks(taken$frame, times, risks, thresholds)), class = "tepp_performance")
}

thresholds_of <- function(thresholds) {
  thresholds <- rising_numbers(thresholds, "thresholds")
  if (thresholds[1L] <= 0 || thresholds[length(thresholds)] >= 1) {
    refuse("thresholds are ", shown(thresholds), ", wanted risks between 0 and 1")
  }
  thresholds
}

refuse_beyond <- function(frame, times) {
  if (times[length(times)] >= max(frame$.time)) {
    refuse("times end at ", shortest_text(times[length(times)]), ", the follow-up at ",
           shortest_text(max(frame$.time)), ", wanted times before its end")
  }
}

# ---- Ranks ----

concordances <- function(frame, times) {
  last <- times[length(times)]
  surv <- survival::Surv(frame$.time, frame$.event)
  all <- survival::concordance(surv ~ frame$.score, reverse = TRUE)
  uno <- survival::concordance(surv ~ frame$.score, reverse = TRUE, timewt = "n/G2", ymax = last)
  rbind(c_row("Harrell's C", all, NA_real_), c_row("Uno's C", uno, last))
}

c_row <- function(measure, found, until) {
  se <- sqrt(found$var)
  c <- unname(found$concordance)
  half <- stats::qnorm(0.975) * se
  data.frame(measure = measure, until = until, estimate = c, se = se, low = max(c - half, 0), high = min(c + half, 1))
}

# Ranks as risks: the AUC knows nothing else of a score.
auc_table <- function(frame, times) {
  needs_package("riskRegression", "tepp_performance()")
  ranks <- rank(frame$.score) / (nrow(frame) + 1)
  found <- regression_score(frame, matrix(ranks, length(ranks), length(times)), times, "auc")
  with(as.data.frame(found$AUC$score), data.frame(time = times, auc = AUC, se = se, low = lower, high = upper))
}

regression_score <- function(frame, risks, times, metrics) {
  outcome <- data.frame(time = frame$.time, status = frame$.event)
  formula <- stats::reformulate("1", quote(Hist(time, status)))
  environment(formula) <- asNamespace("riskRegression")
  suppressWarnings(riskRegression::Score(list(score = risks), formula = formula, data = outcome, times = times,
                                         metrics = metrics, summary = if ("brier" %in% metrics) "ipa",
                                         conf.int = TRUE, null.model = "brier" %in% metrics))
}

# ---- Risks ----

risks_of <- function(risk, data, taken, times) {
  if (is.null(risk)) {
    return(NULL)
  }
  risks <- if (inherits(risk, "tepp_calibration")) {
    calibrated_risks(risk, taken$frame$.score, times, one_model(data, taken$keep))
  } else if (is.character(risk)) {
    named_risks(risk, data)[taken$keep, , drop = FALSE]
  } else {
    given_risks(risk, data)[taken$keep, , drop = FALSE]
  }
  if (ncol(risks) != length(times)) {
    refuse("risk has ", ncol(risks), " columns for ", length(times), " times, wanted one a time")
  }
  if (!all(is.finite(risks)) || any(risks < 0 | risks > 1)) {
    refuse("risk has values that are missing or outside 0 to 1, wanted probabilities of an event")
  }
  unname(risks)
}

calibrated_risks <- function(calibration, score, times, model) {
  at <- match(times, calibration$times)
  if (anyNA(at)) {
    refuse("times has ", shortest_text(times[is.na(at)][1L]), ", the calibration ", shown(calibration$times),
           ", wanted times of the calibration")
  }
  if (!is.na(model) && !is.na(calibration$model) && model != calibration$model) {
    refuse("the calibration is of model ", substr(calibration$model, 1L, 12L), ", the scores of model ",
           substr(model, 1L, 12L), ", wanted those of one model")
  }
  if (length(score) == calibration$n && isTRUE(all.equal(mean(score), calibration$centre, tolerance = 1e-12))) {
    warning("the calibration was made of these very rows, and cannot be judged by them", call. = FALSE)
  }
  predict.tepp_calibration(calibration, score)[, at, drop = FALSE]
}

named_risks <- function(names, data) {
  columns <- lapply(names, function(name) {
    numbers <- number_column(data, name, "risk")
    if (startsWith(name, "survival:")) 1 - numbers else numbers
  })
  matrix(unlist(columns), nrow(data))
}

given_risks <- function(risk, data) {
  if (!is.numeric(risk) || NROW(risk) != nrow(data)) {
    refuse("risk is ", shown(risk), ", wanted a calibration, names of columns, or numbers, a row of the data each")
  }
  as.matrix(risk)
}

with_risks <- function(frame, times, risks, thresholds) {
  if (is.null(risks)) {
    return(list(brier = NULL, calibration = NULL, groups = NULL, curve = NULL, decision = NULL))
  }
  needs_package("rms", "calibration in tepp_performance()")
  each <- lapply(seq_along(times), function(k) calibration_at(frame, times[k], risks[, k]))
  take <- function(name) do.call(rbind, lapply(each, `[[`, name))
  decision <- lapply(seq_along(times), function(k) net_benefits(frame, times[k], risks[, k], thresholds))
  list(brier = brier_table(frame, risks, times), calibration = take("numbers"), groups = take("groups"),
       curve = take("curve"), decision = do.call(rbind, decision))
}

brier_table <- function(frame, risks, times) {
  found <- as.data.frame(regression_score(frame, risks, times, "brier")$Brier$score)
  found <- found[found$model == "score", ]
  found$IPA[!is.finite(found$IPA)] <- NA # before the first event nothing can be explained
  with(found, data.frame(time = times, brier = Brier, se = se, low = lower, high = upper, ipa = IPA))
}
