# From a score to a risk: a Cox model of a cohort that the model has not seen.

MOST_TIMES <- 32L
LEAST_EVENTS <- 50L

#' A calibration: from scores to risks
#'
#' A Cox model of the score in a calibration cohort (Efron's ties), with Breslow's estimate of the survival of a patient
#' with the mean score at the given times: survival(t) = baseline_survival(t) ^ exp(slope * (score - centre)). It is the
#' object that a model file holds. A score alone is no probability; what is made here is one for patients like those
#' of the cohort. **Research use only.**
#'
#' Refused: a table without the column `partition`, and rows where it is `training` or `out-of-fold`, since a model fits
#' the cases that it was made with too well; fewer than 50 events (a hundred are better); times before the first event
#' or beyond the follow-up; a score that does not rise with risk. Rows that cannot be used are left out and counted.
#'
#' @inheritParams tepp_analyse
#' @param times 1 to 32 times above 0, rising.
#' @param endpoint,unit What the events are, and the unit of the times: `"recurrence-free survival"`, `"years"`.
#' @param source One sentence on the cohort. `NULL`: its size, events, partition and the date.
#' @return A `tepp_calibration`: a list of `endpoint`, `unit`, `source`, `times`, `baseline_survival`, `slope`,
#'   `centre`, and of `slope_se`, `n`, `events`, `excluded`, `model` and `fit`, the `coxph` object. `predict()` gives
#'   risks, the probability of an event until each time: a matrix of a row a score and a column a time.
#'   `tepp_write_calibration()`: `file`, invisibly.
#' @seealso [tepp_performance()], whose `risk` may be a calibration.
#' @examples
#' trial <- transform(survival::gbsg, score = log1p(nodes), partition = "calibration")
#' calibration <- tepp_calibrate(trial, "rfstime", "status", times = c(730, 1826), unit = "days",
#'                               endpoint = "recurrence-free survival", source = "GBSG, as an example")
#' calibration
#' predict(calibration, c(0, 2))
#' @export
tepp_calibrate <- function(data, time = "rfs_time", status = "rfs_event", score = "score", times, endpoint, unit,
                           source = NULL, partition = "partition") {
  data <- outcome_table(data)
  times <- times_of(if (missing(times)) NULL else times)
  texts <- list(endpoint = stated(if (!missing(endpoint)) endpoint, "endpoint"),
                unit = stated(if (!missing(unit)) unit, "unit"), source = text_or_null(source, "source"))
  taken <- score_frame(data, list(time = time, status = status, score = score))
  named_column(data, partition, "partition")
  states <- partitions_of(data, partition, taken$keep, c("training", "out-of-fold"), "a calibration")
  warn_of_mixture(states)
  refuse_repeats(data, taken$keep)
  refuse_few_events(taken$frame, times, status)
  found <- fit_calibration(taken$frame, times)
  words <- sprintf("%d patients, %d events, partition %s, %s", found$n, found$events, counts_text(table(states)),
                   format(Sys.Date()))
  about <- list(endpoint = texts$endpoint, unit = texts$unit, source = texts$source %||% words, times = times)
  structure(c(about, found, list(excluded = taken$excluded, model = one_model(data, taken$keep))),
            class = "tepp_calibration")
}

stated <- function(text, what) {
  if (!is.character(text) || length(text) != 1L || is.na(text) || !nzchar(text)) {
    refuse(what, " is ", shown(text), ", wanted a text, such as ",
           if (what == "unit") "\"years\"" else "\"recurrence-free survival\"")
  }
  text
}

times_of <- function(times) {
  times <- rising_numbers(times, "times")
  if (times[1L] <= 0 || length(times) > MOST_TIMES) {
    refuse("times are ", shown(times), ", wanted 1 to ", MOST_TIMES, " numbers above 0 that rise")
  }
  times
}

