/* The journal of a cohort's run: a file with one writer, to which whole rows are appended and forced to the disk. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deeptepp_r.h"

static SEXP tag(void)
{
    return Rf_install("deeptepp::journal");
}

static void close_journal(SEXP journal)
{
    int *file = R_ExternalPtrAddr(journal);
    R_ClearExternalPtr(journal);
    if (file && *file >= 0)
        close(*file);
    R_SetExternalPtrProtected(journal, R_NilValue);
}

/* A run that has ended meanwhile took the file's name away. */
static int has_name(int file, const char *path)
{
    struct stat held, there;
    return !fstat(file, &held) && !stat(path, &there) && held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

/* A pointer, or why not as a text. The lock ends with the process, however that ends. */
SEXP dtr_journal_open(SEXP path)
{
    SEXP memory = PROTECT(Rf_ScalarInteger(-1));
    SEXP journal = PROTECT(R_MakeExternalPtr(INTEGER(memory), tag(), memory));
    R_RegisterCFinalizerEx(journal, close_journal, TRUE);
    const char *name = dtr_path(path);
    INTEGER(memory)[0] = open(name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int failed = INTEGER(memory)[0] < 0 || flock(INTEGER(memory)[0], LOCK_EX | LOCK_NB);
    int why = failed ? errno : has_name(INTEGER(memory)[0], name) ? 0 : EWOULDBLOCK;
    UNPROTECT(2);
    return why ? Rf_mkString(why == EWOULDBLOCK ? "another run is writing it" : strerror(why)) : journal;
}

static int append(int file, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t done = write(file, bytes, count);
        if (done < 0 && errno != EINTR)
            return -1;
        bytes += done > 0 ? done : 0;
        count -= done > 0 ? (size_t)done : 0;
    }
    return fsync(file);
}

/* Appends bytes, of which there may be none, and forces them to the disk: "" or why not. */
SEXP dtr_journal_append(SEXP journal, SEXP bytes)
{
    if (TYPEOF(journal) != EXTPTRSXP || R_ExternalPtrTag(journal) != tag() || !R_ExternalPtrAddr(journal) ||
        TYPEOF(bytes) != RAWSXP)
        Rf_error("wanted an open journal and bytes");
    int file = *(int *)R_ExternalPtrAddr(journal);
    return Rf_mkString(append(file, (const char *)RAW(bytes), (size_t)XLENGTH(bytes)) ? strerror(errno) : "");
}

SEXP dtr_journal_close(SEXP journal)
{
    if (TYPEOF(journal) == EXTPTRSXP && R_ExternalPtrTag(journal) == tag())
        close_journal(journal);
    return R_NilValue;
}
