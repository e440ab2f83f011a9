library(testthat)
library(deeptepp)

test_check("deeptepp")
