# A table of outcomes: its columns as numbers and texts, who is left out and why, what the scores are to their model.

PARTITIONS <- c("training", "out-of-fold", "calibration", "test")
SCORING <- c("ok", "error", "skipped")
RESEARCH <- "Research use only. Not a medical device."

outcome_table <- function(data, what = "data") {
  data <- if (is_path(data)) read_cohort(path_of(data, what)) else data
  if (!is.data.frame(data)) {
    refuse(what, " is of class ", class(data)[[1L]], ", wanted a data frame or the path of a CSV or TSV file")
  }
  if (nrow(data) == 0L) {
    refuse(what, " has no rows, wanted one a patient")
  }
  as.data.frame(data)
}

# The column that an argument names.
named_column <- function(data, name, argument) {
  if (!is.character(name) || length(name) != 1L || is.na(name)) {
    refuse(argument, " is ", shown(name), ", wanted the name of a column")
  }
  if (!name %in% names(data)) {
    refuse("the data have no column \"", name, "\", wanted one, or another name as ", argument)
  }
  data[[name]]
}

# NA is missing, and so are a table's words for it.
number_column <- function(data, name, argument) {
  column <- named_column(data, name, argument)
  if (is.numeric(column) || is.logical(column)) {
    return(as.double(column))
  }
  text <- as.character(column)
  text[is_missing(text)] <- NA
  numbers <- exact_numbers(text)
  wrong <- which(is.na(numbers) & !is.na(text))
  if (length(wrong) > 0L) {
    refuse(name, " is ", shown(text[wrong[1L]]), " in row ", wrong[1L], ", wanted numbers")
  }
  numbers
}

text_column <- function(data, name, argument) {
  text <- as.character(named_column(data, name, argument))
  text[is_missing(text)] <- NA
  text
}

event_column <- function(data, name) {
  event <- number_column(data, name, "status")
  wrong <- which(!is.na(event) & !event %in% c(0, 1))
  if (length(wrong) > 0L) {
    refuse(name, " is ", shown(event[wrong[1L]]), " in row ", wrong[1L], ", wanted 1 for an event, 0 for none")
  }
  event
}

# A column `status` that a run of scores wrote, unless it is the outcome's own.
scoring_reasons <- function(data, event_name) {
  status <- if ("status" %in% names(data) && event_name != "status") as.character(data$status)
  if (is.null(status) || !all(status %in% SCORING)) {
    return(list())
  }
  none <- rep(NA_character_, length(status))
  code <- if ("error_code" %in% names(data)) text_column(data, "error_code", "error_code") else none
  code[status != "error"] <- NA
  coded <- lapply(setNames(nm = sort(unique(code))), function(one) code %in% one)
  names(coded) <- sprintf("scoring failed: %s", names(coded))
  c(coded, list("scoring failed" = status == "error", "not scored: no image, no mask" = status == "skipped"))
}

outcome_reasons <- function(data, time, event, names) {
  reasons <- list(!is.finite(time), is.finite(time) & time <= 0, is.na(event))
  c(scoring_reasons(data, names[["status"]]),
    setNames(reasons, c(paste(names[["time"]], "missing"), paste(names[["time"]], "0 or less"),
                        paste(names[["status"]], "missing"))))
}

# reasons: logical vectors by name. The first that applies to each row; NA where none does.
first_reason <- function(reasons, rows) {
  found <- rep(NA_character_, rows)
  for (name in names(reasons)) {
    found[is.na(found) & reasons[[name]] %in% TRUE] <- name
  }
  found
}

counted_reasons <- function(found, reasons) {
  counts <- vapply(names(reasons), function(name) sum(found %in% name), 1L)
  data.frame(reason = names(reasons), n = unname(counts))[counts > 0L, , drop = FALSE]
}

refuse_none_left <- function(found, excluded) {
  if (all(!is.na(found))) {
    why <- paste(sprintf("%s: %d", excluded$reason, excluded$n), collapse = "; ")
    refuse("no row of the data can be used (", why, "), wanted rows with time, event and score")
  }
}

# ---- What the scores are to their model ----

# The rows' partitions, "not stated" where there is none. keep: the rows that are used.
partitions_of <- function(data, name, keep, refused = "training", purpose = "a test") {
  if (is.null(name) || (name == "partition" && !name %in% names(data))) {
    return(factor(rep("not stated", sum(keep))))
  }
  partition <- text_column(data, name, "partition")[keep]
  partition[is.na(partition)] <- "not stated"
  wrong <- setdiff(partition, c(PARTITIONS, "not stated"))
  if (length(wrong) > 0L) {
    refuse(name, " is ", shown(wrong[1L]), ", wanted one of ", paste(PARTITIONS, collapse = ", "))
  }
  count <- sum(partition %in% refused)
  if (count > 0L) {
    refuse(name, " is \"", intersect(refused, partition)[1L], "\" in ", count, " rows, wanted none in ", purpose,
           ": the model has seen these cases. Leave them out, or score others")
  }
  factor(partition)
}

warn_of_mixture <- function(partition) {
  if (nlevels(partition) > 1L) {
    warning("partitions are mixed (", counts_text(table(partition)), "): scores of one are no sample of another's",
            call. = FALSE)
  }
}

# "test 480, calibration 246"
counts_text <- function(counts) {
  paste(names(counts), counts, collapse = ", ")
}

# The one model whose scores these are; NA where no digest is stated.
one_model <- function(data, keep) {
  if (!"model_sha256" %in% names(data)) {
    return(NA_character_)
  }
  digests <- unique(stats::na.omit(text_column(data, "model_sha256", "model_sha256")[keep]))
  if (length(digests) > 1L) {
    refuse("the data have scores of ", length(digests), " models (model_sha256 ", shown(digests[1L]), " and ",
           shown(digests[2L]), "), wanted those of one")
  }
  if (length(digests) == 0L) NA_character_ else digests
}

id_columns <- function(data) {
  intersect(c("patient_id", ALIASES$id), names(data))
}

# A patient who comes twice is no two independent ones.
refuse_repeats <- function(data, keep) {
  for (name in utils::head(id_columns(data), 1L)) {
    ids <- text_column(data, name, name)[keep]
    twice <- ids[duplicated(ids) & !is.na(ids)]
    if (length(twice) > 0L) {
      refuse(name, " \"", twice[1L], "\" is in the data twice, wanted one row a patient")
    }
  }
}

# training: the table of the cases that the model has seen. The columns that were compared.
refuse_seen <- function(data, keep, training) {
  if (is.null(training)) {
    return(character())
  }
  training <- outcome_table(training, "training")
  shared <- intersect(c(id_columns(data), intersect("image_sha256", names(data))), names(training))
  shared <- Filter(function(name) {
    !all(is.na(text_column(data, name, name)[keep])) && !all(is.na(text_column(training, name, name)))
  }, shared)
  if (length(shared) == 0L) {
    refuse("training has no ids and no image_sha256 in a column that the data have too, wanted one to compare")
  }
  for (name in shared) {
    seen <- intersect(text_column(data, name, name)[keep], stats::na.omit(text_column(training, name, name)))
    if (length(seen) > 0L) {
      refuse(length(seen), " of the data's ", name, " are in training, the first \"", seen[1L],
             "\", wanted none: the model has seen these cases")
    }
  }
  shared
}
