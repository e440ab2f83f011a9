# The files of a run: OUT.part while it goes on, OUT and its sidecar at the end.

# Cells as they stand in a file.
written <- function(cells, separator) {
  cells[is.na(cells)] <- if (separator == ",") "" else "n/a"
  cells
}

# Opens the .part, and takes what earlier runs left.
open_files <- function(run, resume) {
  run$part <- paste0(run$out, ".part")
  for (path in c(run$out, run$part)) {
    if (!resume && file.exists(path)) {
      refuse(path, " exists; resume = TRUE goes on with it, or remove it")
    }
  }
  refuse_foreign(run$out, run$separator)
  run$journal <- open_journal(run$part)
  opened <- FALSE
  on.exit(if (!opened) .Call(C_journal_close, run$journal))
  header <- table_bytes(as.list(c(names(run$carried), colnames(run$cells))), run$separator)
  if (file.exists(run$out)) {
    take_earlier(run, file_bytes(run$out), header)
  }
  bytes <- without_torn_end(file_bytes(run$part))
  fits <- length(bytes) >= length(header) && identical(bytes[seq_along(header)], header)
  shorten(run$part, if (fits) length(bytes) else 0)
  if (fits) take_earlier(run, bytes, header) else append_journal(run$journal, header, run$part)
  opened <- TRUE
}

file_bytes <- function(path) {
  readBin(path, "raw", file.size(path))
}

# The last columns of any run's table are the same. What else has the name, the cohort perhaps, is not written over.
refuse_foreign <- function(path, separator) {
  if (file.exists(path)) {
    names <- names(parse_table(file_bytes(path), separator, path))
    if (!identical(rev(names)[seq_along(RESULTS_AFTER)], rev(RESULTS_AFTER))) {
      refuse(path, " is no table of an earlier run, for resume = TRUE to go on with: remove it, or name another")
    }
  }
}

# Up to the last end of a row; one within quotes is none.
without_torn_end <- function(bytes) {
  outside <- cumsum(bytes == charToRaw("\"")) %% 2L == 0L
  ends <- which(bytes == charToRaw("\n") & outside)
  bytes[seq_len(if (length(ends) > 0L) max(ends) else 0L)]
}

shorten <- function(path, size) {
  file <- file(path, "r+b")
  on.exit(close(file))
  seek(file, size, rw = "write")
  truncate(file)
}

# Rows of the same cells, model, options and library that were scored. Whether their files are the same is the
# worker's to say.
take_earlier <- function(run, bytes, header) {
  if (length(bytes) <= length(header) || !identical(bytes[seq_along(header)], header)) {
    return(invisible())
  }
  table <- parse_table(bytes, run$separator, run$out)
  table <- table[!duplicated(table[[run$plan$id]], fromLast = TRUE), , drop = FALSE]
  at <- match(run$carried[[run$plan$id]], table[[run$plan$id]])
  found <- as.list(table[at, , drop = FALSE])
  same <- !is.na(at) & found$status %in% "ok"
  for (i in seq_along(run$carried)) {
    same <- same & found[[i]] == written(run$carried[[i]], run$separator)
  }
  for (name in names(run$same)) {
    same <- same & found[[name]] %in% run$same[[name]]
  }
  same <- which(same)
  for (name in colnames(run$earlier)) {
    run$earlier[same, name] <- unwritten(found[[name]][same], run$separator)
  }
}

# Of a result's cells.
unwritten <- function(cells, separator) {
  cells[cells == if (separator == ",") "" else "n/a"] <- NA_character_
  cells
}

rows_bytes <- function(carried, cells, separator) {
  results <- lapply(seq_len(ncol(cells)), function(j) cells[, j])
  table_bytes(c(carried, results), separator)
}

append_rows <- function(run, rows) {
  if (is.null(run$out)) {
    return(invisible())
  }
  carried <- lapply(run$carried, function(column) column[rows])
  append_journal(run$journal, rows_bytes(carried, run$cells[rows, , drop = FALSE], run$separator), run$part)
}

finish_files <- function(run) {
  if (!is.null(run$out)) {
    write_table(run$carried, run$cells, run$out, run$about)
    unlink(run$part)
  }
}

# The table, then its sidecar.
write_table <- function(carried, cells, path, about) {
  separator <- separator_of(path)
  header <- table_bytes(as.list(c(names(carried), colnames(cells))), separator)
  write_whole(c(header, if (nrow(cells) > 0L) rows_bytes(carried, cells, separator)), path)
  json <- sidecar(cells, about)
  write_whole(charToRaw(enc2utf8(paste0(json, "\n"))), sub("[.][^.]*$", ".json", path))
}

#' Writes a scored cohort
#'
#' The bytes are those that `out` of [tepp_score_cohort()] gets. The file is written whole or not at all, with a JSON
#' sidecar of the same name beside it; an older one is replaced.
#'
#' @param table A data frame that [tepp_score_cohort()] or [merge_scores()] gave.
#' @param path That ends in `.csv` or `.tsv`.
#' @return `path`, invisibly.
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' files <- example_files(tempfile())
#' cohort <- data.frame(id = 1, image = files$image, mask = files$mask)
#' found <- tepp_score_cohort(tepp_open(files$model, threads = 1), cohort)
#' write_scores(found, file.path(tempdir(), "scores.tsv"))
#' @export
write_scores <- function(table, path) {
  path <- path_of(path, "path")
  parts <- table_parts(table)
  write_table(parts$carried, parts$cells, path, attr(table, "deeptepp", exact = TRUE))
  invisible(path)
}

# Input columns and the matrix of results' texts, NA where missing.
table_parts <- function(table) {
  first <- match("score", names(table))
  results <- if (!is.na(first)) names(table)[first:length(table)]
  inner <- setdiff(results, c(RESULTS_BEFORE, RESULTS_AFTER))
  if (is.na(first) || !identical(results, c(RESULTS_BEFORE, inner, RESULTS_AFTER)) ||
        !all(startsWith(inner, "survival:"))) {
    refuse("the table has not the columns of a scored cohort, wanted what tepp_score_cohort() gives")
  }
  columns <- as.list(table)
  cells <- vapply(results, function(name) result_text(columns[[name]], name), character(nrow(table)))
  list(carried = lapply(columns[seq_len(first - 1L)], column_text),
       cells = matrix(cells, nrow(table), length(results), dimnames = list(NULL, results)))
}

result_text <- function(column, name) {
  if (is.numeric(column) && is_number_column(name)) {
    text <- sprintf("%.17g", column)
    text[is.na(column)] <- NA_character_
    text
  } else {
    column_text(column)
  }
}
