# Tables of text: CSV and TSV by RFC 4180, cells as they stand in the file.

MISSING <- c("", "n/a", "NA", "NaN")

is_missing <- function(cells) {
  is.na(cells) | cells %in% MISSING
}

separator_of <- function(path, what = "path") {
  suffix <- tolower(sub("^.*[.]", "", path))
  if (!suffix %in% c("csv", "tsv")) {
    refuse(what, " is ", shown(path), ", wanted a name that ends in .csv or .tsv")
  }
  if (suffix == "csv") "," else "\t"
}

# A data frame of text, names as they are.
read_table <- function(path) {
  separator <- separator_of(path)
  if (!file.exists(path) || dir.exists(path)) {
    refuse_as(20L, "DEEPTEPP_ERR_FILE_MISSING", path, ": no such file, wanted a table")
  }
  parse_table(file_bytes(path), separator, path)
}

parse_table <- function(bytes, separator, path) {
  records <- split_records(utf8_text(bytes, path), path)
  if (length(records) == 0L) {
    refuse(path, " is empty, wanted a table with a header")
  }
  cells <- split_cells(records, separator, path)
  wrong <- which(lengths(cells) != length(cells[[1L]]))
  if (length(wrong) > 0L) {
    refuse(sprintf("%s: row %d has %d cells, wanted %d as the header has", path, wrong[1L] - 1L,
                   length(cells[[wrong[1L]]]), length(cells[[1L]])))
  }
  body <- matrix(as.character(unlist(cells[-1L])), ncol = length(cells[[1L]]), byrow = TRUE)
  frame_of(lapply(seq_len(ncol(body)), function(j) body[, j]), cells[[1L]])
}

frame_of <- function(columns, names) {
  count <- if (length(columns) > 0L) length(columns[[1L]]) else 0L
  structure(setNames(columns, names), class = "data.frame", row.names = seq_len(count))
}

utf8_text <- function(bytes, path) {
  if (length(bytes) >= 3L && identical(bytes[1:3], as.raw(c(0xef, 0xbb, 0xbf)))) {
    bytes <- bytes[-(1:3)]
  }
  if (any(bytes == 0L)) {
    refuse(path, " holds a byte 0, wanted text in UTF-8")
  }
  text <- rawToChar(bytes)
  if (!validUTF8(text)) {
    refuse(path, " is not in UTF-8, wanted text in UTF-8")
  }
  text
}

# As bytes: no character of UTF-8 holds the byte of a quote, a separator or an end of line.
split_records <- function(text, path) {
  lines <- strsplit(text, "\n", fixed = TRUE, useBytes = TRUE)[[1L]]
  quotes <- nchar(gsub("[^\"]", "", lines, useBytes = TRUE), "bytes")
  open <- cumsum(quotes) %% 2L
  if (length(open) > 0L && open[length(open)] == 1L) {
    refuse(path, " ends within a quoted cell")
  }
  record <- c(0L, cumsum(open == 0L))[seq_along(lines)]
  records <- if (any(open == 1L)) vapply(split(lines, record), paste, "", collapse = "\n") else lines
  records <- sub("\r$", "", unname(records), useBytes = TRUE)
  records[nzchar(records)]
}

split_cells <- function(records, separator, path) {
  cells <- strsplit(paste0(records, separator), separator, fixed = TRUE, useBytes = TRUE)
  quoted <- which(grepl("\"", records, fixed = TRUE, useBytes = TRUE))
  cells[quoted] <- lapply(quoted, function(i) quoted_cells(records[[i]], separator, paste0(path, ": row ", i - 1L)))
  lapply(cells, function(texts) {
    Encoding(texts) <- "UTF-8"
    texts
  })
}

