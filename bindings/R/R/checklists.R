# Which items of TRIPOD+AI (2024), CLAIM (2024) and METRICS (2024) a machine knows. Items in short: the guidelines' own
# wording counts. Of each its number, its topic, and the fact that answers it; "" where only the author can.

TRIPOD_AI <- matrix(byrow = TRUE, ncol = 3L, c(
  "1", "Title", "", "2", "Abstract", "", "3a", "Health context and rationale", "",
  "3b", "Target population and intended purpose", "intended_use", "3c", "Health inequalities", "",
  "4", "Objectives", "", "5a", "Sources of data", "training_cohort", "5b", "Dates of the data", "",
  "6a", "Study setting", "", "6b", "Eligibility", "", "6c", "Treatments received", "cells",
  "7", "Data preparation", "input", "8a", "Outcome and its horizon", "outcome", "8b", "Who assessed the outcome", "",
  "8c", "Blinding of outcome assessment", "", "9a", "Choice of predictors", "",
  "9b", "Predictors, how and when measured", "input", "9c", "Who assessed predictors", "", "10", "Sample size", "",
  "11", "Missing data", "excluded", "12a", "How data were used", "partition",
  "12b", "Handling of predictors", "input", "12c", "Type of model and building steps", "network",
  "12d", "Heterogeneity across clusters", "", "12e", "Measures of performance", "measures",
  "12f", "Model updating", "", "12g", "How predictions are calculated", "prediction", "13", "Class imbalance", "",
  "14", "Fairness", "", "15", "Model output, thresholds and their origin", "tiers",
  "16", "Differences between training and evaluation", "", "17", "Ethical approval", "", "18a", "Funding", "",
  "18b", "Conflicts of interest", "", "18c", "Protocol", "", "18d", "Registration", "", "18e", "Data sharing", "",
  "18f", "Code sharing", "software", "19", "Patient and public involvement", "",
  "20a", "Flow of participants, follow-up", "flow", "20b", "Characteristics of participants", "",
  "20c", "Comparison with the development data", "", "21", "Participants and events in each analysis", "flow",
  "22", "Full model specification", "model", "23a", "Performance with intervals", "performance",
  "23b", "Heterogeneity of performance", "", "24", "Results of updating", "", "25", "Interpretation", "",
  "26", "Limitations", "limitations", "27a", "Poor or unavailable input data", "",
  "27b", "User interaction and expertise", "", "27c", "Next steps", ""
))

CLAIM <- matrix(byrow = TRUE, ncol = 3L, c(
  "1", "Study identified as one of AI, with its kind", "", "2", "Structured abstract", "",
  "3", "Background and clinical role", "intended_use", "4", "Aims and hypotheses", "",
  "5", "Prospective or retrospective", "", "6", "Study goal", "", "7", "Data sources", "training_cohort",
  "8", "Inclusion and exclusion", "excluded", "9", "Preprocessing", "input", "10", "Subsets of data", "",
  "11", "De-identification", "", "12", "Missing data", "excluded", "13", "Image acquisition", "",
  "14", "Reference standard, defined", "outcome", "15", "Reference standard, why", "",
  "16", "Source of annotations", "", "17", "Annotation of the test set", "", "18", "Rater variability", "",
  "19", "Assignment to partitions", "partition", "20", "Level at which partitions are disjoint", "disjoint",
  "21", "Intended sample size", "", "22", "Model, in detail", "network", "23", "Software", "software",
  "24", "Initialisation of parameters", "", "25", "Training", "provenance", "26", "Choice of the final model", "",
  "27", "Ensembling", "members", "28", "Metrics of performance", "measures",
  "29", "Significance and uncertainty", "uncertainty", "30", "Robustness or sensitivity", "",
  "31", "Explainability", "", "32", "Internal evaluation", "", "33", "External testing", "",
  "34", "Trial registration", "", "35", "Numbers included and excluded", "flow",
  "36", "Characteristics by partition", "", "37", "Performance and its uncertainty", "performance",
  "38", "Estimates and precision", "performance", "39", "Analysis of wrong results", "",
  "40", "Limitations", "limitations",
  "41", "Implications for practice", "", "42", "Full protocol", "",
  "43", "Availability of software, model, data", "model", "44", "Funding", ""
))

METRICS <- matrix(byrow = TRUE, ncol = 3L, c(
  "1", "Adherence to a checklist", "checklists", "2", "Representative eligibility criteria", "",
  "3", "Reference standard of quality, defined", "outcome", "4", "Several centres", "",
  "5", "Imaging source that translates to the clinic", "", "6", "Imaging protocol", "",
  "7", "Interval between imaging and reference", "", "8", "Segmentation method", "",
  "9", "Evaluation of automated segmentation", "", "10", "Test masks of a single reader or tool", "",
  "11", "Image preprocessing", "input", "12", "Standardised extraction software", "software",
  "13", "Extraction parameters", "input", "14", "Non-robust features removed", "learned",
  "15", "Redundant features removed", "learned", "16", "Dimensionality to data size", "",
  "17", "Robustness of the deep-learning pipeline", "", "18", "Partitioning of the data", "partition",
  "19", "Confounding factors", "confounding", "20", "Metrics that suit the task", "measures",
  "21", "Uncertainty", "uncertainty", "22", "Calibration", "calibration", "23", "Single-parameter imaging", "",
  "24", "Comparison with a non-radiomic approach", "", "25", "Comparison with simple statistical models", "",
  "26", "Internal testing", "", "27", "External testing", "", "28", "Data available", "",
  "29", "Code available", "software", "30", "Model available", "model"
))

CHECKLISTS <- list("TRIPOD+AI" = TRIPOD_AI, CLAIM = CLAIM, METRICS = METRICS)
