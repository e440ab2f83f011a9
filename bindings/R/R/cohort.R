# A cohort: a data frame whose rows are cases, and what its columns mean to a model.

ALIASES <- list(id = c("participant_id", "case_id", "id"), image = c("image", "Image"), mask = c("mask", "Mask"))

RESULTS_BEFORE <- c("score", "score_sd", "n_views", "tier", "cutpoint_distance")
RESULTS_AFTER <- c("status", "error_code", "error_message", "warnings", "image_sha256", "mask_sha256", "mask_voxels",
                   "spacing_mm", "precision", "model_sha256", "options", "library_version")

#' Reads a table of cases
#'
#' @param path Of a CSV or TSV file in UTF-8, by its suffix; a BIDS `participants.tsv` as it is. Quoting by RFC 4180.
#' @return A data frame of class `tepp_cohort`: a row a case, every cell the text that it is in the file. The attribute
#'   `folder` is what its paths are relative to.
#' @seealso [tepp_score_cohort()] for what the columns mean.
#' @examples
#' path <- file.path(tempdir(), "cohort.tsv")
#' writeLines(c("participant_id\timage\tmask", "sub-1\timage.nii\tmask.nii"), path)
#' read_cohort(path)
#' @export
read_cohort <- function(path) {
  path <- path_of(path, "path")
  folder <- if (grepl("/", path, fixed = TRUE)) sub("/[^/]*$", "", path) else "."
  folder <- if (!grepl("/", path, fixed = TRUE)) getwd() else if (nzchar(folder)) absolute(folder) else "/"
  table <- read_table(path)
  attr(table, "folder") <- folder
  class(table) <- c("tepp_cohort", "data.frame")
  table
}

# columns: texts by name; id, images (by channel), mask, label, covariates: names of columns.
plan_cohort <- function(cohort, facts) {
  if (!is.data.frame(cohort)) {
    refuse("cohort is of class ", class(cohort)[[1L]], ", wanted a data frame, what read_cohort() gives, or a path")
  }
  columns <- text_columns(cohort)
  refuse_columns(names(columns), result_columns(facts))
  plan <- list(columns = columns, id = pick_id(names(columns)), mask = pick(names(columns), "mask"))
  plan$images <- pick_images(names(columns), facts$channels)
  plan$covariates <- intersect(facts$covariates$name, names(columns))
  plan$label <- intersect("label", names(columns))
  needed <- facts$covariates$name[is.na(facts$covariates$substitute)]
  absent <- setdiff(needed, plan$covariates)
  if (length(absent) > 0L) {
    refuse("the cohort has no column \"", absent[1L], "\", wanted one of that name: the model needs this covariate")
  }
  refuse_ids(columns[[plan$id]], plan$id)
  plan
}

# A frame's columns as text, by name.
text_columns <- function(cohort) {
  columns <- setNames(as.list(cohort), as_utf8(names(cohort)))
  Map(checked_text, columns, names(columns), nrow(cohort))
}

checked_text <- function(column, name, count) {
  if (!is.atomic(column) || length(column) != count) {
    refuse("the cohort's column \"", name, "\" is of class ", class(column)[[1L]], ", wanted one value a row")
  }
  text <- column_text(column)
  wrong <- which(!validUTF8(text))
  if (length(wrong) > 0L) {
    refuse("the cohort's column \"", name, "\" is no text in UTF-8 in row ", wrong[1L], ": read it with its encoding")
  }
  text
}

result_columns <- function(facts) {
  survival <- if (length(facts$survival_times) > 0L) paste0("survival:", shortest_text(facts$survival_times))
  c(RESULTS_BEFORE, survival, RESULTS_AFTER)
}

refuse_columns <- function(names, results) {
  twice <- names[duplicated(names)]
  if (length(twice) > 0L) {
    refuse("the cohort has the column \"", twice[1L], "\" twice, wanted each name once")
  }
  taken <- intersect(names, results)
  if (length(taken) > 0L) {
    refuse("the cohort has a column \"", taken[1L], "\", which is the name of a result: rename it")
  }
}

pick_id <- function(names) {
  found <- intersect(ALIASES$id, names)
  if (length(found) == 0L) {
    refuse("the cohort has no column of ids, wanted participant_id, case_id or id")
  }
  found[[1L]]
}

pick <- function(names, what, required = TRUE) {
  found <- intersect(ALIASES[[what]], names)
  if (length(found) > 1L) {
    refuse("the cohort has the columns \"", found[1L], "\" and \"", found[2L], "\", wanted one of them")
  }
  if (length(found) == 0L && required) {
    refuse("the cohort has no column \"", what, "\"")
  }
  found
}

# The columns in the model's order of channels.
pick_images <- function(names, channels) {
  single <- pick(names, "image", required = FALSE)
  named <- names[startsWith(names, "image:")]
  wanted <- paste0("image:", channels)
  if (length(single) > 0L && length(named) > 0L) {
    refuse("the cohort has the columns \"", single, "\" and \"", named[1L], "\", wanted one kind of them")
  }
  if (length(single) == 1L && length(channels) == 1L) {
    return(setNames(single, channels))
  }
  if (!setequal(named, wanted)) {
    found <- paste(c(single, named), collapse = ", ")
    refuse("the cohort has the image columns \"", found, "\", wanted \"", paste(wanted, collapse = ", "),
           "\": one a channel of the model")
  }
  setNames(wanted, channels)
}

refuse_ids <- function(ids, column) {
  if (any(is_missing(ids))) {
    refuse(sprintf("the cohort's row %d has no %s, wanted one in each row", which(is_missing(ids))[1L], column))
  }
  if (anyDuplicated(ids) > 0L) {
    refuse("the cohort has ", column, " \"", ids[duplicated(ids)][1L], "\" twice, wanted each once")
  }
}

# Plain data: what a worker needs to know of a row.
row_task <- function(plan, i) {
  cell <- function(name) plan$columns[[name]][[i]]
  list(
    images = vapply(plan$images, cell, ""), mask = cell(plan$mask),
    label = if (length(plan$label) > 0L) cell(plan$label) else NA_character_,
    covariates = vapply(setNames(plan$covariates, plan$covariates), cell, ""), image_columns = plan$images
  )
}

#' @export
`[.tepp_cohort` <- function(x, ...) {
  part <- NextMethod()
  if (is.data.frame(part)) {
    attr(part, "folder") <- attr(x, "folder")
  }
  part
}
