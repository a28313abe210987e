// Waiting for events, and signals as bytes in a pipe.
#ifndef MARTLET_EVENTS_H
#define MARTLET_EVENTS_H

#include <stdint.h>

/// What a descriptor is ready for; the values of epoll.
#define MARTLET_READABLE 0x001u
#define MARTLET_WRITABLE 0x004u
#define MARTLET_FAILED 0x008u
#define MARTLET_HUNG_UP 0x010u

/// One ready descriptor: what was registered with it, and what it is ready for.
typedef struct {
    uint64_t token;
    uint32_t events;
} martlet_ready;

/// Most descriptors that one `martlet_epoll_wait` reports.
#define MARTLET_READY_MAX 256

int martlet_epoll_create(void);
int martlet_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t token);
int martlet_epoll_change(int epoll, int descriptor, uint32_t events, uint64_t token);
int martlet_epoll_remove(int epoll, int descriptor);

/// Waits up to `timeout_ns` (below 0: for ever) and fills `ready`, which has room for MARTLET_READY_MAX.
/// Uses epoll_pwait2 where the kernel has it; else the timeout is rounded up to milliseconds.
int martlet_epoll_wait(int epoll, martlet_ready *ready, int64_t timeout_ns);

/// A descriptor that `martlet_wake` makes readable and `martlet_wake_clear` quiet again.
int martlet_wake_create(void);
int martlet_wake(int descriptor);
void martlet_wake_clear(int descriptor);

/// A nonblocking pipe for signals: `ends[0]` is read, `ends[1]` written by the handler.
int martlet_signal_pipe(int ends[2]);
/// From now on `number` writes one byte, its value, to `descriptor`; below 0 restores the default action.
int martlet_signal_route(int number, int descriptor);
/// The next signal that was written, 0 if there is none.
int martlet_signal_next(int descriptor);
/// Names a thread (pthread_t) for tools; at most 15 bytes are kept.
void martlet_name_thread(unsigned long thread, const char *name);
/// Eight bytes of chance from the kernel, 0 on success.
int martlet_random_seed(uint64_t *seed);
/// Sending to a closed connection is an error, never a signal.
int martlet_ignore_broken_pipes(void);

#endif
