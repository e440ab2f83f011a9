source(system.file("example", "files.R", package = "deeptepp"))

case <- example_case()
files <- example_files(file.path(tempdir(), "deeptepp"))

# On one thread: checks may use two processors, and scores of one model must not differ.
open_example <- function(...) {
  tepp_open(files$model, threads = 1, ...)
}

volume_of <- function(array) {
  tepp_volume(array, affine = case$affine)
}

# A score of this one takes long enough to be interrupted.
slow_model <- function() {
  example_model(file.path(tempdir(), "slow.safetensors"), width = 12)
}
