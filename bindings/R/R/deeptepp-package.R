#' deeptepp: risk scores and tiers from a breast MR and its tumour mask
#'
#' A thin layer over the C library libdeeptepp. All preprocessing happens there, so a case has the same score, to the
#' last bit, from C, the command line, Python and R. The package prints nothing of its own accord and starts no process.
#'
#' **Research use only. Not a medical device.** A score means what the model file's own training cohort makes it mean.
#'
#' Begin with [tepp_open()] and [tepp_score()]; for what scores mean in a cohort with [tepp_analyse()].
#'
#' @keywords internal
#' @useDynLib deeptepp, .registration = TRUE
#' @importFrom stats setNames
"_PACKAGE"

#' The library's version
#'
#' @return Text, such as `"0.1.0"`: of the library that is loaded, not of the package.
#' @examples
#' tepp_version()
#' @export
tepp_version <- function() {
  .Call(C_version)
}
