# A model is a recipe in plain values; what the library holds of it lies in a cache of the process.

# By key: environments of `model` (a pointer), `idle` (sessions at rest), `facts` and the recipe's `options`.
cores <- new.env(parent = emptyenv())

#' Opens a model file
#'
#' Reads and checks it. The object that comes back is a plain list of path, SHA-256 and options: it can be saved with
#' `saveRDS()` and handed to other processes as it is. The library's own memory lies in a cache of the process, one for
#' all copies of a model; where it is not there (in another process, in a restored session, after `close()`) the first
#' use opens the file again, and a file that has changed meanwhile is an error (`deeptepp_model_sha256`), never another
#' model's score. A forked child goes on with its parent's memory.
#'
#' @param path Of a model file. Made absolute.
#' @param threads Compute threads of each call, 1 to 256. `NULL`: one a processor that this process may use.
#' @param expected_sha256 64 hexadecimal digits: a file with another SHA-256 is refused.
#' @param guidance `FALSE`: no score carries what the paper proposes for its tier.
#' @param memory_limit Bytes: a call fails where model and session would need more. `NULL`: any.
#' @param max_file_bytes A larger file is refused. `NULL`: 4 GiB.
#' @param precision `"bf16"`: convolutions in bfloat16. Scores move a little (`precision_shift` of [tepp_info()]); near
#'   a cut-point they are computed in `"f32"` again. An error of class `deeptepp_precision` where the processor has
#'   none: [tepp_precision_available()] says so beforehand; and of a model that takes intensities as they are.
#' @param progress `TRUE` for progressr, or a function that gets the fraction that is done, 0 to 1.
#' @return A `tepp_model`: a list of `path`, `sha256` and `options`.
#' @seealso [tepp_info()] for what the file says, [deeptepp-conditions] for the errors.
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' files <- example_files(tempfile())
#' model <- tepp_open(files$model, threads = 1)
#' model
#' tepp_score(model, files$image, files$mask)
#' close(model)
#' @export
tepp_open <- function(path, threads = NULL, expected_sha256 = NULL, guidance = TRUE, memory_limit = NULL,
                      max_file_bytes = NULL, precision = "f32", progress = NULL) {
  options <- list(
    threads = whole(threads, "threads", 256), guidance = flag(guidance, "guidance"),
    memory_limit = whole(memory_limit, "memory_limit", 2^53),
    max_file_bytes = whole(max_file_bytes, "max_file_bytes", 2^53), precision = precision_of(precision)
  )
  path <- absolute(path_of(path, "path"))
  core <- open_core(path, text_or_null(expected_sha256, "expected_sha256"), options, progress_of(progress))
  structure(list(path = path, sha256 = core$facts$sha256, options = options), class = "tepp_model")
}

PRECISIONS <- c(f32 = 0L, bf16 = 1L)

precision_of <- function(precision) {
  if (!is.character(precision) || length(precision) != 1L || !precision %in% names(PRECISIONS)) {
    refuse("precision is ", shown(precision), ", wanted one of \"f32\", \"bf16\"")
  }
  precision
}

#' Does this processor compute in a precision?
#'
#' @param precision `"f32"` or `"bf16"`, as for [tepp_open()].
#' @return `TRUE` for `"f32"`; for `"bf16"` where the processor has AVX512_BF16. It is faster than `"f32"` where there
#'   is AMX too, slower where there is not.
#' @examples
#' tepp_precision_available("bf16")
#' @export
tepp_precision_available <- function(precision) {
  .Call(C_precision_available, PRECISIONS[[precision_of(precision)]])
}

core_key <- function(sha256, options) {
  sprintf("%s %g %s %.17g %s", sha256, options$threads, options$guidance, options$memory_limit, options$precision)
}

# Reads the file; its memory is shared where the same one is open already.
open_core <- function(path, sha256, options, progress = NULL) {
  pointer <- checked(.Call(C_model_open, by_bytes(path), options$threads, options$max_file_bytes, sha256,
                           PRECISIONS[[options$precision]], progress))
  facts <- .Call(C_model_facts, pointer)
  key <- core_key(facts$sha256, options)
  if (is.null(cores[[key]])) {
    core <- new.env(parent = emptyenv())
    core$model <- pointer
    core$facts <- facts
    core$options <- options
    core$idle <- list()
    cores[[key]] <- core
  }
  cores[[key]]
}

# Checked, for anyone may make a list of that class.
core_of <- function(model) {
  if (!inherits(model, "tepp_model") || !is_recipe(unclass(model))) {
    refuse("model is of class ", class(model)[[1L]], ", wanted what tepp_open() gives")
  }
  cores[[core_key(model$sha256, model$options)]] %||% open_core(model$path, model$sha256, model$options)
}

