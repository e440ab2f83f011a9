# Arguments, checked before they reach C.

shown <- function(value) {
  text <- paste(deparse(value, width.cutoff = 60L, nlines = 1L), collapse = "")
  if (nchar(text) > 60L) paste0(substr(text, 1L, 57L), "...") else text
}

# A whole number from 1 to high; NULL is the default, 0 to the library.
whole <- function(value, what, high) {
  if (is.null(value)) {
    return(0)
  }
  if (!is.numeric(value) || length(value) != 1L || is.na(value) || value != trunc(value)) {
    refuse(what, " is ", shown(value), ", wanted a whole number or NULL")
  }
  if (value < 1 || value > high) {
    refuse(sprintf("%s is %.17g, wanted 1 to %.17g, or NULL for the default", what, value, high))
  }
  as.double(value)
}

flag <- function(value, what) {
  if (!is.logical(value) || length(value) != 1L || is.na(value)) {
    refuse(what, " is ", shown(value), ", wanted TRUE or FALSE")
  }
  value
}

text_or_null <- function(value, what) {
  if (!is.null(value) && (!is.character(value) || length(value) != 1L || is.na(value))) {
    refuse(what, " is ", shown(value), ", wanted a text or NULL")
  }
  value
}

# Texts of a class, such as fs_path, are texts.
is_path <- function(value) {
  is.character(value) && length(value) == 1L && is.null(dim(value))
}

# As R's own functions take a path: ~ is the home folder.
path_of <- function(value, what) {
  if (!is_path(value) || is.na(value) || !nzchar(value)) {
    refuse(what, " is ", shown(value), ", wanted a path")
  }
  path.expand(by_bytes(value))
}

# A path with letters that the locale has not, as by its bytes in UTF-8: batch jobs often run in the locale C, where R
# would look for a file called <U+00FC>.
by_bytes <- function(path) {
  path <- as.character(path)
  if (Encoding(path) != "unknown" && is.na(iconv(enc2utf8(path), "UTF-8", ""))) {
    path <- enc2utf8(path)
    Encoding(path) <- "unknown"
  }
  path
}

absolute <- function(path) {
  if (startsWith(path, "/")) path else paste0(getwd(), "/", path)
}

covariates_of <- function(covariates) {
  if (is.null(covariates) || length(covariates) == 0L) {
    return(setNames(numeric(), character()))
  }
  if (is.null(names(covariates)) || anyNA(names(covariates)) || !all(nzchar(names(covariates)))) {
    refuse("covariates are ", shown(covariates), ", wanted them by name, c(age = 52)")
  }
  values <- Map(covariate_value, covariates, names(covariates))
  unlist(Filter(Negate(is.null), values)) %||% setNames(numeric(), character())
}

# NA is a missing one, NULL; NaN is left to the library, which refuses it.
covariate_value <- function(value, name) {
  if (is.null(value) || (length(value) == 1L && is.atomic(value) && is.na(value) && !is.nan(value))) {
    return(NULL)
  }
  if (is.factor(value) || !(is.numeric(value) || is.logical(value)) || length(value) != 1L) {
    refuse("covariate \"", name, "\" is ", shown(value), ", wanted a number, or NA where it is missing")
  }
  as.double(value)
}

`%||%` <- function(x, otherwise) {
  if (is.null(x)) otherwise else x
}
