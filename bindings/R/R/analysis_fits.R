# The fits of an analysis.

# What a Cox model's formula may name: survival's own terms, then what the caller's formula sees.
fit_environment <- function(frame, adjust) {
  outer <- if (inherits(adjust, "formula")) environment(adjust) else globalenv()
  own <- list(Surv = survival::Surv, strata = survival::strata, pspline = survival::pspline, frame = frame)
  list2env(own, parent = outer)
}

outcome_of <- function(frame) {
  if (is.null(frame$.entry)) quote(Surv(.time, .event)) else quote(Surv(.entry, .time, .event))
}

adjusting_terms <- function(adjust) {
  if (inherits(adjust, "formula")) attr(stats::terms(adjust), "term.labels") else backquoted(adjust)
}

backquoted <- function(names) {
  vapply(names, function(name) paste(deparse(as.name(name), backtick = TRUE), collapse = ""), "", USE.NAMES = FALSE)
}

strata_terms <- function(strata) {
  if (length(strata) > 0L) sprintf("strata(%s)", backquoted(strata))
}

model_formula <- function(terms, frame, columns, adjusted = TRUE) {
  more <- c(if (adjusted) adjusting_terms(columns$adjust), strata_terms(columns$strata))
  formula <- stats::reformulate(c(terms, more), outcome_of(frame))
  environment(formula) <- fit_environment(frame, columns$adjust)
  formula
}

# said: gets what the fit warns of, with what it was about.
fit_cox <- function(terms, frame, columns, said, what, adjusted = TRUE) {
  formula <- model_formula(terms, frame, columns, adjusted)
  call <- bquote(coxph(.(formula), data = frame, ties = "efron"))
  scope <- list2env(list(coxph = survival::coxph), parent = environment(formula))
  heard(eval(call, scope), said, what)
}

heard <- function(value, said, what) {
  withCallingHandlers(value, warning = function(w) {
    said$texts <- c(said$texts, sprintf("%s: %s.", what, trimws(conditionMessage(w))))
    invokeRestart("muffleWarning")
  })
}

# ---- The interaction ----

interactions <- function(frame, settings, said) {
  columns <- settings$columns
  kinds <- c(tier = ".tier", score = if (!is.null(columns$score)) ".score")
  kinds <- kinds[!(names(kinds) == "tier" & nlevels(frame$.tier) < 2L)]
  fits <- lapply(kinds, function(kind) {
    what <- sprintf("%s x treatment", sub(".", "", kind, fixed = TRUE))
    list(additive = fit_cox(c(kind, ".treatment"), frame, columns, said, what),
         interaction = fit_cox(c(kind, ".treatment", paste0(kind, ":.treatment")), frame, columns, said, what))
  })
  rows <- lapply(names(fits), function(name) likelihood_ratio(fits[[name]], paste(name, "x treatment")))
  list(table = do.call(rbind, rows), fits = fits)
}

likelihood_ratio <- function(pair, test) {
  row <- unlist(as.data.frame(stats::anova(pair$additive, pair$interaction))[2L, 2:4])
  data.frame(test = test, chisq = row[[1L]], df = row[[2L]], p = row[[3L]])
}

proportional <- function(fits, said) {
  if (is.null(fits) || anyNA(stats::coef(fits$interaction))) {
    said$texts <- c(said$texts, if (!is.null(fits)) "Proportional hazards: not tested, a tier lacks an arm.")
    return(NULL)
  }
  found <- tryCatch(survival::cox.zph(fits$interaction)$table, error = function(e) {
    said$texts <- c(said$texts, paste0("Proportional hazards: not tested, ", conditionMessage(e), "."))
    NULL
  })
  if (is.null(found)) {
    return(NULL)
  }
  terms <- gsub("(^|:)[.](tier|treatment|score)", "\\1\\2", rownames(found))
  data.frame(term = gsub(":", " x ", terms, fixed = TRUE), chisq = found[, "chisq"], df = found[, "df"],
             p = found[, "p"], row.names = NULL)
}

