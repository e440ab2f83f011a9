# From a table to the frame that an analysis fits: .time, .event, .treatment, .tier, .score (and .entry of a counting
# process), beside the table's own columns.

analysis_frame <- function(data, columns, contrasts, cuts, late) {
  arms <- unique(unlist(contrasts))
  frame <- data
  time <- number_column(data, columns$time, "time")
  frame$.time <- time
  frame$.event <- event_column(data, columns$status)
  frame$.treatment <- text_column(data, columns$treatment, "treatment")
  frame$.score <- if (!is.null(columns$score)) number_column(data, columns$score, "score")
  frame$.tier <- tier_column(data, columns, frame$.score, cuts)
  frame <- read_adjustments(frame, columns)
  frame <- late_starts(frame, columns, late, arms[1L])
  reasons <- c(outcome_reasons(data, time, frame$.event, columns),
               landmark_reasons(frame, late), analysis_reasons(frame, columns, arms))
  found <- first_reason(reasons, nrow(data))
  excluded <- counted_reasons(found, reasons)
  refuse_none_left(found, excluded)
  keep <- is.na(found)
  frame <- frame[keep, , drop = FALSE]
  frame$.treatment <- factor(frame$.treatment, levels = arms)
  frame$.tier <- droplevels_kept(frame$.tier)
  list(frame = frame, keep = keep, rows = nrow(data), excluded = excluded, data = data)
}

analysis_reasons <- function(frame, columns, arms) {
  other <- !is.na(frame$.treatment) & !frame$.treatment %in% arms
  elsewhere <- lapply(setNames(nm = unique(frame$.treatment[other])), function(arm) frame$.treatment %in% arm)
  names(elsewhere) <- sprintf("%s \"%s\" is in no contrast", columns$treatment, names(elsewhere))
  score <- if (!is.null(columns$score)) setNames(list(!is.finite(frame$.score)), paste(columns$score, "missing"))
  used <- c(all_variables(columns$adjust), columns$strata)
  absent <- lapply(setNames(nm = used), function(name) is.na(frame[[name]]))
  names(absent) <- paste(used, rep("missing", length(used)))
  if (inherits(columns$adjust, "formula")) {
    absent <- c(absent, list("adjust is no finite number" = no_numbers(columns$adjust, frame)))
  }
  c(setNames(list(is.na(frame$.treatment)), paste(columns$treatment, "missing")), elsewhere, score,
    list("tier missing" = is.na(frame$.tier)), absent)
}

# The tiers, in order: an ordered factor as it is, others by their lowest score, else as cuts makes them.
tier_column <- function(data, columns, score, cuts) {
  if (is.null(columns$tier) || (columns$tier == "tier" && !"tier" %in% names(data) && !is.null(cuts))) {
    if (is.null(cuts) || is.null(score)) {
      refuse("tier is ", shown(columns$tier), ", wanted the name of a column, or cuts = and score =")
    }
    return(tepp_stratify(score, cuts))
  }
  tier <- named_column(data, columns$tier, "tier")
  if ("All" %in% tier) {
    refuse(columns$tier, " has a tier \"All\", which is the name of all of them together, wanted another")
  }
  if (is.factor(tier)) {
    return(tier)
  }
  text <- text_column(data, columns$tier, "tier")
  order <- if (is.null(score)) sort(unique(text)) else names(sort(tapply(score, text, min, na.rm = TRUE)))
  factor(text, levels = order, ordered = TRUE)
}

# Tiers that are there must be those that cuts makes, if it is to stand as their source.
refuse_other_cuts <- function(taken, cuts, columns) {
  if (is.null(taken$frame$.score)) {
    return(invisible())
  }
  found <- as.character(taken$frame$.tier)
  wanted <- as.character(tepp_stratify(taken$frame$.score, cuts))
  wrong <- which(found != wanted)[1L]
  if (!is.na(wrong)) {
    refuse(columns$tier, " is \"", found[wrong], "\" in row ", which(taken$keep)[wrong], ", where cuts make \"",
           wanted[wrong], "\" of the score, wanted the tiers of cuts")
  }
}

droplevels_kept <- function(tier) {
  cuts <- attr(tier, "cuts")
  tier <- factor(as.character(tier), levels = intersect(levels(tier), as.character(tier)))
  attr(tier, "cuts") <- cuts
  tier
}

