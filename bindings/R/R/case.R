# One row of a cohort: plain data in, plain data out.

NUMBER <- "^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$"

#' Scores one row of a cohort
#'
#' A case that cannot be scored is no error, but a row that says why. A wrong argument or model is an error.
#'
#' @inheritParams tepp_score_cohort
#' @param row One row of a cohort: a data frame, or a list by column.
#' @return A data frame of one row: the row and its results, as [tepp_score_cohort()] has them.
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' files <- example_files(tempfile())
#' model <- tepp_open(files$model, threads = 1)
#' row <- data.frame(participant_id = "sub-1", image = files$image, mask = files$mask)
#' tepp_score_case(model, row)[c("score", "tier", "status")]
#' @export
tepp_score_case <- function(model, row, folder = NULL, largest_part = FALSE, mask_grid = "same", orientation = NULL) {
  row <- if (is.data.frame(row)) row else as.data.frame(row, check.names = FALSE, stringsAsFactors = FALSE)
  if (nrow(row) != 1L) {
    refuse("row has ", nrow(row), " rows, wanted 1")
  }
  tepp_score_cohort(model, row, folder = folder, largest_part = largest_part, mask_grid = mask_grid,
                    orientation = orientation)
}

# What lapply() and its like call: a fault of model or call comes back as a value, so that whatever an engine throws is
# the engine's own.
score_task <- function(task) {
  c(list(ticket = task$ticket), tryCatch(score_row(task), error = function(e) list(fault = e)))
}

score_row <- function(task) {
  began <- proc.time()[["elapsed"]]
  core_of(task$model)
  cells <- row_fault(task) %||% read_and_score(task)
  list(cells = cells, seconds = proc.time()[["elapsed"]] - began)
}

fault_cells <- function(code, message, ...) {
  c(status = "error", error_code = code, error_message = message, ...)
}

# Of the row itself, before any file is read.
row_fault <- function(task) {
  images <- is_missing(task$images)
  if (all(images) && is_missing(task$mask)) {
    return(c(status = "skipped"))
  }
  if (any(images)) {
    return(fault_cells("ROW_IMAGE_MISSING", paste(sub("^Image$", "image", task$image_columns[images][[1L]]),
                                                  "is missing")))
  }
  if (is_missing(task$mask)) {
    return(fault_cells("ROW_MASK_MISSING", "mask is missing"))
  }
  if (!is_missing(task$label) && !is_label(task$label)) {
    return(fault_cells("ROW_LABEL", sprintf("label is \"%s\", wanted a whole number above 0", task$label)))
  }
  wrong <- which(!is_missing(task$covariates) & !grepl(NUMBER, task$covariates))
  if (length(wrong) > 0L) {
    found <- task$covariates[wrong[1L]]
    fault_cells("ROW_COVARIATE", sprintf("covariate \"%s\" is \"%s\", wanted a number", names(found), found))
  }
}

is_label <- function(text) {
  grepl("^[0-9]+([.]0*)?$", text) && as.numeric(text) >= 1 && as.numeric(text) <= 2^53
}

# A case's own faults: memory, its files, its volumes, how they go together.
is_case_status <- function(status) {
  status == 3L || status %in% 20:79 || status >= 110L
}

case_fault <- function(error, ...) {
  if (!is_case_status(error$status)) {
    stop(error)
  }
  fault_cells(sub("^DEEPTEPP_ERR_", "", error$name), conditionMessage(error), ...)
}

read_and_score <- function(task) {
  volumes <- lapply(c(unname(task$images), task$mask), row_volume, task)
  on.exit(for (volume in volumes) if (inherits(volume, "tepp_volume")) close(volume))
  images <- volumes[-length(volumes)]
  known <- provenance(images, volumes[[length(volumes)]])
  if (identical(known[c("image_sha256", "mask_sha256")], task$known)) {
    return(NULL)
  }
  wrong <- Filter(function(volume) inherits(volume, "error"), volumes)
  if (length(wrong) > 0L) {
    return(case_fault(wrong[[1L]], known))
  }
  covariates <- task$covariates[!is_missing(task$covariates)]
  tryCatch(
    c(score_cells(tepp_score(
      task$model, setNames(images, names(task$images)), volumes[[length(volumes)]],
      label = if (!is_missing(task$label)) as.numeric(task$label),
      covariates = vapply(covariates, as.numeric, 0), largest_part = task$largest_part, mask_grid = task$mask_grid
    )), known),
    deeptepp_error = function(error) case_fault(error, known)
  )
}

# An error of the library's is a value here: the others' digests are wanted too.
row_volume <- function(text, task) {
  text <- by_bytes(text)
  path <- if (startsWith(text, "/")) text else paste0(task$folder, "/", text)
  number <- NULL
  if (!file.exists(path) && grepl("#[1-9][0-9]{0,8}$", path)) {
    number <- as.numeric(sub("^.*#", "", path))
    path <- sub("#[0-9]+$", "", path)
  }
  tryCatch(tepp_volume(path, volume = number, orientation = task$orientation), deeptepp_error = identity)
}

provenance <- function(images, mask) {
  digest <- function(volume) if (inherits(volume, "tepp_volume")) volume$sha256 else NA_character_
  digests <- vapply(images, digest, "")
  first <- images[[1L]]
  c(image_sha256 = if (anyNA(digests)) NA_character_ else paste(digests, collapse = ";"), mask_sha256 = digest(mask),
    spacing_mm = if (is.na(digests[1L])) NA_character_ else paste(shortest_text(first$spacing), collapse = ";"))
}

score_cells <- function(found) {
  digits <- function(numbers) ifelse(is.na(numbers), NA_character_, sprintf("%.17g", numbers))
  survival <- setNames(digits(found$survival$probability),
                       sprintf("survival:%s", shortest_text(found$survival$time)))
  warnings <- paste(sub("^DEEPTEPP_WARN_", "", found$warnings$name), collapse = ";")
  c(score = digits(found$score), score_sd = digits(found$score_sd), n_views = sprintf("%d", length(found$view_scores)),
    tier = found$tier_name, cutpoint_distance = digits(found$cutpoint_distance), survival, status = "ok",
    warnings = if (nzchar(warnings)) warnings else NA_character_, mask_voxels = sprintf("%.0f", found$mask$voxels),
    precision = found$precision)
}
