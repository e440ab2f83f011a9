/* A tiny model's file read and built by arch/; shared by the tests of arch. */
#ifndef ARCH_SUBJECT_H
#define ARCH_SUBJECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "../libdeeptepp/arch/arch.h"
#include "json_subject.h"
#include "tiny_model.h"

typedef struct arch_subject {
    tiny_model model;
    dtp_safetensors file;
    dtp_json_value *section; /* owns the network's texts */
    dtp_network network;
    dtp_arch arch;
    deeptepp_error error;
    char log[16384]; /* lines, each with a newline */
    int lines;
} arch_subject;

static inline void keep_line(void *user, deeptepp_log_level level, const char *line)
{
    arch_subject *s = user;
    size_t used = strlen(s->log);
    assert_null(strchr(line, '\n'));
    assert_int_equal(level, DEEPTEPP_LOG_ERROR);
    s->lines++;
    snprintf(s->log + used, sizeof s->log - used, "%s\n", line);
}

/* Makes the model; the caller may change it before building. */
static inline arch_subject *arch_make(const tiny_options *options)
{
    arch_subject *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->model = tiny_model_make(options);
    return s;
}

static inline void arch_read(arch_subject *s)
{
    tiny_bytes bytes = tiny_model_write(&s->model);
    dtp_source source;
    dtp_digest digest;
    dtp_digest_init(&digest);
    if (dtp_source_open_bytes(&source, bytes.data, bytes.size, bytes.size, NULL, NULL) ||
        dtp_safetensors_read(&s->file, &source, &digest, &s->error))
        fail_msg("%s", s->error.message);
    free(bytes.data);
}

static inline deeptepp_status arch_parse(arch_subject *s)
{
    dtp_json_check check = {.error = &s->error};
    free(s->section);
    s->section = json_read_tree(json_object_get(s->model.description, "network"));
    dtp_json json = dtp_json_root(s->section, "network", &check);
    dtp_network_parse(&s->network, &json);
    return check.status;
}

static inline deeptepp_status arch_build(arch_subject *s)
{
    const deeptepp_callbacks callbacks = {.struct_size = sizeof callbacks, .log = keep_line, .user = s};
    const json_t *input = json_object_get(s->model.description, "input");
    int64_t size[3], channels = (int64_t)json_array_size(json_object_get(input, "channels"));
    for (size_t i = 0; i < 3; i++)
        size[i] = json_integer_value(json_array_get(json_object_get(input, "size"), i));
    arch_read(s);
    if (arch_parse(s) != DEEPTEPP_OK)
        fail_msg("%s", s->error.message);
    return dtp_arch_build(&s->arch, &s->network, &s->file, channels, size, &callbacks, &s->error);
}

static inline void arch_free(arch_subject *s)
{
    dtp_safetensors_free(&s->file);
    tiny_model_free(&s->model);
    free(s->section);
    free(s);
}

static inline arch_subject *arch_accept(const tiny_options *options)
{
    arch_subject *s = arch_make(options);
    if (arch_build(s) != DEEPTEPP_OK)
        fail_msg("%s", s->error.message);
    return s;
}

static inline void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* Builds and frees. The log has a line for each finding; a message names what fits. */
static inline void arch_refuse(arch_subject *s, deeptepp_status wanted, const char *part)
{
    assert_string_equal(deeptepp_status_name(arch_build(s)), deeptepp_status_name(wanted));
    assert_int_equal(s->error.status, wanted);
    assert_says(s->lines ? s->log : s->error.message, part);
    if (s->lines <= 3)
        assert_says(s->error.message, part);
    arch_free(s);
}

/* The index of the layer of that name. */
static inline int arch_layer(const arch_subject *s, const char *name)
{
    for (int i = 0; i < s->arch.graph.n_layers; i++)
        if (strcmp(s->arch.graph.layers[i].name, name) == 0)
            return i;
    fail_msg("no layer %s", name);
    return -1;
}

#endif
