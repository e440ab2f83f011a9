# A cohort's run: rows to workers, finished rows to the disk, all of them to a table.

#' Scores a cohort
#'
#' Every row comes back, in order, with its results; a case that cannot be scored is a row that says why. What is wrong
#' with the table's columns or ids, with the model or with an argument is an error before anything is scored.
#'
#' **Columns in.** `participant_id` (or `case_id`, `id`): unique. `image` (or `Image`), of a model with several channels
#' `image:NAME` for each; `mask` (or `Mask`); `label`, if there is one: the mask's value that marks the tumour. The
#' model's covariates by their names. Everything else is carried through. Missing is `NA`, or a cell that is empty,
#' `n/a`, `NA` or `NaN`. `PATH#N` is volume N of a file that holds several, unless a file has the whole name.
#'
#' **Columns out**, after all of these: `score`, `score_sd`, `n_views`, `tier` (an ordered factor of the model's tiers),
#' `cutpoint_distance`, `survival:T` for each time; `status` (`ok`, `error`, `skipped` where image and mask are both
#' missing), `error_code` (the status' name without `DEEPTEPP_ERR_`; `ROW_IMAGE_MISSING`, `ROW_MASK_MISSING`,
#' `ROW_LABEL`, `ROW_COVARIATE`, `WORKER_LOST`), `error_message`, `warnings`; `image_sha256`, `mask_sha256`,
#' `mask_voxels`, `spacing_mm`, `precision` (of the score), `model_sha256`, `options`, `library_version`.
#'
#' **Files.** With `out`, finished rows are appended to `OUT.part` and forced to the disk chunk by chunk. At the end the
#' table is written whole under its own name, with a JSON sidecar that describes its columns, and `OUT.part` is removed.
#' A run that was interrupted or killed goes on with `resume = TRUE`: rows that were scored are taken where their cells,
#' the files' SHA-256, model, options and library are the same; all others are scored, those with an error again.
#'
#' **Workers.** `apply` is called as `apply(X, FUN)` with a list of plain values, a row each, and one chunk after the
#' other. Workers need this package installed; each opens the model once. Open the model with `threads = 1` where as
#' many workers as processors run. The results of a chunk may come in any order. A worker that dies makes its rows
#' `WORKER_LOST`; if `apply` itself fails, all rows of the chunk are, with a warning. A PSOCK cluster, future's
#' `multisession` too, that lost a worker stays broken, so all later rows are lost too: start a new one and resume.
#'
#' @param model A [tepp_open()] model.
#' @param cohort A data frame, what [read_cohort()] gives, or the path of a CSV or TSV file.
#' @param out The table to write: a path that ends in `.csv` or `.tsv`. `NULL`: none.
#' @param resume `TRUE`: go on with what an earlier run left at `out`. `FALSE`: refuse to write over it.
#' @param shard `c(k, n)`: only the rows whose id falls to part k of n. An id's part depends on nothing but the id.
#'   [merge_scores()] puts the parts together.
#' @param apply `NULL` for [lapply()], or anything like it: `function(X, FUN) parallel::mclapply(X, FUN, mc.cores = 4)`,
#'   `function(X, FUN) parallel::parLapply(cluster, X, FUN)`, `future.apply::future_lapply`.
#' @param progress `TRUE` for progressr, or a function that gets the fraction of rows that is done, 0 to 1.
#' @param folder What paths are relative to. `NULL`: the table's own folder, of a data frame the working directory.
#' @param largest_part,mask_grid,orientation As for [tepp_score()], for every row.
#' @param chunk Rows in a call of `apply`. `NULL`: 1 for `lapply()`, else 64.
#' @return A data frame of class `tepp_scores`.
#' @seealso [merge_scores()], [write_scores()], [summary.tepp_scores()].
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' files <- example_files(tempfile())
#' model <- tepp_open(files$model, threads = 1)
#' cohort <- data.frame(id = 1:2, image = files$image, mask = c(files$mask, "none.nii"))
#' found <- tepp_score_cohort(model, cohort)
#' found[c("id", "score", "tier", "status", "error_code")]
#' @export
tepp_score_cohort <- function(model, cohort, out = NULL, resume = FALSE, shard = NULL, apply = NULL, progress = NULL,
                              folder = NULL, largest_part = FALSE, mask_grid = "same", orientation = NULL,
                              chunk = NULL) {
  began <- proc.time()[["elapsed"]]
  progress <- progress_of(progress)
  chunk <- chunk_of(chunk, apply)
  apply <- apply_of(apply)
  out <- out_of(out)
  flag(resume, "resume")
  cohort <- cohort_of(cohort)
  facts <- core_of(model)$facts
  plan <- plan_cohort(cohort, facts)
  chosen <- shard_rows(plan, shard)
  settings <- run_settings(model, cohort, folder, largest_part, mask_grid, orientation)
  run <- new_run(plan, chosen, facts, settings, out, resume)
  on.exit(.Call(C_journal_close, run$journal))
  interruptible(run_chunks(run, apply, chunk, progress))
  run$about <- run_facts(run, shard, proc.time()[["elapsed"]] - began)
  scored <- scored_frame(cohort[chosen, , drop = FALSE], run$cells, facts$tiers, run$about)
  finish_files(run)
  scored
}

