# Cut-points and calibrations as files, which Python's freeze reads.

#' Cut-points as a file
#'
#' JSON, the same from R and Python: `python -m deeptepp freeze --cutpoints FILE.json` puts them into a model file.
#'
#' @param cuts A [tepp_cutpoints()].
#' @param file A path. A file that exists is replaced, whole or not at all.
#' @return `tepp_write_cuts()`: `file`, invisibly. `tepp_read_cuts()`: a `tepp_cuts`; it needs the package jsonlite.
#' @examples
#' file <- tempfile(fileext = ".json")
#' tepp_write_cuts(tepp_cutpoints(given = c(0.5, 0.8), source = "An example"), file)
#' writeLines(readLines(file))
#' @export
tepp_write_cuts <- function(cuts, file) {
  if (!inherits(cuts, "tepp_cuts")) {
    refuse("cuts is ", shown(cuts), ", wanted what tepp_cutpoints() or tepp_read_cuts() gave")
  }
  members <- c(
    cutpoints = json_array(cuts$cutpoints), names = json_array(cuts$names), method = json_string(cuts$method),
    probs = if (is.null(cuts$probs)) "null" else json_array(cuts$probs), p_value = json_or_null(cuts$p_value),
    source = json_string(cuts$source), n = json_or_null(cuts$n), model_sha256 = json_or_null(cuts$model_sha256)
  )
  write_json(members, file)
}

#' @rdname tepp_write_cuts
#' @export
tepp_read_cuts <- function(file) {
  needs_package("jsonlite", "tepp_read_cuts()")
  file <- path_of(file, "file")
  if (!file.exists(file)) {
    refuse_as(20L, "DEEPTEPP_ERR_FILE_MISSING", file, ": no such file, wanted cut-points")
  }
  read <- tryCatch(jsonlite::fromJSON(file), error = function(e) refuse(file, " is no JSON: ", conditionMessage(e)))
  wanted <- c("cutpoints", "names", "method", "source")
  absent <- setdiff(wanted, names(read))
  if (!is.list(read) || length(absent) > 0L) {
    refuse(file, " has no member \"", absent[1L], "\", wanted ", paste(wanted, collapse = ", "))
  }
  new_cuts(rising_numbers(read$cutpoints, "cutpoints"), read$names, read$method, probs = read$probs,
           p_value = read$p_value, source = read$source, n = read$n, model_sha256 = read$model_sha256)
}

json_array <- function(values) {
  texts <- if (is.character(values)) vapply(values, json_string, "") else shortest_text(values)
  paste0("[", paste(texts, collapse = ", "), "]")
}

json_or_null <- function(value) {
  if (is.null(value)) "null" else if (is.character(value)) json_string(value) else shortest_text(value)
}

# members: JSON texts by name.
write_json <- function(members, file) {
  file <- path_of(file, "file")
  lines <- sprintf("  %s: %s", vapply(names(members), json_string, ""), members)
  write_whole(charToRaw(enc2utf8(paste0("{\n", paste(lines, collapse = ",\n"), "\n}\n"))), file)
  invisible(file)
}
