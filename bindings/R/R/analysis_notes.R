# What keeps an analysis from being believed.

analysis_notes <- function(found, said) {
  texts <- c(
    setNames(unique(said), rep("fit", length(unique(said)))),
    horizon = horizon_note(found), hazards = hazards_note(found$proportional),
    confounding = confounding_note(found$settings$columns),
    "time zero" = start_note(found$settings),
    tiers = tiers_note(found$about), partition = partition_note(found$about),
    score = paste("A score is no probability: nothing here is a patient's risk. tepp_calibrate() gives risks where a",
                  "calibration cohort is there.")
  )
  data.frame(topic = names(texts), text = unname(texts))
}

horizon_note <- function(found) {
  short <- found$arms[is.na(found$arms$survival) & found$arms$n > 0L, ]
  if (nrow(short) == 0L || found$settings$late$counting) {
    return(if (found$settings$late$counting) "Survival at the horizon is not given for a counting process.")
  }
  sprintf("No follow-up as far as %s: %s.", unit_text(found$settings$horizon, found$settings$unit),
          paste(short$tier, short$treatment, collapse = ", "))
}

hazards_note <- function(proportional) {
  if (is.null(proportional) || proportional$p[nrow(proportional)] >= 0.05) {
    return(NULL)
  }
  sprintf("Hazards are not proportional (cox.zph, global %s): a hazard ratio averages over time; see the curves.",
          p_phrase(proportional$p[nrow(proportional)]))
}

confounding_note <- function(columns) {
  variables <- all_variables(columns$adjust)
  adjusted <- if (length(variables) == 0L) "Nothing was adjusted for" else {
    sprintf("Adjusted for %s; what was not measured still differs", paste(variables, collapse = ", "))
  }
  sprintf(paste("Unless treatment was randomised, arms differ by indication and era (confounding), and a hazard ratio",
                "is not an effect of treatment. %s."), adjusted)
}

start_note <- function(settings) {
  if (settings$late$counting) {
    return("Treatment started after time zero for some: time before it counts for the reference arm.")
  }
  if (!is.null(settings$late$landmark)) {
    arms <- if (is.null(settings$columns$start)) {
      "the table's treatment, which may have begun later: when was not given (start =)"
    } else {
      "the treatment they had by then"
    }
    return(sprintf("Landmark at %s: those still followed up then, by %s; times count from then on.",
                   unit_text(settings$late$landmark, settings$unit), arms))
  }
  if (!is.null(settings$columns$start)) {
    return("Treatment started at time zero in all rows.")
  }
  paste("Time zero must be the same event in all arms: treatment that starts later looks like a benefit. When it",
        "started was not given (start =).")
}

tiers_note <- function(about) {
  if (is.null(about$cuts)) {
    model <- if (!is.na(about$model)) paste0(", of model ", substr(about$model, 1L, 12L)) else ""
    return(paste0("Tiers are the table's", model, "; where their cut-points come from was not given (cuts =)."))
  }
  warned <- if (about$cuts$method == "maxstat") {
    " In the patients it was searched in, every p-value above is too small."
  }
  paste0("Tiers: ", sub("[.]$", "", about$cuts$source), ".", warned)
}

# compared: the columns of which no value is in the table of training cases.
seen_words <- function(compared) {
  if (length(compared) > 0L) sprintf(" No %s is among the training cases.", paste(compared, collapse = " and no "))
}

partition_note <- function(about) {
  stated <- names(about$partition)
  first <- if (identical(stated, "not stated")) {
    "Partition not stated: of cases that the model has seen nothing here would hold."
  } else {
    paste0("Partition: ", counts_text(about$partition), if (length(stated) > 1L) " (mixed)", ".")
  }
  paste0(first, seen_words(about$compared))
}
