# The page of an analysis.

#' Looking at an analysis
#'
#' `print()` gives the page: counts, the interaction, the effects within tiers, what keeps them from being believed.
#' `summary()` is a list whose page also has each arm's median, survival and restricted mean, and the test of
#' proportional hazards by term.
#'
#' `as.data.frame()` gives one row a tier and contrast, `tidy()` every number in a long table with broom's names
#' (`term`, `estimate`, `conf.low`, `conf.high`, `statistic`, `df`, `p.value`, `p.adjusted`), `glance()` one row.
#' `tidy` and `glance` are generics of the package generics.
#'
#' @param x,object A [tepp_analyse()] analysis.
#' @param ... Not used.
#' @return `print()`: `x`, invisibly. The others: see above.
#' @examples
#' trial <- survival::gbsg
#' trial$tier <- tepp_stratify(trial$nodes, tepp_cutpoints(given = c(3, 9)))
#' found <- tepp_analyse(trial, "rfstime", "status", "hormon", score = NULL,
#'                       contrasts = list(c("0", "1")), horizon = 1826, unit = "days")
#' as.data.frame(found)[c("tier", "n", "events", "hr", "p", "p_adjusted")]
#' if (requireNamespace("generics", quietly = TRUE)) generics::glance(found)
#' @export
print.tepp_analysis <- function(x, ...) {
  writeLines(analysis_page(x))
  invisible(x)
}

#' @rdname print.tepp_analysis
#' @export
summary.tepp_analysis <- function(object, ...) {
  structure(list(page = analysis_page(object), arms = object$arms, proportional = object$proportional,
                 settings = object$settings), class = "summary.tepp_analysis")
}

#' @rdname print.tepp_analysis
#' @export
print.summary.tepp_analysis <- function(x, ...) {
  writeLines(c(x$page, "", arm_lines(x), "", proportional_lines(x$proportional)))
  invisible(x)
}

analysis_page <- function(x) {
  c(page_head(x), "", count_lines(x), "", interaction_lines(x), "", within_lines(x), "", difference_lines(x),
    "All tiers together", paste0("  ", overall_lines(x)), "", note_lines(x), "", foot_lines(x))
}

page_head <- function(x) {
  left_out <- if (nrow(x$excluded) > 0L) sprintf("  left out: %s, %d", x$excluded$reason, x$excluded$n)
  c(paste0("Treatment by tier: ", endpoint_of(x)), RESEARCH, "",
    count_words(x), left_out)
}

count_words <- function(x) {
  follow_up <- if (is.na(x$follow_up)) "-" else unit_text(signif(x$follow_up, 4L), x$settings$unit)
  sprintf("%d of %d rows, %d events; median follow-up %s", x$n, x$rows, as.integer(x$events), follow_up)
}

count_lines <- function(x) {
  c("Patients (events)", paste0("  ", table_lines(count_cells(x))))
}

count_cells <- function(x) {
  arms <- unique(x$cells$treatment)
  tiers <- unique(x$cells$tier)
  cells <- matrix(sprintf("%d (%d)", x$cells$n, x$cells$events), length(tiers), length(arms))
  columns <- x$settings$columns
  cbind(matrix(tiers, dimnames = list(NULL, "tier")),
        matrix(cells, length(tiers), dimnames = list(NULL, paste(columns$treatment, arms))))
}

interaction_lines <- function(x) {
  head <- "1. Does the effect of treatment differ between tiers?"
  if (is.null(x$interaction)) {
    return(c(head, "  Not tested: there is one tier and no score."))
  }
  c(head, sprintf("  %-18s likelihood ratio %s on %s df, %s", x$interaction$test, fixed_text(x$interaction$chisq),
                  shortest_text(round(x$interaction$df, 2L)), p_phrase(x$interaction$p)),
    strwrap(paste(interaction_words(x$interaction), collapse = " "), width = 88L, prefix = "  "))
}

interaction_words <- function(interaction) {
  p <- setNames(interaction$p, interaction$test)
  first <- if (is.na(p[1L])) {
    "The test could not be made."
  } else if (p[1L] < 0.05) {
    "The data speak against one effect in all tiers (at 5 %), if tiers and test were fixed beforehand."
  } else {
    paste("No evidence (at 5 %) that the effect differs between tiers. A small p-value in one tier beside a large one",
          "in another, below, is no such evidence.")
  }
  divided <- length(p) == 2L && !anyNA(p) && xor(p[1L] < 0.05, p[2L] < 0.05)
  c(first, if (divided) "Tiers and score disagree: two tests of one question, neither adjusted for the other.")
}

within_lines <- function(x) {
  within <- x$contrasts[x$contrasts$tier != "All", ]
  c("2. Within tiers", paste0("  ", table_lines(within_cells(within, x$settings))),
    paste0("  ", within_words(x)))
}

within_words <- function(x) {
  within <- x$contrasts[x$contrasts$tier != "All", ]
  test <- stats::na.omit(within$test)[1L]
  sprintf("p: %s; %s p: adjusted over the tests of this table, of which there are %d.",
          if (is.na(test)) "none" else test, x$settings$p_adjust, sum(!is.na(within$p)))
}

within_cells <- function(within, settings) {
  adjusts <- any(!is.na(within$adjusted_hr))
  cells <- cbind(tier = within$tier, contrast = paste(within$to, "v", within$from), n = within$n,
                 events = within$events, "hazard ratio" = interval_text(within$hr, within$hr_low, within$hr_high),
                 "adjusted" = if (adjusts) {
                   interval_text(within$adjusted_hr, within$adjusted_low, within$adjusted_high)
                 }, p = p_text(within$p), p_text(within$p_adjusted))
  colnames(cells)[ncol(cells)] <- paste(settings$p_adjust, "p")
  cells
}

