// epoll, eventfd, and signal handlers that only write a byte.
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(
    MARTLET_READABLE == EPOLLIN && MARTLET_WRITABLE == EPOLLOUT && MARTLET_FAILED == EPOLLERR
        && MARTLET_HUNG_UP == EPOLLHUP, "the values of epoll");

static int outcome(int result) { return result < 0 ? -errno : result; }

int martlet_epoll_create(void) { return outcome(epoll_create1(EPOLL_CLOEXEC)); }

static int control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.u64 = token;
    return outcome(epoll_ctl(epoll, operation, descriptor, &event));
}

int martlet_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t token) {
    return control(epoll, EPOLL_CTL_ADD, descriptor, events, token);
}

int martlet_epoll_change(int epoll, int descriptor, uint32_t events, uint64_t token) {
    return control(epoll, EPOLL_CTL_MOD, descriptor, events, token);
}

int martlet_epoll_remove(int epoll, int descriptor) {
    return control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0);
}

static int wait_milliseconds(int epoll, struct epoll_event *events, int64_t timeout_ns) {
    int timeout = -1;
    if (timeout_ns >= 0) {
        int64_t rounded = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
        timeout = rounded > 3600000 ? 3600000 : (int)rounded;
    }
    return epoll_wait(epoll, events, MARTLET_READY_MAX, timeout);
}

static int wait_nanoseconds(int epoll, struct epoll_event *events, int64_t timeout_ns) {
#ifdef SYS_epoll_pwait2
    static atomic_int missing;
    if (timeout_ns > 0 && !atomic_load_explicit(&missing, memory_order_relaxed)) {
        struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
        long count = syscall(SYS_epoll_pwait2, epoll, events, MARTLET_READY_MAX, &timeout, NULL, 0);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return (int)count;
        atomic_store_explicit(&missing, 1, memory_order_relaxed);
    }
#endif
    return wait_milliseconds(epoll, events, timeout_ns);
}

int martlet_epoll_wait(int epoll, martlet_ready *ready, int64_t timeout_ns) {
    struct epoll_event events[MARTLET_READY_MAX];
    int count = wait_nanoseconds(epoll, events, timeout_ns);
    if (count < 0) return -errno;
    for (int index = 0; index < count; index++) {
        ready[index].token = events[index].data.u64;
        ready[index].events = events[index].events;
    }
    return count;
}

int martlet_wake_create(void) { return outcome(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

int martlet_wake(int descriptor) {
    uint64_t one = 1;
    return write(descriptor, &one, sizeof one) < 0 && errno != EAGAIN ? -errno : 0;
}

void martlet_wake_clear(int descriptor) {
    uint64_t count;
    while (read(descriptor, &count, sizeof count) < 0 && errno == EINTR) {}
}

static atomic_int signal_target = -1;

static void on_signal(int number) {
    int saved = errno;
    unsigned char value = (unsigned char)number;
    int target = atomic_load(&signal_target);
    if (target >= 0 && write(target, &value, 1) < 0) { /* A full pipe already has signals to tell. */ }
    errno = saved;
}

int martlet_signal_pipe(int ends[2]) { return outcome(pipe2(ends, O_CLOEXEC | O_NONBLOCK)); }

int martlet_signal_route(int number, int descriptor) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    if (descriptor >= 0) atomic_store(&signal_target, descriptor);
    action.sa_handler = descriptor >= 0 ? on_signal : SIG_DFL;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    int result = outcome(sigaction(number, &action, NULL));
    /* A parent may have started us with the signal blocked (a thread of a pool that calls fork); then it would stay
       pending for ever. The calling thread takes it. */
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    if (result == 0 && descriptor >= 0) result = -pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    return result;
}

int martlet_signal_next(int descriptor) {
    unsigned char value = 0;
    return read(descriptor, &value, 1) == 1 ? value : 0;
}

int martlet_ignore_broken_pipes(void) { return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -errno : 0; }

int martlet_random_seed(uint64_t *seed) {
    ssize_t count;
    do { count = getrandom(seed, sizeof *seed, 0); } while (count < 0 && errno == EINTR);
    return count == sizeof *seed ? 0 : -EIO;
}

void martlet_name_thread(unsigned long thread, const char *name) {
    char kept[16];
    strncpy(kept, name, sizeof kept - 1);
    kept[sizeof kept - 1] = 0;
    pthread_setname_np((pthread_t)thread, kept);
}