cohort_of <- function(cohort) {
  if (is_path(cohort)) read_cohort(cohort) else cohort
}

out_of <- function(out) {
  if (is.null(out)) {
    return(NULL)
  }
  out <- path_of(out, "out")
  separator_of(out, "out")
  out
}

apply_of <- function(apply) {
  if (!is.null(apply) && !is.function(apply)) {
    refuse("apply is ", shown(apply), ", wanted NULL or a function such as lapply")
  }
  apply %||% lapply
}

chunk_of <- function(chunk, apply) {
  if (is.null(chunk)) {
    return(if (is.null(apply)) 1L else 64L)
  }
  whole(chunk, "chunk", 1e6)
}

shard_rows <- function(plan, shard) {
  ids <- plan$columns[[plan$id]]
  if (is.null(shard)) {
    return(seq_along(ids))
  }
  if (!is.numeric(shard) || length(shard) != 2L || anyNA(shard) || any(shard != trunc(shard)) || shard[1L] < 1 ||
        shard[2L] < shard[1L] || shard[2L] > .Machine$integer.max) {
    refuse("shard is ", shown(shard), ", wanted c(k, n) with k from 1 to n")
  }
  which(shard_of(ids, shard[2L]) == shard[1L])
}

# What every task carries beside its row: plain data.
run_settings <- function(model, cohort, folder, largest_part, mask_grid, orientation) {
  mask_options(NULL, largest_part, mask_grid)
  folder <- by_bytes(text_or_null(folder, "folder") %||% attr(cohort, "folder", exact = TRUE) %||% getwd())
  threads <- model$options$threads
  options <- sprintf("largest_part=%s;mask_grid=%s;orientation=%s;threads=%s;precision=%s",
                     if (largest_part) "true" else "false", mask_grid,
                     text_or_null(orientation, "orientation") %||% "",
                     if (threads > 0) sprintf("%.0f", threads) else "", model$options$precision)
  list(task = list(model = model, folder = absolute(path.expand(folder)), largest_part = largest_part,
                   mask_grid = mask_grid, orientation = orientation), options = options)
}

# cells: a matrix of the results' texts, a row a chosen row.
new_run <- function(plan, chosen, facts, settings, out, resume) {
  run <- new.env(parent = emptyenv())
  run$plan <- plan
  run$chosen <- chosen
  run$facts <- facts
  run$settings <- settings
  run$out <- out
  results <- result_columns(facts)
  run$cells <- matrix(NA_character_, length(chosen), length(results), dimnames = list(NULL, results))
  run$seconds <- rep(NA_real_, length(chosen))
  run$name <- basename(tempfile("run")) # no other's, and without R's random numbers
  run$earlier <- run$cells
  run$same <- c(model_sha256 = facts$sha256, options = settings$options, library_version = tepp_version())
  if (!is.null(out)) {
    run$separator <- separator_of(out)
    run$carried <- lapply(plan$columns, function(column) column[chosen])
    open_files(run, resume)
  }
  run
}

run_chunks <- function(run, apply, chunk, progress) {
  rows <- seq_along(run$chosen)
  for (part in split(rows, (rows - 1L) %/% chunk)) {
    values <- apply_chunk(lapply(part, task_of, run = run), apply)
    take_values(run, part, values)
    append_rows(run, part)
    if (!is.null(progress)) {
      progress(max(part) / length(rows))
    }
  }
}

task_of <- function(row, run) {
  earlier <- run$earlier[row, c("image_sha256", "mask_sha256")]
  c(row_task(run$plan, run$chosen[[row]]), run$settings$task,
    list(known = if (!anyNA(earlier)) earlier, ticket = paste(run$name, row)))
}

