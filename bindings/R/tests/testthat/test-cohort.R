table_file <- function(text, name = "cohort.tsv") {
  folder <- tempfile("cohort")
  dir.create(folder)
  path <- file.path(folder, name)
  writeBin(charToRaw(enc2utf8(text)), path)
  path
}

bytes_of <- function(path) readBin(path, "raw", file.size(path))

# Rows of many kinds; paths relative to the files' folder, beside which the table lies.
mixed_cohort <- function(name = "mixed.tsv") {
  rows <- data.frame(
    participant_id = c("sub-1", "sub-\u00fc", "sub-3", "sub-4", "sub-5", "sub-6", "sub-7"),
    image = c("image.nii", "image.nii", NA, "image.nii", "none.nii", NA, "image.nii"),
    mask = c("mask.nii", "mask.nii#1", NA, "image.nii", "mask.nii", "mask.nii", "mask.nii"),
    label = c("", "1", "", "", "", "", "abc"), note = c("a \"b\"", "x,y", "p\tq", "n/a", "", "two\nlines", "NA"),
    stringsAsFactors = FALSE
  )
  path <- file.path(dirname(files$image), name)
  separator <- deeptepp:::separator_of(path)
  header <- deeptepp:::table_bytes(as.list(names(rows)), separator)
  writeBin(c(header, deeptepp:::table_bytes(rows, separator)), path)
  path
}

test_that("cells stay the text they are, in both kinds of file", {
  text <- paste0("\ufeffid,a,b\r\n1,\"x, \"\"y\"\"\",1.50\r\n", "\u00fc,\"two\r\nlines\",\r\n")
  table <- read_cohort(table_file(text, "t.csv"))
  expect_identical(names(table), c("id", "a", "b"))
  expect_identical(unclass(table)$a, c("x, \"y\"", "two\r\nlines"))
  expect_identical(table$b, c("1.50", ""))
  expect_identical(table$id[[2L]], "\u00fc")
  tsv <- read_cohort(table_file("id\ta\n1\tx,y\n2\t\"p\tq\""))
  expect_identical(tsv$a, c("x,y", "p\tq"))
  expect_identical(basename(attr(tsv[1, ], "folder")), basename(attr(tsv, "folder")))
})

test_that("what is written is read again, whatever stands in the cells", {
  set.seed(1)
  letters <- c("a", "\"", ",", "\t", "\n", "\r\n", "\u00fc", " ", "'")
  word <- function(i) paste(c("x", sample(letters, sample(0:6, 1), TRUE)), collapse = "")
  columns <- setNames(lapply(1:4, function(j) vapply(1:100, word, "")), c("a", "b", "c", "d"))
  columns <- lapply(columns, function(column) paste0(column, "."))
  for (separator in c(",", "\t")) {
    bytes <- c(deeptepp:::table_bytes(as.list(names(columns)), separator), deeptepp:::table_bytes(columns, separator))
    expect_identical(as.list(deeptepp:::parse_table(bytes, separator, "t")), columns)
  }
})

test_that("tables that are none are refused with their place", {
  expect_error(read_cohort(table_file("id\ta\n1\n")), "row 1 has 1 cells, wanted 2")
  expect_error(read_cohort(table_file("id\ta\n1\tx\"y\"\n")), "row 1 has a quote within a cell")
  expect_error(read_cohort(table_file("id\ta\n1\t\"xy\n")), "ends within a quoted cell")
  expect_error(read_cohort(table_file("")), "empty")
  expect_error(read_cohort(table_file("id", "t.xlsx")), ".csv or .tsv")
  path <- table_file("id")
  writeBin(as.raw(c(0x69, 0xff)), path)
  expect_error(read_cohort(path), "not in UTF-8")
})