# ---- Arms ----

# Medians, survival and restricted means at the horizon, by tier ("All": of all together) and arm.
arm_table <- function(frame, settings) {
  tiers <- c("All", levels(frame$.tier))
  rows <- lapply(tiers, function(tier) {
    part <- if (tier == "All") frame else frame[frame$.tier == tier, , drop = FALSE]
    do.call(rbind, lapply(levels(frame$.treatment), function(arm) {
      arm_row(part[part$.treatment == arm, , drop = FALSE], tier, arm, settings)
    }))
  })
  do.call(rbind, rows)
}

arm_row <- function(part, tier, arm, settings) {
  row <- data.frame(tier = tier, treatment = arm, n = nrow(part), events = as.integer(sum(part$.event)))
  row[c("median", "median_low", "median_high", "survival", "survival_se", "rmst", "rmst_se")] <- NA_real_
  if (nrow(part) == 0L || settings$late$counting) {
    return(row)
  }
  curve <- survival::survfit(survival::Surv(part$.time, part$.event) ~ 1, conf.type = "log")
  row[c("median", "median_low", "median_high")] <- summary(curve)$table[c("median", "0.95LCL", "0.95UCL")]
  if (max(part$.time) < settings$horizon && utils::tail(curve$surv, 1L) > 0) {
    return(row)
  }
  at <- summary(curve, times = settings$horizon, extend = TRUE)
  table <- summary(curve, rmean = settings$horizon)$table
  row[c("survival", "survival_se")] <- c(at$surv, at$std.err)
  row[c("rmst", "rmst_se")] <- table[c(grep("^[*]?rmean", names(table)), grep("^[*]?se[(]rmean", names(table)))]
  row
}

tier_curves <- function(frame, settings) {
  lapply(setNames(nm = c("All", levels(frame$.tier))), function(tier) {
    part <- if (tier == "All") frame else frame[frame$.tier == tier, , drop = FALSE]
    formula <- stats::reformulate(".treatment", outcome_of(part))
    environment(formula) <- fit_environment(part, NULL)
    survival::survfit(formula, data = part)
  })
}

# ---- Contrasts ----

contrast_table <- function(frame, settings, arms, said) {
  rows <- lapply(c("All", levels(frame$.tier)), function(tier) {
    part <- if (tier == "All") frame else frame[frame$.tier == tier, , drop = FALSE]
    part$.treatment <- droplevels(part$.treatment)
    fits <- arm_fits(part, settings$columns, said, tier)
    do.call(rbind, lapply(settings$contrasts, function(pair) {
      cbind(contrast_row(part, tier, pair, settings, fits, said), difference_columns(arms, tier, pair))
    }))
  })
  table <- do.call(rbind, rows)
  within <- table$tier != "All"
  table$p_adjusted <- NA_real_
  table$p_adjusted[within] <- stats::p.adjust(table$p[within], settings$p_adjust)
  table
}

# One model of all arms of a tier, plain and adjusted; NULL where there is nothing to compare.
arm_fits <- function(part, columns, said, what) {
  if (nlevels(part$.treatment) < 2L || sum(part$.event) == 0) {
    return(NULL)
  }
  adjusts <- length(all_variables(columns$adjust)) > 0L
  list(plain = fit_cox(".treatment", part, columns, said, what, adjusted = FALSE),
       adjusted = if (adjusts) fit_cox(".treatment", part, columns, said, paste0(what, ", adjusted")))
}

# Of a counting process a patient may have two rows.
patients_in <- function(part) {
  if (is.null(part$.patient)) nrow(part) else length(unique(part$.patient))
}