# The rows in which a term of the formula is not finite, as a logarithm of 0 is.
no_numbers <- function(adjust, frame) {
  formula <- stats::reformulate(adjusting_terms(adjust))
  environment(formula) <- fit_environment(frame, adjust)
  unusable <- function(e) {
    refuse("adjust cannot be computed (", conditionMessage(e), "), wanted a formula of the data's columns")
  }
  made <- tryCatch(suppressWarnings(stats::model.frame(formula, frame, na.action = stats::na.pass)), error = unusable)
  finite <- lapply(made, function(term) if (is.numeric(term)) is.finite(rowSums(as.matrix(term))) else !is.na(term))
  !Reduce(`&`, finite, rep(TRUE, nrow(frame)))
}

all_variables <- function(adjust) {
  if (inherits(adjust, "formula")) all.vars(adjust) else adjust
}

ADJUSTED_NEVER <- c("time", "status", "treatment", "tier")

# Columns that are text but hold numbers alone are numbers; other texts are factors.
read_adjustments <- function(frame, columns) {
  if (!is.null(columns$adjust) && !inherits(columns$adjust, "formula") && !is.character(columns$adjust)) {
    refuse("adjust is ", shown(columns$adjust), ", wanted names of columns, or a formula such as ~ age + log1p(nodes)")
  }
  own <- intersect(c(all_variables(columns$adjust), columns$strata), unlist(columns[ADJUSTED_NEVER]))
  if (length(own) > 0L) {
    refuse("adjust or strata has ", own[1L], ", which the analysis is about, wanted other columns")
  }
  for (name in c(all_variables(columns$adjust), columns$strata)) {
    column <- named_column(frame, name, if (name %in% columns$strata) "strata" else "adjust")
    if (is.character(column)) {
      column[is_missing(column)] <- NA
      numbers <- exact_numbers(column)
      frame[[name]] <- if (identical(is.na(numbers), is.na(column))) numbers else factor(column)
    }
  }
  frame
}

# ---- Treatment that starts after time zero ----

late_starts <- function(frame, columns, late, reference) {
  if (!is.null(late$landmark) && late$counting) {
    refuse("landmark is ", shown(late$landmark), " and counting is TRUE, wanted one of them: each has its own clock")
  }
  if (!is.null(columns$start)) {
    frame$.start <- reference_starts(number_column(frame, columns$start, "start"), frame$.treatment, reference, columns)
    refuse_late(frame$.start, columns$start, late)
  } else if (late$counting) {
    refuse("counting is TRUE without start, wanted the column of the time at which treatment started")
  }
  if (!is.null(late$landmark)) {
    frame$.treatment[(frame$.start %||% 0) > late$landmark] <- reference
    frame$.time <- frame$.time - late$landmark
  }
  frame
}

# Until a treatment starts its patients count for the reference, which for that must be no treatment that starts.
reference_starts <- function(start, treatment, reference, columns) {
  here <- treatment %in% reference
  later <- sum(start[here] > 0, na.rm = TRUE)
  if (later > 0L) {
    refuse(columns$start, " is above 0 in ", later, " rows of \"", reference, "\", the first arm of contrasts, wanted ",
           "0 or missing there: that arm's treatment is taken to start at time zero")
  }
  start[here] <- 0
  start
}

refuse_late <- function(start, name, late) {
  count <- sum(start > 0, na.rm = TRUE)
  if (count > 0L && is.null(late$landmark) && !late$counting) {
    refuse(name, " is after time zero in ", count, " rows, wanted 0: until then a patient of that arm cannot have ",
           "had an event, which looks like a benefit. Give landmark = a time, or counting = TRUE")
  }
}

landmark_reasons <- function(frame, late) {
  early <- if (!is.null(late$landmark)) list("followed up no longer than the landmark" = frame$.time <= 0)
  c(early, if (!is.null(frame$.start)) list("start of treatment missing" = is.na(frame$.start)))
}

# A row's time before its start counts for the reference arm.
counting_frame <- function(frame, reference) {
  frame$.entry <- 0
  frame$.patient <- seq_len(nrow(frame))
  splits <- frame$.start > 0 & frame$.start < frame$.time
  before <- frame[frame$.start > 0, , drop = FALSE]
  before$.event[before$.start < before$.time] <- 0
  before$.time <- pmin(before$.start, before$.time)
  before$.treatment[] <- reference
  after <- frame[splits | frame$.start <= 0, , drop = FALSE]
  after$.entry <- pmax(after$.start, 0)
  rbind(before, after)
}