difference_lines <- function(x) {
  if (x$settings$late$counting) {
    return(NULL)
  }
  head <- sprintf("3. Differences at %s", unit_text(x$settings$horizon, x$settings$unit))
  c(head, paste0("  ", table_lines(difference_cells(x$contrasts[x$contrasts$tier != "All", ]))), "")
}

difference_cells <- function(rows) {
  digits <- digits_for(rows$d_rmst)
  cbind(tier = rows$tier, contrast = paste(rows$to, "v", rows$from),
        "survival" = interval_text(rows$d_survival, rows$d_survival_low, rows$d_survival_high),
        "restricted mean" = interval_text(rows$d_rmst, rows$d_rmst_low, rows$d_rmst_high, digits))
}

# Context: one effect over all tiers, which is no test of tiers.
overall_lines <- function(x) {
  rows <- x$contrasts[x$contrasts$tier == "All", ]
  adjusted <- ifelse(is.na(rows$adjusted_hr), "",
                     paste0(", adjusted ", interval_text(rows$adjusted_hr, rows$adjusted_low, rows$adjusted_high)))
  sprintf("%s v %s: hazard ratio %s%s", rows$to, rows$from, interval_text(rows$hr, rows$hr_low, rows$hr_high), adjusted)
}

note_lines <- function(x) {
  c("Before believing it", unlist(lapply(x$notes$text, wrapped)))
}

foot_lines <- function(x) {
  model <- if (!is.na(x$about$model)) paste("model", substr(x$about$model, 1L, 12L))
  versions <- x$versions[names(x$versions) != "scored_by"]
  c(paste(c(paste(names(versions), versions), model), collapse = ", "),
    strwrap(paste(deparse(x$call, width.cutoff = 80L), collapse = " "), width = 88L, exdent = 2L))
}

arm_lines <- function(x) {
  c(sprintf("Arms; survival and restricted mean at %s", unit_text(x$settings$horizon, x$settings$unit)),
    paste0("  ", table_lines(arm_cells(x$arms))))
}

arm_cells <- function(arms) {
  digits <- digits_for(arms$rmst)
  cbind(tier = arms$tier, treatment = arms$treatment, n = arms$n, events = arms$events,
        median = fixed_text(arms$median, digits), survival = fixed_text(arms$survival, 3L),
        se = fixed_text(arms$survival_se, 3L), "restricted mean" = fixed_text(arms$rmst, digits),
        se = fixed_text(arms$rmst_se, digits))
}

proportional_lines <- function(proportional) {
  if (is.null(proportional)) {
    return("Proportional hazards: not tested")
  }
  c("Proportional hazards (cox.zph)", sprintf("  %-18s chisq %s on %s df, %s", proportional$term,
                                              fixed_text(proportional$chisq), shortest_text(proportional$df),
                                              p_phrase(proportional$p)))
}

# ---- As tables ----

#' @rdname print.tepp_analysis
#' @export
as.data.frame.tepp_analysis <- function(x, ...) {
  x$contrasts
}

#' @rdname print.tepp_analysis
#' @exportS3Method generics::tidy
tidy.tepp_analysis <- function(x, ...) {
  rows <- x$contrasts
  contrast <- paste(rows$to, "v", rows$from)
  effect <- function(term, estimate, low, high, tested = FALSE) {
    long_rows(term, rows$tier, contrast, estimate = rows[[estimate]], conf.low = rows[[low]], conf.high = rows[[high]],
              statistic = if (tested) rows$statistic, p.value = if (tested) rows$p,
              p.adjusted = if (tested) rows$p_adjusted, n = rows$n, events = rows$events)
  }
  adjusts <- length(all_variables(x$settings$columns$adjust)) > 0L
  do.call(rbind, c(
    list(if (!is.null(x$interaction)) {
      long_rows(x$interaction$test, NA, NA, statistic = x$interaction$chisq, df = x$interaction$df,
                p.value = x$interaction$p, n = x$n, events = x$events)
    }, effect("hazard ratio", "hr", "hr_low", "hr_high", tested = !adjusts)),
    if (adjusts) list(effect("adjusted hazard ratio", "adjusted_hr", "adjusted_low", "adjusted_high", tested = TRUE)),
    list(effect("survival difference", "d_survival", "d_survival_low", "d_survival_high"),
         effect("restricted mean difference", "d_rmst", "d_rmst_low", "d_rmst_high"))
  ))
}

long_rows <- function(term, tier, contrast, ...) {
  given <- Filter(Negate(is.null), list(...))
  columns <- c("estimate", "conf.low", "conf.high", "statistic", "df", "p.value", "p.adjusted", "n", "events")
  rows <- data.frame(term = term, tier = tier, contrast = contrast)
  rows[columns] <- NA_real_
  rows[names(given)] <- given
  rows
}

#' @rdname print.tepp_analysis
#' @exportS3Method generics::glance
glance.tepp_analysis <- function(x, ...) {
  p <- function(test) c(x$interaction$p[x$interaction$test == test], NA_real_)[1L]
  data.frame(rows = x$rows, n = x$n, events = as.integer(x$events), follow.up = x$follow_up,
             tiers = length(unique(x$cells$tier)), p.tier.interaction = p("tier x treatment"),
             p.score.interaction = p("score x treatment"), horizon = x$settings$horizon)
}
