# Conditions. All are made here, in R: C hands failures over as lists of class tepp_failure.

#' Conditions of the package
#'
#' What the library refuses is an error of class `c("deeptepp_mask_empty", "deeptepp_case_error", "deeptepp_error",
#' "error", "condition")`: the status' own name, its group, and what all have in common.
#'
#' | group | statuses |
#' |---|---|
#' | `deeptepp_call_error` | the call or the machine is at fault: `deeptepp_argument`, `deeptepp_memory`, ... |
#' | `deeptepp_file_error` | a file cannot be read, or is of another kind |
#' | `deeptepp_nifti_error` | (also a `deeptepp_file_error`) a NIfTI file whose header is wrong |
#' | `deeptepp_volume_error` | voxels that cannot be used |
#' | `deeptepp_model_file_error` | a model file that cannot be used |
#' | `deeptepp_case_error` | a case that does not go with its model |
#'
#' Each has the fields `message` (one line: the thing, the value found, the value wanted), `status` (the number in the
#' library's header), `name` (such as `"DEEPTEPP_ERR_MASK_EMPTY"`) and `volumes` (the volumes that it is about:
#' channels' names, `"mask"`; `character()` for none). A wrong argument is a `deeptepp_argument`.
#'
#' An interrupt ends a call with a condition of class `c("deeptepp_cancelled", "interrupt", "condition")`, which is no
#' error: `tryCatch(..., interrupt = )` catches it, `try()` does not. A limit of [setTimeLimit()] ends a call with R's
#' own error.
#'
#' @name deeptepp-conditions
#' @examples
#' found <- tryCatch(tepp_volume("no-such-file.nii"), deeptepp_file_error = function(e) e)
#' found$name
#' found$message
NULL

status_groups <- function(status) {
  groups <- list(
    deeptepp_call_error = 1:19, deeptepp_nifti_error = 40:59, deeptepp_file_error = 20:59,
    deeptepp_volume_error = 60:79, deeptepp_model_file_error = 80:109, deeptepp_case_error = 110:999
  )
  names(Filter(function(numbers) status %in% numbers, groups))
}

failure_condition <- function(failure, channels = character(), call = NULL) {
  about <- failure$volumes[failure$volumes != 0L]
  own <- tolower(sub("^DEEPTEPP_ERR_", "deeptepp_", failure$name))
  structure(
    class = c(own, status_groups(failure$status), "deeptepp_error", "error", "condition"),
    list(
      message = failure$message, call = call, status = failure$status, name = failure$name,
      volumes = vapply(about, volume_name, "", channels)
    )
  )
}

volume_name <- function(number, channels) {
  if (number == -1L) {
    return("mask")
  }
  if (number <= length(channels)) channels[[number]] else sprintf("image %d", number)
}

cancelled_condition <- function() {
  structure(
    class = c("deeptepp_cancelled", "interrupt", "condition"),
    list(message = "the call was interrupted", call = NULL, status = 5L, name = "DEEPTEPP_ERR_CANCELLED",
         volumes = character())
  )
}

# An interrupt while value comes about, in the library or in the caller's functions, is the call's.
interruptible <- function(value) {
  tryCatch(value, interrupt = function(e) stop(cancelled_condition()))
}

# The value of an entry, or its failure as a condition. channels: in the order in which the case got them.
checked <- function(value, channels = character()) {
  value <- interruptible(value)
  if (!inherits(value, "tepp_failure")) {
    return(value)
  }
  if (identical(value$name, "DEEPTEPP_ERR_CANCELLED")) {
    stop(cancelled_condition())
  }
  stop(failure_condition(value, channels))
}

# A failure of the package's own, with one of the library's statuses.
refuse_as <- function(status, name, ..., volumes = character()) {
  condition <- failure_condition(list(status = status, name = name, message = paste0(...), volumes = integer()))
  condition$volumes <- volumes
  stop(condition)
}

# A wrong argument.
refuse <- function(...) {
  refuse_as(1L, "DEEPTEPP_ERR_ARGUMENT", ...)
}
