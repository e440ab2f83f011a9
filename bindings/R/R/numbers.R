# Numbers and shards as the Python package has them: the tables of both have the same bytes.

# The shortest of 15, 16 and 17 significant digits that reads back equal.
shortest_text <- function(numbers) {
  text <- sprintf("%.15g", numbers)
  for (format in c("%.16g", "%.17g")) {
    differs <- !is.na(numbers) & as.numeric(text) != numbers
    text[differs] <- sprintf(format, numbers[differs])
  }
  text
}

# Which of 1 to n each id falls to.
shard_of <- function(ids, n) {
  .Call(C_shard, enc2utf8(ids), as.integer(n))
}