# A value a task, in the tasks' order; NULL for what did not come back.
apply_chunk <- function(tasks, apply) {
  values <- tryCatch(apply(tasks, score_task), error = function(e) {
    warning("apply failed, and ", length(tasks), " rows are WORKER_LOST: ", conditionMessage(e), call. = FALSE)
    vector("list", length(tasks))
  })
  if (!is.list(values) || length(values) != length(tasks)) {
    refuse("apply gave ", length(values), " values for ", length(tasks), " rows, wanted a list of one a row, as lapply")
  }
  by_ticket(values, vapply(tasks, function(task) task$ticket, ""))
}

# Workers of a cluster that lost one of them, or whose caller was interrupted, answer the next call with what was left
# of the one before: a row's result is known by its ticket, never by its place.
by_ticket <- function(values, tickets) {
  found <- vapply(values, function(value) {
    ticket <- if (is.list(value)) value$ticket
    if (is.character(ticket) && length(ticket) == 1L) ticket else NA_character_
  }, "")
  others <- sum(!is.na(found) & !found %in% tickets)
  if (others > 0L) {
    warning("apply gave ", others, " results of other rows, which are dropped: its workers are out of step after an ",
            "earlier failure or interrupt; start them anew and resume", call. = FALSE)
  }
  values[match(tickets, found)]
}

take_values <- function(run, rows, values) {
  for (fault in lapply(values, function(value) value$fault)) {
    if (inherits(fault, "error")) stop(fault)
  }
  put_cells(run, rows, Map(function(row, value) row_cells(run, row, value), rows, values))
  run$seconds[rows] <- vapply(values, function(value) value$seconds %||% NA_real_, 0)
}

# R would copy the whole matrix for each row, if the environment, or a closure that was made here, held it too.
put_cells <- function(run, rows, cells) {
  all <- run$cells
  run$cells <- NULL
  for (k in seq_along(rows)) {
    all[rows[[k]], names(cells[[k]])] <- cells[[k]]
  }
  run$cells <- all
}

row_cells <- function(run, row, value) {
  if (is.null(value)) {
    value <- list(cells = fault_cells("WORKER_LOST", "no result came back from the worker"))
  }
  if (is.null(value$cells)) run$earlier[row, ] else c(value$cells, run$same)
}

# ---- In memory ----

scored_frame <- function(cohort, cells, tiers, about) {
  results <- lapply(setNames(nm = colnames(cells)), function(name) typed_column(name, unname(cells[, name]), tiers))
  structure(c(unclass(as.data.frame(cohort))[names(cohort)], results), class = c("tepp_scores", "data.frame"),
            row.names = seq_len(nrow(cells)), deeptepp = about)
}

typed_column <- function(name, text, tiers) {
  if (name %in% c("n_views", "mask_voxels")) {
    as.integer(text)
  } else if (is_number_column(name)) {
    exact_numbers(text)
  } else if (name == "tier" && length(tiers) > 0L) {
    factor(text, levels = tiers, ordered = TRUE)
  } else {
    text
  }
}

is_number_column <- function(name) {
  name %in% c("score", "score_sd", "cutpoint_distance") | startsWith(name, "survival:")
}

#' Looking at a scored cohort
#'
#' `summary()` counts the rows by status, error and tier.
#'
#' @param object,x A data frame that [tepp_score_cohort()] gave.
#' @param ... Not used.
#' @return `summary()`: a list of tables `status`, `error_code` and `tier`, which prints.
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' files <- example_files(tempfile())
#' cohort <- data.frame(id = 1:2, image = files$image, mask = c(files$mask, NA))
#' summary(tepp_score_cohort(tepp_open(files$model, threads = 1), cohort))
#' @export
summary.tepp_scores <- function(object, ...) {
  counts <- lapply(setNames(nm = c("status", "error_code", "tier")), function(name) table(object[[name]]))
  structure(counts, class = "summary.tepp_scores")
}

#' @rdname summary.tepp_scores
#' @export
print.summary.tepp_scores <- function(x, ...) {
  for (name in names(x)) {
    counts <- x[[name]]
    cat(sprintf("%-12s%s\n", name, paste(names(counts), counts, collapse = ", ")))
  }
  cat("Research use only. Not a medical device.\n")
  invisible(x)
}

#' @rdname summary.tepp_scores
#' @export
print.tepp_scores <- function(x, ...) {
  long <- c("image_sha256", "mask_sha256", "model_sha256", "options", "library_version")
  print.data.frame(if (all(long %in% names(x))) x[setdiff(names(x), long)] else x, ...)
  invisible(x)
}
