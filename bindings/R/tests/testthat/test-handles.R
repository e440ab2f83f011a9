cores <- deeptepp:::cores

test_that("a model object is a recipe that opens itself again", {
  model <- open_example()
  expect_identical(class(unclass(model)), "list")
  score <- tepp_score(model, files$image, files$mask)$score
  saved <- tempfile()
  saveRDS(model, saved)
  restored <- readRDS(saved)
  expect_identical(tepp_score(restored, files$image, files$mask)$score, score)
  close(model)
  expect_identical(length(ls(cores)), 0L)
  expect_identical(tepp_score(restored, files$image, files$mask)$score, score)
  expect_identical(length(ls(cores)), 1L)
})

test_that("a file that has changed is an error, never another score", {
  path <- file.path(tempdir(), "changing.safetensors")
  example_model(path)
  model <- tepp_open(path, threads = 1)
  close(model)
  example_model(path, name = "another model")
  expect_error(tepp_score(model, files$image, files$mask), class = "deeptepp_model_sha256")
  unlink(path)
  expect_error(tepp_score(model, files$image, files$mask), class = "deeptepp_file_missing")
})

test_that("one memory serves all models of one file with the same options", {
  close(open_example())
  first <- open_example()
  other <- file.path(tempdir(), "copy.safetensors")
  file.copy(files$model, other)
  tepp_open(other, threads = 1)
  expect_identical(length(ls(cores)), 1L)
  second <- tepp_open(files$model, threads = 2)
  expect_identical(length(ls(cores)), 2L)
  close(second)
  close(first)
  expect_identical(length(ls(cores)), 0L)
})

test_that("opening and closing holds no memory", {
  resident <- function() {
    as.numeric(strsplit(readLines("/proc/self/statm"), " ")[[1L]][2L]) * 4096
  }
  skip_if_not(file.exists("/proc/self/statm"), "no /proc/self/statm")
  count <- as.integer(Sys.getenv("DEEPTEPP_TEST_OPENINGS", "60"))
  cycle <- function() {
    model <- open_example()
    image <- tepp_volume(files$image)
    tepp_score(model, image, volume_of(case$mask))
    close(image)
    close(model)
  }
  for (i in seq_len(max(20L, count %/% 5L))) cycle()
  gc()
  before <- resident()
  for (i in seq_len(count)) cycle()
  gc()
  expect_lt(resident() - before, 8e6)
})

test_that("closing while in use: the call ends as if nothing had happened", {
  model <- open_example()
  score <- tepp_score(model, files$image, files$mask)$score
  image <- volume_of(case$image + 0)
  mask <- volume_of(case$mask + 0)
  closed <- FALSE
  close_all <- function(fraction) {
    if (fraction > 0.3 && !closed) {
      closed <<- TRUE
      close(model)
      close(image)
      close(mask)
      for (i in 1:3) gc()
      fill <- lapply(1:20, function(i) runif(length(case$image)))
    }
  }
  expect_identical(tepp_score(model, image, mask, progress = close_all)$score, score)
  expect_true(closed)
  expect_error(tepp_score(model, image, mask), "closed", class = "deeptepp_argument")
  expect_output(print(image), "closed")
  expect_silent(close(image))
})

test_that("a changed array leaves its volume as it was", {
  model <- open_example()
  array <- case$image + 0
  image <- volume_of(array)
  score <- tepp_score(model, image, files$mask)$score
  array[] <- 0
  rm(array)
  gc()
  expect_identical(tepp_score(model, image, files$mask)$score, score)
  made <- local(volume_of(case$image + 0))
  gc()
  fill <- lapply(1:20, function(i) runif(length(case$image)))
  expect_identical(tepp_score(model, made, files$mask)$score, score)
})

test_that("pointers of others, of another kind and from a file are refused", {
  model <- open_example()
  volume <- volume_of(case$image)
  saved <- tempfile()
  saveRDS(volume, saved)
  restored <- readRDS(saved)
  expect_error(tepp_score(model, restored, files$mask), "restored from a file", class = "deeptepp_argument")
  foreign <- volume
  foreign$pointer <- getNativeSymbolInfo("C_version", getNamespaceInfo("deeptepp", "DLLs")[["deeptepp"]])$address
  other <- volume
  other$pointer <- cores[[ls(cores)[[1L]]]]$model
  for (wrong in list(foreign, other, structure(list(pointer = 1), class = "tepp_volume"),
                     structure(list(), class = "tepp_volume"))) {
    expect_error(tepp_score(model, wrong, files$mask), "none of this package's", class = "deeptepp_argument")
    expect_error(tepp_ras(wrong), class = "deeptepp_argument")
    expect_silent(close(wrong))
  }
  native <- function(name, ...) do.call(".Call", list(get(name, asNamespace("deeptepp")), ...))
  expect_error(native("C_volume_facts", foreign$pointer), "of this package")
  expect_error(native("C_model_facts", volume$pointer), "of this package")
  expect_error(native("C_volume_facts", restored$pointer), "restored")
})

test_that("a forked child goes on with its parent's model", {
  skip_on_os("windows")
  model <- open_example()
  score <- tepp_score(model, files$image, files$mask)$score
  child <- parallel::mcparallel({
    inherited <- tepp_score(model, files$image, files$mask)$score
    close(model)
    gc()
    list(inherited, tepp_score(model, files$image, files$mask)$score)
  })
  expect_identical(parallel::mccollect(child)[[1L]], list(score, score))
  expect_identical(tepp_score(model, files$image, files$mask)$score, score)
})