test_that("columns and ids that are wrong are refused before anything is scored", {
  model <- open_example()
  refused <- function(frame, words) {
    expect_error(tepp_score_cohort(model, frame), words, class = "deeptepp_argument")
  }
  good <- data.frame(id = 1:2, image = files$image, mask = files$mask)
  refused(good[-1], "no column of ids")
  refused(transform(good, id = c(1, 1)), "\"1\" twice")
  refused(transform(good, id = c(1, NA)), "row 2 has no id")
  refused(transform(good, Image = "x"), "\"image\" and \"Image\"")
  refused(transform(good, score = 1), "name of a result")
  refused(good[-3], "no column \"mask\"")
  refused(setNames(good, c("id", "image:pre", "mask")), "one a channel")
  refused(setNames(cbind(good, 1), c(names(good), "id")), "\"id\" twice")
  refused(list(), "data frame")
  with_column <- function(column) {
    good$odd <- column
    good
  }
  refused(with_column(I(list(1, 2:3))), "column \"odd\" is of class AsIs, wanted one value a row")
  refused(with_column(matrix(1:4, 2)), "column \"odd\" is of class matrix")
  refused(with_column(data.frame(a = 1:2)), "column \"odd\" is of class data.frame")
  refused(with_column(c("a", "M\xfcller")), "\"odd\" is no text in UTF-8 in row 2")
  expect_identical(tepp_score_cohort(model, with_column(scale(1:2)))$status, c("ok", "ok"))
})

test_that("arguments that are wrong are refused before a file is made", {
  model <- open_example()
  frame <- data.frame(id = 1, image = files$image, mask = files$mask)
  out <- tempfile(fileext = ".tsv")
  expect_error(tepp_score_cohort(model, frame, out = out, apply = "lapply"), "apply is \"lapply\", wanted NULL",
               class = "deeptepp_argument")
  expect_error(tepp_score_cohort(model, frame, out = out, chunk = 0), "chunk is 0", class = "deeptepp_argument")
  expect_error(tepp_score_cohort(model, frame, resume = NA), "resume is NA", class = "deeptepp_argument")
  expect_identical(list.files(dirname(out), basename(out)), character())
  out <- tempfile(fileext = ".csv")
  tepp_score_cohort(model, frame, out = out)
  bytes <- bytes_of(out)
  survival <- sub(",status,", ",survival:3,status,", sub(",ok,", ",n/a,ok,", readLines(out)), fixed = TRUE)
  other <- tempfile(fileext = ".csv")
  writeLines(survival, other)
  expect_error(merge_scores(c(out, other), frame), "other columns of results", class = "deeptepp_argument")
})

test_that("frames of many kinds are scored as they are", {
  model <- open_example()
  score <- tepp_score(model, files$image, files$mask)$score
  frame <- data.frame(id = factor(c("b", "a")), image = factor(files$image), mask = files$mask,
                      when = as.Date("2020-02-29") + 0:1)
  out <- tempfile(fileext = ".csv")
  found <- tepp_score_cohort(model, structure(frame, class = c("tbl_df", "tbl", "data.frame")), out = out)
  expect_identical(found$score, c(score, score))
  expect_identical(unclass(found)[names(frame)], unclass(frame)[names(frame)])
  expect_match(readLines(out)[3L], "^a,.*,2020-03-01,")
  expect_match(tepp_score_cohort(model, transform(frame, image = 1:2), folder = "/none")$error_message, "^/none/[12]: ")
  expect_identical(tepp_score_case(model, frame[1, ])$status, "ok")
})

test_that("a table shows the columns that were asked for, and an empty one can be written", {
  model <- open_example()
  frame <- data.frame(id = 1:2, image = files$image, mask = files$mask)
  found <- tepp_score_cohort(model, frame)
  digest <- found$image_sha256[[1L]]
  expect_false(any(grepl(digest, capture.output(print(found)))))
  expect_output(print(found[c("id", "image_sha256")]), digest)
  expect_error(write_scores(found, "/no-such-folder/scores.csv"), "^/no-such-folder/scores.csv cannot be written")
  out <- tempfile(c("run", "written"), fileext = ".tsv")
  write_scores(tepp_score_cohort(model, frame[0, ], out = out[1L]), out[2L])
  expect_identical(bytes_of(out[1L]), bytes_of(out[2L]))
})

test_that("each row has its score or its reason, in order, and good rows are single scores", {
  model <- open_example()
  found <- tepp_score_cohort(model, mixed_cohort())
  score <- tepp_score(model, files$image, files$mask)
  expect_identical(found$status, c("ok", "ok", "skipped", "error", "error", "error", "error"))
  expect_identical(found$error_code[4:7], c("MASK_LABELS", "FILE_MISSING", "ROW_IMAGE_MISSING", "ROW_LABEL"))
  expect_identical(found$error_message[6:7],
                   c("image is missing", "label is \"abc\", wanted a whole number above 0"))
  expect_identical(found$score[1:2], rep(score$score, 2))
  expect_identical(as.character(found$tier[1:2]), rep(score$tier_name, 2))
  expect_identical(levels(found$tier), score$tiers)
  expect_identical(found$image_sha256[[5L]], NA_character_)
  expect_identical(found$mask_sha256[[5L]], found$mask_sha256[[1L]])
  expect_identical(found$options[[1L]], "largest_part=false;mask_grid=same;orientation=;threads=1;precision=f32")
  expect_output(print(summary(found)), "error 4, ok 2, skipped 1")
  row <- tepp_score_case(model, read_cohort(mixed_cohort())[2, ])
  expect_identical(row$score, score$score)
})

