# The figures of a performance, in base graphics.

#' The figures of a performance
#'
#' `"calibration"`: observed against expected risk, a panel a time: groups of equal size with 95 % intervals
#' (Kaplan-Meier), the smooth curve, and below it how many patients have which risk. `"decision"`: net benefit by
#' threshold of acting by the risk, on all, on none. Both need risks, and are refused without. **Research use only.**
#'
#' @param x A [tepp_performance()] performance.
#' @param which Of these two the first is the default.
#' @param ... Not used.
#' @return `x`, invisibly.
#' @examplesIf requireNamespace("riskRegression", quietly = TRUE) && requireNamespace("rms", quietly = TRUE)
#' trial <- transform(survival::gbsg, score = log1p(nodes), partition = "calibration")
#' half <- seq(1, 686, by = 2)
#' calibration <- tepp_calibrate(trial[half, ], "rfstime", "status", times = 1461, unit = "days",
#'                               endpoint = "recurrence-free survival")
#' plot(tepp_performance(trial[-half, ], "rfstime", "status", times = 1461, risk = calibration))
#' @export
plot.tepp_performance <- function(x, which = c("calibration", "decision"), ...) {
  which <- one_of(which, c("calibration", "decision"), "which")
  if (is.null(x$calibration)) {
    refuse("there are no risks to plot, wanted tepp_performance(..., risk = ): a score is no probability")
  }
  old <- graphics::par(no.readonly = TRUE)
  on.exit(graphics::par(old))
  graphics::par(mfrow = c(1L, length(x$times)), mar = c(3.6, 4.6, 2.2, 0.8), oma = c(1, 0, 1.8, 0), las = 1, cex = 0.8,
                mgp = c(2.3, 0.6, 0), tcl = -0.3)
  for (time in x$times) {
    if (which == "calibration") calibration_panel(x, time) else decision_panel(x, time)
  }
  graphics::mtext(x$endpoint %||% sprintf("%s, %s", x$columns$time, x$columns$status), side = 3, outer = TRUE, adj = 0,
                  at = 0.01, line = 0.4, font = 2, cex = 0.9)
  graphics::mtext(RESEARCH, side = 1, outer = TRUE, adj = 1, at = 0.99, line = 0, cex = 0.6, col = "#555555")
  invisible(x)
}

calibration_panel <- function(x, time) {
  curve <- x$curve[x$curve$time == time, ]
  groups <- x$groups[x$groups$time == time, ]
  end <- min(1, max(curve$risk, curve$observed, groups$high, na.rm = TRUE) * 1.03)
  graphics::plot.new()
  graphics::plot.window(c(0, end), c(-0.12 * end, end), xaxs = "i", yaxs = "i")
  graphics::segments(0, 0, end, end, col = "#888888", lty = "22")
  graphics::lines(curve$risk, curve$observed, col = COLOURS[2L], lwd = 2)
  if (NROW(groups) > 0L) {
    graphics::segments(groups$expected, pmax(groups$low, 0), groups$expected, pmin(groups$high, end), col = COLOURS[1L])
    graphics::points(groups$expected, groups$observed, pch = 16, col = COLOURS[1L])
  }
  bars <- graphics::hist(curve$risk, breaks = seq(0, 1, by = 0.02), plot = FALSE)
  graphics::segments(bars$mids, -0.11 * end, bars$mids, -0.11 * end + 0.1 * end * bars$counts / max(bars$counts),
                     lwd = 3, lend = "butt", col = "#aaaaaa")
  graphics::axis(1)
  graphics::axis(2, at = pretty(c(0, end))[pretty(c(0, end)) <= end])
  one <- x$calibration[x$calibration$time == time, ]
  graphics::title(main = paste("until", unit_text(time, x$unit)), line = 0.8)
  graphics::title(xlab = "expected risk", ylab = "observed risk")
  calibration_words(one)
}

# Where the curve is not.
calibration_words <- function(one) {
  above <- one$oe > 1
  words <- c(paste("observed to expected", interval_text(one$oe, one$oe_low, one$oe_high)),
             paste("slope", interval_text(one$slope, one$slope_low, one$slope_high)),
             paste("ICI", fixed_text(one$ici, 3L)))
  graphics::legend(if (above) "bottomright" else "topleft", words, inset = c(0, if (above) 0.14 else 0), bty = "n",
                   cex = 0.9)
}

decision_panel <- function(x, time) {
  rows <- x$decision[x$decision$time == time, ]
  lines <- as.matrix(rows[c("treat_none", "treat_all", "by_risk")])
  low <- max(min(lines), -0.25 * max(lines))
  graphics::matplot(rows$threshold, lines, type = "l", lty = LINES[3:1], lwd = 2, col = COLOURS[c(3L, 1L, 2L)],
                    ylim = c(low, max(lines)), xlab = "threshold: the risk at which one would act", ylab = "",
                    bty = "n")
  graphics::title(ylab = "net benefit", line = 3.2)
  graphics::title(main = paste("until", unit_text(time, x$unit)), line = 0.8)
  graphics::legend("topright", c("by the risk", "on all", "on none"), lty = LINES[1:3], lwd = 2,
                   col = COLOURS[c(2L, 1L, 3L)], bty = "n", seg.len = 2.6)
}
