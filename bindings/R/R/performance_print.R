# The page of a performance.

#' Looking at a performance
#'
#' @param x A [tepp_performance()] performance.
#' @param ... Not used.
#' @return `print()`: `x`, invisibly. `as.data.frame()` and `tidy()` (a generic of the package generics): one row a
#'   measure, `term`, `time`, `estimate`, `conf.low`, `conf.high`. `glance()`: one row.
#' @examples
#' trial <- survival::gbsg
#' trial$score <- log1p(trial$nodes)
#' found <- tepp_performance(trial, "rfstime", "status", times = 1826)
#' as.data.frame(found)
#' @export
print.tepp_performance <- function(x, ...) {
  writeLines(performance_page(x))
  invisible(x)
}

performance_page <- function(x) {
  left_out <- if (nrow(x$excluded) > 0L) sprintf("  left out: %s, %d", x$excluded$reason, x$excluded$n)
  endpoint <- x$endpoint %||% sprintf("%s, %s", x$columns$time, x$columns$status)
  partition <- partition_note(x)
  counts <- sprintf("%d of %d rows, %d events", x$n, x$rows, x$events)
  c(paste0("Performance: ", endpoint), RESEARCH, "", counts, left_out, "", rank_lines(x), "", risk_lines(x), "",
    strwrap(partition, width = 88L))
}

rank_lines <- function(x) {
  until <- ifelse(is.na(x$concordance$until), "", paste(" until", unit_text(x$concordance$until, x$unit)))
  names <- c(paste0(x$concordance$measure, until), paste("AUC at", unit_text(x$auc$time, x$unit)))
  rows <- cbind(names, c(with(x$concordance, interval_text(estimate, low, high, 3L)),
                         with(x$auc, interval_text(auc, low, high, 3L))))
  c("Ranks", paste0("  ", table_lines(rows, c("", ""))[-1L]))
}

risk_lines <- function(x) {
  if (is.null(x$calibration)) {
    return(c("Risks", strwrap(paste("None were given: no calibration, Brier score or decision curve. A score is no",
                                    "probability; risk = takes what tepp_calibrate() made of another cohort."),
                              width = 88L, prefix = "  ")))
  }
  found <- x$calibration
  at <- function(k) c(paste0("  at ", unit_text(found$time[k], x$unit)), time_lines(x, k))
  c("Risks", unlist(lapply(seq_len(nrow(found)), at)))
}

time_lines <- function(x, k) {
  one <- x$calibration[k, ]
  brier <- x$brier[k, ]
  c(sprintf("    observed to expected  %s  (%s and %s)", interval_text(one$oe, one$oe_low, one$oe_high, 3L),
            fixed_text(one$observed, 3L), fixed_text(one$expected, 3L)),
    sprintf("    slope                 %s", interval_text(one$slope, one$slope_low, one$slope_high, 3L)),
    sprintf("    ICI, E50, E90         %s", paste(fixed_text(c(one$ici, one$e50, one$e90), 3L), collapse = ", ")),
    sprintf("    Brier score           %s, IPA %s", interval_text(brier$brier, brier$low, brier$high, 3L),
            fixed_text(brier$ipa, 3L)))
}

#' @rdname print.tepp_performance
#' @export
as.data.frame.tepp_performance <- function(x, ...) {
  row <- function(term, time, estimate, low = NA_real_, high = NA_real_) {
    data.frame(term = term, time = time, estimate = estimate, conf.low = low, conf.high = high)
  }
  ranks <- rbind(with(x$concordance, row(measure, until, estimate, low, high)),
                 with(x$auc, row("AUC", time, auc, low, high)))
  if (is.null(x$calibration)) {
    return(ranks)
  }
  one <- x$calibration
  rbind(ranks, with(x$brier, row("Brier score", time, brier, low, high)), with(x$brier, row("IPA", time, ipa)),
        row("observed to expected", one$time, one$oe, one$oe_low, one$oe_high),
        row("calibration slope", one$time, one$slope, one$slope_low, one$slope_high), row("ICI", one$time, one$ici),
        row("E50", one$time, one$e50), row("E90", one$time, one$e90))
}

#' @rdname print.tepp_performance
#' @exportS3Method generics::tidy
tidy.tepp_performance <- function(x, ...) {
  as.data.frame.tepp_performance(x)
}

#' @rdname print.tepp_performance
#' @exportS3Method generics::glance
glance.tepp_performance <- function(x, ...) {
  data.frame(rows = x$rows, n = x$n, events = x$events, concordance = x$concordance$estimate[1L])
}