test_that("a table of shards merges into the whole's bytes; overlaps, gaps and changes are refused", {
  model <- open_example()
  for (kind in c("tsv", "csv")) {
    cohort <- mixed_cohort(paste0("shards.", kind))
    out <- tempfile(c("whole", "merged", "a", "b", "c"), fileext = paste0(".", kind))
    tepp_score_cohort(model, cohort, out = out[1L])
    counts <- vapply(1:3, function(k) nrow(tepp_score_cohort(model, cohort, out = out[2L + k], shard = c(k, 3))), 1L)
    expect_identical(sum(counts), 7L)
    merge_scores(out[3:5], cohort, out[2L])
    expect_identical(bytes_of(out[2L]), bytes_of(out[1L]))
    expect_error(merge_scores(out[3:5], cohort, out[2L]), "exists; remove it")
    expect_error(merge_scores(out[c(1L, 2L)], cohort), "overlap")
    expect_error(merge_scores(out[2L + which(counts > 0L)[1L]], cohort), "gap")
    changed <- read_cohort(cohort)
    changed$note[[1L]] <- "another"
    expect_error(merge_scores(out[1L], changed), "not the cohort's")
    expect_error(merge_scores(out[1L], changed[-1, ]), "not in the cohort")
    expect_error(merge_scores(out[1L], changed[names(changed) != "note"]), "wanted the cohort's")
    expect_identical(file.exists(paste0(out, ".part")), rep(FALSE, 5))
  }
})

test_that("a frame's table is written with the bytes of its run", {
  model <- open_example()
  frame <- data.frame(id = c(1.5, 2), image = files$image, mask = c(files$mask, NA), ok = c(TRUE, NA),
                      site = factor(c("a,b", "c")), n = c(3L, NA))
  out <- tempfile(c("run", "written"), fileext = ".csv")
  found <- tepp_score_cohort(model, frame, out = out[1L])
  expect_identical(as.list(found)[names(frame)], as.list(frame))
  write_scores(found, out[2L])
  expect_identical(bytes_of(out[1L]), bytes_of(out[2L]))
  expect_match(readLines(out[1L])[2L], paste0("^1.5,.*,true,\"a,b\",3,"))
})

# ---- Resume ----

counted <- function(scored = new.env()) {
  scored$count <- 0L
  list(scored = scored, apply = function(X, FUN) {
    values <- lapply(X, FUN)
    scored$count <- scored$count + sum(!vapply(values, function(value) is.null(value$cells), TRUE))
    values
  })
}

test_that("a run that stopped goes on, scores nothing twice and has the same bytes", {
  model <- open_example()
  cohort <- mixed_cohort("resume.tsv")
  out <- tempfile(c("whole", "stopped"), fileext = ".tsv")
  tepp_score_cohort(model, cohort, out = out[1L])
  expect_error(tepp_score_cohort(model, cohort, out = out[1L]), "resume = TRUE")
  stopping <- function(fraction) if (fraction > 0.2) stop("stopped")
  expect_error(tepp_score_cohort(model, cohort, out = out[2L], progress = stopping), "stopped")
  part <- paste0(out[2L], ".part")
  cat("sub-3\timage.nii\t\"torn\n", file = part, append = TRUE)
  run <- counted()
  tepp_score_cohort(model, cohort, out = out[2L], resume = TRUE, apply = run$apply)
  expect_identical(run$scored$count, 5L)
  expect_identical(bytes_of(out[2L]), bytes_of(out[1L]))
  expect_false(file.exists(part))
  again <- counted()
  tepp_score_cohort(model, cohort, out = out[2L], resume = TRUE, apply = again$apply)
  expect_identical(again$scored$count, 5L)
  expect_identical(bytes_of(out[2L]), bytes_of(out[1L]))
})

