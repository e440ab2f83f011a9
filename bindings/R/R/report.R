# An analysis as one HTML file.

REPORT_STYLE <- "
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.research { color: #8a1c00; font-weight: 600; margin-top: .2rem; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right; vertical-align: top; }
th { border-bottom: 1px solid #888; font-weight: 600; }
th:first-child, td:first-child, .texts td, .texts th { text-align: left; }
.texts { width: 100%; table-layout: fixed; } .texts td { overflow-wrap: anywhere; }
.texts th:nth-child(1) { width: 3rem; } .texts th:nth-child(2) { width: 18rem; }
.pairs td:first-child { width: 11rem; }
.author { color: #777; font-style: italic; }
.first { border-left: 4px solid #0072b2; padding: .1rem 1rem; background: #f3f8fb; }
img { max-width: 100%; height: auto; } figure { margin: 1rem 0; } figcaption { color: #555; font-size: .9rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; color: #555; }
summary { cursor: pointer; font-weight: 600; margin: .8rem 0; } .wide { overflow-x: auto; }
"

#' An analysis as one HTML file
#'
#' The page with its figures, and the items of TRIPOD+AI, CLAIM and METRICS that are known filled, the others marked
#' "author". The file needs nothing beside it. **Research use only.**
#'
#' @param x A [tepp_analyse()] analysis.
#' @param file A path. A file that exists is replaced, whole or not at all.
#' @param performance What [tepp_performance()] gave for the same scores, or `NULL`.
#' @param model A [tepp_open()] model, for what its file says of itself, or `NULL`. One that did not make the scores is
#'   refused.
#' @return `file`, invisibly.
#' @examples
#' trial <- survival::gbsg
#' trial$tier <- tepp_stratify(trial$nodes, tepp_cutpoints(given = c(3, 9)))
#' found <- tepp_analyse(trial, "rfstime", "status", "hormon", score = NULL,
#'                       contrasts = list(c("0", "1")), horizon = 1826, unit = "days")
#' tepp_report(found, tempfile(fileext = ".html"))
#' @export
tepp_report <- function(x, file, performance = NULL, model = NULL) {
  if (!inherits(x, "tepp_analysis")) {
    refuse("x is ", shown(class(x)), ", wanted what tepp_analyse() gave")
  }
  if (!is.null(performance) && !inherits(performance, "tepp_performance")) {
    refuse("performance is ", shown(class(performance)), ", wanted what tepp_performance() gave, or NULL")
  }
  if (!is.null(performance) && !identical(performance$model, x$about$model)) {
    refuse("performance is of model ", substr(performance$model, 1L, 12L), ", the analysis of model ",
           substr(x$about$model, 1L, 12L), ", wanted that of the same scores")
  }
  file <- path_of(file, "file")
  info <- model_properties(model, x$about$model)
  write_whole(charToRaw(enc2utf8(report_page(x, performance, info))), file)
  invisible(file)
}

# What the file says of itself, as texts by name, its SHA-256 among them.
model_properties <- function(model, sha256) {
  if (is.null(model)) {
    return(character())
  }
  info <- tepp_info(model)
  if (!is.na(sha256) && info$sha256 != sha256) {
    refuse(info$path, " is the model ", substr(info$sha256, 1L, 12L), ", the scores are of ", substr(sha256, 1L, 12L),
           ", wanted those of one model")
  }
  c(info$properties[setdiff(names(info$properties), c("sha256", "members", "views"))], sha256 = info$sha256,
    members = as.character(length(info$members)), views = as.character(info$input_shape[1L]))
}

report_page <- function(x, performance, info) {
  title <- html_text(paste0("Treatment by tier: ", endpoint_of(x)))
  parts <- c(
    sprintf("<h1>%s</h1>", title), sprintf("<p class=\"research\">%s</p>", RESEARCH), report_counts(x),
    report_interaction(x), report_within(x), report_differences(x), report_notes(x), report_performance(performance),
    report_model(info), report_checklists(report_facts(x, performance, info)),
    sprintf("<h2>How it was made</h2><pre>%s</pre>", html_text(paste(foot_lines(x), collapse = "\n")))
  )
  paste0("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>", title, "</title>",
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>", REPORT_STYLE,
         "</style></head>\n<body>\n", paste(parts, collapse = "\n"), "\n</body></html>\n")
}

# ---- The sections, in the order in which they are to be read ----

report_counts <- function(x) {
  left_out <- if (nrow(x$excluded) > 0L) html_table(cbind("left out" = x$excluded$reason, rows = x$excluded$n))
  c(sprintf("<p>%s.</p>", html_text(count_words(x))), "<h2>Patients (events)</h2>", html_table(count_cells(x)),
    left_out)
}

report_interaction <- function(x) {
  head <- "<h2>1. Does the effect of treatment differ between tiers?</h2>"
  if (is.null(x$interaction)) {
    return(c(head, "<p>Not tested: there is one tier and no score.</p>"))
  }
  rows <- with(x$interaction, cbind(test, "likelihood ratio" = fixed_text(chisq), df = shortest_text(round(df, 2L)),
                                    p = p_text(p)))
  colnames(rows)[1L] <- ""
  words <- paste(interaction_words(x$interaction), collapse = " ")
  c(head, "<div class=\"first\">", html_table(rows), sprintf("<p>%s</p></div>", html_text(words)))
}

report_within <- function(x) {
  within <- x$contrasts[x$contrasts$tier != "All", ]
  c("<h2>2. Within tiers</h2>", html_table(within_cells(within, x$settings)),
    sprintf("<p>%s</p>", html_text(within_words(x))),
    html_picture(function() plot.tepp_analysis(x, "forest"), 9, 1.9 + 0.32 * nrow(x$contrasts),
                 "Hazard ratios with 95 % intervals, by tier and contrast; all tiers together for context."),
    "<p>All tiers together, for context:</p>", html_list(overall_lines(x)))
}

report_differences <- function(x) {
  if (x$settings$late$counting) {
    return(NULL)
  }
  within <- x$contrasts[x$contrasts$tier != "All", ]
  tiers <- length(unique(within$tier))
  arms <- length(unique(x$cells$treatment))
  head <- sprintf("3. Differences at %s", unit_text(x$settings$horizon, x$settings$unit))
  c(sprintf("<h2>%s</h2>", html_text(head)), html_table(difference_cells(within)),
    html_picture(function() plot.tepp_analysis(x), max(5.5, 3.2 * tiers + 0.6), 4.2 + 0.2 * arms,
                 paste("Kaplan-Meier curves by tier and treatment, with the numbers at risk; the grey line is the",
                       "horizon.")),
    "<details><summary>Each arm</summary>", html_table(arm_cells(x$arms)), "</details>", report_hazards(x$proportional))
}

report_hazards <- function(proportional) {
  if (is.null(proportional)) {
    return(NULL)
  }
  rows <- with(proportional, cbind(term, chisq = fixed_text(chisq), df = shortest_text(round(df, 2L)), p = p_text(p)))
  c("<details><summary>Proportional hazards (cox.zph)</summary>", html_table(rows), "</details>")
}

report_notes <- function(x) {
  c("<h2>Before believing it</h2>", html_list(x$notes$text))
}

report_performance <- function(found) {
  if (is.null(found)) {
    return(NULL)
  }
  rows <- as.data.frame.tepp_performance(found)
  estimate <- ifelse(is.na(rows$conf.low), fixed_text(rows$estimate, 3L),
                     interval_text(rows$estimate, rows$conf.low, rows$conf.high, 3L))
  cells <- cbind(rows$term, time = unit_text(rows$time, found$unit), "estimate (95 %)" = estimate)
  width <- max(5, 4.2 * length(found$times))
  pictures <- if (!is.null(found$calibration)) {
    c(html_picture(function() plot.tepp_performance(found), width, 4.6, paste(
      "Observed against expected risk: groups of equal size with 95 % intervals, the smooth curve, and how many",
      "patients have which risk."
    )), html_picture(function() plot.tepp_performance(found, "decision"), width, 4.2,
                     "Net benefit of acting by the risk, on all and on none, by threshold."))
  }
  c("<h2>Performance of the score</h2>", html_table(cells), pictures)
}

report_model <- function(info) {
  keys <- c("name", "version", "weights", "training_cohort", "intended_use", "limitations", "tiers.source",
            "calibration.source", "sha256")
  keys <- intersect(keys, names(info))
  if (length(keys) > 0L) {
    c("<h2>The model, as its file says</h2>", html_table(unname(cbind(keys, info[keys])), "texts pairs"))
  }
}

report_checklists <- function(facts) {
  parts <- lapply(names(CHECKLISTS), function(name) {
    items <- CHECKLISTS[[name]]
    answers <- unname(facts[items[, 3L]])
    cells <- ifelse(is.na(answers), "<td class=\"author\">author</td>", sprintf("<td>%s</td>", html_text(answers)))
    rows <- sprintf("<tr><td>%s</td><td>%s</td>%s</tr>", items[, 1L], html_text(items[, 2L]), cells)
    c(sprintf("<details><summary>%s: %d of %d filled</summary>", name, sum(!is.na(answers)), nrow(items)),
      "<table class=\"texts\"><thead><tr><th></th><th>item</th><th>answer</th></tr></thead><tbody>", rows,
      "</tbody></table></details>")
  })
  c("<h2>Reporting</h2>", "<p>Items in short; the guidelines' own wording counts. What a machine cannot know is marked",
    "<span class=\"author\">author</span>, and what it filled in wants an author's eye.</p>", unlist(parts))
}

# ---- HTML ----

html_text <- function(text) {
  text <- gsub("&", "&amp;", enc2utf8(as.character(text)), fixed = TRUE)
  gsub("\"", "&quot;", gsub(">", "&gt;", gsub("<", "&lt;", text, fixed = TRUE), fixed = TRUE), fixed = TRUE)
}

html_list <- function(texts) {
  c("<ul>", sprintf("<li>%s</li>", html_text(texts)), "</ul>")
}

# Without column names there is no head.
html_table <- function(cells, kind = "") {
  row <- function(texts, open, close) paste0("<tr>", paste0(open, html_text(texts), close, collapse = ""), "</tr>")
  rows <- apply(cells, 1L, row, "<td>", "</td>")
  head <- if (!is.null(colnames(cells))) {
    paste0("<thead>", row(colnames(cells), "<th scope=\"col\">", "</th>"), "</thead>")
  }
  c(sprintf("<div class=\"wide\"><table class=\"%s\">", kind), head, "<tbody>", rows, "</tbody></table></div>")
}

# words: what it shows, also for those who do not see it.
html_picture <- function(draw, width, height, words) {
  file <- tempfile(fileext = ".png")
  on.exit(unlink(file))
  type <- if (capabilities("cairo")) "cairo" else getOption("bitmapType")
  grDevices::png(file, width, height, units = "in", res = 150, type = type)
  device <- grDevices::dev.cur()
  tryCatch(draw(), finally = grDevices::dev.off(device))
  data <- base64_text(readBin(file, "raw", file.size(file)))
  sprintf(paste0("<figure><img width=\"%d\" alt=\"%s\" src=\"data:image/png;base64,%s\"><figcaption>%s</figcaption>",
                 "</figure>"), as.integer(width * 96), html_text(words), data, html_text(words))
}

base64_text <- function(bytes) {
  padding <- -length(bytes) %% 3L
  groups <- matrix(as.integer(c(bytes, raw(padding))), 3L)
  words <- groups[1L, ] * 65536L + groups[2L, ] * 256L + groups[3L, ]
  digits <- rbind(words %/% 262144L, words %/% 4096L %% 64L, words %/% 64L %% 64L, words %% 64L)
  text <- c(LETTERS, letters, 0:9, "+", "/")[digits + 1L]
  text[length(text) + 1L - seq_len(padding)] <- "="
  paste(text, collapse = "")
}
