# Parts of a run into the whole, and the sidecar.

#' Puts the parts of a cohort's run together
#'
#' The cohort gives the order, and says which rows there must be. Refused: an id in two tables, one that is in none, one
#' that is not in the cohort; other columns; another model, other options or library version; cells that differ from the
#' cohort's. The table has the bytes of the whole run.
#'
#' @param tables Paths of scored tables, CSV or TSV.
#' @param cohort As for [tepp_score_cohort()].
#' @param out The table to write; refused if it exists. `NULL`: none.
#' @return A data frame of class `tepp_scores`. Its tiers are ordered by their scores; one that no row has is no level.
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' files <- example_files(tempfile())
#' model <- tepp_open(files$model, threads = 1)
#' cohort <- data.frame(id = 1:4, image = files$image, mask = files$mask)
#' tables <- file.path(tempdir(), c("part1.tsv", "part2.tsv"))
#' for (k in 1:2) tepp_score_cohort(model, cohort, out = tables[k], shard = c(k, 2))
#' merge_scores(tables, cohort)$score
#' @export
merge_scores <- function(tables, cohort, out = NULL) {
  out <- out_of(out)
  if (!is.null(out) && file.exists(out)) {
    refuse(out, " exists; remove it, or name another")
  }
  cohort <- cohort_of(cohort)
  if (!is.data.frame(cohort)) {
    refuse("cohort is of class ", class(cohort)[[1L]], ", wanted a data frame or a path")
  }
  if (!is.character(tables) || length(tables) == 0L) {
    refuse("tables is ", shown(tables), ", wanted paths of scored tables")
  }
  carried <- text_columns(cohort)
  id <- pick_id(names(carried))
  refuse_ids(carried[[id]], id)
  parts <- lapply(tables, part_cells, carried, id)
  other <- which(!vapply(lapply(parts, colnames), identical, TRUE, colnames(parts[[1L]])))
  if (length(other) > 0L) {
    refuse(tables[other[1L]], " has other columns of results than ", tables[1L], ", wanted parts of one run")
  }
  cells <- whole_cells(do.call(rbind, parts), carried[[id]], id)
  about <- list(elapsed = NULL)
  scored <- scored_frame(cohort, cells, tiers_by_score(cells), about)
  if (!is.null(out)) {
    write_table(carried, cells, out, about)
  }
  scored
}

# The results of one table, rows named by id.
part_cells <- function(path, carried, id) {
  separator <- separator_of(path, "a table")
  table <- read_table(path)
  parts <- table_parts(table)
  if (!identical(names(parts$carried), names(carried))) {
    refuse(path, " has the columns \"", paste(names(parts$carried), collapse = ", "), "\" before the results', wanted ",
           "the cohort's: \"", paste(names(carried), collapse = ", "), "\"")
  }
  ids <- table[[id]]
  at <- match(ids, carried[[id]])
  if (anyNA(at)) {
    refuse(path, " has ", id, " \"", ids[is.na(at)][1L], "\", which is not in the cohort")
  }
  for (i in seq_along(carried)) {
    differs <- which(table[[i]] != written(carried[[i]], separator)[at])
    if (length(differs) > 0L) {
      refuse(path, ": the ", names(carried)[[i]], " of \"", ids[differs[1L]], "\" is not the cohort's")
    }
  }
  cells <- parts$cells
  cells[] <- unwritten(cells, separator)
  rownames(cells) <- ids
  cells
}

whole_cells <- function(cells, ids, id) {
  twice <- rownames(cells)[duplicated(rownames(cells))]
  if (length(twice) > 0L) {
    refuse(id, " \"", twice[1L], "\" is in the tables twice (overlap), wanted each row once")
  }
  absent <- setdiff(ids, rownames(cells))
  if (length(absent) > 0L) {
    refuse(id, " \"", absent[1L], "\" is in no table (gap), wanted each row of the cohort")
  }
  for (name in c("model_sha256", "options", "library_version")) {
    values <- unique(cells[, name])
    if (length(values) > 1L) {
      refuse("the tables have ", name, " \"", values[1L], "\" and \"", values[2L], "\", wanted one")
    }
  }
  cells <- cells[match(ids, rownames(cells)), , drop = FALSE]
  rownames(cells) <- NULL
  cells
}

# A higher tier has higher scores.
tiers_by_score <- function(cells) {
  scores <- tapply(exact_numbers(cells[, "score"]), cells[, "tier"], min)
  names(sort(scores))
}

# ---- The sidecar ----

DESCRIPTIONS <- c(
  score = "Risk score; unit and range are the model's. Research use only",
  score_sd = "Standard deviation over the rotated views; not an uncertainty of the score",
  n_views = "Number of rotated views", tier = "Tier of the score, by the model's cut-points",
  cutpoint_distance = "Score minus the nearest cut-point", status = "ok, error or skipped (neither image nor mask)",
  error_code = "Why the row has no score", error_message = "The same in a line",
  warnings = "What the library warns of, joined by ;", image_sha256 = "SHA-256 of each channel's file, joined by ;",
  mask_sha256 = "SHA-256 of the mask's file", mask_voxels = "Voxels of the mask that was scored",
  spacing_mm = "Voxel size of the first channel's image along i, j, k, joined by ;",
  precision = "What the score was computed in: of a bf16 model f32 near a cut-point",
  model_sha256 = "SHA-256 of the model file", options = "Options of the run", library_version = "Version of libdeeptepp"
)

run_facts <- function(run, shard, total) {
  seconds <- run$seconds[!is.na(run$seconds)]
  list(shard = if (!is.null(shard)) sprintf("%.0f/%.0f", shard[1L], shard[2L]), name = run$facts$name,
       elapsed = list(total_s = total, median_s = if (length(seconds) > 0L) stats::median(seconds)))
}

sidecar <- function(cells, about) {
  columns <- lapply(setNames(nm = colnames(cells)), function(name) {
    survival <- startsWith(name, "survival:")
    words <- if (survival) "Probability of no event until this time" else DESCRIPTIONS[[name]]
    c(list(Description = words), if (name == "spacing_mm") list(Units = "mm"))
  })
  only <- function(name) if (nrow(cells) > 0L) cells[1L, name]
  counts <- function(name) as.list(table(cells[, name]))
  columns$deeptepp <- list(
    notice = "Research use only. Not a medical device.", status = counts("status"), error_code = counts("error_code"),
    shard = about$shard, options = only("options"), model = list(name = about$name, sha256 = only("model_sha256")),
    library_version = only("library_version"), date = format(Sys.time(), "%Y-%m-%dT%H:%M:%SZ", tz = "UTC"),
    elapsed = about$elapsed
  )
  json_text(columns)
}

# Lists are objects, without the elements that are NULL; texts and numbers are scalars.
json_text <- function(value, indent = "") {
  if (!is.list(value)) {
    return(if (is.character(value)) json_string(value) else shortest_text(value))
  }
  value <- value[!vapply(value, is.null, TRUE)]
  if (length(value) == 0L) {
    return("{}")
  }
  deeper <- paste0(indent, "  ")
  members <- vapply(value, json_text, "", deeper)
  members <- paste0(deeper, vapply(names(value), json_string, ""), ": ", members, collapse = ",\n")
  paste0("{\n", members, "\n", indent, "}")
}

json_string <- function(text) {
  text <- gsub("\"", "\\\"", gsub("\\", "\\\\", enc2utf8(text), fixed = TRUE), fixed = TRUE)
  for (code in 1:31) {
    text <- gsub(intToUtf8(code), sprintf("\\u%04x", code), text, fixed = TRUE)
  }
  paste0("\"", text, "\"")
}
