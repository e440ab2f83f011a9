#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "progress.h"
#include "report.h"
#include "text.h"

static const cli_usage usage = {
    "selftest",
    "--model M [options]",
    "Runs the network on the input that the model file's self-test states, and compares the score with the one it\n"
    "must give, in float32. Exit code 0 when they agree, 2 when they do not or the file has no self-test. With\n"
    "--precision bf16 it also says how far bfloat16 moves the model's scores.\n",
    "  deeptepp selftest --model m.safetensors\n"};

static int run(const cli_engine *engine, const char *path)
{
    deeptepp_error error;
    double expected = NAN, found = NAN;
    const deeptepp_status status = deeptepp_session_self_test(engine->session, &expected, &found, &error);
    cli_progress_clear();
    if (!isnan(expected) && (!status || status == DEEPTEPP_ERR_MODEL_SELF_TEST)) {
        cli_text_line("model", "%s", deeptepp_model_name(engine->model));
        cli_text_line("expected", "%.9g", expected);
        cli_text_line("found", "%.9g", found);
        cli_text_line("verdict", "%s (they differ by %.3g%s)", status ? "FAIL" : "pass", fabs(found - expected),
                      deeptepp_model_precision(engine->model) == DEEPTEPP_PRECISION_F32 ? "" : "; of f32, not of bf16");
        cli_engine_tell_precision(engine->model);
    }
    return status ? cli_fail_library(path, NULL, &error) : CLI_OK;
}

int cli_selftest(int argc, char **argv)
{
    cli_engine_options given;
    cli_engine engine = {0};
    memset(&given, 0, sizeof given);
    const cli_option options[] = {CLI_ENGINE_OPTIONS(given), CLI_PRECISION_OPTION(given)};
    bool done = false;
    int code = cli_args_parse(&usage, options, CLI_COUNT(options), argc, argv, &done);
    if (done)
        return code;
    code = cli_engine_open(&engine, &given, "self-test");
    if (!code)
        code = run(&engine, given.model);
    cli_engine_close(&engine);
    return code;
}