test_that("every end of the journal is a state from which a run goes on", {
  model <- open_example()
  cohort <- mixed_cohort("cut.csv")
  out <- tempfile(fileext = ".csv")
  tepp_score_cohort(model, cohort, out = out)
  whole <- bytes_of(out)
  set.seed(2)
  for (size in c(0, sample(length(whole), 12))) {
    unlink(out)
    writeBin(whole[seq_len(size)], paste0(out, ".part"))
    tepp_score_cohort(model, cohort, out = out, resume = TRUE)
    expect_identical(bytes_of(out), whole)
  }
})

test_that("a changed mask, cell or option is scored again", {
  model <- open_example()
  mask <- tempfile(fileext = ".nii")
  file.copy(files$mask, mask)
  frame <- data.frame(id = 1:2, image = files$image, mask = c(files$mask, mask), site = "a")
  out <- tempfile(fileext = ".tsv")
  tepp_score_cohort(model, frame, out = out)
  again <- function(frame, ...) {
    run <- counted()
    tepp_score_cohort(model, frame, out = out, resume = TRUE, apply = run$apply, ...)
    run$scored$count
  }
  expect_identical(again(frame), 0L)
  example_nifti(mask, case$mask * (slice.index(case$mask, 1) < 12), case$affine)
  expect_identical(again(frame), 1L)
  expect_identical(again(transform(frame, site = c("b", "a"))), 1L)
  expect_identical(again(transform(frame, site = c("b", "a")), largest_part = TRUE), 2L)
})

test_that("a column without a name, as write.csv() makes one, is no hindrance", {
  model <- open_example()
  cohort <- file.path(dirname(files$image), "nameless.csv")
  write.csv(data.frame(id = 1:2, image = "image.nii", mask = "mask.nii"), cohort)
  out <- tempfile(fileext = ".csv")
  found <- tepp_score_cohort(model, cohort, out = out)
  run <- counted()
  tepp_score_cohort(model, cohort, out = out, resume = TRUE, apply = run$apply)
  expect_identical(run$scored$count, 0L)
  expect_identical(merge_scores(out, cohort)$score, found$score)
})

test_that("resume writes over nothing but a run's table", {
  model <- open_example()
  cohort <- mixed_cohort("own.tsv")
  before <- bytes_of(cohort)
  expect_error(tepp_score_cohort(model, cohort, out = cohort, resume = TRUE), "no table of an earlier run",
               class = "deeptepp_argument")
  expect_identical(bytes_of(cohort), before)
  expect_false(file.exists(paste0(cohort, ".part")))
})

test_that("rows are not copied for each row", {
  skip_if_not(capabilities("profmem"), "R without memory profiling")
  frame <- data.frame(id = 1:2000, image = NA, mask = NA)
  log <- tempfile()
  model <- open_example()
  Rprofmem(log, threshold = 8 * 16 * 2000)
  found <- tepp_score_cohort(model, frame)
  Rprofmem(NULL)
  expect_identical(unique(found$status), "skipped")
  large <- grep("^[0-9]", readLines(log), value = TRUE) # the others are new pages of small objects
  expect_lt(length(large), 200)
})

test_that("one run writes a journal at a time", {
  out <- tempfile(fileext = ".tsv")
  journal <- deeptepp:::open_journal(paste0(out, ".part"))
  frame <- data.frame(id = 1, image = files$image, mask = files$mask)
  expect_error(tepp_score_cohort(open_example(), frame, out = out, resume = TRUE), "another run is writing it")
  .Call(deeptepp:::C_journal_close, journal)
  expect_identical(nrow(tepp_score_cohort(open_example(), frame, out = out, resume = TRUE)), 1L)
})

# ---- Workers ----

