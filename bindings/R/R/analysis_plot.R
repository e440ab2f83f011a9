# The figures of an analysis, in base graphics.

# Told apart by those who see red and green alike too (Okabe and Ito), each with a line of its own.
COLOURS <- c("#4d4d4d", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
LINES <- c("solid", "62", "22", "4212", "8222", "11")

#' The figures of an analysis
#'
#' `"survival"`: Kaplan-Meier curves, a panel a tier and a line a treatment, with the numbers at risk below.
#' `"forest"`: hazard ratios with their intervals by tier and contrast, adjusted ones where the analysis is. Both name
#' the interaction's p-value above all others. **Research use only.**
#'
#' @param x A [tepp_analyse()] analysis.
#' @param which Of these two the first is the default.
#' @param ... Not used.
#' @return `x`, invisibly.
#' @examples
#' trial <- survival::gbsg
#' trial$tier <- tepp_stratify(trial$nodes, tepp_cutpoints(given = c(3, 9)))
#' found <- tepp_analyse(trial, "rfstime", "status", "hormon", score = NULL,
#'                       contrasts = list(c("0", "1")), horizon = 1826, unit = "days")
#' plot(found)
#' plot(found, "forest")
#' @export
plot.tepp_analysis <- function(x, which = c("survival", "forest"), ...) {
  which <- one_of(which, c("survival", "forest"), "which")
  if (which == "survival" && x$settings$late$counting) {
    refuse("the analysis is of a counting process, which has no Kaplan-Meier curves, wanted one without, or \"forest\"")
  }
  old <- graphics::par(no.readonly = TRUE)
  on.exit(graphics::par(old))
  if (which == "survival") survival_figure(x) else forest_figure(x)
  invisible(x)
}

# The first where all of them were given, as a default is.
one_of <- function(value, choices, what) {
  if (identical(value, choices)) {
    return(choices[1L])
  }
  if (!is.character(value) || length(value) != 1L || !value %in% choices) {
    refuse(what, " is ", shown(value), ", wanted ", paste0("\"", choices, "\"", collapse = " or "))
  }
  value
}

figure_heading <- function(x) {
  tests <- if (is.null(x$interaction)) "Interaction not tested" else {
    paste0("Interaction, ", paste0(x$interaction$test, ": ", p_phrase(x$interaction$p), collapse = ", "))
  }
  left <- list(side = 3, outer = TRUE, adj = 0, at = 0.01)
  do.call(graphics::mtext, c(list(endpoint_of(x), line = 1.6, font = 2, cex = 0.9), left))
  do.call(graphics::mtext, c(list(tests, line = 0.3, cex = 0.85), left))
  graphics::mtext(RESEARCH, side = 1, outer = TRUE, adj = 1, at = 0.99, line = 0, cex = 0.6, col = "#555555")
}

endpoint_of <- function(x) {
  x$settings$endpoint %||% sprintf("%s, %s", x$settings$columns$time, x$settings$columns$status)
}

# ---- Kaplan-Meier ----

survival_figure <- function(x) {
  tiers <- setdiff(names(x$fits$survival), "All")
  arms <- unique(x$cells$treatment)
  wide <- max(nchar(c(arms, "at risk")))
  graphics::par(mfrow = c(1L, length(tiers)), mar = c(5.2 + length(arms), 2.6, 2.2, 0.8), mgp = c(2.2, 0.6, 0), las = 1,
                oma = c(1, 2 + 0.42 * wide, 3.2, 0.4), cex = 0.8, tcl = -0.3)
  end <- max(vapply(x$fits$survival, function(fit) max(fit$time), 1))
  roomiest <- roomiest_panel(x$fits$survival[tiers], end)
  for (tier in tiers) {
    survival_panel(x, tier, arms, end, first = tier == tiers[1L], legend = tier == roomiest)
  }
  figure_heading(x)
}

# The tier whose curves leave the lower left corner free for longest.
roomiest_panel <- function(fits, end) {
  lowest <- vapply(fits, function(fit) min(1, fit$surv[fit$time <= end / 2]), 1)
  names(fits)[which.max(lowest)]
}

survival_panel <- function(x, tier, arms, end, first, legend) {
  curves <- arm_curves(x$fits$survival[[tier]], arms)
  ticks <- pretty(c(0, end), 5L)
  ticks <- ticks[ticks <= end]
  graphics::plot.new()
  graphics::plot.window(c(0, end), c(0, 1), xaxs = "i", yaxs = "i")
  graphics::abline(v = x$settings$horizon, col = "#cccccc")
  for (k in seq_along(curves)) {
    step <- curves[[k]]
    graphics::lines(c(0, step$time), c(1, step$surv), type = "s", col = COLOURS[k], lty = LINES[k], lwd = 2)
  }
  graphics::axis(1, at = ticks)
  graphics::axis(2)
  graphics::title(main = tier, line = 0.6)
  graphics::title(xlab = paste0("time", if (!is.null(x$settings$unit)) paste0(", ", x$settings$unit)), line = 1.9)
  if (first) {
    graphics::mtext("free of the event", side = 2, line = 2.4, las = 0, cex = 0.8)
  }
  if (legend) {
    arms_legend(arms, x$settings$columns$treatment)
  }
  numbers_at_risk(curves, arms, ticks, first, left = -0.09 * end)
}

arms_legend <- function(arms, title) {
  drawn <- seq_along(arms)
  graphics::legend("bottomleft", arms, title = title, col = COLOURS[drawn], lty = LINES[drawn], lwd = 2, bty = "n",
                   seg.len = 2.6, title.adj = 0, inset = 0.03)
}

numbers_at_risk <- function(curves, arms, ticks, first, left) {
  if (first) {
    graphics::mtext("at risk", side = 1, line = 3.2, at = left, adj = 1, cex = 0.7, font = 2)
  }
  for (k in seq_along(arms)) {
    line <- 3.2 + k
    graphics::mtext(at_risk(curves[[k]], ticks), side = 1, line = line, at = ticks, cex = 0.7, col = COLOURS[k])
    if (first) {
      graphics::mtext(arms[k], side = 1, line = line, at = left, adj = 1, cex = 0.7, col = COLOURS[k])
    }
  }
}

at_risk <- function(curve, ticks) {
  vapply(ticks, function(t) sum((curve$n.event + curve$n.censor)[curve$time >= t]), 1)
}

# Of each arm times, survival, events and censored ones; an arm without patients has none.
arm_curves <- function(fit, arms) {
  strata <- if (is.null(fit$strata)) NULL else rep(sub("^[.]treatment=", "", names(fit$strata)), fit$strata)
  lapply(setNames(nm = arms), function(arm) {
    here <- if (is.null(strata)) rep(TRUE, length(fit$time)) else strata == arm
    lapply(unclass(fit)[c("time", "surv", "n.event", "n.censor")], `[`, here)
  })
}

# ---- Forest ----

forest_figure <- function(x) {
  rows <- forest_rows(x)
  texts <- forest_texts(rows, x)
  place <- rev(seq_len(nrow(rows)))
  limits <- forest_limits(rows)
  graphics::par(cex = 0.8, mgp = c(2.2, 0.6, 0), tcl = -0.3, oma = c(1, 0, 3.2, 0))
  graphics::plot.new()
  widths <- vapply(texts, width_in_lines, 1) + 1.2
  graphics::par(mar = c(4, sum(widths[1:3]), 1, sum(widths[4:6])), new = TRUE)
  graphics::plot.new()
  graphics::plot.window(limits, c(0.5, nrow(rows) + 1.4), log = "x")
  graphics::segments(1, 0, 1, nrow(rows) + 0.6, col = "#888888", lty = "22")
  forest_marks(rows, place, limits)
  ticks <- c(0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50)
  graphics::axis(1, at = ticks[ticks >= limits[1L] & ticks <= limits[2L]])
  graphics::title(xlab = paste0(rows$name[1L], ", 95 % interval"))
  forest_columns(texts, widths, c(max(place) + 1, place))
  figure_heading(x)
}

# Of texts as mtext() draws them, in lines of the margin.
width_in_lines <- function(text) {
  line <- graphics::par("mai")[1L] / graphics::par("mar")[1L]
  max(graphics::strwidth(text, units = "inches", cex = 0.8 / graphics::par("cex"), font = 2)) / line
}

forest_rows <- function(x) {
  rows <- x$contrasts
  rows <- rbind(rows[rows$tier != "All", ], rows[rows$tier == "All", ])
  adjusted <- any(!is.na(rows$adjusted_hr))
  names <- if (adjusted) c("adjusted_hr", "adjusted_low", "adjusted_high") else c("hr", "hr_low", "hr_high")
  rows[c("middle", "low", "high")] <- rows[names]
  rows$name <- if (adjusted) "adjusted hazard ratio" else "hazard ratio"
  rows
}

forest_limits <- function(rows) {
  known <- unlist(rows[c("low", "high")])
  known <- known[is.finite(known) & known > 0]
  limits <- if (length(known) > 0L) range(known, 0.7, 1.4) else c(0.5, 2)
  c(max(limits[1L] / 1.1, 0.02), min(limits[2L] * 1.1, 50))
}

forest_marks <- function(rows, place, limits) {
  all <- rows$tier == "All"
  low <- pmax(rows$low, limits[1L])
  high <- pmin(rows$high, limits[2L])
  graphics::segments(low, place, high, place, lwd = 2, col = ifelse(all, COLOURS[1L], COLOURS[2L]))
  beyond <- which(rows$high > limits[2L] | rows$low < limits[1L])
  graphics::points(ifelse(rows$high > limits[2L], limits[2L], limits[1L])[beyond], place[beyond], pch = 5, cex = 0.6)
  graphics::points(rows$middle, place, pch = ifelse(all, 18, 15), cex = ifelse(all, 1.6, 1.2),
                   col = ifelse(all, COLOURS[1L], COLOURS[2L]))
}

# Three columns to the left of the marks, three to the right; the first of each is its head.
forest_texts <- function(rows, x) {
  tier <- ifelse(duplicated(rows$tier), "", ifelse(rows$tier == "All", "All tiers", rows$tier))
  within <- rows$tier != "All"
  list(c("tier", tier), c(x$settings$columns$treatment, paste(rows$to, "v", rows$from)),
       c("n (events)", sprintf("%d (%d)", rows$n, rows$events)),
       c("ratio (95 %)", interval_text(rows$middle, rows$low, rows$high)), c("p", ifelse(within, p_text(rows$p), "")),
       c(paste(x$settings$p_adjust, "p"), ifelse(within, p_text(rows$p_adjusted), "")))
}

forest_columns <- function(texts, widths, at) {
  lines <- c(rev(cumsum(rev(widths[1:3]))) - 0.4, cumsum(c(0.8, widths[4:5])))
  for (k in seq_along(texts)) {
    graphics::mtext(texts[[k]], side = if (k <= 3L) 2 else 4, line = lines[k], at = at, las = 1, adj = 0, cex = 0.8,
                    font = ifelse(seq_along(at) == 1L, 2, 1))
  }
}

# ---- ggplot2 ----

#' @rdname plot.tepp_analysis
#' @param object A [tepp_analyse()] analysis. `autoplot()` is the generic of the package ggplot2, and gives its plot:
#'   the same figures without the numbers at risk and the columns of text.
#' @exportS3Method ggplot2::autoplot
autoplot.tepp_analysis <- function(object, which = c("survival", "forest"), ...) {
  which <- one_of(which, c("survival", "forest"), "which")
  tests <- paste0(object$interaction$test, ": ", p_phrase(object$interaction$p), collapse = ", ")
  words <- ggplot2::labs(title = endpoint_of(object), caption = RESEARCH,
                         subtitle = if (!is.null(object$interaction)) paste0("Interaction, ", tests))
  (if (which == "survival") survival_ggplot(object) else forest_ggplot(object)) + words
}

# Names of columns as aes() takes them.
aes_of <- function(...) {
  do.call(ggplot2::aes, lapply(list(...), as.name))
}

survival_ggplot <- function(x) {
  if (x$settings$late$counting) {
    refuse("the analysis is of a counting process, which has no Kaplan-Meier curves, wanted one without, or \"forest\"")
  }
  tiers <- setdiff(names(x$fits$survival), "All")
  arms <- unique(x$cells$treatment)
  rows <- lapply(tiers, function(tier) {
    curves <- Filter(function(curve) length(curve$time) > 0L, arm_curves(x$fits$survival[[tier]], arms))
    do.call(rbind, Map(function(curve, arm) {
      data.frame(tier = tier, arm = arm, time = c(0, curve$time), survival = c(1, curve$surv))
    }, curves, names(curves)))
  })
  data <- do.call(rbind, rows)
  data$tier <- factor(data$tier, levels = tiers)
  data$arm <- factor(data$arm, levels = arms)
  time <- paste0("time", if (!is.null(x$settings$unit)) paste0(", ", x$settings$unit))
  colours <- setNames(COLOURS[seq_along(arms)], arms)
  ggplot2::ggplot(data, aes_of(x = "time", y = "survival", colour = "arm", linetype = "arm")) + ggplot2::geom_step() +
    ggplot2::facet_wrap("tier") + ggplot2::scale_colour_manual(values = colours) + ggplot2::ylim(0, 1) +
    ggplot2::labs(x = time, y = "free of the event", colour = x$settings$columns$treatment,
                  linetype = x$settings$columns$treatment)
}

forest_ggplot <- function(x) {
  rows <- forest_rows(x)
  rows$contrast <- paste(rows$to, "v", rows$from)
  rows$contrast <- factor(rows$contrast, levels = unique(rows$contrast))
  rows$tier <- factor(rows$tier, levels = rev(unique(rows$tier)))
  rows <- rows[is.finite(rows$middle), ]
  ggplot2::ggplot(rows, aes_of(x = "middle", xmin = "low", xmax = "high", y = "tier")) +
    ggplot2::geom_vline(xintercept = 1, linetype = "22", colour = "#888888") + ggplot2::geom_pointrange() +
    ggplot2::facet_wrap("contrast") + ggplot2::scale_x_log10() +
    ggplot2::labs(x = paste0(rows$name[1L], ", 95 % interval"), y = NULL)
}
