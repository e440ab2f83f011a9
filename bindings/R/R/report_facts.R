# What is known of an analysis, as one sentence an item of a checklist.

# Answers by name; an absent one is the author's.
report_facts <- function(x, performance, info) {
  own <- analysis_facts(x)
  later <- c(performance_facts(performance), model_facts(x, info))
  own[names(later)] <- later
  own[!is.na(own) & nzchar(own)]
}

analysis_facts <- function(x) {
  settings <- x$settings
  versions <- x$versions[names(x$versions) != "scored_by"]
  left_out <- if (nrow(x$excluded) > 0L) {
    sprintf("Left out: %s; nothing was imputed here", counts_text(setNames(x$excluded$n, x$excluded$reason)))
  }
  c(
    outcome = sprintf("%s; horizon %s", endpoint_of(x), unit_text(settings$horizon, settings$unit)),
    excluded = left_out %||% "No row was left out; nothing was imputed here", flow = count_words(x),
    cells = paste(sprintf("%s, %s: %d (%d events)", x$cells$tier, x$cells$treatment, x$cells$n, x$cells$events),
                  collapse = "; "),
    partition = partition_note(x$about),
    disjoint = trimws(seen_words(x$about$compared) %||% ""),
    tiers = if (!is.null(x$about$cuts)) tiers_note(x$about) else "",
    confounding = x$notes$text[x$notes$topic == "confounding"],
    uncertainty = sprintf("95 %% intervals; likelihood ratio for the interaction; %s over the tests within tiers",
                          settings$p_adjust),
    measures = EFFECT_MEASURES, checklists = "The items of TRIPOD+AI and CLAIM are on this page",
    software = paste0("deeptepp, open source (Apache-2.0): ", paste(names(versions), versions, collapse = ", ")),
    model = if (is.na(x$about$model)) "" else paste("Model file of SHA-256", x$about$model)
  )
}

EFFECT_MEASURES <- "Hazard ratios, differences in survival and in restricted mean time at the horizon"

performance_facts <- function(found) {
  if (is.null(found)) {
    return(character())
  }
  one <- found$concordance[1L, ]
  first <- paste(one$measure, interval_text(one$estimate, one$low, one$high, 3L))
  rows <- if (!is.null(found$calibration)) {
    with(found$calibration, sprintf("until %s observed to expected %s, slope %s", unit_text(time, found$unit),
                                    interval_text(oe, oe_low, oe_high), interval_text(slope, slope_low, slope_high)))
  }
  risks <- if (!is.null(rows)) "; Brier score, observed to expected, slope, ICI, net benefit" else ""
  c(performance = paste(c(first, rows), collapse = "; "), calibration = paste(rows, collapse = "; "),
    measures = paste0("Harrell's and Uno's C, AUC", risks, "; ",
                      sub("Hazard", "hazard", EFFECT_MEASURES, fixed = TRUE)))
}

model_facts <- function(x, info) {
  if (length(info) == 0L) {
    return(character())
  }
  said <- function(key) if (key %in% names(info)) info[[key]] else ""
  group <- function(prefix, between) {
    here <- startsWith(names(info), prefix)
    paste(paste0(substring(names(info)[here], nchar(prefix) + 1L), between, info[here]), collapse = "; ")
  }
  facts <- c(
    learned = "None are hand-crafted: the network learns its own",
    intended_use = said("intended_use"), training_cohort = said("training_cohort"), limitations = said("limitations"),
    input = if (any(startsWith(names(info), "input."))) group("input.", " ") else "",
    provenance = if (any(startsWith(names(info), "provenance."))) group("provenance.", ": ") else "",
    network = sprintf("%s, %s parameters a member", said("network.architecture"), said("parameters")),
    members = sprintf("The mean of %s networks and %s views", info[["members"]], info[["views"]]),
    prediction = sprintf("%s of class %s, the mean over views and members; the model file holds every step",
                         said("score.rule"), said("score.class")),
    model = sprintf("%s %s, licence %s, model file of SHA-256 %s", said("name"), said("version"), said("licence"),
                    info[["sha256"]])
  )
  c(facts, if (nzchar(said("tiers.source"))) c(tiers = paste("Tiers:", said("tiers.source"))))
}
