test_that("numbers are the shortest that read back equal", {
  numbers <- c(0.1, 1 / 3, 0.1 + 0.2, 5, 1e22, 123456789.123456789, -2^-1074, pi)
  text <- deeptepp:::shortest_text(numbers)
  expect_identical(as.numeric(text), numbers)
  expect_identical(text[1:4], c("0.1", "0.3333333333333333", "0.30000000000000004", "5"))
  expect_identical(deeptepp:::shortest_text(numeric()), character())
})

# FNV-1a by its definition, in two halves of 32 bits.
fnv <- function(id) {
  high <- 0xcbf29ce4
  low <- 0x84222325
  xor_byte <- function(word, byte) word - word %% 256 + bitwXor(as.integer(word %% 256), byte)
  for (byte in as.integer(charToRaw(enc2utf8(id)))) {
    low <- xor_byte(low, byte)
    # times 0x100000001b3 = 2^40 + 435, modulo 2^64
    product <- low * 435
    carry <- floor(product / 2^32)
    high <- (high * 435 + carry + (low * 256) %% 2^32) %% 2^32
    low <- product %% 2^32
  }
  c(high, low)
}

test_that("shards are those of FNV-1a", {
  expect_equal(fnv("a"), c(0xaf63dc4c, 0x8601ec8c)) # the published value
  ids <- c("", "a", "sub-001", "DUKE_001", "M\u00fcller", strrep("x", 100))
  for (n in c(1L, 2L, 3L, 7L)) {
    expected <- vapply(ids, function(id) {
      half <- fnv(id)
      folded <- bitwXor(half[1L] %/% 65536, half[2L] %/% 65536) * 65536 + bitwXor(half[1L] %% 65536, half[2L] %% 65536)
      as.integer(folded %% n) + 1L
    }, 1L, USE.NAMES = FALSE)
    expect_identical(deeptepp:::shard_of(ids, n), expected)
  }
})
