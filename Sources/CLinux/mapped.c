// Reading mapped files without dying of them.
//
// A load from a mapping raises SIGBUS when the disk fails or the file became shorter than the mapping. Swift cannot
// unwind from a signal, so the copy is made here, inside a sigsetjmp region of the calling thread.
#include "CLinux.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static __thread sigjmp_buf *fault_target;

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)info;
    (void)context;
    if (fault_target) siglongjmp(*fault_target, 1);
    signal(number, SIG_DFL);
    raise(number);
}

int martlet_install_fault_handler(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, NULL) == 0 ? 0 : -errno;
}

int martlet_copy_mapped(void *target, const void *source, size_t count) {
    sigjmp_buf buffer;
    if (sigsetjmp(buffer, 0)) {
        fault_target = NULL;
        return -EIO;
    }
    fault_target = &buffer;
    __asm__ volatile("" ::: "memory");
    memcpy(target, source, count);
    __asm__ volatile("" ::: "memory");
    fault_target = NULL;
    return 0;
}

int martlet_mapped_is_resident(void *base, size_t position, size_t count) {
    unsigned char found[1024];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t start = position / page * page, end = position + count;
    while (start < end) {
        size_t length = end - start < page * sizeof found ? end - start : page * sizeof found;
        if (mincore((char *)base + start, length, found) != 0) return 0;
        size_t pages = (length + page - 1) / page;
        for (size_t index = 0; index < pages; index++)
            if (!(found[index] & 1)) return 0;
        start += length;
    }
    return 1;
}
