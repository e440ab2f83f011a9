# Cut-points: frozen numbers with their source.

#' Cut-points that make tiers of scores
#'
#' `tepp_cutpoints()` takes quantiles of a reference cohort's scores (`stats::quantile()`, type 7), or numbers that are
#' given. `tepp_cutpoint_maxstat()` searches one cut in outcomes, with a p-value that is corrected for the search
#' (`maxstat::maxstat.test()`). They are frozen: [tepp_stratify()] applies them to other cohorts as they are.
#'
#' Cut-points from quantiles of the cohort that they are applied to are no validation. Those that were searched in
#' outcomes make every p-value in the same patients too small: with no effect at all the best single cut was
#' "significant" at 5 % in 44.8 % of samples of 240, the best pair of cuts in 33.3 %, the corrected p-value in 2.3 %.
#' [tepp_analyse()] warns of them, where it is given them or the tiers still hold them. **Research use only.**
#'
#' @param score Scores, of which missing ones are left out; or a data frame with a column `score` (and `partition`,
#'   `model_sha256`, `status` as [tepp_score_cohort()] writes it), of which `training` rows are refused.
#' @param probs Rising, within 0 and 1. The defaults are the shares that the paper reports: 439, 144 and 143 of 726.
#' @param labels The tiers' names from the lowest score to the highest, one more than cut-points.
#' @param given Cut-points, rising, instead of quantiles; then `score` may be left out.
#' @param source One sentence on where they come from. `NULL`: cohort size, partition and date.
#' @return A `tepp_cuts`: a list of `cutpoints`, `names`, `method` (`"quantiles"`, `"given"`, `"maxstat"`), `probs`,
#'   `p_value`, `source`, `n` (scores used) and `model_sha256`. What does not apply is `NULL`. That of
#'   `tepp_cutpoint_maxstat()` also has `statistic`, the maximally selected one.
#' @seealso [tepp_stratify()], [tepp_write_cuts()].
#' @examples
#' set.seed(1)
#' cuts <- tepp_cutpoints(rnorm(726), source = "726 normal numbers, as an example")
#' cuts
#' table(tepp_stratify(rnorm(726), cuts))
#' @export
tepp_cutpoints <- function(score = NULL, probs = c(0.605, 0.803), labels = c("Low", "Moderate", "High"), given = NULL,
                           source = NULL) {
  if (!is.null(given)) {
    return(new_cuts(rising_numbers(given, "given"), labels, "given", source = source %||% "Given numbers"))
  }
  known <- reference_scores(score)
  probs <- rising_numbers(probs, "probs")
  if (probs[1L] <= 0 || probs[length(probs)] >= 1) {
    refuse("probs are ", shown(probs), ", wanted numbers between 0 and 1")
  }
  points <- unname(stats::quantile(known$score, probs, type = 7))
  if (anyDuplicated(points) > 0L) {
    refuse("the quantiles of the scores are ", shown(points), ", wanted distinct ones: too many scores are equal")
  }
  words <- sprintf("Quantiles %s (type 7) of %s", paste(shortest_text(probs), collapse = " and "), known$words)
  new_cuts(points, labels, "quantiles", probs = probs, source = source %||% words, n = length(known$score),
           model_sha256 = known$model)
}

# The scores, what to say of them, and their model.
reference_scores <- function(score) {
  if (is.null(score)) {
    refuse("score is missing, wanted the scores of a reference cohort, or given = cut-points")
  }
  frame <- if (is.numeric(score)) data.frame(score = score) else outcome_table(score, "score")
  numbers <- number_column(frame, "score", "score")
  failed <- first_reason(scoring_reasons(frame, ""), nrow(frame))
  keep <- is.finite(numbers) & is.na(failed)
  if (sum(keep) < 2L) {
    refuse("score has ", sum(keep), " usable values, wanted the scores of a reference cohort")
  }
  partition <- partitions_of(frame, "partition", keep, purpose = "a reference")
  model <- one_model(frame, keep)
  words <- sprintf("%d scores, partition %s, %s", sum(keep), counts_text(table(partition)), format(Sys.Date()))
  list(score = numbers[keep], words = words, model = if (!is.na(model)) model)
}

