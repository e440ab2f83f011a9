# Numbers as a page shows them.

p_text <- function(p) {
  text <- ifelse(p < 0.1, sprintf("%.3f", p), sprintf("%.2f", p))
  text <- ifelse(p < 0.001, "<0.001", text)
  ifelse(is.na(p), "-", text)
}

# "p = 0.72", "p < 0.001"
p_phrase <- function(p) {
  text <- p_text(p)
  ifelse(startsWith(text, "<"), sub("<", "p < ", text, fixed = TRUE), paste("p =", text))
}

fixed_text <- function(x, digits = 2L) {
  ifelse(is.na(x), "-", formatC(x, digits = digits, format = "f"))
}

# "0.63 (0.44 to 0.90)"
interval_text <- function(estimate, low, high, digits = 2L) {
  text <- sprintf("%s (%s to %s)", fixed_text(estimate, digits), fixed_text(low, digits), fixed_text(high, digits))
  ifelse(is.na(estimate), "-", text)
}

# Digits that show three figures of a spread.
digits_for <- function(x) {
  size <- max(abs(x[is.finite(x)]), 0)
  if (size <= 0) 2L else as.integer(max(0, min(4, 2 - floor(log10(size)))))
}

# A matrix of texts as lines: the first column to the left, the others to the right.
table_lines <- function(cells, header = colnames(cells)) {
  cells <- rbind(header, cells)
  columns <- lapply(seq_len(ncol(cells)), function(j) {
    formatC(cells[, j], width = max(nchar(cells[, j])), flag = if (j == 1L) "-" else "")
  })
  sub(" +$", "", do.call(paste, c(columns, sep = "  ")))
}

wrapped <- function(text, width = 88L, indent = "  ") {
  strwrap(text, width = width, prefix = indent, initial = paste0(substr(indent, 1L, nchar(indent) - 2L), "- "))
}

# "5 years", "" where there is no number.
unit_text <- function(value, unit) {
  text <- rep("", length(value))
  there <- !is.na(value)
  text[there] <- paste0(shortest_text(value[there]), if (!is.null(unit)) paste0(" ", unit))
  text
}
