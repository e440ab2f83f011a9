# A small model with made-up weights and a made-up case, for examples and tests. Their score means nothing.

# name -> dim of each tensor of a ResNet 10 with this width, in the order of R's own memory reversed: last axis fastest.
example_shapes <- function(width) {
  norm <- function(name, n) {
    setNames(rep(list(n), 4), paste0(name, c(".weight", ".bias", ".running_mean", ".running_var")))
  }
  block <- function(layer, before, planes) {
    name <- paste0("layer", layer, ".0.")
    shortcut <- if (before != planes) {
      c(setNames(list(c(planes, before, 1, 1, 1)), paste0(name, "downsample.0.weight")),
        norm(paste0(name, "downsample.1"), planes))
    }
    c(setNames(list(c(planes, before, 3, 3, 3), c(planes, planes, 3, 3, 3)), paste0(name, c("conv1.weight",
      "conv2.weight"))), norm(paste0(name, "bn1"), planes), norm(paste0(name, "bn2"), planes), shortcut)
  }
  planes <- width * 2^(0:3)
  c(list(conv1.weight = c(width, 1, 3, 3, 3)), norm("bn1", width),
    do.call(c, Map(block, 1:4, c(width, planes[1:3]), planes)),
    list(fc.weight = c(2, planes[4]), fc.bias = 2))
}

# Weights of no meaning, the same everywhere; variances and scales near 1.
example_values <- function(name, index, count) {
  noise <- sin(seq_len(count) * 12.9898 + index * 78.233) * 43758.5453
  noise <- noise - floor(noise)
  if (grepl("running_var$|(bn[12]|downsample[.]1)[.]weight$", name)) {
    return(0.5 + noise)
  }
  if (grepl("^fc[.]", name)) (noise - 0.5) / 50 else noise - 0.5
}

example_description <- function(name) {
  paste0('{"schema":1,"name":"', name, '","version":"1","licence":"CC0-1.0","authors":"nobody","weights":"seeded",',
    '"training_cohort":"none","intended_use":"testing software: the score means nothing",',
    '"limitations":"not trained on anything","network":{"architecture":"resnet3d","stem_stride":[1,1,1],',
    '"stem_pool":false,"layer_strides":[1,2,2,2],"layer_dilations":[1,1,1,1],"shortcut":"B","activation":"relu"},',
    '"input":{"channels":["t1c"],"axes":"RAS","size":[16,16,16],"angles_deg":[90,180,270,360],',
    '"region":{"rule":"fixed","spacing_mm":[1,1,1]},"outside":{"rule":"warn","fill":"edge"},',
    '"intensity":{"rule":"zscore","over":"view"}},"score":{"rule":"logit","class":1},',
    '"tiers":{"names":["Low","Moderate","High"],"cutpoints":[-0.5,0.5],"source":"arbitrary"}}')
}

# A model file: safetensors, written byte by byte.
example_model <- function(path, name = "a made-up model", width = 2) {
  shapes <- example_shapes(width)
  counts <- vapply(shapes, prod, 0)
  ends <- 4 * cumsum(counts)
  entries <- sprintf('"%s":{"dtype":"F32","shape":[%s],"data_offsets":[%.0f,%.0f]}', names(shapes),
                     vapply(shapes, paste, "", collapse = ","), ends - 4 * counts, ends)
  quoted <- gsub('"', '\\\\"', example_description(name))
  header <- charToRaw(paste0('{"__metadata__":{"deeptepp":"', quoted, '"},', paste(entries, collapse = ","), "}"))
  file <- file(path, "wb")
  on.exit(close(file))
  writeBin(c(length(header), 0L), file, size = 4, endian = "little")
  writeBin(header, file)
  for (i in seq_along(shapes)) {
    writeBin(example_values(names(shapes)[i], i, counts[i]), file, size = 4, endian = "little")
  }
  invisible(path)
}

# A NIfTI-1 file: doubles as float64, integers as int32.
example_nifti <- function(path, array, affine) {
  file <- file(path, "wb")
  on.exit(close(file))
  integers <- function(x, size) writeBin(as.integer(x), file, size = size, endian = "little")
  floats <- function(x) writeBin(as.double(x), file, size = 4, endian = "little")
  integers(348, 4)
  writeBin(raw(36), file)
  integers(c(3, dim(array), rep(1, 4)), 2)
  writeBin(raw(14), file)
  integers(if (is.double(array)) c(64, 64, 0) else c(8, 32, 0), 2)
  floats(c(1, sqrt(colSums(affine[1:3, 1:3]^2)), 0, 0, 0, 0, 352, 1, 0))
  writeBin(as.raw(c(0, 0, 0, 2)), file)
  writeBin(raw(128), file)
  integers(c(0, 1), 2)
  floats(rep(0, 6))
  floats(t(affine[1:3, ]))
  writeBin(raw(16), file)
  writeBin(charToRaw("n+1"), file)
  writeBin(raw(5), file)
  writeBin(as.vector(if (is.logical(array)) as.integer(array) else array), file, endian = "little")
  invisible(path)
}

# A bright ball in a textured box, and its mask.
example_case <- function() {
  at <- expand.grid(i = 1:24, j = 1:22, k = 1:20)
  radius <- sqrt((at$i - 12)^2 + (at$j - 11)^2 + (at$k - 10)^2)
  texture <- sin(at$i / 2) + cos(at$j / 3) + sin(at$k)
  shape <- c(24L, 22L, 20L)
  affine <- rbind(c(1, 0, 0, -12), c(0, 1, 0, -11), c(0, 0, 1.5, -15), c(0, 0, 0, 1))
  list(image = array(round(100 + 20 * texture + 80 * (radius < 6)), shape), mask = array(as.integer(radius < 5), shape),
       affine = affine)
}

# Files of all three in a folder, which is made.
example_files <- function(folder) {
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  case <- example_case()
  files <- as.list(setNames(file.path(folder, c("model.safetensors", "image.nii", "mask.nii")),
                            c("model", "image", "mask")))
  example_model(files$model)
  example_nifti(files$image, case$image, case$affine)
  example_nifti(files$mask, case$mask, case$affine)
  files
}