#' @rdname tepp_cutpoints
#' @param time,status For `tepp_cutpoint_maxstat()`: vectors beside `score`, of times above 0 and of 1 for an event.
#' @param pmethod How the p-value is corrected: maxstat's `"Lau94"`, `"Lau92"`, `"condMC"` (by simulation), or `"HL"`,
#'   which is refused for more than 200 scores, as it does not finish.
#' @param minprop,maxprop The share of patients below the cut that is searched.
#' @export
tepp_cutpoint_maxstat <- function(time, status, score, pmethod = "Lau94", labels = c("Low", "High"), minprop = 0.1,
                                  maxprop = 0.9, source = NULL) {
  needs_package("maxstat", "tepp_cutpoint_maxstat()")
  frame <- stats::na.omit(data.frame(time = time, status = status, score = score))
  event_column(frame, "status")
  if (any(frame$time <= 0)) {
    refuse("time is ", shown(frame$time[frame$time <= 0][1L]), ", wanted times above 0")
  }
  if (!pmethod %in% c("Lau94", "Lau92", "condMC", "HL")) {
    refuse("pmethod is ", shown(pmethod), ", wanted \"Lau94\", \"Lau92\", \"condMC\" or \"HL\"")
  }
  if (pmethod == "HL" && nrow(frame) > 200L) {
    refuse("pmethod is \"HL\" for ", nrow(frame), " scores, wanted 200 at most: it does not finish. Take \"Lau94\"")
  }
  found <- maxstat::maxstat.test(surv_formula("score"), data = frame, smethod = "LogRank", pmethod = pmethod,
                                 minprop = minprop, maxprop = maxprop)
  p <- min(1, unname(as.numeric(found$p.value))) # the corrections are bounds, and may be above 1
  words <- sprintf("One cut searched in outcomes (log-rank, %d patients, %d events), p = %s corrected by %s, %s",
                   nrow(frame), as.integer(sum(frame$status)), p_text(p), pmethod, format(Sys.Date()))
  cuts <- new_cuts(unname(found$estimate), labels, "maxstat", p_value = p, source = source %||% words, n = nrow(frame))
  cuts$statistic <- unname(found$statistic)
  cuts
}

surv_formula <- function(terms) {
  formula <- stats::reformulate(terms, quote(Surv(time, status)))
  environment(formula) <- list2env(list(Surv = survival::Surv), parent = baseenv())
  formula
}

needs_package <- function(package, what) {
  if (!requireNamespace(package, quietly = TRUE)) {
    refuse(what, " needs the package ", package, ", which is not installed: install.packages(\"", package, "\")")
  }
}

rising_numbers <- function(numbers, what) {
  if (!is.numeric(numbers) || length(numbers) == 0L || !all(is.finite(numbers)) || any(diff(numbers) <= 0)) {
    refuse(what, " is ", shown(numbers), ", wanted numbers that rise")
  }
  as.double(numbers)
}

new_cuts <- function(cutpoints, labels, method, probs = NULL, p_value = NULL, source, n = NULL, model_sha256 = NULL) {
  if (!is.character(labels) || anyNA(labels) || anyDuplicated(labels) > 0L ||
        length(labels) != length(cutpoints) + 1L) {
    refuse("labels are ", shown(labels), ", wanted ", length(cutpoints) + 1L, " distinct names for ",
           length(cutpoints), " cut-points")
  }
  structure(class = "tepp_cuts", list(cutpoints = cutpoints, names = labels, method = method, probs = probs,
                                      p_value = p_value, source = text_or_null(source, "source"), n = n,
                                      model_sha256 = model_sha256))
}

#' @rdname tepp_cutpoints
#' @param x A `tepp_cuts`.
#' @param ... Not used.
#' @export
print.tepp_cuts <- function(x, ...) {
  points <- format(x$cutpoints, digits = 6L)
  last <- length(points)
  ranges <- c(paste("up to", points[1L]), if (last > 1L) paste("above", points[-last], "up to", points[-1L]),
              paste("above", points[last]))
  cat(sprintf("%-12s %s\n", x$names, ranges), sep = "")
  cat(x$source, ".\n", RESEARCH, "\n", sep = "")
  invisible(x)
}

#' Tiers of scores
#'
#' A score that equals a cut-point belongs to the tier below it, as in the library.
#'
#' @param x Scores, or a data frame with a column `score`.
#' @param cuts A [tepp_cutpoints()], or what [tepp_read_cuts()] read.
#' @return Of scores an ordered factor, which keeps its cut-points; of a data frame the same with a column `tier` of it.
#'   A missing score has a missing tier. Cut-points of another model than the frame's `model_sha256` are refused.
#' @examples
#' tepp_stratify(c(0.2, 0.5, 0.9, NA), tepp_cutpoints(given = c(0.5, 0.8)))
#' @export
tepp_stratify <- function(x, cuts) {
  check_cuts(cuts)
  if (is.data.frame(x)) {
    refuse_other_model(x, rep(TRUE, nrow(x)), cuts)
    x$tier <- tepp_stratify(number_column(x, "score", "score"), cuts)
    return(x)
  }
  if (!is.numeric(x)) {
    refuse("x is ", shown(x), ", wanted scores or a data frame of them")
  }
  place <- findInterval(x, cuts$cutpoints, left.open = TRUE) + 1L
  structure(factor(cuts$names[place], levels = cuts$names, ordered = TRUE), cuts = cuts,
            class = c("tepp_tiers", "ordered", "factor"))
}

check_cuts <- function(cuts) {
  if (!inherits(cuts, "tepp_cuts")) {
    refuse("cuts is ", shown(cuts), ", wanted what tepp_cutpoints() or tepp_read_cuts() gave")
  }
}

refuse_other_model <- function(data, keep, cuts) {
  model <- stats::na.omit(one_model(data, keep))
  if (!is.null(cuts$model_sha256) && length(model) == 1L && cuts$model_sha256 != model) {
    refuse("the cut-points are of model ", substr(cuts$model_sha256, 1L, 12L), ", the scores of model ",
           substr(model, 1L, 12L), ", wanted those of one model")
  }
}

#' @export
`[.tepp_tiers` <- function(x, ...) {
  part <- NextMethod()
  attr(part, "cuts") <- attr(x, "cuts")
  part
}
