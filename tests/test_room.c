/* Systems that give little: a limit of the address space, which the libraries below do not survive, is met at every
 * place on the way to a score; and one that forbids executable memory. Each in a child of its own. */
#include "session_subject.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const tiny_options options = {.seed = 81, .width = 16, .size = {32, 32, 32}, .depth = 10};

typedef struct host {
    tiny_bytes bytes;
    patient *p;
} host;

static deeptepp_status score(const host *h, deeptepp_error *error)
{
    const deeptepp_model_options o = {.struct_size = sizeof o, .threads = 2};
    deeptepp_model *model = NULL;
    deeptepp_session *session = NULL;
    deeptepp_result *r = NULL;
    deeptepp_status status = deeptepp_model_from_bytes(&model, h->bytes.data, h->bytes.size, &o, error);
    status = status ? status : deeptepp_session_new(&session, model, NULL, error);
    status = status ? status : deeptepp_session_score(session, h->p->known, &r, error);
    deeptepp_result_free(r);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    return status;
}

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Where a child ended: its status, or -1 for a signal. */
static int in_child(const host *h, void (*narrow)(rlim_t), rlim_t room)
{
    int state;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        deeptepp_error error;
        narrow(room);
        deeptepp_status status = score(h, &error);
        /* The line must say it too. */
        bool said = status != DEEPTEPP_ERR_BACKEND || strstr(error.message, "executable");
        _exit(said ? (int)status : 255);
    }
    assert_int_equal(waitpid(child, &state, 0), child);
    return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

static void limit_address_space(rlim_t room)
{
    const struct rlimit limit = {room, room};
    setrlimit(RLIMIT_AS, &limit);
}

static void an_address_space_that_ends_anywhere_is_an_error(void **state)
{
    if (UNDER_ASAN)
        skip_because(state, "AddressSanitizer reserves terabytes of address space");
    host h = {.bytes = tiny_model_bytes(&options), .p = patient_new(1)};
    int ended = -1, refused = 0;
    for (rlim_t room = 0; ended != DEEPTEPP_OK; room += (rlim_t)1 << 20) {
        ended = in_child(&h, limit_address_space, address_space() + room);
        if (ended != DEEPTEPP_OK && ended != DEEPTEPP_ERR_MEMORY && ended != DEEPTEPP_ERR_THREAD)
            fail_msg("%llu bytes of room: ended with %d", (unsigned long long)room, ended);
        refused += ended != DEEPTEPP_OK;
    }
    assert_true(refused > 20);
    free(h.bytes.data);
    patient_free(h.p);
}

static void forbid_executable_memory(rlim_t unused)
{
    enum { SET_MDWE = 65, REFUSE_EXEC_GAIN = 1 };
    (void)unused;
    if (prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0L, 0L, 0L) != 0)
        _exit(254);
}

static void forbidden_executable_memory_is_said(void **state)
{
    host h = {.bytes = tiny_model_bytes(&options), .p = patient_new(1)};
    int ended = in_child(&h, forbid_executable_memory, 0);
    free(h.bytes.data);
    patient_free(h.p);
    if (ended == 254)
        skip_because(state, "this kernel cannot forbid executable memory (PR_SET_MDWE)");
    assert_int_equal(ended, DEEPTEPP_ERR_BACKEND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(an_address_space_that_ends_anywhere_is_an_error),
        silent_test(forbidden_executable_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