contrast_row <- function(part, tier, pair, settings, fits, said) {
  part <- part[part$.treatment %in% pair, , drop = FALSE]
  part$.treatment <- factor(part$.treatment, levels = pair)
  events <- tapply(part$.event, part$.treatment, sum, default = 0)
  row <- data.frame(tier = tier, from = pair[1L], to = pair[2L], n = patients_in(part),
                    events = as.integer(sum(events)))
  lacks <- if (any(table(part$.treatment) == 0L)) "an arm has no patient" else if (sum(events) == 0) "no event"
  finite <- is.null(lacks) && all(events > 0)
  if (!finite) {
    said$texts <- c(said$texts, sprintf("%s, %s v %s: %s.", tier, pair[2L], pair[1L], if (is.null(lacks)) {
      "no hazard ratio, an arm has no event"
    } else {
      paste0("not compared, ", lacks)
    }))
  }
  cbind(row, ratio_columns(fits, pair, finite), test_columns(part, pair, settings, fits, is.null(lacks), finite))
}

ratio_columns <- function(fits, pair, finite) {
  none <- rep(NA_real_, 3L)
  plain <- if (finite) ratio_of(fits$plain, pair) else none
  adjusted <- if (finite && !is.null(fits$adjusted)) ratio_of(fits$adjusted, pair) else none
  values <- as.list(c(plain, adjusted))
  names <- c("hr", "hr_low", "hr_high", "adjusted_hr", "adjusted_low", "adjusted_high")
  setNames(as.data.frame(values), names)
}

# The log hazard ratio of a pair and its standard error.
log_ratio <- function(fit, pair) {
  levels <- fit$xlevels$.treatment
  weights <- (levels == pair[2L]) - (levels == pair[1L])
  at <- match(paste0(".treatment", levels[-1L]), names(stats::coef(fit)))
  weights <- weights[-1L]
  list(estimate = sum(weights * stats::coef(fit)[at]), se = sqrt(drop(weights %*% fit$var[at, at] %*% weights)))
}

ratio_of <- function(fit, pair) {
  found <- log_ratio(fit, pair)
  exp(found$estimate + c(0, -1, 1) * stats::qnorm(0.975) * found$se)
}

# The test of the analysis that was asked for: log-rank, or of an adjusted one Wald's.
test_columns <- function(part, pair, settings, fits, usable, finite) {
  row <- data.frame(test = NA_character_, statistic = NA_real_, p = NA_real_)
  if (!usable || (!is.null(fits$adjusted) && !finite)) {
    return(row)
  }
  row[c("test", "statistic")] <- if (!is.null(fits$adjusted)) {
    found <- log_ratio(fits$adjusted, pair)
    list("Wald, adjusted", (found$estimate / found$se)^2)
  } else {
    two_sample_test(part, settings)
  }
  row$p <- stats::pchisq(row$statistic, 1, lower.tail = FALSE)
  row
}

# survdiff() takes no counting process; the score test of a Cox model is its like.
two_sample_test <- function(part, settings) {
  formula <- model_formula(".treatment", part, settings$columns, adjusted = FALSE)
  if (settings$late$counting) {
    return(list("score test", suppressWarnings(survival::coxph(formula, data = part))$score))
  }
  list("log-rank", survival::survdiff(formula, data = part)$chisq)
}

difference_columns <- function(arms, tier, pair) {
  at <- function(arm) arms[arms$tier == tier & arms$treatment == arm, ]
  one <- function(value, se) {
    difference <- at(pair[2L])[[value]] - at(pair[1L])[[value]]
    spread <- stats::qnorm(0.975) * sqrt(at(pair[1L])[[se]]^2 + at(pair[2L])[[se]]^2)
    # Of two arms without an event nothing is known of how sure their difference is.
    if (spread %in% 0) c(difference, NA, NA) else difference + c(0, -1, 1) * spread
  }
  values <- c(pmax(-1, pmin(1, one("survival", "survival_se"))), one("rmst", "rmst_se"))
  names <- c("survival", "survival_low", "survival_high", "rmst", "rmst_low", "rmst_high")
  setNames(as.data.frame(as.list(values)), paste0("d_", names))
}