is_recipe <- function(x) {
  number <- function(value) is.numeric(value) && length(value) == 1L && !is.na(value)
  is.list(x) && is_path(x$path) && is_path(x$sha256) && !anyNA(c(x$path, x$sha256)) && is.list(x$options) &&
    isTRUE(x$options$guidance %in% c(TRUE, FALSE)) && isTRUE(x$options$precision %in% names(PRECISIONS)) &&
    all(vapply(x$options[c("threads", "memory_limit", "max_file_bytes")], number, TRUE))
}

# Calls use(session) with a session of the call's own; to make one takes progress from low to high. A progress function
# may score too, so there come to be as many sessions as calls have run one within another.
with_session <- function(core, progress, low, high, use) {
  count <- length(core$idle)
  if (count > 0L) {
    session <- core$idle[[count]]
    core$idle[[count]] <- NULL
  } else {
    session <- checked(.Call(C_session_new, pointer_of(core$model, "model"), core$options$guidance,
                             core$options$memory_limit, part(progress, low, high)))
  }
  on.exit(core$idle <- c(core$idle, list(session)))
  use(session)
}

#' @rdname tepp_open
#' @param con,x A `tepp_model`.
#' @param ... Not used.
#' @details `close()` gives the memory back, in this process and for all copies of the model; a call that is running
#'   keeps it until it ends. The next use opens the file again.
#' @export
close.tepp_model <- function(con, ...) {
  if (!is_recipe(unclass(con))) {
    refuse("con is no model, wanted what tepp_open() gives")
  }
  key <- core_key(con$sha256, con$options)
  core <- cores[[key]]
  if (!is.null(core)) {
    rm(list = key, envir = cores)
    for (pointer in c(core$idle, list(core$model))) {
      .Call(C_close, pointer)
    }
  }
  invisible()
}

#' @rdname tepp_open
#' @export
print.tepp_model <- function(x, ...) {
  cat(sprintf("<tepp_model %s, SHA-256 %s>\n", x$path, substr(x$sha256, 1L, 12L)))
  invisible(x)
}

#' What a model file says
#'
#' @param model A [tepp_open()] model.
#' @return A `tepp_info`: a list of
#'   * `name`, `path`, `sha256`
#'   * `properties`: everything the file says, as a named character vector: `"input.region.spacing_mm"` is `"1, 1, 1"`
#'   * `channels`: the images that a case must have, by name
#'   * `covariates`: a data frame of `name`, `unit`, `low` and `high` (the inclusive range; NA with levels),
#'     `substitute` (the value that stands for a missing one; NA: it must be given) and the list column `levels`
#'   * `tiers`: their names, from the lowest; `cutpoints`: between them, rising (a score equal to one is of the lower
#'     tier)
#'   * `members`: of the ensemble, by the prefix of their tensors' names
#'   * `survival_times`: of the calibration, in the unit that `properties[["calibration.unit"]]` says
#'   * `input_shape`: views, channels, depth, height, width
#'   * `memory`: bytes that the model and one session hold
#'   * `precision`: as [tepp_open()] was told; `precision_shift`: how far `"bf16"` moves scores from those of `"f32"`,
#'     measured on noise when the model was opened; `precision_margin`: a score this near a cut-point is computed in
#'     `"f32"` again. 0 in `"f32"`
#'   * `json`: the description as the library gives it
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' model <- tepp_open(example_files(tempfile())$model)
#' tepp_info(model)
#' tepp_info(model)$properties[["weights"]]
#' @export
tepp_info <- function(model) {
  facts <- core_of(model)$facts
  levels <- facts$covariates$levels
  facts$covariates <- as.data.frame(facts$covariates[names(facts$covariates) != "levels"], stringsAsFactors = FALSE)
  facts$covariates$levels <- levels
  structure(c(facts[1], list(path = model$path), facts[-1], list(precision = model$options$precision)),
            class = "tepp_info")
}

#' @export
print.tepp_info <- function(x, ...) {
  cat(sprintf("%s\n  path        %s\n  SHA-256     %s\n", x$name, x$path, x$sha256))
  cat(sprintf("  channels    %s\n", paste(x$channels, collapse = ", ")))
  if (nrow(x$covariates) > 0L) {
    cat(sprintf("  covariates  %s\n", paste(x$covariates$name, collapse = ", ")))
  }
  if (length(x$tiers) > 0L) {
    cat(sprintf("  tiers       %s, cut at %s\n", paste(x$tiers, collapse = ", "),
                paste(format_each(x$cutpoints), collapse = ", ")))
  }
  cat(sprintf("  input       %s\n", paste(x$input_shape, collapse = " x ")))
  if (x$precision != "f32") {
    cat(sprintf("  precision   %s, moves scores by up to %.3g, tried on noise\n", x$precision, x$precision_shift))
  }
  cat("Research use only. Not a medical device.\n")
  invisible(x)
}
