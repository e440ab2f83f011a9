# What a score shows of itself.

new_score <- function(found, facts) {
  for (table in c("survival", "covariates", "warnings")) {
    found[[table]] <- as.data.frame(found[[table]], stringsAsFactors = FALSE)
  }
  found$mask$parts <- as.data.frame(found$mask$parts)
  structure(c(found, list(tiers = facts$tiers, cutpoints = facts$cutpoints)), class = "tepp_score")
}

#' Looking at a score
#'
#' `print()` shows score, tier, distance from the nearest cut-point and warnings; `summary()` everything; `plot()` the
#' scores of the views and members beside the cut-points.
#'
#' @param x,object A [tepp_score()].
#' @param row.names,optional As for [as.data.frame()].
#' @param ... Of `plot()`: for [graphics::plot.default()]. Not used by the others.
#' @return `as.list()`: the plain list. `as.data.frame()`: one row of `score`, `score_sd`, `n_views`, `tier` (an ordered
#'   factor of the model's tiers), `cutpoint_distance`, `survival:T` for each time, `warnings` (names, joined by `;`)
#'   and `mask_voxels`. `summary()`: an object that prints. `plot()` and `print()`: `x`, invisibly.
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' files <- example_files(tempfile())
#' found <- tepp_score(tepp_open(files$model, threads = 1), files$image, files$mask)
#' summary(found)
#' as.data.frame(found)
#' plot(found)
#' @export
print.tepp_score <- function(x, ...) {
  cat(sprintf("score %.6f", x$score))
  if (!is.na(x$tier)) {
    cat(sprintf(", tier %d (%s), %+.6f from the nearest cut-point", x$tier, x$tier_name, x$cutpoint_distance))
  }
  names <- sub("^DEEPTEPP_WARN_", "", x$warnings$name)
  warnings <- if (length(names) > 0L) paste("warnings:", paste(names, collapse = ", ")) else "no warnings"
  cat("\n", warnings, "\n", sep = "")
  invisible(x)
}

#' @rdname print.tepp_score
#' @export
summary.tepp_score <- function(object, ...) {
  structure(list(score = object), class = "summary.tepp_score")
}

#' @export
print.summary.tepp_score <- function(x, ...) {
  found <- x$score
  cat(sprintf("score     %.6f\n", found$score))
  if (!is.na(found$score_sd)) {
    cat(sprintf("  sd      %.6f over %d rotated views: not an uncertainty of the score\n", found$score_sd,
                length(found$view_scores)))
  }
  if (!is.na(found$tier)) {
    cat(sprintf("tier      %d, %s; %+.6f from the nearest cut-point\n", found$tier, found$tier_name,
                found$cutpoint_distance))
  }
  cat(sprintf("survival  %.6f at %s\n", found$survival$probability, format_each(found$survival$time)), sep = "")
  filled <- ifelse(found$covariates$filled, " (the model's substitute)", "")
  cat(sprintf("covariate %s = %s %s%s\n", found$covariates$name, format_each(found$covariates$value),
              found$covariates$unit, filled), sep = "")
  cat(sprintf("mask      label %.0f, %.0f voxels in %.0f part(s), %.1f %% of them in the network's region\n",
              found$mask$label, found$mask$voxels, found$mask$part_count, 100 * found$mask$share))
  cat(sprintf("warning   %s: %s\n", sub("^DEEPTEPP_WARN_", "", found$warnings$name), found$warnings$message), sep = "")
  if (!is.na(found$guidance)) {
    cat(found$guidance, "\n", sep = "")
  }
  cat("Research use only. Not a medical device.\n")
  invisible(x)
}

#' @rdname print.tepp_score
#' @export
plot.tepp_score <- function(x, ...) {
  scores <- c(x$view_scores, x$member_scores)
  rows <- rep(c(2, 1), c(length(x$view_scores), length(x$member_scores)))
  limits <- range(scores, x$score, x$cutpoints)
  settings <- list(x = scores, y = rows, xlim = limits + c(-0.05, 0.05) * max(diff(limits), 1e-6), ylim = c(0.5, 2.5),
                   xlab = "score", ylab = "", yaxt = "n", pch = 1, main = "Scores of views and members")
  given <- list(...)
  settings[names(given)] <- given
  do.call(graphics::plot.default, settings)
  graphics::axis(2, at = c(2, 1), labels = c("views", "members"))
  graphics::abline(v = x$score, lwd = 2)
  graphics::abline(v = x$cutpoints, lty = 2)
  draw_tiers(x)
  invisible(x)
}

# Each tier's name above its part of the axis, as far as that is in the picture.
draw_tiers <- function(x) {
  edges <- graphics::par("usr")[1:2]
  bounds <- c(edges[1L], pmin(pmax(x$cutpoints, edges[1L]), edges[2L]), edges[2L])
  wide <- diff(bounds) > 0
  if (length(x$tiers) > 0L) {
    middles <- (bounds[-1L] + bounds[-length(bounds)]) / 2
    graphics::mtext(x$tiers[wide], side = 3, line = 0.3, at = middles[wide])
  }
}

#' @rdname print.tepp_score
#' @export
as.list.tepp_score <- function(x, ...) {
  unclass(x)
}

#' @rdname print.tepp_score
#' @export
as.data.frame.tepp_score <- function(x, row.names = NULL, optional = FALSE, ...) {
  tier <- if (length(x$tiers) > 0L) factor(x$tier_name, levels = x$tiers, ordered = TRUE) else NA_character_
  survival <- setNames(as.list(x$survival$probability), sprintf("survival:%s", shortest_text(x$survival$time)))
  values <- c(
    list(score = x$score, score_sd = x$score_sd, n_views = length(x$view_scores), tier = tier,
         cutpoint_distance = x$cutpoint_distance),
    survival,
    list(warnings = paste(sub("^DEEPTEPP_WARN_", "", x$warnings$name), collapse = ";"), mask_voxels = x$mask$voxels)
  )
  structure(values, class = "data.frame", row.names = if (is.null(row.names)) 1L else row.names)
}