test_that("forked, PSOCK and future workers give the serial table", {
  model <- open_example()
  cohort <- mixed_cohort("workers.tsv")
  out <- tempfile(c("serial", "fork", "psock", "future"), fileext = ".tsv")
  tepp_score_cohort(model, cohort, out = out[1L])
  forked <- function(X, FUN) parallel::mclapply(X, FUN, mc.cores = 2)
  tepp_score_cohort(model, cohort, out = out[2L], apply = forked, chunk = 4)
  expect_identical(bytes_of(out[2L]), bytes_of(out[1L]))
  libraries <- Sys.getenv("R_LIBS")
  Sys.setenv(R_LIBS = paste(.libPaths(), collapse = ":"))
  on.exit(Sys.setenv(R_LIBS = libraries))
  cluster <- parallel::makePSOCKcluster(2)
  on.exit(parallel::stopCluster(cluster), add = TRUE)
  tepp_score_cohort(model, cohort, out = out[3L], apply = function(X, FUN) parallel::parLapply(cluster, X, FUN))
  expect_identical(bytes_of(out[3L]), bytes_of(out[1L]))
  opened <- parallel::clusterCall(cluster, function() length(ls(get("cores", asNamespace("deeptepp")))))
  expect_identical(opened, list(1L, 1L))
  skip_if_not_installed("future.apply")
  previous <- future::plan(future::multisession, workers = 2)
  tepp_score_cohort(model, cohort, out = out[4L], apply = future.apply::future_lapply)
  future::plan(previous)
  expect_identical(bytes_of(out[4L]), bytes_of(out[1L]))
})

test_that("a worker that dies is a row, and the run goes on", {
  model <- open_example()
  frame <- data.frame(id = 1:4, image = files$image, mask = files$mask)
  dying <- function(X, FUN) {
    suppressWarnings(parallel::mclapply(seq_along(X), function(i) {
      if (i == 2L) tools::pskill(Sys.getpid(), 9L)
      FUN(X[[i]])
    }, mc.cores = 2, mc.preschedule = FALSE))
  }
  found <- tepp_score_cohort(model, frame, apply = dying, chunk = 4)
  expect_identical(found$status, c("ok", "error", "ok", "ok"))
  expect_identical(found$error_code[[2L]], "WORKER_LOST")
  expect_warning(lost <- tepp_score_cohort(model, frame, apply = function(X, FUN) stop("no workers")), "no workers")
  expect_identical(lost$error_code, rep("WORKER_LOST", 4))
  broken <- model
  broken$sha256 <- strrep("0", 64)
  expect_error(tepp_score_cohort(broken, frame), class = "deeptepp_model_sha256")
})

test_that("a row's result is its own, in whatever order results come", {
  model <- open_example()
  other <- tempfile(fileext = ".nii")
  example_nifti(other, case$image^2, case$affine)
  frame <- data.frame(id = 1:4, image = c(files$image, other), mask = files$mask)
  serial <- tepp_score_cohort(model, frame)
  expect_false(serial$score[[1L]] == serial$score[[2L]])
  reversed <- tepp_score_cohort(model, frame, apply = function(X, FUN) rev(lapply(X, FUN)))
  expect_identical(reversed$score, serial$score)
  # A cluster after an interrupt: each call gets the results of the one before.
  pending <- NULL
  behind <- function(X, FUN) {
    before <- pending
    pending <<- lapply(X, FUN)
    before %||% stop("interrupted")
  }
  lost <- NULL
  warnings <- capture_warnings(lost <- tepp_score_cohort(model, frame, apply = behind, chunk = 1))
  expect_identical(lost$error_code, rep("WORKER_LOST", 4))
  expect_match(warnings, "interrupted|1 results of other rows")
  expect_length(warnings, 4)
})

test_that("a cluster that loses a worker loses its rows, and no row gets another's score", {
  model <- open_example()
  paths <- vapply(1:5, function(i) {
    example_nifti(tempfile(fileext = ".nii"), case$image + 10 * i * (case$image > 150), case$affine)
  }, "")
  frame <- data.frame(id = 1:5, image = paths, mask = files$mask)
  serial <- tepp_score_cohort(model, frame)
  expect_identical(anyDuplicated(serial$image_sha256), 0L)
  libraries <- Sys.getenv("R_LIBS")
  Sys.setenv(R_LIBS = paste(.libPaths(), collapse = ":"))
  on.exit(Sys.setenv(R_LIBS = libraries))
  cluster <- parallel::makePSOCKcluster(2)
  on.exit(for (node in cluster) close(node$con), add = TRUE)
  workers <- unlist(parallel::clusterCall(cluster, Sys.getpid))
  killing <- function(X, FUN) {
    tools::pskill(workers[[2L]], 9L)
    parallel::clusterApply(cluster, X, FUN)
  }
  found <- suppressWarnings(tepp_score_cohort(model, frame, apply = killing, chunk = 2))
  expect_identical(found$error_code, rep("WORKER_LOST", 5))
})
