# Progress of a call: a function of the fraction that is done, 0 to 1, or NULL.

# TRUE: a progressor of progressr's, which lives as long as the caller's frame.
progress_of <- function(progress, envir = parent.frame()) {
  force(envir)
  if (is.null(progress) || identical(progress, FALSE)) {
    return(NULL)
  }
  if (is.function(progress)) {
    return(progress)
  }
  if (!identical(progress, TRUE)) {
    refuse("progress is ", shown(progress), ", wanted TRUE, FALSE, NULL or a function of the fraction done")
  }
  if (!requireNamespace("progressr", quietly = TRUE)) {
    refuse("progress is TRUE, and the package progressr is not installed: install it, or give a function")
  }
  in_percent(progressr::progressor(steps = 100L, envir = envir))
}

in_percent <- function(step) {
  told <- 0
  function(fraction) {
    percent <- floor(100 * fraction)
    if (percent > told) {
      step(amount = percent - told)
      told <<- percent
    }
  }
}

# Of a task that takes several calls: the next one runs from low to high.
part <- function(progress, low, high) {
  if (is.null(progress)) {
    return(NULL)
  }
  function(fraction) progress(low + fraction * (high - low))
}
