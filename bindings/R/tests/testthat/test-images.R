# Neither RNifti nor oro.nifti is in every repository: these are stand-ins with their classes, functions and slots.

header_of <- function(sform_code = 1L, qform_code = 0L) {
  list(sform_code = sform_code, qform_code = qform_code)
}

# The functions of RNifti that the package calls; xform prefers the qform, as RNifti's own does unless told not to.
stand_in <- function(header, unit = "mm") {
  functions <- list(
    niftiHeader = function(x) header,
    xform = function(x, useQuaternionFirst = TRUE) if (useQuaternionFirst) diag(4) else case$affine,
    pixunits = function(x) c(unit, "s")
  )
  function(name) functions[[name]]
}

with_stand_in <- function(functions, code) {
  namespace <- asNamespace("deeptepp")
  original <- get("rnifti", namespace)
  replace <- function(value) {
    get("unlockBinding", baseenv())("rnifti", namespace)
    assign("rnifti", value, namespace)
    lockBinding("rnifti", namespace)
  }
  replace(functions)
  on.exit(replace(original))
  force(code)
}

rnifti_image <- function(array) {
  structure(array, class = c("niftiImage", "array"), imagedim = dim(array))
}

test_that("images of RNifti are taken with their sform", {
  model <- open_example()
  score <- tepp_score(model, files$image, files$mask)$score
  found <- with_stand_in(stand_in(header_of()), {
    tepp_score(model, rnifti_image(case$image), rnifti_image(case$mask))$score
  })
  expect_identical(found, score)
  with_stand_in(stand_in(header_of(0L, 0L)), {
    expect_error(tepp_volume(rnifti_image(case$image)), class = "deeptepp_nifti_orientation")
  })
  with_stand_in(stand_in(header_of(), "um"), {
    expect_equal(tepp_volume(rnifti_image(case$image))$spacing, c(1, 1, 1.5) / 1000)
  })
  with_stand_in(stand_in(header_of()), {
    expect_error(tepp_volume(rnifti_image(case$image), affine = diag(4)), class = "deeptepp_argument")
    expect_identical(tepp_volume(rnifti_image(array(case$image, c(dim(case$image), 1L))))$dim, dim(case$image))
    expect_error(tepp_volume(rnifti_image(array(case$image, c(24, 22, 10, 2)))), class = "deeptepp_argument")
  })
})

slots <- c("sform_code", "qform_code", "xyzt_units", "pixdim", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c",
           "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
stand_in_class <- methods::setClass("nifti", contains = "array", where = globalenv(),
  slots = c(setNames(rep("numeric", length(slots)), slots), reoriented = "logical"))

oro_image <- function(array, ...) {
  values <- list(sform_code = 1, qform_code = 0, xyzt_units = 2, pixdim = c(1, 1, 1, 1.5, 0, 0, 0, 0),
                 srow_x = case$affine[1, ], srow_y = case$affine[2, ], srow_z = case$affine[3, ], quatern_b = 0,
                 quatern_c = 0, quatern_d = 0, qoffset_x = -12, qoffset_y = -11, qoffset_z = -15, reoriented = FALSE)
  do.call(stand_in_class, c(list(array), modifyList(values, list(...))))
}

test_that("images of oro.nifti are taken as their file would be", {
  model <- open_example()
  score <- tepp_score(model, files$image, files$mask)$score
  expect_identical(tepp_score(model, oro_image(case$image), oro_image(case$mask))$score, score)
  by_qform <- lapply(case[c("image", "mask")], oro_image, sform_code = 0, qform_code = 1)
  expect_identical(tepp_score(model, by_qform$image, by_qform$mask)$score, score)
  expect_error(tepp_volume(oro_image(case$image, reoriented = TRUE)), "reorient = FALSE", class = "deeptepp_argument")
  expect_error(tepp_volume(oro_image(case$image, sform_code = 0)), class = "deeptepp_nifti_orientation")
  expect_equal(tepp_volume(oro_image(case$image, xyzt_units = 1))$spacing, c(1000, 1000, 1500))
})

test_that("a qform's rotation is the library's", {
  path <- tempfile(fileext = ".nii")
  example_nifti(path, case$image, case$affine)
  bytes <- readBin(path, "raw", file.size(path))
  put <- function(at, values, size, what) bytes[at + seq_len(size * length(values))] <<- writeBin(what(values), raw(),
    size = size, endian = "little")
  q <- c(0.1, -0.2, 0.3)
  put(252, c(1, 0), 2, as.integer)
  put(256, c(q, 5, 6, 7), 4, as.double)
  for (qfac in c(1, -1)) {
    put(76, qfac, 4, as.double)
    writeBin(bytes, path)
    image <- oro_image(case$image, sform_code = 0, qform_code = 1, quatern_b = q[1], quatern_c = q[2],
                       quatern_d = q[3], qoffset_x = 5, qoffset_y = 6, qoffset_z = 7,
                       pixdim = c(qfac, 1, 1, 1.5, 0, 0, 0, 0))
    expect_equal(tepp_volume(image)$affine, tepp_volume(path)$affine, tolerance = 1e-6)
  }
})

test_that("volumes of files", {
  volume <- tepp_volume(files$image)
  expect_identical(volume$dim, dim(case$image))
  expect_equal(volume$affine, case$affine)
  expect_identical(volume$spacing, c(1, 1, 1.5))
  expect_identical(volume$number, 1L)
  expect_match(volume$sha256, "^[0-9a-f]{64}$")
  expect_identical(tepp_volume_count(files$image), 1L)
  expect_output(print(volume), "24 x 22 x 20, 1 x 1 x 1.5 mm, RAS", fixed = TRUE)
  expect_error(tepp_volume(files$image, volume = 2), class = "deeptepp_nifti_4d")
  expect_error(tepp_volume(files$image, max_edge = 20), class = "deeptepp_volume_dims")
  expect_error(tepp_volume(files$image, max_bytes = 10), class = "deeptepp_file_error")
})

test_that("paths may have letters of any kind", {
  skip_if_not(l10n_info()[["UTF-8"]], "not a UTF-8 locale")
  path <- file.path(tempdir(), "M\u00fcller \u65e5.nii")
  file.copy(files$image, path)
  expect_identical(tepp_volume(path)$sha256, tepp_volume(files$image)$sha256)
  latin <- iconv(file.path(tempdir(), "M\u00fcller.nii"), "UTF-8", "latin1")
  expect_error(tepp_volume(latin), "M\u00fcller.nii", class = "deeptepp_file_missing")
})

test_that("paths of a class are paths", {
  path <- structure(files$image, class = c("fs_path", "character"))
  expect_identical(tepp_volume(path)$sha256, tepp_volume(files$image)$sha256)
})

test_that("tepp_ras turns axes", {
  turned <- tepp_volume(case$image, affine = diag(c(-1, 2, 3, 1)))
  expect_identical(turned$orientation, "LAS")
  found <- tepp_ras(turned)
  expect_identical(found$voxels, case$image[24:1, , ])
  expect_identical(found$spacing, c(1, 2, 3))
})