quoted_cells <- function(record, separator, where) {
  record <- paste0(record, separator)
  cell <- sprintf("(?s)(?:\"(?:[^\"]|\"\")*+\"|[^\"%s]*+)%s", separator, separator)
  found <- regmatches(record, gregexpr(cell, record, perl = TRUE, useBytes = TRUE))[[1L]]
  if (sum(nchar(found, "bytes")) != nchar(record, "bytes")) {
    refuse(where, " has a quote within a cell, wanted the cell quoted and its quotes doubled")
  }
  found <- substr_bytes(found)
  quoted <- startsWith(found, "\"")
  found[quoted] <- gsub("\"\"", "\"", gsub("^\"|\"$", "", found[quoted], useBytes = TRUE), fixed = TRUE,
                        useBytes = TRUE)
  found
}

# Without the separator at the end.
substr_bytes <- function(texts) {
  sub(".$", "", texts, perl = TRUE, useBytes = TRUE)
}

# ---- Writing ----

# The bytes of the rows, each with its end of line. cells: columns of text; NA is the separator's word for missing.
table_bytes <- function(columns, separator) {
  rows <- do.call(paste, c(lapply(unname(columns), quote_cells, separator), sep = separator))
  charToRaw(paste0(enc2utf8(rows), "\n", collapse = ""))
}

quote_cells <- function(cells, separator) {
  cells <- as_utf8(cells)
  special <- grepl(sprintf("[\"\r\n%s]", separator), cells, useBytes = TRUE) & !is.na(cells)
  cells[special] <- paste0("\"", gsub("\"", "\"\"", cells[special], fixed = TRUE), "\"")
  cells[is.na(cells)] <- if (separator == ",") "" else "n/a"
  cells
}

# A column in memory as text.
column_text <- function(column) {
  missing <- is.na(column)
  column <- column[!missing]
  text <- if (is.factor(column) || is.character(column)) {
    as.character(column)
  } else if (is.logical(column)) {
    ifelse(column, "true", "false")
  } else if (is.integer(column) && !is.object(column)) {
    sprintf("%d", column)
  } else if (is.double(column) && !is.object(column)) {
    shortest_text(column)
  } else {
    as.character(column)
  }
  cells <- rep(NA_character_, length(missing))
  cells[!missing] <- as_utf8(as.character(text))
  cells
}

# As enc2utf8, which in the locale C makes <c3><bc> of a letter.
as_utf8 <- function(text) {
  lost <- Encoding(text) == "unknown" & is.na(iconv(text, "", "UTF-8"))
  Encoding(text[lost]) <- "UTF-8"
  enc2utf8(text)
}

# The doubles of texts of 17 digits: R's own reading may be a last bit beside.
exact_numbers <- function(text) {
  numbers <- suppressWarnings(as.numeric(text))
  for (step in c(-1, 2)) {
    wrong <- !is.na(numbers) & sprintf("%.17g", numbers) != text
    numbers[wrong] <- numbers[wrong] + step * 2^(floor(log2(abs(numbers[wrong]))) - 52)
  }
  numbers
}

# Whole or not at all, under its own name.
write_whole <- function(bytes, path) {
  temporary <- sprintf("%s.%d.tmp", path, Sys.getpid())
  on.exit(unlink(temporary))
  unlink(temporary)
  journal <- open_journal(temporary, path)
  append_journal(journal, bytes, path)
  .Call(C_journal_close, journal)
  if (!file.rename(temporary, path)) {
    refuse(path, " cannot be written")
  }
}

# called: what the caller knows the file as.
open_journal <- function(path, called = path) {
  journal <- .Call(C_journal_open, path)
  if (is.character(journal)) {
    refuse_as(21L, "DEEPTEPP_ERR_FILE_READ", called, " cannot be written (", journal, "), wanted a file that can")
  }
  journal
}

append_journal <- function(journal, bytes, path) {
  problem <- .Call(C_journal_append, journal, bytes)
  if (nzchar(problem)) {
    refuse_as(21L, "DEEPTEPP_ERR_FILE_READ", path, " cannot be written (", problem, "), wanted room on its disk")
  }
}