# .time, .event, .score of the rows that can be used.
score_frame <- function(data, columns) {
  frame <- data
  frame$.time <- number_column(data, columns$time, "time")
  frame$.event <- event_column(data, columns$status)
  frame$.score <- number_column(data, columns$score, "score")
  reasons <- c(outcome_reasons(data, frame$.time, frame$.event, columns),
               setNames(list(!is.finite(frame$.score)), paste(columns$score, "missing")))
  found <- first_reason(reasons, nrow(data))
  excluded <- counted_reasons(found, reasons)
  refuse_none_left(found, excluded)
  list(frame = frame[is.na(found), , drop = FALSE], keep = is.na(found), excluded = excluded)
}

refuse_few_events <- function(frame, times, status) {
  events <- sum(frame$.event)
  if (events < LEAST_EVENTS) {
    refuse("the cohort has ", events, " events in ", status, ", wanted ", LEAST_EVENTS,
           " at least to calibrate on, better 100")
  }
  last <- times[length(times)]
  if (last > max(frame$.time)) {
    refuse("times end at ", shortest_text(last), ", the follow-up at ", shortest_text(max(frame$.time)),
           ", wanted times within it")
  }
  if (!any(frame$.event == 1 & frame$.time <= times[1L])) {
    refuse("no event until the time ", shortest_text(times[1L]), ", wanted a later first time, in the data's unit")
  }
  if (min(frame$.score) == max(frame$.score)) {
    refuse("all scores are ", shortest_text(frame$.score[1L]), ", wanted scores that differ")
  }
}

fit_calibration <- function(frame, times) {
  fit <- survival::coxph(survival::Surv(.time, .event) ~ .score, data = frame, ties = "efron", model = TRUE)
  centre <- mean(frame$.score)
  curve <- survival::survfit(fit, newdata = data.frame(.score = centre), stype = 2, ctype = 1)
  slope <- unname(stats::coef(fit))
  if (slope <= 0) {
    refuse("the score's coefficient is ", signif(slope, 3L), ", wanted above 0: in these cases a higher score is no ",
           "higher risk, and there is nothing to calibrate")
  }
  survival <- as.numeric(summary(curve, times = times, extend = TRUE)$surv)
  list(baseline_survival = survival, slope = slope, centre = centre,
       slope_se = sqrt(fit$var[1L, 1L]), n = nrow(frame), events = as.integer(sum(frame$.event)), fit = fit)
}

#' @rdname tepp_calibrate
#' @param object,x,calibration A `tepp_calibration`.
#' @param newscore Scores.
#' @param ... Not used.
#' @export
predict.tepp_calibration <- function(object, newscore, ...) {
  if (!is.numeric(newscore)) {
    refuse("newscore is ", shown(newscore), ", wanted scores")
  }
  hazard <- exp(object$slope * (newscore - object$centre))
  risk <- 1 - outer(hazard, object$baseline_survival, function(h, s) s^h)
  dimnames(risk) <- list(NULL, shortest_text(object$times))
  risk
}

#' @rdname tepp_calibrate
#' @export
print.tepp_calibration <- function(x, ...) {
  cat("Calibration: ", x$endpoint, "\n", RESEARCH, "\n", x$source, ".\n", sep = "")
  cat(sprintf("slope %s (standard error %s) about the score %s; %d patients, %d events\n", fixed_text(x$slope, 3L),
              fixed_text(x$slope_se, 3L), fixed_text(x$centre, 3L), x$n, x$events))
  cat(sprintf("risk at the mean score until %s: %s\n", unit_text(x$times, x$unit),
              fixed_text(1 - x$baseline_survival, 3L)), sep = "")
  invisible(x)
}

#' @rdname tepp_calibrate
#' @param file A path for the JSON that `python -m deeptepp freeze --calibration FILE.json` reads; one that exists is
#'   replaced.
#' @export
tepp_write_calibration <- function(calibration, file) {
  if (!inherits(calibration, "tepp_calibration")) {
    refuse("calibration is ", shown(calibration), ", wanted what tepp_calibrate() gave")
  }
  numbers <- calibration[c("slope", "centre")]
  write_json(c(vapply(calibration[c("endpoint", "unit", "source")], json_string, ""),
               vapply(calibration[c("times", "baseline_survival")], json_array, ""),
               vapply(numbers, shortest_text, ""),
               model_sha256 = json_or_null(if (!is.na(calibration$model)) calibration$model)), file)
}
